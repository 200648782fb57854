"""Settling: what became of a payment is written once, with its transfer in both books.

Whoever brings the news, the call's answer, a message or a treasury's return file, comes here. The
payments of a run's payer are locked together, in id order, so that two of them never pass each
other; what is known already changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.errors import Conflict
from kernel.identity.models import Organisation
from kernel.trail import record
from kernel.unit import Unit
from settlement.dues import paid_moves
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Entry,
    Move,
    TransferDraft,
    post,
)
from settlement.payment_models import Payment, PaymentRun
from settlement.payments.gateway import Outcome, Stand
from settlement.payments.states import PaymentKind, PaymentMethod, PaymentState, require_step

GATEWAY: Final = AccountKey(INSTALLATION, AccountKind.GATEWAY)
BANK: Final = AccountKey(INSTALLATION, AccountKind.BANK)
OVER: Final = frozenset(
    {PaymentState.PAID, PaymentState.CUT, PaymentState.RETURNED, PaymentState.WITHDRAWN}
)
AGAIN: Final = "#"
"""In a transfer's key between a refund's own and what tells its movements apart."""
SIDES: Final = (PaymentKind.COLLECTION, PaymentKind.REFUND)
KEPT: Final = (
    PaymentKind.FEE,
    PaymentKind.WITHHOLDING,
    PaymentKind.FEE_RETURN,
    PaymentKind.WITHHOLDING_RETURN,
    PaymentKind.UNDONE,
    PaymentKind.RECOVERY,
    PaymentKind.RECOVERY_RETURN,
)
"""Moves nothing at the gateway: the platform keeps it there, or gives it up."""
COLLECTION_FAILED: Final = "collection-failed"
PAID_LATE: Final = "paid-late"
"""Why a transfer waits: its payer paid what the gateway had called declined."""
TAX: Final = AccountKey(INSTALLATION, AccountKind.TAX_PAYABLE)


@dataclass(frozen=True, slots=True)
class Group:
    """A run's payments of one payer, locked; `side` is what the payer pays or gets back."""

    run: PaymentRun
    payments: Sequence[Payment]

    @property
    def side(self) -> Payment | None:
        standing = (one for one in self.payments if one.state != PaymentState.WITHDRAWN)
        return next((one for one in standing if one.kind in SIDES), None)

    def get(self, payment_id: UUID) -> Payment:
        return next(one for one in self.payments if one.id == payment_id)


def lock_group(unit: Unit, payment_id: UUID) -> Group:
    """Lock a payment with all of the same run and payer, in id order."""
    run_id, payer_id = unit.session.execute(
        select(Payment.run_id, Payment.payer_id).where(Payment.id == payment_id)
    ).one()
    payments = unit.session.scalars(
        select(Payment)
        .where(Payment.run_id == run_id, Payment.payer_id == payer_id)
        .order_by(Payment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    return Group(unit.session.get_one(PaymentRun, run_id), payments)


def settle_payment(unit: Unit, payment_id: UUID, outcome: Outcome) -> None:
    """Write what the gateway says of a payment; what is known already changes nothing."""
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    if payment.state in OVER:
        return
    payment.gateway_id = outcome.gateway_id or payment.gateway_id
    if outcome.stand is Stand.DONE:
        pay(unit, group, payment, amount_fen=payment.amount_fen)
    elif outcome.stand is Stand.FAILED:
        fail(unit, group, payment, reason=outcome.reason)
    elif payment.state not in (PaymentState.SENT, PaymentState.FAILED):  # else it is older news
        step(payment, PaymentState.SENT)
        payment.failure = ""
    unit.session.flush()


def pay(unit: Unit, group: Group, payment: Payment, *, amount_fen: int) -> None:
    """Write that `amount_fen` of a payment has come through in all, and move it in the books."""
    more_fen = amount_fen - payment.paid_fen
    if more_fen <= 0:
        return
    whole = amount_fen == payment.amount_fen
    if payment.state == PaymentState.FAILED:
        _pay_late(group, payment)
    step(payment, PaymentState.PAID if whole else PaymentState.PARTIAL)
    payment.paid_fen = amount_fen
    payment.failure = ""
    payment.settled_at = unit.clock.now()
    kept = [
        one
        for one in group.payments
        if payment.kind in SIDES
        and one.kind in KEPT
        and one.state not in (PaymentState.WITHDRAWN, PaymentState.PAID)
    ]
    for one in kept:
        step(one, PaymentState.PAID)
        one.paid_fen, one.settled_at, one.failure = one.amount_fen, unit.clock.now(), ""
    unit.session.flush()
    suffix = "" if whole and more_fen == amount_fen else f":{amount_fen}"
    if payment.kind == PaymentKind.REFUND and payment.attempt > 1:
        suffix = f"{AGAIN}{payment.attempt}"  # what came back of it may be given more than once
    memo = f"of payment run {group.run.number}"
    post(
        unit,
        [
            TransferDraft(
                key=f"paid:{payment.key}{suffix}",
                memo=f"{payment.kind} {memo}",
                entries=entries(unit, group, payment, more_fen),
                moves=_line_moves(unit, group, payment),
            ),
            *(
                TransferDraft(
                    key=f"paid:{one.key}",
                    memo=f"{one.kind} {memo}",
                    entries=entries(unit, group, one, one.amount_fen),
                )
                for one in kept
            ),
        ],
    )
    record(
        unit,
        "payment.paid",
        subject_kind="payment",
        subject_id=payment.key,
        amount_fen=amount_fen,
        gateway_id=payment.gateway_id or "",
    )


def _pay_late(group: Group, payment: Payment) -> None:
    """Let transfers wait for a person: the payer paid what the gateway had called declined.

    Another run may have claimed what they would pay. Raises `Conflict` for all but a collection.
    """
    if payment.kind != PaymentKind.COLLECTION:
        raise Conflict(
            what="payment",
            key=payment.key,
            state=PaymentState(payment.state),
            wanted=PaymentState.PAID,
        )
    for one in group.payments:
        if one.failure == COLLECTION_FAILED:
            one.failure = PAID_LATE


def fail(unit: Unit, group: Group, payment: Payment, *, reason: str) -> None:
    """Write that nothing of a payment came through; without its collection nothing is passed on."""
    if payment.state == PaymentState.FAILED:
        return
    step(payment, PaymentState.FAILED)
    payment.failure = reason
    if payment.kind == PaymentKind.COLLECTION:
        for one in group.payments:
            if one.state == PaymentState.READY:
                step(one, PaymentState.FAILED)
                one.failure = COLLECTION_FAILED
    record(unit, "payment.failed", subject_kind="payment", subject_id=payment.key, reason=reason)


def give_back(
    unit: Unit, group: Group, payment: Payment, *, reason: str, keeps_fen: int = 0
) -> None:
    """Write that what was paid, or was on its way, came back; it may be proposed again.

    All but `keeps_fen` of what was paid, if that is more than nothing: the payment is cut there,
    and its rest is due again.
    """
    if payment.state == PaymentState.RETURNED:
        return
    back_fen = payment.paid_fen - keeps_fen
    step(payment, PaymentState.CUT if keeps_fen else PaymentState.RETURNED)
    payment.paid_fen = keeps_fen
    payment.failure = reason
    payment.settled_at = unit.clock.now()
    unit.session.flush()
    if back_fen:
        suffix = f":{keeps_fen}" if keeps_fen else ""
        post(
            unit,
            [
                TransferDraft(
                    key=f"returned:{payment.key}{suffix}",
                    memo=f"{payment.kind} of payment run {group.run.number} came back",
                    entries=[
                        Entry(debit=one.credit, credit=one.debit, amount_fen=one.amount_fen)
                        for one in entries(unit, group, payment, back_fen)
                    ],
                    moves=_line_moves(unit, group, payment),
                )
            ],
        )
    record(
        unit,
        "payment.cut" if keeps_fen else "payment.returned",
        subject_kind="payment",
        subject_id=payment.key,
        amount_fen=keeps_fen,
        reason=reason,
    )


def take_off(
    unit: Unit, group: Group, payment: Payment, *, part: str, amount_fen: int, reason: str
) -> None:
    """Write that a part of a refund that had come through came back to the gateway.

    What was paid has failed then, until a person has it tried again; what is being tried again
    goes on. What the payees gave, and the platform of its fee and tax, stays given.
    """
    payment.paid_fen -= amount_fen
    if payment.state == PaymentState.PAID:
        step(payment, PaymentState.FAILED)
        payment.failure = reason
        payment.settled_at = unit.clock.now()
    unit.session.flush()
    post(
        unit,
        [
            TransferDraft(
                key=f"returned:{payment.key}{AGAIN}{part}",
                memo=f"{payment.kind} of payment run {group.run.number} came back",
                entries=[
                    Entry(debit=one.credit, credit=one.debit, amount_fen=one.amount_fen)
                    for one in entries(unit, group, payment, amount_fen)
                ],
                moves=_line_moves(unit, group, payment),
            )
        ],
    )
    record(
        unit,
        "payment.came_back",
        subject_kind="payment",
        subject_id=payment.key,
        amount_fen=amount_fen,
        gateway_id=part,
        reason=reason,
    )


def cut_short(unit: Unit, group: Group, payment: Payment, *, reason: str) -> None:
    """Write that nothing more comes of an order that was paid in part: its rest is due again."""
    if payment.state != PaymentState.PARTIAL:
        raise Conflict(
            what="payment",
            key=payment.key,
            state=PaymentState(payment.state),
            wanted=PaymentState.CUT,
        )
    payment.state = PaymentState.CUT
    payment.failure = reason
    unit.session.flush()
    record(
        unit,
        "payment.cut",
        subject_kind="payment",
        subject_id=payment.key,
        amount_fen=payment.paid_fen,
        reason=reason,
        run=group.run.number,
    )


def step(payment: Payment, wanted: PaymentState) -> None:
    """Move a payment on; raise `Conflict` where the table of states does not let it."""
    require_step(payment.key, PaymentState(payment.state), wanted)
    payment.state = wanted


def entries(unit: Unit, group: Group, payment: Payment, amount_fen: int) -> list[Entry]:
    """Return what a payment moves in the money book.

    Tax that is withheld is owed to the tax office; under treasury payment its payer paid it there.
    """
    payer = AccountKey(payment.payer_id, AccountKind.CLEARING)
    if payment.payee_id == INSTALLATION:
        to_platform = {
            PaymentKind.COLLECTION: [Entry(GATEWAY, payer, amount_fen)],
            PaymentKind.REFUND: [Entry(payer, GATEWAY, amount_fen)],
            PaymentKind.ORDER: [Entry(BANK, payer, amount_fen)],
        }
        return to_platform.get(PaymentKind(payment.kind), [])
    payee = _payee(unit, payment.payee_id)
    by_treasury = group.run.method == PaymentMethod.TREASURY
    to_payee = {
        PaymentKind.TRANSFER: [Entry(payee, GATEWAY, amount_fen)],
        PaymentKind.REVERSAL: [Entry(GATEWAY, payee, amount_fen)],
        PaymentKind.ORDER: [Entry(payee, payer, amount_fen)],
        PaymentKind.WITHHOLDING: [Entry(payee, payer if by_treasury else TAX, amount_fen)],
        PaymentKind.WITHHOLDING_RETURN: [Entry(TAX, payee, amount_fen)],
    }
    return to_payee.get(PaymentKind(payment.kind), [])


def _line_moves(unit: Unit, group: Group, payment: Payment) -> list[Move]:
    """Return what the payer's lines have paid by this; passing it on changes nothing of it."""
    if payment.kind not in SIDES and group.run.method != PaymentMethod.TREASURY:
        return []
    return paid_moves(unit, [payment.payer_id]).get(payment.payer_id, [])


def _payee(unit: Unit, payee_id: UUID) -> AccountKey:
    kind = unit.session.scalars(select(Organisation.kind).where(Organisation.id == payee_id)).one()
    of_vendor = kind == OrganisationKind.VENDOR
    return AccountKey(payee_id, AccountKind.PAYABLE if of_vendor else AccountKind.SCHOOL_SHARE)
