"""What statements say, read back: lines, sums over lines, and events by judgement."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.clock import Month, show_month
from kernel.identity.models import Organisation
from kernel.unit import Units
from settlement.models import (
    FundingLine,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)
from settlement.queries.lines import line_head
from settlement.queries.uses import uses_of
from tests.support.settlement_builders import SYSTEM, Market


def lines_by_month(units: Units, market: Market) -> dict[tuple[str, str], StatementLine]:
    """Return the lines of the market's agreement by (month, of_month)."""
    with units(SYSTEM) as unit:
        found = unit.session.scalars(
            select(StatementLine).where(StatementLine.agreement_id == market.agreement_id)
        ).all()
        unit.session.expunge_all()
    return {(show_month(line.month), show_month(line.of_month)): line for line in found}


def the_line(units: Units, market: Market, month: date) -> StatementLine:
    """Return the line of the agreement's own use in a month."""
    return lines_by_month(units, market)[show_month(month), show_month(month)]


def draws_of(units: Units, line: StatementLine) -> list[tuple[UUID, int]]:
    """Return (funding line, fen) of a line's draws, in their order."""
    with units(SYSTEM) as unit:
        found = unit.session.scalars(
            select(StatementDraw)
            .where(StatementDraw.line_id == line.id)
            .order_by(StatementDraw.position)
        )
        return [(draw.funding_line_id, draw.amount_fen) for draw in found]


def events_by_judgement(units: Units, line_id: UUID) -> dict[str, set[str]]:
    """Return the ids of the events behind a line by what became of them."""
    found: dict[str, set[str]] = {}
    with units(SYSTEM) as unit:
        rows, _ = uses_of(unit, line_head(unit, line_id), limit=None)
    for row in rows:
        found.setdefault(row.judgement, set()).add(row.event_id)
    return found


def adds_up(explanation: dict[str, Any]) -> bool:
    """Return whether events = repeats + those excluded by each rule + counted."""
    excluded = sum(one["events"] for one in explanation["excluded"].values())
    return bool(explanation["events"] == explanation["repeats"] + excluded + explanation["counted"])


@dataclass(slots=True)
class Sums:
    """What all lines say of one month of use, whichever statement they stand on."""

    figures: Counter[str] = field(default_factory=Counter)
    draws: Counter[str] = field(default_factory=Counter)
    schools: Counter[tuple[str, str]] = field(default_factory=Counter)


FIGURES = (
    "quantity",
    "rated_fen",
    "above_ceiling_fen",
    "amount_fen",
    "uncovered_fen",
    "drawn_fen",
    "vendor_fen",
    "school_fen",
    "fee_fen",
    "retention_fen",
)


def sums_of(units: Units, of_month: Month) -> Sums:
    """Return the sums over all lines of a month of use, with draws by source and parts by school.

    Sums of zero are left out, so that two of them can be compared.
    """
    sums = Sums()
    with units(SYSTEM) as unit:
        for line in unit.session.scalars(
            select(StatementLine).where(StatementLine.of_month == of_month)
        ):
            for name in FIGURES:
                sums.figures[name] += getattr(line, name)
        for source, fen in unit.session.execute(
            select(FundingLine.source, StatementDraw.amount_fen)
            .join(FundingLine, FundingLine.id == StatementDraw.funding_line_id)
            .join(StatementLine, StatementLine.id == StatementDraw.line_id)
            .where(StatementLine.of_month == of_month)
        ):
            sums.draws[source] += fen
        for code, quantity, fen in unit.session.execute(
            select(Organisation.code, StatementBreakdown.quantity, StatementBreakdown.amount_fen)
            .join(Organisation, Organisation.id == StatementBreakdown.school_id)
            .join(StatementLine, StatementLine.id == StatementBreakdown.line_id)
            .where(StatementLine.of_month == of_month)
        ):
            sums.schools[code, "quantity"] += quantity
            sums.schools[code, "fen"] += fen
    return Sums(*(_without_zeros(one) for one in (sums.figures, sums.draws, sums.schools)))


def _without_zeros(counter: Counter[Any]) -> Counter[Any]:
    return Counter({key: value for key, value in counter.items() if value})
