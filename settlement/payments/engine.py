"""The engine: claims a released payment (unit), asks the gateway (no unit), records it (unit).

Safe to repeat and for many at once: a claim is one person's for a while. What may have been sent is
asked about by its key, and sent again only once the gateway says that it never had it, under the
key of the first time; a new key only after an answer that it failed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from kernel.actors import Actor, Role
from kernel.clock import show_month
from kernel.errors import Conflict, NotFound, NotReleased
from kernel.unit import Unit, Units
from settlement.payment_models import GatewayParty, Payment, PaymentRun
from settlement.payments.gateway import (
    CallRefused,
    Gateway,
    GatewayError,
    Movement,
    NotNow,
    Outcome,
    OutcomeUnknown,
)
from settlement.payments.parties import know_payers
from settlement.payments.settling import fail, lock_group, settle_payment, step
from settlement.payments.states import (
    PaymentKind,
    PaymentMethod,
    PaymentState,
    RunState,
)

PATIENCE: Final = timedelta(minutes=5)
"""After which a claim that nobody recorded is somebody else's to ask about."""
AT_ONCE: Final = 20
MOST_CALLS: Final = 3
"""For one payment in one go; the sweeper goes on with what is left."""
MAY_PAY: Final = (Role.OPERATOR, Role.BUREAU_FINANCE)

Collection = aliased(Payment, name="side")
Reversal = aliased(Payment, name="reversal")
Transfer = aliased(Payment, name="transfer")


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment in this process's hands; `ask`: it may have been sent already."""

    payment_id: UUID
    kind: PaymentKind
    movement: Movement
    attempt: int
    ask: bool


def pay_run(units: Units, actor: Actor, gateway: Gateway, number: str) -> dict[str, int]:
    """Carry a released run as far as it goes now; return how many payments are in which state.

    Raises `NotFound`, `NotReleased` for a run that two people have not released.
    """
    actor.require("payment.pay", *MAY_PAY)
    with units(actor) as unit:
        run = _released(unit, number)
    if run.method == PaymentMethod.GATEWAY:
        know_payers(units, actor, gateway, run_id=run.id)
        calls: Counter[UUID] = Counter()
        rested: set[UUID] = set()
        while True:
            rested |= {one for one, times in calls.items() if times >= MOST_CALLS}
            with units(actor) as unit:
                claims = claim_payments(unit, run.id, besides=rested)
            if not claims:
                break
            for claim in claims:
                calls[claim.payment_id] += 1
                if not carry_out(units, actor, gateway, claim):
                    rested.add(claim.payment_id)
    with units(actor) as unit:
        return progress_of(unit, run.id)


def released_runs(unit: Unit) -> list[str]:
    """Return the released runs with payments that the gateway has not finished, in order."""
    under_way = exists().where(
        Payment.run_id == PaymentRun.id,
        Payment.state.in_(
            (PaymentState.READY, PaymentState.CLAIMED, PaymentState.UNKNOWN, PaymentState.SENT)
        ),
    )
    return list(
        unit.session.scalars(
            select(PaymentRun.number)
            .where(
                PaymentRun.state == RunState.RELEASED,
                PaymentRun.method == PaymentMethod.GATEWAY,
                under_way,
            )
            .order_by(PaymentRun.decided_at, PaymentRun.number)
        )
    )


def progress_of(unit: Unit, run_id: UUID) -> dict[str, int]:
    """Return how many of a run's payments are in which state."""
    states = Counter(unit.session.scalars(select(Payment.state).where(Payment.run_id == run_id)))
    return dict(sorted(states.items()))


def claim_payments(unit: Unit, run_id: UUID, *, besides: set[UUID]) -> list[Claim]:
    """Claim what may go now, and what somebody claimed and never recorded."""
    forgotten = unit.clock.now() - PATIENCE
    side_paid = exists().where(
        Collection.run_id == Payment.run_id,
        Collection.payer_id == Payment.payer_id,
        Collection.kind == PaymentKind.COLLECTION,
        Collection.state == PaymentState.PAID,
    )
    not_reversed = exists().where(
        Reversal.run_id == Payment.run_id,
        Reversal.payer_id == Payment.payer_id,
        Reversal.kind == PaymentKind.REVERSAL,
        Reversal.state != PaymentState.PAID,
    )
    # Collected for the payee and not passed on: before it was, there is nothing to reverse.
    not_passed_on = exists().where(
        Transfer.payer_id == Payment.payer_id,
        Transfer.payee_id == Payment.payee_id,
        Transfer.kind == PaymentKind.TRANSFER,
        Transfer.state.not_in((PaymentState.PAID, PaymentState.WITHDRAWN)),
        Collection.run_id == Transfer.run_id,
        Collection.payer_id == Transfer.payer_id,
        Collection.kind == PaymentKind.COLLECTION,
        Collection.state == PaymentState.PAID,
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
        wanted = wanted.where(Payment.id.not_in(besides))
    payments = unit.session.scalars(wanted).all()
    claims = []
    for payment in payments:
        ask = payment.state != PaymentState.READY
        if not ask:
            step(payment, PaymentState.CLAIMED)
        payment.claimed_at = unit.clock.now()
        claims.append(
            Claim(
                payment.id,
                PaymentKind(payment.kind),
                _movement(unit, payment),
                payment.attempt,
                ask,
            )
        )
    unit.session.flush()
    return claims


def carry_out(units: Units, actor: Actor, gateway: Gateway, claim: Claim) -> bool:
    """Ask or send one claim and record what came of it; return whether to go on with it now."""
    if claim.ask:
        try:
            found = gateway.find(claim.kind, claim.movement)
        except GatewayError:
            return False
        with units(actor) as unit:
            if found is None:
                _never_sent(unit, claim.payment_id)
            else:
                settle_payment(unit, claim.payment_id, found)
        return found is None
    try:
        outcome = _send(gateway, claim)
    except CallRefused as refused:
        with units(actor) as unit:
            _refuse(unit, claim.payment_id, reason=refused.reason)
        return False
    except NotNow as busy:
        with units(actor) as unit:
            _rest(unit, claim.payment_id, reason=busy.reason)
        return False
    except OutcomeUnknown as unknown:
        with units(actor) as unit:
            _doubt(unit, claim.payment_id, unknown)
        return False
    with units(actor) as unit:
        settle_payment(unit, claim.payment_id, outcome)
    return True


def retry_payment(unit: Unit, key: str) -> None:
    """Let a failed transfer, reversal or refund be tried again, under a key of its next attempt.

    A failed collection is not: what it would have paid is due again, in another run. Raises
    `NotFound`, `Conflict`.
    """
    unit.actor.require("payment.pay", *MAY_PAY)
    payment_id = unit.session.scalars(select(Payment.id).where(Payment.key == key)).one_or_none()
    if payment_id is None:
        raise NotFound(what="payment", key=key)
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    if payment.failure == "collection-failed" or payment.kind == PaymentKind.COLLECTION:
        raise Conflict(what="payment", key=key, state=payment.state, wanted=PaymentState.READY)
    step(payment, PaymentState.READY)
    payment.attempt += 1
    unit.after_commit("settlement.pay", number=group.run.number)


def _send(gateway: Gateway, claim: Claim) -> Outcome:
    send = {
        PaymentKind.COLLECTION: gateway.collect,
        PaymentKind.TRANSFER: gateway.transfer,
        PaymentKind.REVERSAL: gateway.reverse,
        PaymentKind.REFUND: gateway.refund,
    }[claim.kind]
    return send(claim.movement)


def _never_sent(unit: Unit, payment_id: UUID) -> None:
    payment = lock_group(unit, payment_id).get(payment_id)
    if payment.state in (PaymentState.CLAIMED, PaymentState.UNKNOWN):
        step(payment, PaymentState.READY)


def _refuse(unit: Unit, payment_id: UUID, *, reason: str) -> None:
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    if payment.state == PaymentState.CLAIMED:
        fail(unit, group, payment, reason=reason)


def _rest(unit: Unit, payment_id: UUID, *, reason: str) -> None:
    payment = lock_group(unit, payment_id).get(payment_id)
    if payment.state == PaymentState.CLAIMED:
        step(payment, PaymentState.READY)
        payment.failure = reason


def _doubt(unit: Unit, payment_id: UUID, unknown: OutcomeUnknown) -> None:
    """Write that nobody knows; after an answer of failure the key is spent, and the next is new."""
    payment = lock_group(unit, payment_id).get(payment_id)
    if payment.state == PaymentState.CLAIMED:
        step(payment, PaymentState.UNKNOWN)
        payment.failure = unknown.reason
        if unknown.answered:
            payment.attempt += 1


def _movement(unit: Unit, payment: Payment) -> Movement:
    run = unit.session.get_one(PaymentRun, payment.run_id)
    return Movement(
        key=payment.key,
        attempt=payment.attempt,
        amount_fen=payment.amount_fen,
        group=show_month(run.month),
        targets=tuple(_targets(unit, payment)),
        run=run.number,
    )


def _targets(unit: Unit, payment: Payment) -> list[tuple[str, int]]:
    """Return at what a movement aims: a customer, an account, or movements that are taken back."""
    match PaymentKind(payment.kind):
        case PaymentKind.COLLECTION:
            known = unit.session.get_one(GatewayParty, (payment.payer_id, "payer"))
        case PaymentKind.TRANSFER:
            known = unit.session.get_one(GatewayParty, (payment.payee_id, "payee"))
        case kind:
            return _taken_back(unit, payment, kind)
    return [(known.gateway_id, payment.amount_fen)]


def _taken_back(unit: Unit, payment: Payment, kind: PaymentKind) -> list[tuple[str, int]]:
    """Return of which earlier movements how much is taken, the first first.

    What was taken back before this one comes off the first of them, so no fen is taken twice.
    """
    same_pair = and_(Payment.payer_id == payment.payer_id, Payment.payee_id == payment.payee_id)
    skipped = (
        unit.session.scalar(
            select(func.coalesce(func.sum(Payment.amount_fen), 0)).where(
                same_pair,
                Payment.kind == kind,
                Payment.id < payment.id,
                Payment.state.not_in((PaymentState.FAILED, PaymentState.WITHDRAWN)),
            )
        )
        or 0
    )
    of_kind = PaymentKind.TRANSFER if kind is PaymentKind.REVERSAL else PaymentKind.COLLECTION
    earlier = unit.session.execute(
        select(Payment.gateway_id, Payment.amount_fen)
        .where(same_pair, Payment.kind == of_kind, Payment.state == PaymentState.PAID)
        .order_by(Payment.settled_at, Payment.key)
    )
    left, parts = payment.amount_fen, []
    for gateway_id, fen in earlier:
        passed = min(skipped, fen)
        skipped -= passed
        part = min(left, fen - passed)
        if part:
            parts.append((str(gateway_id), part))
            left -= part
    return parts


def _released(unit: Unit, number: str) -> PaymentRun:
    run = unit.session.scalars(select(PaymentRun).where(PaymentRun.number == number)).one_or_none()
    if run is None:
        raise NotFound(what="payment run", key=number)
    if run.state != RunState.RELEASED:
        raise NotReleased(number=number, state=RunState(run.state))
    return run
