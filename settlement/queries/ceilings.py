"""How ceilings stand with the running estimate: of all months, or of today's fiscal year (R33)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, case, extract, func, select

from kernel.clock import shanghai_day
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.agreement_models import AgreementYear
from settlement.ceilings import CeilingUse, ceiling_use
from settlement.dispute_models import CreditNote
from settlement.models import Agreement, CeilingEstimate, StatementLine, is_stated


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningCeiling:
    """An agreement's ceiling with what was billed, less credit notes, and what runs, in fen.

    `estimated_at` is None while nothing was estimated.
    """

    agreement_id: UUID
    number: str
    title: str
    ceiling_fen: int
    billed_fen: int
    estimated_fen: int
    estimated_at: datetime | None

    @property
    def left_fen(self) -> int:
        return self.ceiling_fen - self.billed_fen - self.estimated_fen

    @property
    def use(self) -> CeilingUse:
        return ceiling_use(self.ceiling_fen, left_fen=self.left_fen)


def running_ceilings(unit: Unit, agreement_ids: Sequence[UUID]) -> dict[UUID, RunningCeiling]:
    """Return how the ceilings of these agreements stand, in one query.

    Of one that crosses 1 January it is today's year that launches go by, and so does this (R19).
    """
    year = shanghai_day(unit.clock.now()).year
    amount = func.sum(StatementLine.amount_fen - func.coalesce(CreditNote.amount_fen, 0))
    billed = (
        select(
            StatementLine.agreement_id,
            amount.label("fen"),
            amount.filter(extract("year", StatementLine.of_month) == year).label("of_year"),
        )
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(among(StatementLine.agreement_id, agreement_ids))
        .group_by(StatementLine.agreement_id)
        .subquery()
    )
    running, as_of = running_estimate()
    running_in_year = estimate_of_year(year)
    has_years = AgreementYear.agreement_id.is_not(None)
    rows = unit.session.execute(
        select(
            Agreement.id,
            Agreement.number,
            Agreement.terms,
            func.coalesce(
                AgreementYear.ceiling_fen - AgreementYear.waiting_fen, Agreement.ceiling_fen
            ).label("ceiling_fen"),
            func.coalesce(case((has_years, billed.c.of_year), else_=billed.c.fen), 0).label(
                "billed"
            ),
            case((has_years, running_in_year), else_=running).label("running"),
            as_of.label("at"),
        )
        .outerjoin(
            AgreementYear,
            (AgreementYear.agreement_id == Agreement.id) & (AgreementYear.fiscal_year == year),
        )
        .outerjoin(billed, billed.c.agreement_id == Agreement.id)
        .where(among(Agreement.id, agreement_ids))
        .order_by(Agreement.number)
    )
    return {
        row.id: RunningCeiling(
            agreement_id=row.id,
            number=row.number,
            title=str(row.terms["title"]),
            ceiling_fen=row.ceiling_fen,
            billed_fen=int(row.billed),
            estimated_fen=int(row.running),
            estimated_at=row.at,
        )
        for row in rows
    }


def running_estimate() -> tuple[ScalarSelect[int], ScalarSelect[datetime]]:
    """Return an `Agreement`'s estimate of months that are not stated yet, and of when it is.

    Two scalars for a query over agreements, each a probe of the estimates.
    """
    of_agreement = (
        CeilingEstimate.agreement_id == Agreement.id,
        ~is_stated(CeilingEstimate.payer_id, CeilingEstimate.month),
    )
    fen, at = func.sum(CeilingEstimate.amount_fen), func.max(CeilingEstimate.estimated_at)
    return (
        select(func.coalesce(fen, 0)).where(*of_agreement).correlate(Agreement).scalar_subquery(),
        select(at).where(*of_agreement).correlate(Agreement).scalar_subquery(),
    )


def estimate_of_year(fiscal_year: int) -> ScalarSelect[int]:
    """Return an `Agreement`'s estimate of the months of a year that are not stated yet."""
    return (
        select(func.coalesce(func.sum(CeilingEstimate.amount_fen), 0))
        .where(
            CeilingEstimate.agreement_id == Agreement.id,
            extract("year", CeilingEstimate.month) == fiscal_year,
            ~is_stated(CeilingEstimate.payer_id, CeilingEstimate.month),
        )
        .correlate(Agreement)
        .scalar_subquery()
    )
