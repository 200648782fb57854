"""The year or the month that is evaluated, and by what was known when.

Decides how a span is read and which moment cuts the facts off: every question of an evaluation
leaves out what became known afterwards, so that one published on a day is had again from its
address.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from kernel.clock import (
    Month,
    as_utc,
    month_bounds,
    month_of,
    parse_month,
    shanghai_day,
    show_month,
    start_of_day,
)
from kernel.errors import InvalidDate, NotMonthsEnd
from kernel.unit import Unit

INSTANT: Final = timedelta(microseconds=1)
MONTHS_TO_CHOOSE: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Months from `first` to `last`, by what was known before `as_of`.

    `name` is that of a year or a month: `2026`, `2026-03`.
    """

    name: str
    first: Month
    last: Month
    as_of: datetime

    @property
    def start(self) -> datetime:
        return month_bounds(self.first)[0]

    @property
    def end(self) -> datetime:
        """The moment after the span, or that up to which facts are known if it is sooner."""
        return min(month_bounds(self.last)[1], self.as_of)

    @property
    def known(self) -> date:
        """The last day of which something is known."""
        return shanghai_day(self.as_of - INSTANT)

    def facts(self, unit: Unit) -> dict[str, Any]:
        """Return what the questions ask with."""
        last_day = month_bounds(self.last)[1] - INSTANT
        return {
            "start": self.start,
            "end": self.end,
            "as_of": self.as_of,
            "first": self.first,
            "last": self.last,
            "today": self.known,
            "last_day": min(shanghai_day(last_day), self.known),
            "due_days": unit.settings.due_days,
            "admit_days": unit.settings.admit_days,
        }


def read_span(unit: Unit, name: str, *, as_of: str = "") -> Span:
    """Return the span of a name; the running year without one.

    Raises `InvalidPeriod`, `InvalidDate`, `NotMonthsEnd`.

    `as_of`: a day up to whose end facts are known, such as `2026-04-30`; now without one, or if it
    lies ahead. Visitors may name the last days of months only, or any of the year's days would be
    reckoned anew for whoever likes.
    """
    now = unit.clock.now()
    known = now + INSTANT
    if as_of:
        try:
            day = date.fromisoformat(as_of.strip())
            if is_visitor(unit) and day < shanghai_day(now) and not _ends_month(day):
                raise NotMonthsEnd(text=as_of)
            known = min(known, start_of_day(day + timedelta(days=1)))
        except (ValueError, OverflowError):
            raise InvalidDate(text=as_of) from None
    wanted = name.strip() or str(shanghai_day(now).year)
    if len(wanted) == len("2026") and wanted.isascii() and wanted.isdigit():
        first, last = parse_month(f"{wanted}-01"), parse_month(f"{wanted}-12")
    else:
        first = last = parse_month(wanted)
        wanted = show_month(first)
    return Span(name=wanted, first=first, last=last, as_of=as_utc(known))


def is_visitor(unit: Unit) -> bool:
    return unit.actor.organisation_id is None and not unit.actor.is_system


def _ends_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def days_to_choose(unit: Unit) -> list[date]:
    """Return the last days of the last twelve months that are over, the latest first."""
    day, found = shanghai_day(unit.clock.now()), []
    for _ in range(MONTHS_TO_CHOOSE):
        day = day.replace(day=1) - timedelta(days=1)
        found.append(day)
    return found


def spans_to_choose(unit: Unit) -> list[str]:
    """Return the names of this year and the last, and of this year's months, the latest first."""
    today = shanghai_day(unit.clock.now())
    month = month_of(today)
    months = [f"{today.year}-{number:02d}" for number in range(month.month, 0, -1)]
    return [str(today.year), *months, str(today.year - 1)]
