"""Background work of procurement: each task opens its unit and calls one service."""

from kernel.actors import system_actor
from kernel.unit import Units
from procurement.waiting_years import commit_waiting

WORKER = system_actor("worker")


def commit_waiting_years(units: Units) -> None:
    """Commit what waits for a year's money; sent when lines were issued, and swept."""
    with units(WORKER) as unit:
        commit_waiting(unit)
