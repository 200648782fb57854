"""Time: one clock, stored in UTC, shown and cut into periods in Asia/Shanghai.

The only module that may ask the machine for the time. Everything else takes a `Clock`, so that
a test or a rehearsal can stand at any moment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NewType, Protocol
from zoneinfo import ZoneInfo

from kernel.errors import InvalidDate, InvalidPeriod, NaiveTime

SHANGHAI = ZoneInfo("Asia/Shanghai")

Month = NewType("Month", date)
"""The first day of a calendar month in Asia/Shanghai: a period's key."""

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""The years that can be meant. Beyond them lies a slip of the pen, a number that only looks like a
time, or the end of the calendar, where a zone or the next month can't be reckoned."""

_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ].+)?")


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is moved: for tests and rehearsals."""

    at: datetime

    def __post_init__(self) -> None:
        self.at = as_utc(self.at)

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


def as_utc(at: datetime) -> datetime:
    """Return `at` in UTC; a time without a zone is refused with `NaiveTime`."""
    if at.tzinfo is None:
        raise NaiveTime(text=at.isoformat())
    return at.astimezone(UTC)


def shanghai_day(at: datetime) -> date:
    """Return the calendar day in Asia/Shanghai on which `at` falls."""
    return as_utc(at).astimezone(SHANGHAI).date()


def start_of_day(day: date) -> datetime:
    """Return the moment at which `day` begins in Asia/Shanghai, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


def month_of(day: date) -> Month:
    return Month(day.replace(day=1))


def next_month(month: Month) -> Month:
    return Month(date(month.year + month.month // 12, month.month % 12 + 1, 1))


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Yield the months from `first` to `last`, both included."""
    month = first
    while month <= last:
        yield month
        month = next_month(month)


def month_bounds(month: Month) -> tuple[datetime, datetime]:
    """Return the period's half-open interval `[start, end)` in UTC."""
    return start_of_day(month), start_of_day(next_month(month))


def parse_month(text: str) -> Month:
    """Read a period such as `2026-03`; anything else raises `InvalidPeriod`."""
    try:
        month = Month(datetime.strptime(text.strip(), "%Y-%m").replace(tzinfo=UTC).date())
    except ValueError:
        raise InvalidPeriod(text=text) from None
    if not _is_meant(month):
        raise InvalidPeriod(text=text)
    return month


def show_month(month: date) -> str:
    return f"{month.year:04d}-{month.month:02d}"


def parse_day(text: str) -> date:
    """Read a date such as `2026-03-01`; anything else raises `InvalidDate`."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidDate(text=text) from None
    if not _is_meant(day):
        raise InvalidDate(text=text)
    return day


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 time as UTC; one without a zone is taken as Asia/Shanghai.

    Files written by schools and platforms in China carry local times; an API must say its zone
    and goes through `as_utc` instead. The short forms of ISO 8601 are refused: a person number in
    the wrong column would be one of them.
    """
    stripped = text.strip()
    if not _MOMENT.fullmatch(stripped):
        raise InvalidDate(text=text)
    try:
        at = datetime.fromisoformat(stripped)
    except ValueError:
        raise InvalidDate(text=text) from None
    if not _is_meant(at):
        raise InvalidDate(text=text)
    return as_utc(at if at.tzinfo else at.replace(tzinfo=SHANGHAI))


def _is_meant(day: date) -> bool:
    return FIRST_YEAR <= day.year <= LAST_YEAR
