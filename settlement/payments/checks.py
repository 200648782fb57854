"""What is asked once more before money moves: holds, what is still due, and teachers' tax.

Two people sign for numbers; where they would be others by now, the run is proposed again.
"""

from sqlalchemy import ColumnElement, select

from kernel.clock import show_month
from kernel.errors import (
    AccountsChanged,
    NotDueAnyMore,
    PayeesHeld,
    WithheldAnew,
    WithheldForAnotherMonth,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dues import Due, dues, paid_of
from settlement.payment_models import Payment, PaymentHold, PaymentItem, PaymentRun
from settlement.payments.bank_accounts import accounts_of, is_same
from settlement.payments.states import PaymentKind, RunPurpose
from settlement.payments.taxes import income_month, taxation_of, untaxed_of
from settlement.payout_models import BankAccount, Withholding
from settlement.queries.recoveries import asked_too_much


def check_release(unit: Unit, run: PaymentRun) -> None:
    """Raise what stands against the release of a run; no other is planned or released meanwhile."""
    check_holds(unit, run, Payment.run_id == run.id)
    _check_open(unit, run)
    _check_accounts(unit, run)
    _check_tax(unit, run)


def check_holds(unit: Unit, run: PaymentRun, which: ColumnElement[bool]) -> None:
    """Raise `PayeesHeld` if those of its payments would pay somebody who is held.

    What a run takes back may be taken back.
    """
    held = unit.session.scalars(
        select(Organisation.name)
        .join(Payment, Payment.payee_id == Organisation.id)
        .join(PaymentHold, PaymentHold.payee_id == Organisation.id)
        .where(
            which,
            Payment.kind.in_((PaymentKind.TRANSFER, PaymentKind.ORDER, PaymentKind.WITHHOLDING)),
            Payment.again_of_id.is_(None),  # tax that came back goes to the tax office all the same
            PaymentHold.lifted_at.is_(None),
        )
        .group_by(Organisation.code, Organisation.name)
        .order_by(Organisation.code)
    ).all()
    if held:
        raise PayeesHeld(number=run.number, payees=", ".join(held))


def _check_open(unit: Unit, run: PaymentRun) -> None:
    """Refuse a run that asks for more than is due by now: its payer may have paid late, or less be
    earned or owed since. Less of what it takes back is no harm: the next run pays it again.
    """
    if run.purpose != RunPurpose.PAY:
        return
    payers = unit.session.scalars(
        select(Payment.payer_id).where(Payment.run_id == run.id).distinct()
    ).all()
    earned, paid = dues(unit, payers), paid_of(unit, payers)
    asked = unit.session.execute(
        select(Payment.payer_id, Payment.payee_id, PaymentItem.line_id)
        .join(PaymentItem, PaymentItem.payment_id == Payment.id)
        .where(Payment.run_id == run.id, PaymentItem.amount_fen > 0)
    )
    over = {
        due.payer_id
        for due in (Due(*row) for row in asked)
        if paid[due].claimed_fen > earned.get(due, 0)
    }
    again = unit.session.scalars(
        select(Payment.payer_id).where(
            Payment.run_id == run.id, Payment.kind == PaymentKind.RECOVERY
        )
    )
    if recovered := set(again):
        over |= {one.payer_id for one in asked_too_much(unit)} & recovered
    if over:
        names = unit.session.scalars(
            select(Organisation.name)
            .where(among(Organisation.id, over))
            .order_by(Organisation.code)
        )
        raise NotDueAnyMore(number=run.number, payers=", ".join(names))


def _check_accounts(unit: Unit, run: PaymentRun) -> None:
    """Refuse orders to accounts that their payees, or the operator, have replaced since."""
    named = unit.session.execute(
        select(Organisation.name, BankAccount)
        .join(Payment, Payment.account_id == BankAccount.id)
        .join(Organisation, Organisation.id == Payment.payee_id)
        .where(Payment.run_id == run.id)
        .order_by(Organisation.code)
    ).all()
    if not named:
        return
    now = accounts_of(unit, {one.organisation_id for _, one in named})
    changed = [name for name, one in named if not is_same(one, now[one.organisation_id])]
    if changed:
        raise AccountsChanged(number=run.number, payees=", ".join(dict.fromkeys(changed)))


def _check_tax(unit: Unit, run: PaymentRun) -> None:
    """Refuse a run whose tax is not what it would be if it were proposed now."""
    kept = unit.session.execute(
        select(Withholding, Organisation.name)
        .join(Organisation, Organisation.id == Withholding.payee_id)
        .where(Withholding.run_id == run.id)
        .order_by(Organisation.code)
    ).all()
    if kept and kept[0][0].month != income_month(unit):
        raise WithheldForAnotherMonth(number=run.number, period=show_month(kept[0][0].month))
    now = taxation_of(unit, {one.payee_id for one, _ in kept})
    changed = [
        name
        for one, name in kept
        if (one.version, one.earlier_fen, one.earlier_tax_fen)
        != (now.version, now.earlier[one.payee_id].income_fen, now.earlier[one.payee_id].tax_fen)
    ]
    changed += untaxed_of(unit, run.id)
    if changed:
        raise WithheldAnew(number=run.number, payees=", ".join(changed))
