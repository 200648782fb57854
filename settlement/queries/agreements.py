"""What became of an agreement: its fiscal years, its changes, and what is committed now."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select

from kernel.ids import AgreementId
from kernel.unit import Unit
from settlement.agreement_models import AgreementChange, AgreementChangeDraw, AgreementYear
from settlement.budget_models import FreedCommitment
from settlement.models import Agreement, AgreementDraw
from settlement.queries.statements import visible_payers


@dataclass(frozen=True, kw_only=True, slots=True)
class YearRow:
    """A fiscal year's ceiling, and what of it waits for the year's money, in fen."""

    fiscal_year: int
    ceiling_fen: int
    waiting_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeRow:
    """One change, in fen: of the ceiling, and of what is committed."""

    number: int
    kind: str
    fiscal_year: int
    ceiling_fen: int
    committed_fen: int
    ends_on: date | None
    reference: str
    reason: str
    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementLife:
    """`committed_fen`: what lines have set aside for it in all, drawn or not."""

    id: AgreementId
    opened_at: datetime
    committed_fen: int
    years: list[YearRow]
    changes: list[ChangeRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementBrief:
    """An agreement as a list for machines names it."""

    id: AgreementId
    number: str
    payer_id: UUID
    title: str
    sku: str
    ceiling_fen: int
    starts_on: date
    ends_on: date
    state: str
    trial: bool


def agreement_life(unit: Unit, number: str) -> AgreementLife | None:
    """Return what became of a visible agreement; None if there is none of this number."""
    found = unit.session.execute(
        select(Agreement.id, Agreement.opened_at).where(
            Agreement.number == number, Agreement.payer_id.in_(visible_payers(unit))
        )
    ).one_or_none()
    if found is None:
        return None
    years = unit.session.scalars(
        select(AgreementYear)
        .where(AgreementYear.agreement_id == found.id)
        .order_by(AgreementYear.fiscal_year)
        .execution_options(populate_existing=True)
    )
    committed = unit.session.scalar(
        select(func.sum(AgreementDraw.ceiling_fen)).where(AgreementDraw.agreement_id == found.id)
    )
    freed = unit.session.scalar(
        select(func.sum(FreedCommitment.amount_fen)).where(FreedCommitment.agreement_id == found.id)
    )
    moved = (
        select(func.coalesce(func.sum(AgreementChangeDraw.amount_fen), 0))
        .where(AgreementChangeDraw.change_id == AgreementChange.id)
        .scalar_subquery()
    )
    changes = unit.session.execute(
        select(AgreementChange, moved)
        .where(AgreementChange.agreement_id == found.id)
        .order_by(AgreementChange.number.desc())
    )
    return AgreementLife(
        id=AgreementId(found.id),
        opened_at=found.opened_at,
        committed_fen=int(committed or 0) - int(freed or 0),
        years=[
            YearRow(
                fiscal_year=year.fiscal_year,
                ceiling_fen=year.ceiling_fen,
                waiting_fen=year.waiting_fen,
            )
            for year in years
        ],
        changes=[
            ChangeRow(
                number=change.number,
                kind=change.kind,
                fiscal_year=change.fiscal_year,
                ceiling_fen=change.ceiling_fen,
                committed_fen=int(fen),
                ends_on=change.ends_on,
                reference=change.reference,
                reason=change.reason,
                at=change.at,
                by=change.by,
            )
            for change, fen in changes
        ],
    )


def agreements_after(
    unit: Unit, *, after: AgreementId | None, limit: int, number: str = ""
) -> list[AgreementBrief]:
    """Return at most `limit` agreements that the actor sees, the oldest first, after one of them.

    `number`: only this one.
    """
    wanted = select(Agreement).where(Agreement.payer_id.in_(visible_payers(unit)))
    if after is not None:
        wanted = wanted.where(Agreement.id > after)
    if number:
        wanted = wanted.where(Agreement.number == number)
    return [
        AgreementBrief(
            id=AgreementId(row.id),
            number=row.number,
            payer_id=row.payer_id,
            title=row.terms["title"],
            sku=row.terms["sku"],
            ceiling_fen=row.ceiling_fen,
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            state=row.state,
            trial=bool(row.terms.get("trial")),
        )
        for row in unit.session.scalars(wanted.order_by(Agreement.id).limit(limit))
    ]
