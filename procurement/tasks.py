"""Background work of procurement: each task opens its unit and calls one service."""

from kernel.actors import system_actor
from kernel.unit import Units
from procurement.funding.year_ends import close_year
from procurement.waiting_years import commit_waiting
from settlement.year_ends import last_closed_year

WORKER = system_actor("worker")


def end_lines_of_closed_years(units: Units) -> None:
    """Let lapse, or carry over, what is left on the lines of years whose books are closed."""
    with units(WORKER) as unit:
        close_year(unit, fiscal_year=last_closed_year(unit))


def commit_waiting_years(units: Units) -> None:
    """Commit what waits for a year's money; sent when lines were issued, and swept."""
    with units(WORKER) as unit:
        commit_waiting(unit)
