"""Until when the books of a fiscal year are open (R19); what follows is for `fiscal_years`."""

from datetime import date

from kernel.clock import shanghai_day
from kernel.settings import Settings
from kernel.unit import Unit


def last_open_day(settings: Settings, fiscal_year: int) -> date:
    """Return the last day on which the year's books are open."""
    return date.fromisoformat(f"{fiscal_year + 1}-{settings.fiscal_close}")


def are_books_closed(unit: Unit, month: date) -> bool:
    """Return whether the books of a month's fiscal year are closed today."""
    today = shanghai_day(unit.clock.now())
    return today > last_open_day(unit.settings, month.year)


def last_closed_year(unit: Unit) -> int:
    """Return the latest fiscal year whose books are closed today."""
    today = shanghai_day(unit.clock.now())
    year = today.year - 1
    return year if today > last_open_day(unit.settings, year) else year - 1
