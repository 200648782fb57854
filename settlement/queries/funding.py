"""Money boards: what each payer was allocated, has committed and spent, and its agreements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, extract, func, select
from sqlalchemy.orm import aliased

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.identity.models import Organisation, Region
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.agreement_models import AgreementYear
from settlement.ceilings import CeilingUse, ceiling_use
from settlement.dispute_models import CreditNote
from settlement.funding_lines import LineBalance
from settlement.ledger.models import Account
from settlement.ledger.posting import FUNDING_KINDS
from settlement.models import (
    Agreement,
    FundingLine,
    StatementLine,
)
from settlement.queries.ceilings import estimate_of_year, running_estimate
from settlement.queries.statements import visible_payers


@dataclass(frozen=True, kw_only=True, slots=True)
class LineBoard:
    """One funding line with its four amounts."""

    id: UUID
    payer_id: UUID
    payer_kind: str
    payer_code: str
    payer_name: str
    fiscal_year: int
    source: str
    restriction: Mapping[str, Any]
    lapses_on: date
    balance: LineBalance


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolRow:
    """A school's money in a fiscal year, in fen: a row of the bureau's table."""

    id: UUID
    code: str
    name: str
    region_code: str
    region_name: str
    balance: LineBalance
    agreements: int
    uses: int
    billed_fen: int
    above_ceiling_fen: int
    uncovered_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementRow:
    """An agreement with what was billed under it so far, in fen."""

    id: UUID
    number: str
    title: str
    sku: str
    vendor_name: str
    terms: Mapping[str, Any]
    ceiling_fen: int
    billed_fen: int
    credited_fen: int
    above_ceiling_fen: int
    estimated_fen: int
    estimated_at: datetime | None
    uses: int
    starts_on: date
    ends_on: date
    state: str
    ceiling_use: CeilingUse
    """Of today's fiscal year, where the agreement has a ceiling for each (R19)."""

    @property
    def left_fen(self) -> int:
        return self.ceiling_fen - self.billed_fen + self.credited_fen

    @property
    def left_by_estimate_fen(self) -> int:
        """What is left when what is not stated yet is billed as last estimated."""
        return self.left_fen - self.estimated_fen

    @property
    def stops_at_ceiling(self) -> bool:
        return bool(self.terms.get("stop_at_ceiling", False))


def fiscal_years(unit: Unit) -> list[int]:
    """Return the fiscal years for which the actor sees a funding line, the latest first."""
    return list(
        unit.session.scalars(
            select(FundingLine.fiscal_year)
            .where(FundingLine.payer_id.in_(visible_payers(unit)))
            .distinct()
            .order_by(FundingLine.fiscal_year.desc())
        )
    )


def lines_board(
    unit: Unit,
    *,
    fiscal_year: int | None = None,
    payer_code: str | None = None,
    line_id: UUID | None = None,
) -> list[LineBoard]:
    """Return the visible funding lines with their balances, in one query."""
    amounts = {
        kind: func.coalesce(func.sum(Account.balance).filter(Account.kind == kind), 0).label(kind)
        for kind in FUNDING_KINDS
    }
    wanted = (
        select(
            FundingLine,
            Organisation.kind,
            Organisation.code,
            Organisation.name,
            *amounts.values(),
        )
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .join(Account, Account.owner_id == FundingLine.id)
        .where(FundingLine.payer_id.in_(visible_payers(unit)))
        .group_by(FundingLine.id, Organisation.id)
        .order_by(Organisation.code, FundingLine.fiscal_year, FundingLine.source)
    )
    if fiscal_year is not None:
        wanted = wanted.where(FundingLine.fiscal_year == fiscal_year)
    if payer_code is not None:
        wanted = wanted.where(Organisation.code == payer_code)
    if line_id is not None:
        wanted = wanted.where(FundingLine.id == line_id)
    return [
        LineBoard(
            id=line.id,
            payer_id=line.payer_id,
            payer_kind=kind,
            payer_code=code,
            payer_name=name,
            fiscal_year=line.fiscal_year,
            source=line.source,
            restriction=line.restriction,
            lapses_on=line.lapses_on,
            balance=LineBalance(*(int(amount) for amount in held)),
        )
        for line, kind, code, name, *held in unit.session.execute(wanted)
    ]


def schools_table(unit: Unit, *, fiscal_year: int) -> list[SchoolRow]:
    """Return every visible school that pays for itself, with its year: three queries in all."""
    balances: dict[UUID, LineBalance] = {}
    for board in lines_board(unit, fiscal_year=fiscal_year):
        balances[board.payer_id] = _add(balances.get(board.payer_id), board.balance)
    used = {
        row.payer_id: row
        for row in unit.session.execute(
            select(
                StatementLine.payer_id,
                func.sum(StatementLine.quantity).label("uses"),
                func.sum(StatementLine.amount_fen).label("billed"),
                func.sum(StatementLine.above_ceiling_fen).label("above"),
                func.sum(StatementLine.uncovered_fen).label("uncovered"),
            )
            .where(
                StatementLine.payer_id.in_(_visible_schools(unit)),
                StatementLine.of_month >= date(fiscal_year, 1, 1),
                StatementLine.of_month <= date(fiscal_year, 12, 1),
            )
            .group_by(StatementLine.payer_id)
        )
    }
    agreed = dict(
        unit.session.execute(
            select(Agreement.payer_id, func.count())
            .where(
                Agreement.payer_id.in_(_visible_schools(unit)),
                Agreement.starts_on <= date(fiscal_year, 12, 31),
                Agreement.ends_on >= date(fiscal_year, 1, 1),
            )
            .group_by(Agreement.payer_id)
        ).all()
    )
    schools = unit.session.execute(
        visible_organisations(unit, OrganisationKind.SCHOOL)
        .with_only_columns(
            Organisation.id,
            Organisation.code,
            Organisation.name,
            Organisation.region_code,
            Region.name.label("region_name"),
        )
        .join(Region, Region.code == Organisation.region_code)
        .where(Organisation.parent_id.is_(None))
        .order_by(Organisation.code)
    )
    return [
        SchoolRow(
            id=school.id,
            code=school.code,
            name=school.name,
            region_code=school.region_code,
            region_name=school.region_name,
            balance=balances.get(school.id, LineBalance()),
            agreements=agreed.get(school.id, 0),
            uses=int(used[school.id].uses) if school.id in used else 0,
            billed_fen=int(used[school.id].billed) if school.id in used else 0,
            above_ceiling_fen=int(used[school.id].above) if school.id in used else 0,
            uncovered_fen=int(used[school.id].uncovered) if school.id in used else 0,
        )
        for school in schools
    ]


def agreements_of(unit: Unit, payer_code: str) -> list[AgreementRow]:
    """Return a visible payer's agreements with what was billed under each, in fen: one query.

    Of one that crosses 1 January it is today's year that its ceiling's use is told for (R19).
    """
    vendor = aliased(Organisation)
    today = shanghai_day(unit.clock.now())
    estimate, as_of = running_estimate()
    of_year = extract("year", StatementLine.of_month) == today.year
    rows = unit.session.execute(
        select(
            Agreement,
            vendor.name,
            func.coalesce(func.sum(StatementLine.amount_fen), 0),
            func.coalesce(func.sum(CreditNote.amount_fen), 0),
            func.coalesce(func.sum(StatementLine.above_ceiling_fen), 0),
            func.coalesce(func.sum(StatementLine.quantity), 0),
            estimate,
            as_of,
            AgreementYear.ceiling_fen - AgreementYear.waiting_fen,
            func.coalesce(func.sum(StatementLine.amount_fen).filter(of_year), 0)
            - func.coalesce(func.sum(CreditNote.amount_fen).filter(of_year), 0)
            + estimate_of_year(today.year),
        )
        .join(vendor, vendor.id == Agreement.vendor_id)
        .outerjoin(StatementLine, StatementLine.agreement_id == Agreement.id)
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .outerjoin(
            AgreementYear,
            (AgreementYear.agreement_id == Agreement.id)
            & (AgreementYear.fiscal_year == today.year),
        )
        .where(Agreement.payer_id.in_(visible_payers(unit).where(Organisation.code == payer_code)))
        .group_by(Agreement.id, vendor.name, AgreementYear.agreement_id, AgreementYear.fiscal_year)
        .order_by(Agreement.number)
    )
    return [
        AgreementRow(
            id=agreement.id,
            number=agreement.number,
            title=agreement.terms["title"],
            sku=agreement.terms["sku"],
            vendor_name=vendor_name,
            terms=agreement.terms,
            ceiling_fen=agreement.ceiling_fen,
            billed_fen=int(billed),
            credited_fen=int(credited),
            above_ceiling_fen=int(above),
            estimated_fen=int(estimated),
            estimated_at=estimated_at,
            uses=int(uses),
            starts_on=agreement.starts_on,
            ends_on=agreement.ends_on,
            state="ended"
            if agreement.state == "open" and agreement.ends_on < today
            else agreement.state,
            ceiling_use=(
                ceiling_use(agreement.ceiling_fen, left_fen=agreement.ceiling_fen - int(used_fen))
                if year_fen is None
                else ceiling_use(year_fen, left_fen=year_fen - int(of_year_fen))
            ),
        )
        for (
            agreement,
            vendor_name,
            billed,
            credited,
            above,
            uses,
            estimated,
            estimated_at,
            year_fen,
            of_year_fen,
        ) in rows
        for used_fen in (billed - credited + estimated,)
    ]


def _visible_schools(unit: Unit) -> Select[UUID]:
    return visible_organisations(unit, OrganisationKind.SCHOOL).with_only_columns(Organisation.id)


def _add(one: LineBalance | None, other: LineBalance) -> LineBalance:
    if one is None:
        return other
    return LineBalance(
        one.available_fen + other.available_fen,
        one.committed_fen + other.committed_fen,
        one.accrued_fen + other.accrued_fen,
        one.paid_fen + other.paid_fen,
    )


def total(balances: Sequence[LineBalance]) -> LineBalance:
    """Return the sum of balances: the foot of a table."""
    summed = LineBalance()
    for balance in balances:
        summed = _add(summed, balance)
    return summed


def share(part_fen: int, whole_fen: int) -> Decimal:
    """Return a part of a whole in per cent with one decimal; 0 of nothing."""
    if whole_fen == 0:
        return Decimal(0)
    return (Decimal(part_fen) * 100 / whole_fen).quantize(Decimal("0.1"))
