"""Treasury payment (国库集中支付): orders out as a file, the return file in (R63).

The platform holds no public money: each order is one payer's, to one payee, out of one line; what
is withheld of a teacher goes to the tax office by an order of its own. Decides what a returned row
means for its order: paid, in part, come back, or no order of ours. What is not paid stays open;
what came back, the unpaid rest of an order too, may be proposed again.
"""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Select, exists, insert, select
from sqlalchemy.orm import aliased

from kernel.actors import Role
from kernel.clock import show_month
from kernel.errors import AlreadyExists, InvalidInput, NotFound, NotReleased
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, among, lock_recording
from kernel.ids import new_id
from kernel.money import plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.trail import record
from kernel.unit import Unit
from settlement.models import FundingLine
from settlement.payment_models import Payment, PaymentItem, PaymentRun, TreasuryReturn
from settlement.payments.settling import cut_short, give_back, lock_group, pay
from settlement.payments.states import PaymentKind, PaymentMethod, PaymentState, RunState
from settlement.payout_models import BankAccount
from settlement.queries.statements import visible_payers

MAY_ORDER: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)
COLUMNS: Final = (
    *("order_no", "payer_code", "payer_name", "payee_code", "payee_name"),
    *("account_holder", "bank", "branch_code", "account_no"),
    *("fiscal_year", "source", "amount_yuan", "period"),
)
PLATFORM: Final = "platform"
TAX_OFFICE: Final = "tax-office"
ORDERS: Final = (PaymentKind.ORDER, PaymentKind.WITHHOLDING)

Payer = aliased(Organisation, name="payer")
Payee = aliased(Organisation, name="payee")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnRow:
    """One row of a return file: `result` paid | returned; `voucher_no` is the treasury's.

    `amount_fen`: what was paid, or what of the order comes back: first what was not paid yet.
    """

    order_no: str
    voucher_no: str
    result: str
    amount_fen: int
    reason: str = ""


def export_orders(unit: Unit, number: str) -> bytes:
    """Return a released run's orders as CSV for the finance system, and note them as sent.

    The same run gives the same bytes. Raises `NotFound`, `NotReleased`.
    """
    unit.actor.require("payment.order", *MAY_ORDER)
    run = unit.session.scalars(
        select(PaymentRun).where(
            PaymentRun.number == number, PaymentRun.method == PaymentMethod.TREASURY
        )
    ).one_or_none()
    if run is None:
        raise NotFound(what="payment run", key=number)
    if run.state != RunState.RELEASED:
        raise NotReleased(number=number, state=RunState(run.state))
    rows = unit.session.execute(
        select(Payment, Payer, Payee, FundingLine, BankAccount)
        .join(Payer, Payer.id == Payment.payer_id)
        .outerjoin(Payee, Payee.id == Payment.payee_id)
        .join(PaymentItem, PaymentItem.payment_id == Payment.id)
        .join(FundingLine, FundingLine.id == PaymentItem.line_id)
        .outerjoin(BankAccount, BankAccount.id == Payment.account_id)
        .where(
            Payment.run_id == run.id,
            Payment.kind.in_(ORDERS),
            Payment.payer_id.in_(visible_payers(unit)),
        )
        .order_by(Payment.key)
        .with_for_update(of=Payment)
    ).all()
    if not rows:
        raise NotFound(what="payment run", key=number)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    sent = 0
    for payment, payer, payee, line, account in rows:
        writer.writerow(
            [
                *(payment.key, payer.code, payer.name),
                *_payee(payment, payee),
                *_account(unit, account, payee),
                *(line.fiscal_year, line.source, plain_yuan(payment.amount_fen)),
                show_month(run.month),
            ]
        )
        if payment.state == PaymentState.READY:
            payment.state, payment.claimed_at = PaymentState.SENT, unit.clock.now()
            sent += 1
    unit.session.flush()
    if sent:
        record(
            unit,
            "payment.ordered",
            subject_kind="payment_run",
            subject_id=number,
            orders=sent,
        )
    return text.getvalue().encode("utf-8-sig")


def _payee(payment: Payment, payee: Organisation | None) -> tuple[str, str]:
    if payee is None:
        return PLATFORM, PLATFORM
    if payment.kind == PaymentKind.WITHHOLDING:
        return TAX_OFFICE, f"代扣代缴个人所得税 {payee.code} {payee.name}"
    return payee.code, payee.name


def _account(
    unit: Unit, account: BankAccount | None, payee: Organisation | None
) -> tuple[str, str, str, str]:
    """Return the holder, bank, branch and number of an order's account; the tax office has none."""
    if account is not None:
        return account.holder, account.bank, account.branch_code, account.number
    return unit.settings.bank_account if payee is None else ("", "", "", "")


def order_rest_again(unit: Unit, key: str) -> None:
    """Close an order that was paid in part, so that its rest is due again.

    For a treasury that says by other ways than its file that nothing more comes; what it pays later
    all the same fits no order and is shown. Raises `NotFound`, `Conflict` unless paid in part.
    """
    unit.actor.require("payment.order", *MAY_ORDER)
    payment_id = unit.session.scalars(
        select(Payment.id).where(
            Payment.key == key,
            Payment.kind.in_(ORDERS),
            Payment.payer_id.in_(visible_payers(unit)),
        )
    ).one_or_none()
    if payment_id is None:
        raise NotFound(what="treasury order", key=key)
    group = lock_group(unit, payment_id)
    cut_short(unit, group, group.get(payment_id), reason="ordered-again")


def record_returns(unit: Unit, rows: Sequence[ReturnRow]) -> list[RowOutcome]:
    """Take in what a treasury returned, row by row; what fits no order is kept as unknown.

    In whichever order a file names them: what was paid of an order comes before what came back. An
    unknown row that is sent again is tried again.
    """
    unit.actor.require("payment.order", *MAY_ORDER)
    lock_recording(unit)
    outcomes: dict[int, RowOutcome] = {}
    for place, row in sorted(enumerate(rows), key=lambda one: one[1].result == "returned"):
        outcomes[place] = _record(unit, row)
    return [outcomes[place] for place in range(len(rows))]


def _record(unit: Unit, row: ReturnRow) -> RowOutcome:
    wanted = _orders(unit).with_only_columns(Payment.id).where(Payment.key == row.order_no)
    payment_id = unit.session.scalars(wanted).one_or_none()
    if payment_id is None:
        missing = NotFound(what="treasury order", key=row.order_no)
        return _unknown(unit, row, FieldError(missing, field="order_no"))
    known = unit.session.scalars(
        select(TreasuryReturn).where(
            TreasuryReturn.order_no == row.order_no,
            TreasuryReturn.voucher_no == row.voucher_no,
            TreasuryReturn.payment_id.is_not(None),
        )
    ).one_or_none()
    if known is not None:
        same = (known.result, known.amount_fen) == (row.result, row.amount_fen)
        key = f"{row.order_no} {row.voucher_no}"
        taken = AlreadyExists(what="treasury return", key=key)
        return DUPLICATE if same else conflicting(taken, field="voucher_no")
    group = lock_group(unit, payment_id)
    payment = group.get(payment_id)
    left_fen, least_fen, most_fen = open_amounts(payment, row.result)
    if not least_fen <= row.amount_fen <= most_fen:
        return _unknown(unit, row, _wrong_amount(row, least_fen, most_fen))
    if row.result == "returned":
        keeps_fen = most_fen - row.amount_fen
        reason = row.reason or "returned"
        give_back(unit, group, payment, reason=reason, keeps_fen=keeps_fen)
        outcome = "returned"
    else:
        payment.gateway_id = row.voucher_no
        pay(unit, group, payment, amount_fen=payment.paid_fen + row.amount_fen)
        outcome = "matched" if row.amount_fen == left_fen else "partial"
    unit.session.flush()
    _keep(unit, row, outcome=outcome, payment_id=payment_id)
    return ACCEPTED


class OpenAmounts(NamedTuple):
    """What of an order is not paid yet, and between which amounts a row of it may be, in fen."""

    left_fen: int
    least_fen: int
    most_fen: int


def open_amounts(payment: Payment, result: str) -> OpenAmounts:
    """Return which amounts a row of a result may have of an order now; none where most is 0.

    The rest of one that was cut or came back is due again, in another order. What comes back is
    what is not paid yet, then what was; of an order that is not paid at all or only in part no less
    than what is still to be paid: what the treasury does with the rest of it would be anybody's
    guess.
    """
    is_over = payment.state in (PaymentState.CUT, PaymentState.RETURNED)
    left_fen = 0 if is_over else payment.amount_fen - payment.paid_fen
    if result == "returned":
        return OpenAmounts(left_fen, max(1, left_fen), payment.paid_fen + left_fen)
    return OpenAmounts(left_fen, 1, left_fen)


def orders_named(unit: Unit, order_nos: Collection[str]) -> dict[str, Payment]:
    """Return the actor's payers' released orders of a treasury, by these of their numbers."""
    found = unit.session.scalars(_orders(unit).where(among(Payment.key, order_nos)))
    return {one.key: one for one in found}


def _orders(unit: Unit) -> Select[Payment]:
    return select(Payment).where(
        Payment.kind.in_(ORDERS),
        Payment.run_id.in_(
            select(PaymentRun.id).where(PaymentRun.method == PaymentMethod.TREASURY)
        ),
        Payment.payer_id.in_(visible_payers(unit)),
        Payment.state.not_in((PaymentState.PROPOSED, PaymentState.WITHDRAWN)),
    )


def _unknown(unit: Unit, row: ReturnRow, error: FieldError) -> RowOutcome:
    """Keep a row that fits no order, once for the bureau that has it."""
    kept = unit.session.scalar(
        select(
            exists().where(
                TreasuryReturn.outcome == "unknown",
                TreasuryReturn.order_no == row.order_no,
                TreasuryReturn.voucher_no == row.voucher_no,
                TreasuryReturn.bureau_id.is_not_distinct_from(unit.actor.organisation_id),
                TreasuryReturn.result == row.result,
                TreasuryReturn.amount_fen == row.amount_fen,
            )
        )
    )
    if kept:
        return DUPLICATE
    _keep(unit, row, outcome="unknown", payment_id=None)
    return error.outcome


def _wrong_amount(row: ReturnRow, least_fen: int, most_fen: int) -> FieldError:
    """Say which amounts a row may have; that of an order of which nothing is left has none."""
    least = plain_yuan(min(least_fen, most_fen))
    expected = least if least_fen >= most_fen else f"{least}–{plain_yuan(most_fen)}"
    value = plain_yuan(row.amount_fen)
    return FieldError(
        InvalidInput(field="amount_yuan", value=value, expected=expected), field="amount_yuan"
    )


def _keep(unit: Unit, row: ReturnRow, *, outcome: str, payment_id: UUID | None) -> None:
    unit.session.execute(
        insert(TreasuryReturn).values(
            id=new_id(),
            order_no=row.order_no,
            voucher_no=row.voucher_no,
            result=row.result,
            amount_fen=row.amount_fen,
            reason=row.reason,
            outcome=outcome,
            payment_id=payment_id,
            bureau_id=unit.actor.organisation_id,
            read_at=unit.clock.now(),
            read_by=unit.actor.name,
        )
    )
