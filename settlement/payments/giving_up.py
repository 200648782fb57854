"""Giving a reversal up: what a payee's account does not give is its debt again, to be set off.

A reversal that failed is tried again or given up, never both: until then nobody else takes the
same, and nothing of the payee goes to its bank. Given up, its payer gets back what the others of
the run gave, by a refund of its own; what two people released is only made less.
"""

from sqlalchemy import insert, select

from kernel.errors import Conflict, NotFound
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.payment_models import Payment
from settlement.payments.engine import MAY_PAY
from settlement.payments.runs import lock_planning
from settlement.payments.settling import SIDES, Group, lock_group, step
from settlement.payments.states import PaymentKind, PaymentState
from settlement.queries.statements import visible_payers


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
        raise Conflict(what="payment", key=key, state=payment.state, wanted=PaymentState.WITHDRAWN)
    assert refund is not None, "what is taken back is a payer's, which gets a refund"
    step(payment, PaymentState.WITHDRAWN)
    for tax in group.payments:
        if tax.kind == PaymentKind.WITHHOLDING_RETURN and tax.payee_id == payment.payee_id:
            step(tax, PaymentState.WITHDRAWN)
    step(refund, PaymentState.WITHDRAWN)
    unit.session.flush()
    _refund_the_rest(unit, group, refund)
    record(
        unit,
        "payment.given_up",
        subject_kind="payment",
        subject_id=key,
        amount_fen=payment.amount_fen,
        reason=payment.failure,
        run=group.run.number,
    )
    unit.after_commit("settlement.pay", number=group.run.number)


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
    another = new_id()
    unit.session.execute(
        insert(Payment).values(
            id=another,
            run_id=refund.run_id,
            payer_id=refund.payer_id,
            payee_id=refund.payee_id,
            kind=PaymentKind.REFUND,
            key=f"{sides[0].key}+{len(sides) + 1}",
            attempt=1,
            amount_fen=rest_fen,
            paid_fen=0,
            state=PaymentState.PROPOSED,
            failure="",
        )
    )
    step(unit.session.get_one(Payment, another), PaymentState.READY)
    unit.session.flush()
