"""Payments as people look at them: runs, their payments, a vendor's payouts, what is overdue.

A bureau sees the runs of its subtree's bureaus and its payers' statements, a vendor its payouts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.models import Statement, StatementLine
from settlement.payment_models import Fapiao, Payment, PaymentClosing, PaymentRun
from settlement.queries.later_payments import later_payments
from settlement.queries.statements import visible_payers
from settlement.queries.unsettled import paid_besides

Payer = aliased(Organisation, name="payer")
Payee = aliased(Organisation, name="payee")
Undone = aliased(Payment, name="undone")

SIDES = ("collection", "refund")
OUT = (
    *("transfer", "fee", "withholding", "order", "reversal", "fee_return", "withholding_return"),
    *("undone", "recovery", "recovery_return"),
)
UNDER_WAY = ("ready", "claimed", "sent", "unknown", "partial")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One payment run; amounts in fen, of what goes to payees or comes back from them."""

    number: str
    bureau_name: str
    month: date
    method: str
    purpose: str
    state: str
    proposed_at: datetime
    proposed_by: UUID
    proposed_by_name: str
    decided_at: datetime | None
    decided_by_name: str
    note: str
    payments: int
    amount_fen: int
    paid_fen: int
    failed: int
    under_way: int

    @property
    def standing(self) -> str:
        """How far it has come: proposed → released → (failed) → paid, or returned, withdrawn.

        `in_part` or `nothing` where less came through than was to be paid, and no more is to come.
        """
        if self.state != "released":
            return self.state
        if self.failed:
            return "failed"
        if self.under_way:
            return "released"
        if self.paid_fen == self.amount_fen:
            return "paid"
        return "in_part" if self.paid_fen else "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentRow:
    """One payment of a run; `payee_name` is empty for the platform's.

    `closed_at`: when a collection that failed was closed at the gateway, so that none can pay it.
    """

    key: str
    run: str
    month: date
    method: str
    kind: str
    payer_code: str
    payer_name: str
    payee_code: str
    payee_name: str
    amount_fen: int
    paid_fen: int
    state: str
    failure: str
    gateway_id: str
    settled_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OverdueRow:
    """What of a payer's statement is not paid after its day, in fen (R62)."""

    payer_code: str
    payer_name: str
    month: date
    number: str
    due_on: date
    due_fen: int
    open_fen: int
    days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FapiaoRow:
    """One invoice of a vendor for a statement; a red-letter one counts below zero."""

    number: str
    kind: str
    statement: str
    month: date
    payer_name: str
    amount_fen: int
    issued_on: date
    corrects: str


def payment_runs(unit: Unit) -> list[RunRow]:
    """Return the runs of the bureaus that the actor may see, the latest first."""
    ordered = _runs(unit).order_by(PaymentRun.proposed_at.desc(), PaymentRun.number.desc())
    return [_run(row) for row in unit.session.execute(ordered)]


def releasable_runs(unit: Unit) -> list[RunRow]:
    """Return what somebody else of the actor's bureau proposed and waits, the oldest first."""
    ordered = _runs(unit).where(
        PaymentRun.state == "proposed",
        PaymentRun.bureau_id == unit.actor.organisation_id,
        PaymentRun.proposed_by != unit.actor.person_id,
    )
    return [_run(row) for row in unit.session.execute(ordered.order_by(PaymentRun.proposed_at))]


def payment_run(unit: Unit, number: str) -> RunRow:
    """Return one visible run; raise `NotFound`."""
    row = unit.session.execute(_runs(unit).where(PaymentRun.number == number)).one_or_none()
    if row is None:
        raise NotFound(what="payment run", key=number)
    return _run(row)


def payments_of_run(unit: Unit, number: str) -> list[PaymentRow]:
    """Return a run's payments, by payer; the caller has checked who asks."""
    wanted = _payments().where(PaymentRun.number == number)
    return _rows(unit, wanted.order_by(Payer.code, Payment.kind, Payment.key))


def overdue(unit: Unit) -> list[OverdueRow]:
    """Return the visible payers' statements that are not paid after their day, oldest first.

    What a payer paid counts for its oldest statement first, but not what it paid of released
    retention nor what its bank took back; retention and fees under dispute are not due. Due:
    `MARKET_DUE_DAYS` after the last day for confirming.
    """
    line = StatementLine
    due = func.sum(line.drawn_fen - line.retention_fen) - func.coalesce(
        func.sum(CreditNote.drawn_fen - CreditNote.retention_fen), 0
    )
    signed = case((Payment.kind == "refund", -Payment.paid_fen), else_=Payment.paid_fen)
    paid_in_all = (
        select(func.coalesce(func.sum(signed), 0))
        .where(
            Payment.payer_id == Statement.payer_id,
            or_(
                Payment.kind.in_(("collection", "order", "refund")),
                and_(
                    Payment.kind == "withholding",
                    Payment.run_id.in_(
                        select(PaymentRun.id).where(PaymentRun.method == "treasury")
                    ),
                ),
            ),
        )
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(
            Statement.payer_id,
            Payer.code,
            Payer.name,
            Statement.month,
            Statement.number,
            Statement.confirm_by,
            due.label("due_fen"),
            paid_in_all.label("paid_fen"),
        )
        .join(Payer, Payer.id == Statement.payer_id)
        .join(line, line.statement_id == Statement.id)
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
        .where(Statement.payer_id.in_(visible_payers(unit)), line.state == "posted")
        .group_by(Statement.id, Payer.code, Payer.name)
        .order_by(Payer.code, Statement.month)
    ).all()
    besides = paid_besides(unit, {row.payer_id for row in rows})
    paid = {row.payer_id: int(row.paid_fen) - besides.get(row.payer_id, 0) for row in rows}
    today = shanghai_day(unit.clock.now())
    found = []
    for row in rows:
        settled = max(0, min(paid[row.payer_id], int(row.due_fen)))
        paid[row.payer_id] -= settled
        due_on = row.confirm_by + timedelta(days=unit.settings.due_days)
        if int(row.due_fen) > settled and due_on < today:
            found.append(
                OverdueRow(
                    payer_code=row.code,
                    payer_name=row.name,
                    month=row.month,
                    number=row.number,
                    due_on=due_on,
                    due_fen=int(row.due_fen),
                    open_fen=int(row.due_fen) - settled,
                    days=(today - due_on).days,
                )
            )
    return sorted(found, key=lambda one: (one.due_on, one.payer_code))


def fapiao_of(unit: Unit, vendor_id: UUID) -> list[FapiaoRow]:
    """Return a vendor's invoices, the latest first; the caller has checked who asks."""
    rows = unit.session.execute(
        select(
            Fapiao.number,
            Fapiao.kind,
            Statement.number.label("statement"),
            Statement.month,
            Payer.name.label("payer_name"),
            case((Fapiao.kind == "red", -Fapiao.amount_fen), else_=Fapiao.amount_fen).label(
                "amount_fen"
            ),
            Fapiao.issued_on,
            func.coalesce(Fapiao.corrects, "").label("corrects"),
        )
        .join(Statement, Statement.id == Fapiao.statement_id)
        .join(Payer, Payer.id == Statement.payer_id)
        .where(Fapiao.vendor_id == vendor_id)
        .order_by(Fapiao.issued_on.desc(), Fapiao.number)
    )
    return [FapiaoRow(**row._mapping) for row in rows]


def gone_back(unit: Unit, number: str) -> set[str]:
    """Return the keys of a run's transfers that go, or went, back to their payers."""
    wanted = (
        select(Payment.key)
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .where(PaymentRun.number == number, Payment.state == "failed", _goes_back())
    )
    return set(unit.session.scalars(wanted))


def _goes_back() -> ColumnElement[bool]:
    return (
        exists()
        .where(Undone.undoes_id == Payment.id, Undone.state.not_in(("failed", "withdrawn")))
        .correlate(Payment)
    )


def _runs(unit: Unit) -> Select[*tuple[Any, ...]]:
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    given_up = and_(Payment.state == "withdrawn", PaymentRun.state == "released")
    of_payee = and_(Payment.kind.in_(OUT), ~given_up)
    amounts = (
        select(
            Payment.run_id,
            func.count(Payment.id).filter(of_payee).label("payments"),
            func.coalesce(func.sum(Payment.amount_fen).filter(of_payee), 0).label("amount_fen"),
            func.coalesce(func.sum(Payment.paid_fen).filter(of_payee), 0).label("paid_fen"),
            func.count(Payment.id)
            .filter(Payment.state == "failed", ~_goes_back(), ~later_payments().exists())
            .label("failed"),
            func.count(Payment.id).filter(Payment.state.in_(UNDER_WAY)).label("under_way"),
        )
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .group_by(Payment.run_id)
        .subquery()
    )
    return (
        select(PaymentRun, Organisation.name.label("bureau_name"), amounts)
        .join(Organisation, Organisation.id == PaymentRun.bureau_id)
        .join(amounts, amounts.c.run_id == PaymentRun.id)
        .where(PaymentRun.bureau_id.in_(bureaus))
    )


def _run(row: Sequence[object]) -> RunRow:
    run, bureau_name, _, payments, amount, paid, failed, under_way = row
    assert isinstance(run, PaymentRun)
    return RunRow(
        number=run.number,
        bureau_name=str(bureau_name),
        month=run.month,
        method=run.method,
        purpose=run.purpose,
        state=run.state,
        proposed_at=run.proposed_at,
        proposed_by=run.proposed_by,
        proposed_by_name=run.proposed_by_name,
        decided_at=run.decided_at,
        decided_by_name=run.decided_by_name,
        note=run.note,
        payments=int(str(payments)),
        amount_fen=int(str(amount)),
        paid_fen=int(str(paid)),
        failed=int(str(failed)),
        under_way=int(str(under_way)),
    )


def _payments() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Payment.key,
            PaymentRun.number.label("run"),
            PaymentRun.month,
            PaymentRun.method,
            Payment.kind,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            func.coalesce(Payee.code, "").label("payee_code"),
            func.coalesce(Payee.name, "").label("payee_name"),
            Payment.amount_fen,
            Payment.paid_fen,
            Payment.state,
            Payment.failure,
            func.coalesce(Payment.gateway_id, "").label("gateway_id"),
            Payment.settled_at,
            PaymentClosing.closed_at,
        )
        .outerjoin(PaymentClosing, PaymentClosing.payment_id == Payment.id)
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .join(Payer, Payer.id == Payment.payer_id)
        .outerjoin(Payee, Payee.id == Payment.payee_id)
    )


def _rows(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[PaymentRow]:
    return [PaymentRow(**row._mapping) for row in unit.session.execute(wanted)]
