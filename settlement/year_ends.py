"""Until when the books of a fiscal year are open (R19); what follows is for `fiscal_years`."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select

from kernel.clock import Month, shanghai_day
from kernel.identity.recording import among
from kernel.settings import Settings
from kernel.unit import Unit
from settlement.models import Period, StatementLine


def last_open_day(settings: Settings, fiscal_year: int) -> date:
    """Return the last day on which the year's books are open."""
    return date.fromisoformat(f"{fiscal_year + 1}-{settings.fiscal_close}")


def are_books_closed(unit: Unit, month: date) -> bool:
    """Return whether the books of a month's fiscal year are closed today."""
    today = shanghai_day(unit.clock.now())
    return today > last_open_day(unit.settings, month.year)


def closed_for(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the payers whose own lines of a month may not draw: its year is closed (R37).

    For a month that is stated already, those whose lines did not.
    """
    if not are_books_closed(unit, month):
        return set()
    stated = set(
        unit.session.scalars(
            select(Period.payer_id).where(
                Period.month == month,
                among(Period.payer_id, payer_ids),
                Period.state.in_(("stated", "posted", "closed")),
            )
        )
    )
    came_too_late = unit.session.scalars(
        select(StatementLine.payer_id).where(
            StatementLine.month == month,
            among(StatementLine.payer_id, list(stated)),
            StatementLine.kind == "use",
            StatementLine.explanation["year_is_closed"].as_boolean(),
        )
    )
    return (set(payer_ids) - stated) | set(came_too_late)


def last_closed_year(unit: Unit) -> int:
    """Return the latest fiscal year whose books are closed today."""
    today = shanghai_day(unit.clock.now())
    year = today.year - 1
    return year if today > last_open_day(unit.settings, year) else year - 1
