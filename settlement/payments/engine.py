"""The engine: claims released payments (unit), asks the gateway (no unit), records it (unit).

Safe to repeat and for many at once: a claim is one person's for a while. What may have been sent is
asked about by its key, and sent again only once the gateway says that it never had it, under the
key of the first time; a new key only after an answer that it failed. A batch's calls run some at a
time, and their answers are recorded in the order of its claims.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select

from kernel.actors import Actor, Role
from kernel.errors import Conflict, NotFound, NotReleased, PaidTwice, TransferUndone
from kernel.unit import Unit, Units
from settlement.dues import Due, dues, paid_of
from settlement.payment_models import Payment, PaymentItem, PaymentRun
from settlement.payments.calling import call_each
from settlement.payments.checks import check_holds
from settlement.payments.claims import Claim, claim_payments
from settlement.payments.gateway import (
    CallRefused,
    Gateway,
    GatewayError,
    NotNow,
    Outcome,
    OutcomeUnknown,
    Stand,
    TakenInPart,
)
from settlement.payments.parties import know_payers
from settlement.payments.refunds import settle_refund
from settlement.payments.runs import lock_planning
from settlement.payments.settling import (
    COLLECTION_FAILED,
    PAID_LATE,
    fail,
    lock_group,
    settle_payment,
    step,
)
from settlement.payments.states import (
    PaymentKind,
    PaymentMethod,
    PaymentState,
    RunState,
)
from settlement.queries.statements import visible_payers

MOST_CALLS: Final = 3
"""For one payment in one go; the sweeper goes on with what is left."""
MAY_PAY: Final = (Role.OPERATOR, Role.BUREAU_FINANCE)


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
            calls.update(claim.payment_id for claim in claims)
            rested |= carry_out(units, actor, gateway, claims)
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
    states = select(Payment.state, func.count()).where(Payment.run_id == run_id)
    rows = unit.session.execute(states.group_by(Payment.state).order_by(Payment.state)).all()
    return {state: int(count) for state, count in rows}


def carry_out(units: Units, actor: Actor, gateway: Gateway, claims: Sequence[Claim]) -> set[UUID]:
    """Ask or send a batch of claims and record what came of each; return which rest for now.

    An answer that is none of the gateway's four is raised once all others are recorded.
    """
    rested: set[UUID] = set()
    odd: GatewayError | None = None

    def call(claim: Claim) -> Outcome | None:
        if claim.ask:
            return gateway.find(claim.kind, claim.movement)
        return _send(gateway, claim)

    for claim, answer in call_each(call, claims, at_once=units.settings.gateway_calls):
        known = isinstance(answer, CallRefused | NotNow | OutcomeUnknown)
        if isinstance(answer, GatewayError) and not known and not claim.ask:
            odd = odd or answer
            continue
        if not _record(units, actor, claim, answer):
            rested.add(claim.payment_id)
    if odd is not None:
        raise odd
    return rested


def _record(
    units: Units, actor: Actor, claim: Claim, answer: Outcome | GatewayError | None
) -> bool:
    """Write what came of one claim; return whether to go on with it now."""
    if claim.ask and isinstance(answer, GatewayError):
        return False
    with units(actor) as unit:
        if _is_old(unit, claim, answer):
            return False
        match answer:
            case None:
                _never_sent(unit, claim.payment_id)
            case Outcome() if claim.kind is PaymentKind.REFUND:
                settle_refund(unit, claim.payment_id, answer, attempt=claim.attempt)
            case Outcome():
                settle_payment(unit, claim.payment_id, answer)
            case CallRefused():
                taken_fen = answer.taken_fen if isinstance(answer, TakenInPart) else 0
                _refuse(unit, claim.payment_id, reason=answer.reason, taken_fen=taken_fen)
            case NotNow():
                _rest(unit, claim.payment_id, reason=answer.reason)
            case OutcomeUnknown():
                _doubt(unit, claim.payment_id, answer)
    return answer is None if claim.ask else isinstance(answer, Outcome)


def _is_old(unit: Unit, claim: Claim, answer: Outcome | GatewayError | None) -> bool:
    """Whether an answer is of an earlier attempt, of which the next one knows more.

    Money that did move has moved, whichever attempt's it was; but a refund's may be back since.
    """
    payment = lock_group(unit, claim.payment_id).get(claim.payment_id)
    moved = isinstance(answer, Outcome) and answer.stand is Stand.DONE
    return payment.attempt != claim.attempt and not (moved and claim.kind is not PaymentKind.REFUND)


def retry_payment(unit: Unit, key: str) -> None:
    """Let a failed transfer, reversal or refund be tried again, under a key of its next attempt.

    A failed collection is not: what it would have paid is due again, in another run; nor what may
    have been done, which the gateway is asked about. Raises `NotFound`, `Conflict`,
    `TransferUndone`, `PaidTwice` where another run has what its payer paid late, or `PayeesHeld`.
    """
    unit.actor.require("payment.pay", *MAY_PAY)
    lock_planning(unit)  # a plan that sends a failed transfer's money back is not being made
    payment_id = unit.session.scalars(
        select(Payment.id).where(Payment.key == key, Payment.payer_id.in_(visible_payers(unit)))
    ).one_or_none()
    if payment_id is None:
        raise NotFound(what="payment", key=key)
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    fits = payment.kind != PaymentKind.COLLECTION and payment.failure != COLLECTION_FAILED
    if payment.state != PaymentState.FAILED or not fits:
        raise Conflict(
            what="payment", key=key, state=PaymentState(payment.state), wanted=PaymentState.READY
        )
    undone = exists().where(
        Payment.undoes_id == payment_id,
        Payment.state.not_in((PaymentState.FAILED, PaymentState.WITHDRAWN)),
    )
    if unit.session.scalar(select(undone)):
        raise TransferUndone(key=key)
    check_holds(unit, group.run, Payment.id == payment_id)
    if payment.failure == PAID_LATE and _is_paid_besides(unit, payment):
        raise PaidTwice(key=key)
    step(payment, PaymentState.READY)
    payment.attempt += 1
    unit.after_commit("settlement.pay", number=group.run.number)


def _is_paid_besides(unit: Unit, payment: Payment) -> bool:
    """Whether payments hold more of a payment's dues than is earned, its own included."""
    earned, paid = dues(unit, [payment.payer_id]), paid_of(unit, [payment.payer_id])
    lines = unit.session.scalars(
        select(PaymentItem.line_id).where(PaymentItem.payment_id == payment.id)
    )
    own = (Due(payment.payer_id, payment.payee_id, line_id) for line_id in lines)
    return any(paid[due].claimed_fen > earned.get(due, 0) for due in own)


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


def _refuse(unit: Unit, payment_id: UUID, *, reason: str, taken_fen: int) -> None:
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    if payment.state == PaymentState.CLAIMED:
        payment.taken_fen = max(payment.taken_fen, taken_fen)
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


def _released(unit: Unit, number: str) -> PaymentRun:
    run = unit.session.scalars(select(PaymentRun).where(PaymentRun.number == number)).one_or_none()
    if run is None:
        raise NotFound(what="payment run", key=number)
    if run.state != RunState.RELEASED:
        raise NotReleased(number=number, state=RunState(run.state))
    return run
