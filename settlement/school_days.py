"""The days on which a school goes by an agreement that it shares with others (R24).

From the day on which it joined, until the day before that from which it declined; who joins again
has several runs of days. Only days that are the agreement's, too, count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, literal

from settlement.models import AgreementSchool


@dataclass(frozen=True, slots=True)
class Run:
    """Days one after the other, the first and the last included; None: the agreement's own."""

    first: date | None
    last: date | None


def runs_of(days: Iterable[Any]) -> tuple[Run, ...]:
    """Return a stored multirange of days as runs, in order."""
    return tuple(
        Run(one.lower, one.upper - timedelta(days=1) if one.upper is not None else None)
        for one in days
    )


def runs_within(runs: Iterable[Run], first: date, last: date) -> list[tuple[date, date]]:
    """Return the first and the last day of each run within an agreement's days."""
    found = [(max(run.first or first, first), min(run.last or last, last)) for run in runs]
    return [(one, other) for one, other in found if one <= other]


def goes_by_it(day: date) -> ColumnElement[bool]:
    """Return the condition that a school goes by its agreement on a day of the agreement."""
    return AgreementSchool.days.op("@>")(literal(day, Date()))
