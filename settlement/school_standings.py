"""How the schools of an agreement stand with their own ceilings: billed, running, left (R24).

What runs is each school's part of what was estimated last. Look-ups by key, however much is used.
Decides nothing; whose figures a reader may see is the callers' question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.ceilings import CeilingUse, ceiling_use
from settlement.dispute_models import CreditNote, CreditPart
from settlement.models import (
    Agreement,
    AgreementSchool,
    SchoolEstimate,
    StatementBreakdown,
    StatementLine,
    is_stated,
)
from settlement.remaining import SCHOOL_CEILINGS
from settlement.school_days import Run, runs_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolStanding:
    """A school under an agreement; amounts in fen, `quantity` in units of its metric.

    `ceiling_fen` is None where schools have none of their own. `runs`: the days on which it goes by
    the agreement. `billed_fen`: credit notes taken off; `above_fen`: what was rated and not billed.
    """

    agreement_id: UUID
    school_id: UUID
    code: str
    name: str
    ceiling_fen: int | None
    runs: Sequence[Run]
    quantity: int
    billed_fen: int
    above_fen: int
    estimated_fen: int

    @property
    def goes_on(self) -> bool:
        """Whether the school goes by the agreement until its end; else it has declined."""
        return bool(self.runs) and self.runs[-1].last is None

    @property
    def left_fen(self) -> int | None:
        """What is left of the ceiling once what runs is billed."""
        if self.ceiling_fen is None:
            return None
        return self.ceiling_fen - self.billed_fen - self.estimated_fen

    @property
    def use(self) -> CeilingUse:
        if self.ceiling_fen is None or self.left_fen is None:
            return CeilingUse.WITHIN
        return ceiling_use(self.ceiling_fen, left_fen=self.left_fen)


def school_standings(
    unit: Unit, agreement_ids: Sequence[UUID], *, school_ids: Sequence[UUID] | None = None
) -> list[SchoolStanding]:
    """Return the schools of agreements with how they stand, by code, in one query."""
    wanted = [among(AgreementSchool.agreement_id, agreement_ids)]
    if school_ids is not None:
        wanted.append(among(AgreementSchool.school_id, school_ids))
    rows = unit.session.execute(
        select(
            AgreementSchool.agreement_id,
            AgreementSchool.school_id,
            Organisation.code,
            Organisation.name,
            AgreementSchool.ceiling_fen,
            AgreementSchool.days,
            _billed(StatementBreakdown.quantity).label("quantity"),
            _billed(StatementBreakdown.amount_fen).label("gross"),
            _billed(func.coalesce(StatementBreakdown.above_ceiling_fen, 0)).label("above"),
            _credited().label("credited"),
            _running().label("running"),
        )
        .join(Organisation, Organisation.id == AgreementSchool.school_id)
        .where(*wanted)
        .order_by(Organisation.code)
    )
    return [
        SchoolStanding(
            agreement_id=row.agreement_id,
            school_id=row.school_id,
            code=row.code,
            name=row.name,
            ceiling_fen=row.ceiling_fen,
            runs=runs_of(row.days),
            quantity=int(row.quantity),
            billed_fen=int(row.gross) - int(row.credited),
            above_fen=int(row.above),
            estimated_fen=int(row.running),
        )
        for row in rows
    ]


def is_used_up_at(unit: Unit, agreement: Agreement, school_id: UUID) -> bool:
    """Whether what was billed and what runs leave nothing of the school's own ceiling.

    Of an agreement without such ceilings nothing is asked.
    """
    if not agreement.terms.get(SCHOOL_CEILINGS):
        return False
    [standing] = school_standings(unit, [agreement.id], school_ids=[school_id])
    return standing.use is CeilingUse.USED_UP


def _billed(figure: ColumnElement[Any] | Any) -> Any:
    return (
        select(func.coalesce(func.sum(figure), 0))
        .join(StatementLine, StatementLine.id == StatementBreakdown.line_id)
        .where(
            StatementLine.agreement_id == AgreementSchool.agreement_id,
            StatementBreakdown.school_id == AgreementSchool.school_id,
        )
        .correlate(AgreementSchool)
        .scalar_subquery()
    )


def _credited() -> Any:
    return (
        select(func.coalesce(func.sum(CreditPart.amount_fen), 0))
        .join(CreditNote, CreditNote.id == CreditPart.credit_note_id)
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(
            StatementLine.agreement_id == AgreementSchool.agreement_id,
            CreditPart.school_id == AgreementSchool.school_id,
        )
        .correlate(AgreementSchool)
        .scalar_subquery()
    )


def _running() -> Any:
    return (
        select(func.coalesce(func.sum(SchoolEstimate.amount_fen), 0))
        .where(
            SchoolEstimate.agreement_id == AgreementSchool.agreement_id,
            SchoolEstimate.school_id == AgreementSchool.school_id,
            ~is_stated(SchoolEstimate.payer_id, SchoolEstimate.month),
        )
        .correlate(AgreementSchool)
        .scalar_subquery()
    )
