"""Refunds: of which of the gateway's own each consists, and what of them comes back.

A payer's bank may send a refund back days after the gateway had called it done. Its money lies at
the gateway again then: the books say so, the refund has failed, and a person has it tried again,
which gives anew what came back alone. News of an earlier attempt changes nothing.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select

from kernel.unit import Unit
from settlement.payment_models import Payment, RefundPart
from settlement.payments.gateway import Outcome, Part, Stand
from settlement.payments.settling import fail, lock_group, settle_payment, take_off
from settlement.payments.states import PaymentState

UNKNOWN = "unknown"
"""The gateway's own word where a bank says nothing of its reason."""


def settle_refund(
    unit: Unit, payment_id: UUID, outcome: Outcome, *, attempt: int | None = None
) -> None:
    """Write what the gateway answers of a refund, of which it names all parts.

    What it does not name any more of what had come through came back unsaid. `attempt`: that of
    the call which is answered; a message may have told more meanwhile, and then this says nothing.
    """
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    if attempt is not None and (payment.attempt != attempt or payment.state == PaymentState.PAID):
        return
    known = _known_parts(unit, payment_id)
    named = {one.gateway_id: one for one in outcome.parts}
    stale = [known[one].reason for one in named if one in known and known[one].came_back_at]
    for part in known.values():
        now = named.get(part.gateway_id)
        if part.came_back_at is None and (now is None or now.stand is Stand.FAILED):
            reason = now.reason if now else UNKNOWN
            _come_back(unit, part, reason=reason)
            take_off(
                unit,
                group,
                payment,
                part=part.gateway_id,
                amount_fen=part.amount_fen,
                reason=reason,
            )
    if outcome.stand is Stand.DONE and stale:  # it came back while the gateway was being asked
        fail(unit, group, payment, reason=stale[0])
        return
    over = outcome.stand is Stand.DONE
    for one in outcome.parts:
        if one.gateway_id not in known and (over or one.stand is Stand.FAILED):
            _keep(unit, payment, one)
    settle_payment(unit, payment_id, outcome)


def hear_of_refund(unit: Unit, payment_id: UUID, outcome: Outcome) -> bool:
    """Take in a message about one part of a refund; return whether it says anything of it.

    Raises `ValueError` of one that came back if nobody kept of which parts its refund was made, and
    of one that was given beside all that stands.
    """
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    (told,) = outcome.parts
    known = _known_parts(unit, payment_id)
    part = known.get(told.gateway_id)
    if part is not None:
        if part.came_back_at is None and told.stand is Stand.FAILED:
            _come_back(unit, part, reason=told.reason)
            take_off(
                unit,
                group,
                payment,
                part=part.gateway_id,
                amount_fen=part.amount_fen,
                reason=told.reason,
            )
        return True
    if payment.state == PaymentState.PAID:
        standing_fen = sum(one.amount_fen for one in known.values() if not one.came_back_at)
        all_known = standing_fen == payment.paid_fen
        if told.stand is Stand.FAILED and not all_known:
            raise ValueError(f"{told.gateway_id} came back; what {payment.key} is of was not kept")
        if told.stand is Stand.DONE and all_known:
            raise ValueError(f"{told.gateway_id} was given besides what {payment.key} is of")
        if told.stand is Stand.FAILED:
            _keep(unit, payment, told)  # of an earlier attempt
        return told.stand is Stand.FAILED
    if told.amount_fen != payment.amount_fen:
        if told.stand is Stand.FAILED:
            _keep(unit, payment, told)  # before the call's answer, which tells of it as done
        return told.stand is Stand.FAILED  # the call says when all parts are through
    settle_refund(unit, payment_id, outcome)
    return True


def learn_parts(unit: Unit, payment_id: UUID, parts: Sequence[Part]) -> None:
    """Keep of which parts a refund consists that was paid before parts were kept.

    As they came through: what came back of them since is applied by its message. Parts that do not
    add up to it are not kept: which of them it is of is not known then.
    """
    payment = lock_group(unit, payment_id).get(payment_id)
    adds_up = sum(one.amount_fen for one in parts) == payment.paid_fen
    if payment.state == PaymentState.PAID and adds_up and not _known_parts(unit, payment_id):
        for one in parts:
            _keep(unit, payment, one._replace(stand=Stand.DONE))


def knows_parts(unit: Unit, payment_id: UUID) -> bool:
    """Whether it is kept of which parts a refund consists."""
    return bool(_known_parts(unit, payment_id))


def _known_parts(unit: Unit, payment_id: UUID) -> dict[str, RefundPart]:
    parts = unit.session.scalars(
        select(RefundPart)
        .where(RefundPart.payment_id == payment_id)
        .order_by(RefundPart.known_at, RefundPart.gateway_id)
        .execution_options(populate_existing=True)
    )
    return {part.gateway_id: part for part in parts}


def _keep(unit: Unit, payment: Payment, one: Part) -> None:
    failed = one.stand is Stand.FAILED
    unit.session.execute(
        insert(RefundPart).values(
            gateway_id=one.gateway_id,
            payment_id=payment.id,
            amount_fen=one.amount_fen,
            known_at=unit.clock.now(),
            came_back_at=unit.clock.now() if failed else None,
            reason=one.reason if failed else "",
        )
    )


def _come_back(unit: Unit, part: RefundPart, *, reason: str) -> None:
    part.came_back_at, part.reason = unit.clock.now(), reason
    unit.session.flush()  # the database lowers what is paid by what came back alone
