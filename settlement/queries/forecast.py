"""How a payer's year goes on: what was drawn by month, and what will be at the present pace.

The pace is the average of the last three months stated; a forecast never passes what the lines
still hold. It says what is likely, decides nothing, and is written nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.dispute_models import CreditDraw, CreditNote
from settlement.models import FundingLine, StatementDraw, StatementLine
from settlement.queries.statements import visible_payers

MONTHS_OF_PACE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthPoint:
    """A month with what it drew and what the year drew up to its end, in fen."""

    month: date
    drawn_fen: int
    total_fen: int
    is_forecast: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A payer's fiscal year in twelve months; the first ones are stated, the others forecast."""

    fiscal_year: int
    allocated_fen: int
    pace_fen: int
    points: Sequence[MonthPoint]

    @property
    def drawn_fen(self) -> int:
        return max((one.total_fen for one in self.points if not one.is_forecast), default=0)

    @property
    def expected_fen(self) -> int:
        return self.points[-1].total_fen if self.points else 0

    @property
    def left_fen(self) -> int:
        return self.allocated_fen - self.expected_fen


def forecast_year(
    unit: Unit, payer_code: str, *, fiscal_year: int, allocated_fen: int
) -> Forecast | None:
    """Return the forecast of a visible payer's lines of a year; None before anything was stated."""
    drawn = _drawn_by_month(unit, payer_code, fiscal_year)
    if not drawn:
        return None
    last = max(drawn)
    stated = [drawn.get(date(fiscal_year, number, 1), 0) for number in range(1, last.month + 1)]
    recent = stated[-MONTHS_OF_PACE:]
    pace = max(0, sum(recent) // len(recent))
    points: list[MonthPoint] = []
    total = 0
    for number in range(1, 13):
        is_forecast = number > last.month
        room = max(0, allocated_fen - total)
        fen = min(pace, room) if is_forecast else stated[number - 1]
        total += fen
        points.append(
            MonthPoint(
                month=date(fiscal_year, number, 1),
                drawn_fen=fen,
                total_fen=total,
                is_forecast=is_forecast,
            )
        )
    return Forecast(
        fiscal_year=fiscal_year, allocated_fen=allocated_fen, pace_fen=pace, points=points
    )


def _drawn_by_month(unit: Unit, payer_code: str, fiscal_year: int) -> dict[date, int]:
    """Return what was drawn from the year's lines for use of each of its months, net of credits."""
    first, last = date(fiscal_year, 1, 1), date(fiscal_year, 12, 1)
    mine = (
        Organisation.code == payer_code,
        FundingLine.payer_id.in_(visible_payers(unit)),
        FundingLine.fiscal_year == fiscal_year,
        StatementLine.of_month >= first,
        StatementLine.of_month <= last,
    )
    draws = (
        select(StatementLine.of_month, func.sum(StatementDraw.amount_fen))
        .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
        .join(FundingLine, FundingLine.id == StatementDraw.funding_line_id)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(*mine)
        .group_by(StatementLine.of_month)
    )
    credits = (
        select(StatementLine.of_month, -func.sum(CreditDraw.amount_fen))
        .join(CreditNote, CreditNote.line_id == StatementLine.id)
        .join(CreditDraw, CreditDraw.credit_note_id == CreditNote.id)
        .join(FundingLine, FundingLine.id == CreditDraw.funding_line_id)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(*mine)
        .group_by(StatementLine.of_month)
    )
    found: dict[date, int] = {}
    for query in (draws, credits):
        for month, fen in unit.session.execute(query):
            found[month] = found.get(month, 0) + int(fen)
    return found
