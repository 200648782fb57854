"""What is left of agreements before a month is stated: of their ceilings, and on each line."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Text, cast, extract, func, select, true

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.agreement_models import AgreementYear
from settlement.budget_models import FreedCommitment, LineEnd
from settlement.dispute_models import CreditDraw, CreditNote, CreditPart
from settlement.funding_lines import draw_order
from settlement.models import (
    Agreement,
    AgreementDraw,
    AgreementSchool,
    FundingLine,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)
from settlement.rating import Fund, Room

SCHOOL_CEILINGS: Final = "school_ceilings"
"""The key of an agreement's terms that says its schools have ceilings of their own."""


@dataclass(frozen=True, slots=True)
class AgreementState:
    """An agreement as a statement finds it: its terms and what earlier lines have left."""

    number: str
    payer_id: UUID
    vendor_id: UUID
    terms: dict[str, Any]
    ceiling_fen: int
    room: Room
    years: Mapping[int, int] = field(default_factory=dict)
    """The ceilings by fiscal year, where it has several (R19)."""
    school_ceilings: Mapping[UUID, int] = field(default_factory=dict)
    """The schools' own ceilings, where they have one (R24)."""

    def ceiling_in(self, fiscal_year: int) -> int:
        return self.years.get(fiscal_year, 0) if self.years else self.ceiling_fen


def agreement_states(
    unit: Unit, agreement_ids: Collection[UUID], *, before: Month | None = None
) -> dict[UUID, AgreementState]:
    """Return these agreements, each with its ceiling less what earlier lines billed.

    What credit notes took off is free again. `before`: as if this month's own lines, and all of
    later months, were not stated.
    """
    known = known_lines(before)
    billed = _sums(
        unit,
        select(StatementLine.agreement_id, func.sum(StatementLine.amount_fen)).group_by(
            StatementLine.agreement_id
        ),
        agreement_ids,
        known,
    )
    credited = _sums(
        unit,
        select(StatementLine.agreement_id, func.sum(CreditNote.amount_fen))
        .join(CreditNote, CreditNote.line_id == StatementLine.id)
        .group_by(StatementLine.agreement_id),
        agreement_ids,
        known,
    )
    funds = _funds(unit, agreement_ids, known)
    years = _years(unit, agreement_ids)
    left_in_years = _left_in_years(unit, years, known)
    found = unit.session.execute(
        select(
            Agreement.id,
            Agreement.number,
            Agreement.payer_id,
            Agreement.vendor_id,
            Agreement.ceiling_fen,
            cast(Agreement.terms, Text),
        ).where(among(Agreement.id, agreement_ids))
    )
    decode = cache(partial(msgspec.json.decode, type=dict[str, Any]))
    # Agreements under equal terms share them: those of a province's month have to fit the memory.
    rows = [(*row, decode(terms)) for *row, terms in found]
    # The frozen terms say whether schools have ceilings; of all others nothing is asked.
    by_school = [agreement_id for agreement_id, *_, terms in rows if terms.get(SCHOOL_CEILINGS)]
    schools = school_ceilings(unit, by_school) if by_school else {}
    left_of_schools = _left_of_schools(unit, schools, known)
    return {
        agreement_id: AgreementState(
            number=number,
            payer_id=payer_id,
            vendor_id=vendor_id,
            terms=terms,
            ceiling_fen=ceiling_fen,
            room=Room(
                ceiling_fen - billed.get(agreement_id, 0) + credited.get(agreement_id, 0),
                funds.get(agreement_id, []),
                left_in_years.get(agreement_id, {}),
                left_of_schools.get(agreement_id, {}),
            ),
            years=years.get(agreement_id, {}),
            school_ceilings=schools.get(agreement_id, {}),
        )
        for agreement_id, number, payer_id, vendor_id, ceiling_fen, terms in rows
    }


def _years(unit: Unit, agreement_ids: Collection[UUID]) -> dict[UUID, dict[int, int]]:
    """Return the ceilings by fiscal year of those agreements that have several."""
    years: dict[UUID, dict[int, int]] = {}
    for agreement_id, fiscal_year, fen in unit.session.execute(
        select(
            AgreementYear.agreement_id, AgreementYear.fiscal_year, AgreementYear.ceiling_fen
        ).where(among(AgreementYear.agreement_id, agreement_ids))
    ):
        years.setdefault(agreement_id, {})[fiscal_year] = fen
    return years


def _left_in_years(
    unit: Unit, years: Mapping[UUID, Mapping[int, int]], known: ColumnElement[bool]
) -> dict[UUID, dict[int, int]]:
    """Return each year's ceiling less what was billed for use of that year."""
    left = {agreement_id: dict(ceilings) for agreement_id, ceilings in years.items()}
    if not left:
        return left
    of_year = extract("year", StatementLine.of_month)
    for agreement_id, fiscal_year, fen in unit.session.execute(
        select(
            StatementLine.agreement_id,
            of_year,
            func.sum(StatementLine.amount_fen - func.coalesce(CreditNote.amount_fen, 0)),
        )
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(among(StatementLine.agreement_id, list(left)), known)
        .group_by(StatementLine.agreement_id, of_year)
    ):
        year = int(fiscal_year)
        left[agreement_id][year] = left[agreement_id].get(year, 0) - int(fen)
    return left


def school_ceilings(unit: Unit, agreement_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Return the own ceilings of the schools of these agreements (R24)."""
    ceilings: dict[UUID, dict[UUID, int]] = {}
    for agreement_id, school_id, fen in unit.session.execute(
        select(
            AgreementSchool.agreement_id, AgreementSchool.school_id, AgreementSchool.ceiling_fen
        ).where(among(AgreementSchool.agreement_id, agreement_ids))
    ):
        if fen is not None:
            ceilings.setdefault(agreement_id, {})[school_id] = fen
    return ceilings


def _left_of_schools(
    unit: Unit, schools: Mapping[UUID, Mapping[UUID, int]], known: ColumnElement[bool]
) -> dict[UUID, dict[UUID, int]]:
    """Return each school's ceiling less what was billed for its use, credit notes taken off."""
    left = {agreement_id: dict(ceilings) for agreement_id, ceilings in schools.items()}
    if not left:
        return left
    billed = (
        select(
            StatementLine.agreement_id,
            StatementBreakdown.school_id,
            func.sum(StatementBreakdown.amount_fen),
        )
        .join(StatementBreakdown, StatementBreakdown.line_id == StatementLine.id)
        .group_by(StatementLine.agreement_id, StatementBreakdown.school_id)
    )
    credited = (
        select(StatementLine.agreement_id, CreditPart.school_id, -func.sum(CreditPart.amount_fen))
        .join(CreditNote, CreditNote.line_id == StatementLine.id)
        .join(CreditPart, CreditPart.credit_note_id == CreditNote.id)
        .group_by(StatementLine.agreement_id, CreditPart.school_id)
    )
    for wanted in (billed, credited):
        for agreement_id, school_id, fen in unit.session.execute(
            wanted.where(among(StatementLine.agreement_id, list(left)), known)
        ):
            if school_id in left[agreement_id]:
                left[agreement_id][school_id] -= int(fen)
    return left


def known_lines(before: Month | None) -> ColumnElement[bool]:
    """Return which statement lines have taken their part already."""
    if before is None:
        return true()
    of_earlier = (StatementLine.month == before) & (StatementLine.kind != "use")
    return (StatementLine.month < before) | of_earlier


def _sums(
    unit: Unit, wanted: Any, agreement_ids: Collection[UUID], known: ColumnElement[bool]
) -> dict[UUID, int]:
    rows = unit.session.execute(
        wanted.where(among(StatementLine.agreement_id, agreement_ids), known)
    )
    return {agreement_id: int(fen) for agreement_id, fen in rows}


def _funds(
    unit: Unit, agreement_ids: Collection[UUID], known: ColumnElement[bool]
) -> dict[UUID, list[Fund]]:
    """Return what is still committed per agreement on each line, in draw order."""
    drawn: dict[tuple[UUID, UUID], int] = {}
    for sign, wanted in (
        (
            1,
            select(
                StatementLine.agreement_id,
                StatementDraw.funding_line_id,
                func.sum(StatementDraw.amount_fen),
            )
            .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
            .group_by(StatementLine.agreement_id, StatementDraw.funding_line_id),
        ),
        (
            -1,
            select(
                StatementLine.agreement_id,
                CreditDraw.funding_line_id,
                func.sum(CreditDraw.amount_fen),
            )
            .join(CreditNote, CreditNote.line_id == StatementLine.id)
            .join(CreditDraw, CreditDraw.credit_note_id == CreditNote.id)
            .group_by(StatementLine.agreement_id, CreditDraw.funding_line_id),
        ),
    ):
        for agreement_id, line_id, fen in unit.session.execute(
            wanted.where(among(StatementLine.agreement_id, agreement_ids), known)
        ):
            key = (agreement_id, line_id)
            drawn[key] = drawn.get(key, 0) + sign * int(fen)
    # What a year's end freed is committed no more, whatever is stated later.
    for agreement_id, line_id, fen in unit.session.execute(
        select(FreedCommitment.agreement_id, LineEnd.line_id, func.sum(FreedCommitment.amount_fen))
        .join(LineEnd, LineEnd.id == FreedCommitment.end_id)
        .where(among(FreedCommitment.agreement_id, agreement_ids))
        .group_by(FreedCommitment.agreement_id, LineEnd.line_id)
    ):
        key = (agreement_id, line_id)
        drawn[key] = drawn.get(key, 0) + int(fen)
    found: dict[UUID, list[tuple[FundingLine, Fund]]] = {}
    for agreement_id, ceiling_fen, line in unit.session.execute(
        select(AgreementDraw.agreement_id, AgreementDraw.ceiling_fen, FundingLine)
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .where(among(AgreementDraw.agreement_id, agreement_ids))
        .order_by(AgreementDraw.agreement_id, AgreementDraw.position)
    ):
        fund = Fund(
            line.id,
            ceiling_fen - drawn.get((agreement_id, line.id), 0),
            line.fiscal_year,
            line.lapses_on,
            line.source,
            line.restriction,
            ceiling_fen,
        )
        found.setdefault(agreement_id, []).append((line, fund))
    for own in found.values():
        if len(own) > 1:  # a line that was committed later may have to pay before the others
            own.sort(key=lambda one: draw_order(one[0]))
    return {agreement_id: [fund for _, fund in own] for agreement_id, own in found.items()}
