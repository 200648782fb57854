"""Giving a reversal up: what a payee's account does not give is its debt again, to be set off.

A reversal that failed is tried again or given up, never both: until then nobody else takes the
same, and nothing of the payee goes to its bank. Given up, its payer gets back what the others of
the run gave, by a refund of its own; what two people released is only made less. What the gateway
took of it before it refused the rest stays taken, as a reversal of that much, and goes to its payer
with the others'.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select

from kernel.errors import Conflict, NotFound
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.dues import Due
from settlement.payment_models import Payment, PaymentItem
from settlement.payments.claims import Target, keep_targets, kept_targets
from settlement.payments.engine import MAY_PAY
from settlement.payments.parts import parts_of
from settlement.payments.runs import lock_planning
from settlement.payments.settling import SIDES, Group, lock_group, pay, step
from settlement.payments.states import PaymentKind, PaymentState
from settlement.payout_models import PaymentPart
from settlement.queries.statements import visible_payers

TAKEN: Final = "+taken"
"""Ends the key of what was taken of a reversal; the gateway knows it by the key before that."""


def give_up_reversal(unit: Unit, key: str) -> None:
    """Withdraw a reversal that failed, so that its amount is the payee's debt again.

    The tax that would have been given up with it stays withheld. Raises `NotFound`, `Refused`, or
    `Conflict` for anything but a reversal that has failed.
    """
    unit.actor.require("payment.pay", *MAY_PAY)
    lock_planning(unit)  # what is taken back is planned by what is claimed
    payment_id = unit.session.scalars(
        select(Payment.id).where(Payment.key == key, Payment.payer_id.in_(visible_payers(unit)))
    ).one_or_none()
    if payment_id is None:
        raise NotFound(what="payment", key=key)
    group = lock_group(unit, payment_id)
    payment, refund = group.get(payment_id), group.side
    if payment.kind != PaymentKind.REVERSAL or payment.state != PaymentState.FAILED:
        raise Conflict(
            what="payment",
            key=key,
            state=PaymentState(payment.state),
            wanted=PaymentState.WITHDRAWN,
        )
    assert refund is not None, "what is taken back is a payer's, which gets a refund"
    step(payment, PaymentState.WITHDRAWN)
    for tax in group.payments:
        if tax.kind == PaymentKind.WITHHOLDING_RETURN and tax.payee_id == payment.payee_id:
            step(tax, PaymentState.WITHDRAWN)
    step(refund, PaymentState.WITHDRAWN)
    unit.session.flush()
    if payment.taken_fen:
        _keep_what_was_taken(unit, payment)
        group = lock_group(unit, payment_id)
    _refund_the_rest(unit, group, refund)
    record(
        unit,
        "payment.given_up",
        subject_kind="payment",
        subject_id=key,
        amount_fen=payment.amount_fen,
        taken_fen=payment.taken_fen,
        reason=payment.failure,
        run=group.run.number,
    )
    unit.after_commit("settlement.pay", number=group.run.number)


def _keep_what_was_taken(unit: Unit, payment: Payment) -> None:
    """Write what the gateway took of a reversal as one of its own, its lines' the first first."""
    left, items = payment.taken_fen, []
    for item in unit.session.scalars(
        select(PaymentItem)
        .where(PaymentItem.payment_id == payment.id)
        .order_by(PaymentItem.line_id)
    ):
        fen = min(left, item.amount_fen)
        if fen:
            items.append((item.line_id, fen))
            left -= fen
    pair = payment.payer_id, payment.payee_id
    cells: dict[Due, list[tuple[UUID, date, int]]] = defaultdict(list)
    for part in unit.session.scalars(
        select(PaymentPart)
        .where(PaymentPart.payment_id == payment.id)
        .order_by(PaymentPart.line_id, PaymentPart.of_month, PaymentPart.agreement_id)
    ):
        cells[Due(*pair, part.line_id)].append((part.agreement_id, part.of_month, part.amount_fen))
    taken_id = _another(
        unit,
        payment,
        key=f"{payment.key}{TAKEN}",
        amount_fen=payment.taken_fen,
    )
    unit.session.execute(
        insert(PaymentItem),
        [
            {"payment_id": taken_id, "line_id": line_id, "amount_fen": fen, "taxed_before_fen": 0}
            for line_id, fen in items
        ],
    )
    parts = [
        {
            "payment_id": taken_id,
            "line_id": line_id,
            "agreement_id": agreement_id,
            "of_month": of_month,
            "amount_fen": fen,
        }
        for line_id, agreement_id, of_month, fen in parts_of(pair, items, cells)
    ]
    if parts:
        unit.session.execute(insert(PaymentPart), parts)
    keep_targets(unit, {taken_id: _first(kept_targets(unit, [payment.id]), payment)})
    group = lock_group(unit, taken_id)
    pay(unit, group, group.get(taken_id), amount_fen=payment.taken_fen)


def _first(kept: Mapping[UUID, Sequence[Target]], payment: Payment) -> list[Target]:
    """Return which of a reversal's targets were taken: the gateway takes them in their order."""
    left, taken = payment.taken_fen, []
    for gateway_id, fen in kept[payment.id]:
        if left:
            taken.append((gateway_id, min(left, fen)))
            left -= min(left, fen)
    return taken


def _refund_the_rest(unit: Unit, group: Group, refund: Payment) -> None:
    """Give the payer back what the run's other payees give, in place of the refund of all."""
    rest_fen = sum(
        one.amount_fen
        for one in group.payments
        if one.kind not in SIDES and one.state != PaymentState.WITHDRAWN
    )
    if not rest_fen:
        return
    sides = [one for one in group.payments if one.kind in SIDES]
    _another(unit, refund, key=f"{sides[0].key}+{len(sides) + 1}", amount_fen=rest_fen)


def _another(unit: Unit, payment: Payment, *, key: str, amount_fen: int) -> UUID:
    """Write a payment that stands for a part of one that was released, and make it ready."""
    another_id = new_id()
    unit.session.execute(
        insert(Payment).values(
            id=another_id,
            run_id=payment.run_id,
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            kind=payment.kind,
            key=key,
            attempt=1,
            amount_fen=amount_fen,
            paid_fen=0,
            state=PaymentState.PROPOSED,
            failure="",
        )
    )
    step(unit.session.get_one(Payment, another_id), PaymentState.READY)
    unit.session.flush()
    return another_id
