"""What is left of agreements before a month is stated: of their ceilings, and on each line."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.budget_models import FreedCommitment, LineEnd
from settlement.dispute_models import CreditDraw, CreditNote
from settlement.models import Agreement, AgreementDraw, FundingLine, StatementDraw, StatementLine
from settlement.rating import Fund, Room


@dataclass(frozen=True, slots=True)
class AgreementState:
    """An agreement as a statement finds it: its terms and what earlier lines have left."""

    number: str
    payer_id: UUID
    vendor_id: UUID
    terms: dict[str, Any]
    ceiling_fen: int
    room: Room


def agreement_states(
    unit: Unit, agreement_ids: Collection[UUID], *, before: Month | None = None
) -> dict[UUID, AgreementState]:
    """Return these agreements, each with its ceiling less what earlier lines billed.

    What credit notes took off is free again. `before`: as if this month's own lines, and all of
    later months, were not stated.
    """
    known = _known(before)
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
    rows = unit.session.execute(
        select(
            Agreement.id,
            Agreement.number,
            Agreement.payer_id,
            Agreement.vendor_id,
            Agreement.terms,
            Agreement.ceiling_fen,
        ).where(among(Agreement.id, agreement_ids))
    )
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
            ),
        )
        for agreement_id, number, payer_id, vendor_id, terms, ceiling_fen in rows
    }


def _known(before: Month | None) -> ColumnElement[bool]:
    """Return which statement lines have taken their part already."""
    if before is None:
        return true()
    adjusts = (StatementLine.month == before) & (StatementLine.kind == "adjustment")
    return (StatementLine.month < before) | adjusts


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
    funds: dict[UUID, list[Fund]] = {}
    for agreement_id, line_id, ceiling_fen, year, lapses_on, source, limits in unit.session.execute(
        select(
            AgreementDraw.agreement_id,
            AgreementDraw.line_id,
            AgreementDraw.ceiling_fen,
            FundingLine.fiscal_year,
            FundingLine.lapses_on,
            FundingLine.source,
            FundingLine.restriction,
        )
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .where(among(AgreementDraw.agreement_id, agreement_ids))
        .order_by(AgreementDraw.agreement_id, AgreementDraw.position)
    ):
        left = ceiling_fen - drawn.get((agreement_id, line_id), 0)
        fund = Fund(line_id, left, year, lapses_on, source, limits, ceiling_fen)
        funds.setdefault(agreement_id, []).append(fund)
    return funds
