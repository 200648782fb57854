"""Claims: which payments of a run may go to the gateway now, and what each of them moves.

A claim is one process's for a while; what somebody claimed and never recorded is taken up again, to
be asked about. A batch is claimed by the same few questions however many payments it holds.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, func, insert, or_, select, text, tuple_
from sqlalchemy.orm import aliased

from kernel.clock import show_month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.payment_models import GatewayParty, Payment, PaymentRun, PaymentTarget
from settlement.payments.gateway import Movement
from settlement.payments.states import PaymentKind, PaymentState, require_step
from settlement.queries.recoveries import TAKEN_BACK

PATIENCE: Final = timedelta(minutes=5)
"""After which a claim that nobody recorded is somebody else's to ask about."""
AT_ONCE: Final = 50
AIMING_LOCK: Final = 0x7061_6169  # advisory lock: one at a time says what is taken of what
PARTIES: Final = {PaymentKind.COLLECTION: "payer", PaymentKind.TRANSFER: "payee"}
TAKES_BACK: Final = {
    PaymentKind.REVERSAL: PaymentKind.TRANSFER,
    PaymentKind.REFUND: PaymentKind.COLLECTION,
}
"""Which earlier movements a reversal and a refund take back."""
Target = tuple[str, int]
Pair = tuple[UUID, UUID]

Side = aliased(Payment, name="side")
Reversal = aliased(Payment, name="reversal")
Transfer = aliased(Payment, name="transfer")
Undone = aliased(Payment, name="undone")


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment in this process's hands; `ask`: it may have been sent already."""

    payment_id: UUID
    kind: PaymentKind
    movement: Movement
    attempt: int
    ask: bool


def claim_payments(unit: Unit, run_id: UUID, *, besides: set[UUID]) -> list[Claim]:
    """Claim what may go now, and what somebody claimed and never recorded."""
    forgotten = unit.clock.now() - PATIENCE
    side_paid = exists().where(
        Side.run_id == Payment.run_id,
        Side.payer_id == Payment.payer_id,
        Side.kind == PaymentKind.COLLECTION,
        Side.state == PaymentState.PAID,
    )
    not_reversed = exists().where(
        Reversal.run_id == Payment.run_id,
        Reversal.payer_id == Payment.payer_id,
        Reversal.kind == PaymentKind.REVERSAL,
        Reversal.state.not_in((PaymentState.PAID, PaymentState.WITHDRAWN)),
    )
    # Collected for the payee and not passed on: before it was, there is nothing to reverse. What
    # goes back to its payer instead is never passed on.
    goes_back = exists().where(
        Undone.undoes_id == Transfer.id,
        Undone.state.not_in((PaymentState.FAILED, PaymentState.WITHDRAWN)),
    )
    not_passed_on = exists().where(
        Transfer.payer_id == Payment.payer_id,
        Transfer.payee_id == Payment.payee_id,
        Transfer.kind == PaymentKind.TRANSFER,
        Transfer.state.not_in((PaymentState.PAID, PaymentState.WITHDRAWN)),
        ~goes_back,
        Side.run_id == Transfer.run_id,
        Side.payer_id == Transfer.payer_id,
        Side.kind == PaymentKind.COLLECTION,
        Side.state == PaymentState.PAID,
    )
    may_go = and_(
        Payment.state == PaymentState.READY,
        or_(
            Payment.kind == PaymentKind.COLLECTION,
            and_(Payment.kind == PaymentKind.REVERSAL, ~not_passed_on),
            and_(Payment.kind == PaymentKind.TRANSFER, side_paid),
            and_(Payment.kind == PaymentKind.REFUND, ~not_reversed),
        ),
    )
    stuck = and_(
        Payment.state.in_((PaymentState.CLAIMED, PaymentState.UNKNOWN, PaymentState.SENT)),
        Payment.claimed_at < forgotten,
    )
    wanted = (
        select(Payment)
        .where(Payment.run_id == run_id, or_(may_go, stuck))
        .order_by(Payment.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if besides:
        wanted = wanted.where(~among(Payment.id, besides))
    payments = unit.session.scalars(wanted).all()
    if not payments:
        return []
    run = unit.session.get_one(PaymentRun, run_id)
    targets = _targets(unit, payments)
    claims = []
    for payment in payments:
        ask = payment.state != PaymentState.READY
        if not ask:
            require_step(payment.key, PaymentState(payment.state), PaymentState.CLAIMED)
            payment.state = PaymentState.CLAIMED
        payment.claimed_at = unit.clock.now()
        movement = Movement(
            key=payment.key,
            attempt=payment.attempt,
            amount_fen=payment.amount_fen,
            group=show_month(run.month),
            targets=tuple(targets[payment.id]),
            run=run.number,
        )
        claims.append(Claim(payment.id, PaymentKind(payment.kind), movement, payment.attempt, ask))
    unit.session.flush()
    return claims


def _targets(unit: Unit, payments: Sequence[Payment]) -> dict[UUID, list[Target]]:
    """Return at what each movement aims: a customer, an account, or what it takes back."""
    targets = _parties(unit, [one for one in payments if one.kind in PARTIES])
    for kind, of_kind in TAKES_BACK.items():
        own = [one for one in payments if one.kind == kind]
        if own:
            targets |= _taken_back(unit, own, kind=kind, of_kind=of_kind)
    return targets


def _parties(unit: Unit, payments: Sequence[Payment]) -> dict[UUID, list[Target]]:
    wanted = {one.id: _party(one) for one in payments}
    organisations = {organisation_id for organisation_id, _ in wanted.values()}
    known = {
        (party.organisation_id, party.role): party.gateway_id
        for party in unit.session.scalars(
            select(GatewayParty).where(among(GatewayParty.organisation_id, organisations))
        )
    }
    return {one.id: [(known[wanted[one.id]], one.amount_fen)] for one in payments}


def _party(payment: Payment) -> tuple[UUID, str]:
    role = PARTIES[PaymentKind(payment.kind)]
    return (payment.payer_id if role == "payer" else payment.payee_id), role


def _taken_back(
    unit: Unit, payments: Sequence[Payment], *, kind: PaymentKind, of_kind: PaymentKind
) -> dict[UUID, list[Target]]:
    """Return of which earlier movements how much is taken, as it was kept at the first claim."""
    found = kept_targets(unit, [one.id for one in payments])
    anew = [one for one in payments if one.id not in found]
    if anew:
        found |= _aimed(unit, anew, kind=kind, of_kind=of_kind)
    return found


def kept_targets(unit: Unit, payment_ids: Collection[UUID]) -> dict[UUID, list[Target]]:
    """Return at what these payments have aimed since their first claim."""
    found: dict[UUID, list[Target]] = defaultdict(list)
    for one in unit.session.scalars(
        select(PaymentTarget)
        .where(among(PaymentTarget.payment_id, set(payment_ids)))
        .order_by(PaymentTarget.payment_id, PaymentTarget.position)
    ):
        found[one.payment_id].append((one.gateway_id, one.amount_fen))
    return dict(found)


def keep_targets(unit: Unit, targets: Mapping[UUID, Sequence[Target]]) -> None:
    """Keep at what payments aim, for good."""
    rows = [
        {"payment_id": payment_id, "position": place, "gateway_id": gateway_id, "amount_fen": fen}
        for payment_id, own in targets.items()
        for place, (gateway_id, fen) in enumerate(own)
    ]
    if rows:
        unit.session.execute(insert(PaymentTarget), rows)


def _aimed(
    unit: Unit, payments: Sequence[Payment], *, kind: PaymentKind, of_kind: PaymentKind
) -> dict[UUID, list[Target]]:
    """Aim payments at what of earlier movements nobody takes, the first first, and keep it.

    One at a time: two who aim at once would take the same.
    """
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AIMING_LOCK})
    pairs = sorted({(one.payer_id, one.payee_id) for one in payments})
    of_pairs = tuple_(Payment.payer_id, Payment.payee_id).in_(pairs)
    taken: dict[str, int] = {
        gateway_id: int(fen)
        for gateway_id, fen in unit.session.execute(
            select(PaymentTarget.gateway_id, func.sum(PaymentTarget.amount_fen))
            .join(Payment, Payment.id == PaymentTarget.payment_id)
            .where(of_pairs, Payment.kind == kind, Payment.state != PaymentState.WITHDRAWN)
            .group_by(PaymentTarget.gateway_id)
        )
    }
    taken_back = TAKEN_BACK.subquery()  # the gateway refuses to refund it
    earlier: dict[Pair, list[Target]] = defaultdict(list)
    for payer_id, payee_id, gateway_id, fen in unit.session.execute(
        select(Payment.payer_id, Payment.payee_id, Payment.gateway_id, Payment.amount_fen)
        .where(
            of_pairs,
            Payment.kind == of_kind,
            Payment.state == PaymentState.PAID,
            ~exists().where(taken_back.c.gateway_id == Payment.gateway_id),
        )
        .order_by(Payment.settled_at, Payment.key)
    ):
        earlier[payer_id, payee_id].append((str(gateway_id), fen))
    found = {}
    for payment in sorted(payments, key=lambda one: one.id):
        left, parts = payment.amount_fen, []
        for gateway_id, fen in earlier[payment.payer_id, payment.payee_id]:
            part = min(left, fen - taken.get(gateway_id, 0))
            if part > 0:
                parts.append((gateway_id, part))
                taken[gateway_id] = taken.get(gateway_id, 0) + part
                left -= part
        found[payment.id] = parts
    keep_targets(unit, found)
    return found
