"""Payouts as payees and bureaus look at them: what was paid, of what it is, and where it arrived.

A payout is a transfer or a treasury's order to a payee, with what was withheld of it; its lines add
up to both. A vendor sees its own, a bureau those of the payers of its subtree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, case, exists, false, func, or_, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.models import Agreement, FundingLine
from settlement.payment_models import Payment, PaymentItem, PaymentRun
from settlement.payout_models import BankPayout, BankPayoutItem, PaymentPart, Withholding
from settlement.queries.statements import visible_payers

Payer = aliased(Organisation, name="payer")
Payee = aliased(Organisation, name="payee")
Tax = aliased(Payment, name="tax")
READERS: Final = (Role.VENDOR_MANAGER, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
KINDS: Final = ("transfer", "order", "reversal")


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutRow:
    """One payout, amounts in fen: `gross_fen` less `withheld_fen` is what the payee gets.

    Of a reversal, by which the payee gives back, all are below zero.
    `bank_…`: the payout to the payee's bank that carried it on, where there is one.
    """

    id: UUID
    key: str
    run: str
    run_id: UUID
    month: date
    method: str
    kind: str
    payer_code: str
    payer_name: str
    payee_id: UUID
    payee_code: str
    payee_name: str
    amount_fen: int
    paid_fen: int
    withheld_fen: int
    state: str
    failure: str
    settled_at: datetime | None
    bank_key: str
    bank_state: str
    bank_arrives_on: date | None

    @property
    def gross_fen(self) -> int:
        return self.amount_fen + self.withheld_fen


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutLine:
    """What of a payout is of one agreement's month of use and one funding line, in fen."""

    agreement: str
    title: str
    of_month: date
    fiscal_year: int
    source: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BankPayoutRow:
    """One payout from the gateway to a payee's bank, in fen; `parts`: of how many payments."""

    key: str
    amount_fen: int
    parts: int
    state: str
    failure: str
    begun_at: datetime
    arrives_on: date | None
    may_try_again: bool


def payouts_after(
    unit: Unit, *, after: UUID | None, limit: int, run: str = "", state: str = ""
) -> list[PayoutRow]:
    """Return a page of the payouts that the actor may see, the oldest first."""
    wanted = visible_payouts(unit).order_by(Payment.id).limit(limit)
    if after is not None:
        wanted = wanted.where(Payment.id > after)
    if run:
        wanted = wanted.where(PaymentRun.number == run)
    if state:
        wanted = wanted.where(Payment.state == state)
    return _rows(unit, wanted)


def payouts_of(unit: Unit, payee_id: UUID) -> list[PayoutRow]:
    """Return what a payee was paid, is being paid or gave back, the latest first."""
    wanted = visible_payouts(unit).where(Payment.payee_id == payee_id)
    return _rows(unit, wanted.order_by(PaymentRun.decided_at.desc(), Payment.key))


def payout(unit: Unit, key: str) -> PayoutRow:
    """Return one visible payout; raise `NotFound`."""
    rows = _rows(unit, visible_payouts(unit).where(Payment.key == key))
    if not rows:
        raise NotFound(what="payout", key=key)
    return rows[0]


def lines_of_payout(unit: Unit, payment_id: UUID) -> list[PayoutLine]:
    """Return what a payout is made of; the caller has checked who asks."""
    sign = case((Payment.kind == "reversal", -1), else_=1)
    rows = unit.session.execute(
        select(
            Agreement.number.label("agreement"),
            Agreement.terms["title"].astext.label("title"),
            PaymentPart.of_month,
            FundingLine.fiscal_year,
            FundingLine.source,
            (sign * PaymentPart.amount_fen).label("amount_fen"),
        )
        .join(Payment, Payment.id == PaymentPart.payment_id)
        .join(Agreement, Agreement.id == PaymentPart.agreement_id)
        .join(FundingLine, FundingLine.id == PaymentPart.line_id)
        .where(PaymentPart.payment_id == payment_id)
        .order_by(PaymentPart.of_month, Agreement.number, FundingLine.source, FundingLine.id)
    )
    return [PayoutLine(**row._mapping) for row in rows]


def withholding_of(unit: Unit, row: PayoutRow) -> Withholding | None:
    """Return how the tax withheld of a payee's payments of that run came about."""
    return unit.session.get(Withholding, (row.run_id, row.payee_id))


def taxed_before_of(unit: Unit, row: PayoutRow) -> int:
    """Return what of a payout an earlier one paid tax on before it came back, in fen."""
    wanted = select(func.coalesce(func.sum(PaymentItem.taxed_before_fen), 0))
    return int(unit.session.scalar(wanted.where(PaymentItem.payment_id == row.id)) or 0)


def bank_payouts_of(unit: Unit, payee_id: UUID) -> list[BankPayoutRow]:
    """Return a payee's payouts to its bank, the latest first; the caller has checked who asks."""
    parts = (
        select(func.count())
        .where(BankPayoutItem.payout_id == BankPayout.id)
        .correlate(BankPayout)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(BankPayout, parts)
        .where(BankPayout.payee_id == payee_id)
        .order_by(BankPayout.number.desc())
    )
    return [
        BankPayoutRow(
            key=one.key,
            amount_fen=one.amount_fen,
            parts=int(count or 0),
            state=one.state,
            failure=one.failure,
            begun_at=one.begun_at,
            arrives_on=one.arrives_on,
            may_try_again=one.state == "failed" and one.answered_at is None,
        )
        for one, count in rows
    ]


def visible_payouts(unit: Unit) -> Select[*tuple[Any, ...]]:
    """Select the released payouts that the actor may see: its own, or its payers'."""
    actor = unit.actor
    actor.require("payout.read", *READERS)
    if actor.organisation_kind is OrganisationKind.VENDOR:
        seen = Payment.payee_id == actor.organisation_id
    elif actor.is_system or actor.organisation_kind is OrganisationKind.BUREAU:
        seen = Payment.payer_id.in_(visible_payers(unit))
    else:
        seen = false()
    own, taxed = aliased(PaymentItem), aliased(PaymentItem)
    same_line = (
        exists()
        .where(
            own.payment_id == Payment.id, taxed.payment_id == Tax.id, own.line_id == taxed.line_id
        )
        .correlate(Payment, Tax)
    )
    sign = case((Payment.kind == "reversal", -1), else_=1)
    withheld = (
        select(func.coalesce(func.sum(Tax.amount_fen), 0))
        .where(
            Tax.run_id == Payment.run_id,
            Tax.payer_id == Payment.payer_id,
            Tax.payee_id == Payment.payee_id,
            Tax.kind.in_(("withholding", "withholding_return")),
            or_(PaymentRun.method == "gateway", same_line),
        )
        .correlate(Payment, PaymentRun)
        .scalar_subquery()
    )
    return (
        select(
            Payment.id,
            Payment.key,
            PaymentRun.number.label("run"),
            Payment.run_id,
            PaymentRun.month,
            PaymentRun.method,
            Payment.kind,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            Payment.payee_id,
            Payee.code.label("payee_code"),
            Payee.name.label("payee_name"),
            (sign * Payment.amount_fen).label("amount_fen"),
            (sign * Payment.paid_fen).label("paid_fen"),
            (sign * withheld).label("withheld_fen"),
            Payment.state,
            Payment.failure,
            Payment.settled_at,
            func.coalesce(BankPayout.key, "").label("bank_key"),
            func.coalesce(BankPayout.state, "").label("bank_state"),
            BankPayout.arrives_on.label("bank_arrives_on"),
        )
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .join(Payer, Payer.id == Payment.payer_id)
        .join(Payee, Payee.id == Payment.payee_id)
        .outerjoin(BankPayoutItem, _last_item())
        .outerjoin(BankPayout, BankPayout.id == BankPayoutItem.payout_id)
        .where(PaymentRun.state == "released", Payment.kind.in_(KINDS), seen)
    )


def _last_item() -> Any:
    """Match the item of the last payout that carried a payment; those before it failed."""
    other, item = aliased(BankPayout), aliased(BankPayoutItem)
    last = (
        select(item.payout_id)
        .join(other, other.id == item.payout_id)
        .where(item.payment_id == Payment.id)
        .order_by(other.number.desc())
        .limit(1)
        .correlate(Payment)
        .scalar_subquery()
    )
    return and_(BankPayoutItem.payment_id == Payment.id, BankPayoutItem.payout_id == last)


def _rows(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[PayoutRow]:
    rows: Sequence[Any] = unit.session.execute(wanted).all()
    return [
        PayoutRow(**{**row._mapping, "withheld_fen": int(row.withheld_fen or 0)}) for row in rows
    ]
