"""Statements for people: from a payer's list down to one line and its arithmetic.

Every query shows only what the unit's actor may see: a payer's own, a bureau's subtree, and to a
vendor the lines that it is paid by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.ledger.models import Account, Leg, Transfer
from settlement.models import (
    Agreement,
    FundingLine,
    Period,
    Statement,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)

Payer = aliased(Organisation, name="payer")
Vendor = aliased(Organisation, name="vendor")


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementRow:
    """One statement in a list; amounts in fen."""

    payer_id: UUID
    payer_code: str
    payer_name: str
    month: date
    number: str
    state: str
    confirm_by: date
    stated_at: datetime
    lines: int
    uses: int
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    drawn_fen: int
    uncovered_fen: int
    unconfirmed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LineRow:
    """One line of a statement; amounts in fen, `unit_price` in yuan."""

    id: UUID
    statement_number: str
    month: date
    of_month: date
    kind: str
    payer_id: UUID
    payer_code: str
    payer_name: str
    vendor_id: UUID
    vendor_name: str
    agreement_number: str
    title: str
    sku: str
    quantity: int
    unit_price: Decimal
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    vendor_fen: int
    fee_fen: int
    retention_fen: int
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawRow:
    """What a line draws from one funding line, in fen."""

    funding_line_id: UUID
    fiscal_year: int
    source: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolPart:
    """One school's part of a line."""

    code: str
    name: str
    quantity: int
    amount_fen: int
    explanation: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class LegRow:
    """One leg of the transfer that posted a line."""

    book: str
    kind: str
    owner: str
    side: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LineView:
    """A line with all that it is made of."""

    line: LineRow
    agreement_id: UUID
    rule: str
    explanation: dict[str, Any]
    terms: dict[str, Any]
    confirmed_by: str
    confirmed_at: datetime | None
    draws: Sequence[DrawRow]
    schools: Sequence[SchoolPart]
    transfer_key: str
    legs: Sequence[LegRow]


def statements_of(
    unit: Unit, *, payer_code: str | None = None, month: date | None = None
) -> list[StatementRow]:
    """Return the statements that the actor may see, newest month first, then by payer."""
    line = StatementLine
    wanted = (
        select(
            Statement.payer_id,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            Statement.month,
            Statement.number,
            Period.state,
            Statement.confirm_by,
            Statement.stated_at,
            func.count(line.id).label("lines"),
            *(
                func.coalesce(func.sum(column), 0).label(name)
                for name, column in (
                    ("uses", line.quantity),
                    ("rated_fen", line.rated_fen),
                    ("above_ceiling_fen", line.above_ceiling_fen),
                    ("amount_fen", line.amount_fen),
                    ("drawn_fen", line.drawn_fen),
                    ("uncovered_fen", line.uncovered_fen),
                )
            ),
            func.count(line.id).filter(line.state == "stated").label("unconfirmed"),
        )
        .join(Payer, Payer.id == Statement.payer_id)
        .join(Period, (Period.payer_id == Statement.payer_id) & (Period.month == Statement.month))
        .outerjoin(line, line.statement_id == Statement.id)
        .where(Statement.payer_id.in_(_visible_payers(unit)))
        .group_by(Statement.id, Payer.code, Payer.name, Period.state)
        .order_by(Statement.month.desc(), Payer.code)
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    if month is not None:
        wanted = wanted.where(Statement.month == month)
    return [StatementRow(**_whole(row._mapping)) for row in unit.session.execute(wanted)]


def statement_row(unit: Unit, payer_code: str, month: date) -> StatementRow:
    """Return one statement's head, or raise `NotFound`."""
    rows = statements_of(unit, payer_code=payer_code, month=month)
    if not rows:
        raise NotFound(what="statement", key=f"{payer_code} {month:%Y-%m}")
    return rows[0]


def lines_of(
    unit: Unit,
    *,
    payer_code: str | None = None,
    month: date | None = None,
    vendor_id: UUID | None = None,
) -> list[LineRow]:
    """Return the statement lines that the actor may see, by month, payer and agreement."""
    wanted = _lines(unit).order_by(
        StatementLine.month.desc(), Payer.code, Agreement.number, StatementLine.of_month
    )
    if payer_code is not None:
        wanted = wanted.where(Payer.code == payer_code)
    if month is not None:
        wanted = wanted.where(StatementLine.month == month)
    if vendor_id is not None:
        wanted = wanted.where(StatementLine.vendor_id == vendor_id)
    return [LineRow(**row._mapping) for row in unit.session.execute(wanted)]


def line_view(unit: Unit, line_id: UUID) -> LineView:
    """Return one line with its arithmetic, draws, schools and legs, or raise `NotFound`."""
    row = unit.session.execute(_lines(unit).where(StatementLine.id == line_id)).first()
    if row is None:
        raise NotFound(what="statement line", key=line_id)
    line = LineRow(**row._mapping)
    stored, terms = unit.session.execute(
        select(StatementLine, Agreement.terms)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .where(StatementLine.id == line_id)
    ).one()
    key = f"post:{line.statement_number}:{line.agreement_number}:{line.kind}:{line.of_month:%Y-%m}"
    return LineView(
        line=line,
        agreement_id=stored.agreement_id,
        rule=stored.rule_version,
        explanation=stored.explanation,
        terms=terms,
        confirmed_by=stored.confirmed_by or "",
        confirmed_at=stored.confirmed_at,
        draws=_draws_of(unit, line_id),
        schools=_schools_of(unit, line_id),
        transfer_key=key,
        legs=_legs_of(unit, key),
    )


def _visible_payers(unit: Unit) -> Select[UUID]:
    """Schools and bureaus pay; an actor sees those of its own part of the tree."""
    schools = visible_organisations(unit, OrganisationKind.SCHOOL).with_only_columns(
        Organisation.id
    )
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    return select(Organisation.id).where(
        or_(Organisation.id.in_(schools), Organisation.id.in_(bureaus))
    )


def _lines(unit: Unit) -> Select[*tuple[Any, ...]]:
    line = StatementLine
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        own: ColumnElement[bool] = line.vendor_id == unit.actor.organisation_id
    else:
        own = line.payer_id.in_(_visible_payers(unit))
    return (
        select(
            line.id,
            Statement.number.label("statement_number"),
            line.month,
            line.of_month,
            line.kind,
            line.payer_id,
            Payer.code.label("payer_code"),
            Payer.name.label("payer_name"),
            line.vendor_id,
            Vendor.name.label("vendor_name"),
            Agreement.number.label("agreement_number"),
            Agreement.terms["title"].astext.label("title"),
            Agreement.terms["sku"].astext.label("sku"),
            line.quantity,
            line.unit_price,
            line.rated_fen,
            line.above_ceiling_fen,
            line.amount_fen,
            line.uncovered_fen,
            line.drawn_fen,
            line.vendor_fen,
            line.fee_fen,
            line.retention_fen,
            line.state,
        )
        .join(Statement, Statement.id == line.statement_id)
        .join(Agreement, Agreement.id == line.agreement_id)
        .join(Payer, Payer.id == line.payer_id)
        .join(Vendor, Vendor.id == line.vendor_id)
        .where(own)
    )


def _draws_of(unit: Unit, line_id: UUID) -> list[DrawRow]:
    rows = unit.session.execute(
        select(
            StatementDraw.funding_line_id,
            FundingLine.fiscal_year,
            FundingLine.source,
            StatementDraw.amount_fen,
        )
        .join(FundingLine, FundingLine.id == StatementDraw.funding_line_id)
        .where(StatementDraw.line_id == line_id)
        .order_by(StatementDraw.position)
    )
    return [DrawRow(**row._mapping) for row in rows]


def _schools_of(unit: Unit, line_id: UUID) -> list[SchoolPart]:
    rows = unit.session.execute(
        select(
            Organisation.code,
            Organisation.name,
            StatementBreakdown.quantity,
            StatementBreakdown.amount_fen,
            StatementBreakdown.explanation,
        )
        .join(Organisation, Organisation.id == StatementBreakdown.school_id)
        .where(StatementBreakdown.line_id == line_id)
        .order_by(Organisation.code)
    )
    return [SchoolPart(**row._mapping) for row in rows]


def _legs_of(unit: Unit, key: str) -> list[LegRow]:
    """Return the legs of a transfer with their owners' names; a funding line shows its year."""
    rows = unit.session.execute(
        select(
            Account.book,
            Account.kind,
            func.coalesce(
                Organisation.name, func.concat(FundingLine.fiscal_year, " ", FundingLine.source)
            ).label("owner"),
            Account.owner_id,
            Leg.side,
            Leg.amount_fen,
        )
        .join(Transfer, Transfer.id == Leg.transfer_id)
        .join(Account, Account.id == Leg.account_id)
        .outerjoin(Organisation, Organisation.id == Account.owner_id)
        .outerjoin(FundingLine, FundingLine.id == Account.owner_id)
        .where(Transfer.key == key)
        .order_by(Leg.position)
    )
    return [
        LegRow(
            book=row.book,
            kind=row.kind,
            owner=row.owner.strip(),
            side=row.side,
            amount_fen=row.amount_fen,
        )
        for row in rows
    ]


def _whole(mapping: Any) -> dict[str, Any]:
    """Return the row with its sums as whole numbers (PostgreSQL sums BIGINT as NUMERIC)."""
    return {
        name: int(value) if isinstance(value, Decimal) else value for name, value in mapping.items()
    }
