"""What agreements may draw on now, read set-wise: funds in draw order, ceilings by fiscal year."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.agreement_models import AgreementYear
from settlement.models import AgreementDraw, FundingLine
from settlement.rating import Fund

FundKey = tuple[int, str, str]
"""A funding line within its payer: fiscal year, source and restriction."""


def fund_key(fiscal_year: int, source: str, restriction: Mapping[str, Any]) -> FundKey:
    """Return the key of a funding line within its payer."""
    return (fiscal_year, source, msgspec.json.encode(restriction, order="deterministic").decode())


def funds_of(unit: Unit, agreement_ids: Sequence[UUID]) -> Iterator[tuple[UUID, Fund]]:
    """Yield what is committed for agreements now, each one's in draw order."""
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
        fund = Fund(line_id, ceiling_fen, year, lapses_on, source, limits, ceiling_fen)
        yield agreement_id, fund


def years_of(unit: Unit, agreement_ids: Sequence[UUID]) -> Iterator[tuple[UUID, int, int]]:
    """Yield the ceilings by fiscal year of those that have several."""
    for row in unit.session.execute(
        select(
            AgreementYear.agreement_id, AgreementYear.fiscal_year, AgreementYear.ceiling_fen
        ).where(among(AgreementYear.agreement_id, agreement_ids))
    ):
        yield row.agreement_id, row.fiscal_year, row.ceiling_fen


def fund_keys(unit: Unit, line_ids: Collection[UUID]) -> dict[UUID, FundKey]:
    """Return how funding lines are named within their payer."""
    rows = unit.session.execute(
        select(
            FundingLine.id, FundingLine.fiscal_year, FundingLine.source, FundingLine.restriction
        ).where(among(FundingLine.id, line_ids))
    )
    return {line_id: fund_key(*key) for line_id, *key in rows}
