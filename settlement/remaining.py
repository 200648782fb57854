"""What is left of agreements before a month is stated: of their ceilings, and on each line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from kernel.clock import Month, month_bounds, shanghai_day
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.models import Agreement, AgreementDraw, FundingLine, StatementDraw, StatementLine
from settlement.rating import Room


@dataclass(frozen=True, slots=True)
class AgreementState:
    """An agreement as a statement finds it: its terms and what earlier lines have left."""

    payer_id: UUID
    vendor_id: UUID
    terms: dict[str, Any]
    ceiling_fen: int
    room: Room


def agreement_states(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID]
) -> dict[UUID, AgreementState]:
    """Return these payers' agreements, each with its ceiling less what earlier lines billed."""
    used = dict(
        unit.session.execute(
            select(StatementLine.agreement_id, func.sum(StatementLine.amount_fen))
            .where(among(StatementLine.payer_id, payer_ids))
            .group_by(StatementLine.agreement_id)
        ).all()
    )
    room = _committed(unit, month, payer_ids=payer_ids)
    rows = unit.session.execute(
        select(
            Agreement.id,
            Agreement.payer_id,
            Agreement.vendor_id,
            Agreement.terms,
            Agreement.ceiling_fen,
        ).where(among(Agreement.payer_id, payer_ids))
    )
    return {
        agreement_id: AgreementState(
            payer_id=payer_id,
            vendor_id=vendor_id,
            terms=terms,
            ceiling_fen=ceiling_fen,
            room=Room(ceiling_fen - int(used.get(agreement_id, 0)), room.get(agreement_id, [])),
        )
        for agreement_id, payer_id, vendor_id, terms, ceiling_fen in rows
    }


def _committed(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID]
) -> dict[UUID, list[tuple[UUID, int]]]:
    """Return what is still committed per agreement on each line that may pay for this month."""
    drawn = (
        select(
            StatementLine.agreement_id,
            StatementDraw.funding_line_id,
            func.sum(StatementDraw.amount_fen).label("fen"),
        )
        .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
        .where(among(StatementLine.payer_id, payer_ids))
        .group_by(StatementLine.agreement_id, StatementDraw.funding_line_id)
        .subquery()
    )
    last_day = shanghai_day(month_bounds(month)[1] - timedelta(seconds=1))
    rows = unit.session.execute(
        select(
            AgreementDraw.agreement_id,
            AgreementDraw.line_id,
            AgreementDraw.ceiling_fen - func.coalesce(drawn.c.fen, 0),
        )
        .join(Agreement, Agreement.id == AgreementDraw.agreement_id)
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .outerjoin(
            drawn,
            (drawn.c.agreement_id == AgreementDraw.agreement_id)
            & (drawn.c.funding_line_id == AgreementDraw.line_id),
        )
        .where(
            among(Agreement.payer_id, payer_ids),
            FundingLine.fiscal_year <= month.year,
            FundingLine.lapses_on > last_day,
        )
        .order_by(AgreementDraw.agreement_id, AgreementDraw.position)
    )
    room: dict[UUID, list[tuple[UUID, int]]] = {}
    for agreement_id, line_id, fen in rows:
        room.setdefault(agreement_id, []).append((line_id, int(fen)))
    return room
