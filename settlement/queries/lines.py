"""Lines of statements: from a list of them down to one with its arithmetic, draws and legs.

A payer sees its own, a bureau its subtree's, a vendor those that it is paid by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.clock import show_month
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dispute_models import CreditDraw, CreditNote
from settlement.ledger.models import Account, Leg, Transfer
from settlement.models import (
    Agreement,
    FundingLine,
    Statement,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)
from settlement.queries.statements import visible_payers

Payer = aliased(Organisation, name="payer")
Vendor = aliased(Organisation, name="vendor")


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
    metric: str
    quantity: int
    unit_price: Decimal
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int
    credited_fen: int
    state: str
    confirmed_at: datetime | None
    confirmed_by: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawRow:
    """What a line draws from one funding line, in fen."""

    funding_line_id: UUID
    fiscal_year: int
    source: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolPart:
    """One school's part of a line; what was rated and cut where it has a ceiling of its own."""

    code: str
    name: str
    quantity: int
    amount_fen: int
    explanation: dict[str, Any]
    rated_fen: int | None = None
    above_ceiling_fen: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LegRow:
    """One leg of the transfer that posted a line.

    Its account belongs to an organisation (`owner`), to a funding line, or, with neither, to the
    platform.
    """

    book: str
    kind: str
    owner: str
    funding_line_id: UUID | None
    fiscal_year: int | None
    source: str | None
    side: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LineHead:
    """A line with its arithmetic: what its uses, and all else that it is made of, hang on."""

    line: LineRow
    agreement_id: UUID
    resource_id: UUID
    rule: str
    explanation: dict[str, Any]
    terms: dict[str, Any]

    @property
    def transfer_key(self) -> str:
        """The business key of the transfer that posts it."""
        line = self.line
        return posting_key(
            line.statement_number, line.agreement_number, kind=line.kind, of_month=line.of_month
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LineView(LineHead):
    """A line with all that it is made of.

    A vendor is shown what it is paid, not from which of the payer's funding lines.
    """

    draws: Sequence[DrawRow]
    schools: Sequence[SchoolPart]
    legs: Sequence[LegRow]


def lines_of(
    unit: Unit,
    *,
    payer_code: str | None = None,
    month: date | None = None,
    vendor_id: UUID | None = None,
    agreement_number: str | None = None,
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
    if agreement_number is not None:
        wanted = wanted.where(Agreement.number == agreement_number)
    return [LineRow(**row._mapping) for row in unit.session.execute(wanted)]


def line_head(unit: Unit, line_id: UUID) -> LineHead:
    """Return one line with its arithmetic, or raise `NotFound`."""
    row = unit.session.execute(
        _lines(unit)
        .add_columns(
            StatementLine.agreement_id,
            Agreement.resource_id,
            StatementLine.rule_version.label("rule"),
            StatementLine.explanation,
            Agreement.terms,
        )
        .where(StatementLine.id == line_id)
    ).first()
    if row is None:
        raise NotFound(what="statement line", key=line_id)
    facts = dict(row._mapping)
    own = {
        name: facts.pop(name)
        for name in ("agreement_id", "resource_id", "rule", "explanation", "terms")
    }
    return LineHead(line=LineRow(**facts), **own)


def line_view(unit: Unit, line_id: UUID) -> LineView:
    """Return one line with its arithmetic, draws, schools and legs, or raise `NotFound`."""
    head = line_head(unit, line_id)
    legs = _legs_of(unit, head.transfer_key)
    draws: list[DrawRow] = []
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        legs = [leg for leg in legs if leg.book == "money"]
    else:
        draws = _draws_of(unit, line_id)
    return LineView(
        line=head.line,
        agreement_id=head.agreement_id,
        resource_id=head.resource_id,
        rule=head.rule,
        explanation=head.explanation,
        terms=head.terms,
        draws=draws,
        schools=_schools_of(unit, line_id),
        legs=legs,
    )


def draws_of_lines(unit: Unit, line_ids: Sequence[UUID]) -> list[DrawRow]:
    """Return what lines draw from each funding line, credit notes taken off, by year and source.

    The caller has found the lines as the actor may see them.
    """
    given_back = (
        select(CreditNote.line_id, CreditDraw.funding_line_id, CreditDraw.amount_fen)
        .join(CreditDraw, CreditDraw.credit_note_id == CreditNote.id)
        .subquery()
    )
    net = func.sum(StatementDraw.amount_fen - func.coalesce(given_back.c.amount_fen, 0))
    rows = unit.session.execute(
        select(
            StatementDraw.funding_line_id,
            FundingLine.fiscal_year,
            FundingLine.source,
            net.label("amount_fen"),
        )
        .join(FundingLine, FundingLine.id == StatementDraw.funding_line_id)
        .outerjoin(
            given_back,
            (given_back.c.line_id == StatementDraw.line_id)
            & (given_back.c.funding_line_id == StatementDraw.funding_line_id),
        )
        .where(among(StatementDraw.line_id, line_ids))
        .group_by(StatementDraw.funding_line_id, FundingLine.fiscal_year, FundingLine.source)
        .order_by(FundingLine.fiscal_year, FundingLine.source, StatementDraw.funding_line_id)
    )
    return [DrawRow(**{**row._mapping, "amount_fen": int(row.amount_fen)}) for row in rows]


def posting_key(statement: str, agreement: str, *, kind: str, of_month: date) -> str:
    """Return the business key of the transfer that posts a line, once."""
    return f"post:{statement}:{agreement}:{kind}:{show_month(of_month)}"


def credit_key(number: str) -> str:
    """Return the business key of the transfer that posts a credit note, once."""
    return f"credit:{number}"


def _lines(unit: Unit) -> Select[*tuple[Any, ...]]:
    line = StatementLine
    if unit.actor.organisation_kind is OrganisationKind.VENDOR:
        own: ColumnElement[bool] = line.vendor_id == unit.actor.organisation_id
    else:
        own = line.payer_id.in_(visible_payers(unit))
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
            line.metric,
            line.quantity,
            line.unit_price,
            line.rated_fen,
            line.above_ceiling_fen,
            line.amount_fen,
            line.uncovered_fen,
            line.drawn_fen,
            line.vendor_fen,
            line.school_fen,
            line.fee_fen,
            line.retention_fen,
            func.coalesce(CreditNote.amount_fen, 0).label("credited_fen"),
            line.state,
            line.confirmed_at,
            line.confirmed_by,
        )
        .join(Statement, Statement.id == line.statement_id)
        .join(Agreement, Agreement.id == line.agreement_id)
        .join(Payer, Payer.id == line.payer_id)
        .join(Vendor, Vendor.id == line.vendor_id)
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
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
            StatementBreakdown.rated_fen,
            StatementBreakdown.above_ceiling_fen,
        )
        .join(Organisation, Organisation.id == StatementBreakdown.school_id)
        .where(StatementBreakdown.line_id == line_id)
        .order_by(Organisation.code)
    )
    return [SchoolPart(**row._mapping) for row in rows]


def _legs_of(unit: Unit, key: str) -> list[LegRow]:
    """Return the legs of a transfer with the organisations or funding lines that own them."""
    rows = unit.session.execute(
        select(
            Account.book,
            Account.kind,
            func.coalesce(Organisation.name, "").label("owner"),
            FundingLine.id.label("funding_line_id"),
            FundingLine.fiscal_year,
            FundingLine.source,
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
    return [LegRow(**row._mapping) for row in rows]
