"""The deliveries of use in the sample county: which rows arrive together, and when.

One month has one delivery of each source. What a classroom without a line collected, and what a
retry brings, arrives with a later month's delivery, when its own month is long closed.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from kernel.clock import Month, month_of, months_between, next_month, shanghai_day, show_month
from market.demo.county import Row, chance
from market.demo.selections import TERM_END, TERM_START
from market.demo.trouble import (
    Placed,
    after_departure,
    conflicting,
    other_schools,
    placed,
    recounted,
    resent,
    retired_resources,
    unknown_learners,
    unreadable,
    without_agreement,
)
from market.demo.usage import PLAYER, SCHOOL_LOG, Use, bulk_uses, logged_uses, player_uses

MONTHS: tuple[Month, ...] = tuple(months_between(month_of(TERM_START), month_of(TERM_END)))

OFFLINE = frozenset({"zhuping", "shiqiao"})
"""Slugs of the teaching points whose line was cut in the second half of the first month."""
OFFLINE_FROM_DAY = 16
LATE_SHARE = 0.006
RESENT_SHARE = 0.010
RESENT_LATER_SHARE = 0.003
LOG_OVERLAP_FROM_DAY = 25
LOG_CORRECTED_SHARE = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One file of one source, delivered for the close of `month`.

    `of_bulk`: of the bureau's bulk purchase, which a county loaded by an older version has not.
    """

    month: Month
    source: str
    pre_counted: bool
    rows: list[Row]
    of_bulk: bool = False

    @property
    def file_name(self) -> str:
        what = f"{self.source}-bulk" if self.of_bulk else self.source
        return f"sample-{what}-{show_month(self.month)}.csv"


def deliveries() -> tuple[Delivery, ...]:
    """Return all deliveries, in the order in which they arrive."""
    player = _player_rows()
    log = _log_rows()
    bulk = _by_month(bulk_uses())
    found = []
    for month in MONTHS:
        found.append(Delivery(month=month, source=PLAYER, pre_counted=False, rows=player[month]))
        found.append(Delivery(month=month, source=SCHOOL_LOG, pre_counted=True, rows=log[month]))
        bought = [use.row() for use in bulk[month]]
        found.append(
            Delivery(month=month, source=PLAYER, pre_counted=False, rows=bought, of_bulk=True)
        )
    return tuple(found)


def _player_rows() -> dict[Month, list[Row]]:
    by_month = _by_month(player_uses())
    arriving: dict[Month, list[Placed]] = defaultdict(list)
    again: dict[Month, list[Row]] = defaultdict(list)
    for month in MONTHS:
        uses = by_month[month]
        random = chance(f"trouble/{show_month(month)}")
        for use in uses:
            arriving[_arrival(use, month, share=random.random())].append(placed(use))
        arriving[month] += after_departure(chance("departures"), month)
        for trouble in (
            without_agreement,
            unknown_learners,
            other_schools,
            retired_resources,
            unreadable,
        ):
            arriving[month] += trouble(random, uses)
        again[month] += resent(random, uses, share=RESENT_SHARE)
        again[month] += conflicting(random, uses)
        if month != MONTHS[-1]:
            again[next_month(month)] += resent(random, uses, share=RESENT_LATER_SHARE)
    return {month: _in_order(arriving[month]) + again[month] for month in MONTHS}


def _arrival(use: Use, month: Month, *, share: float) -> Month:
    """Return the month whose delivery brings a use: its own, or one or two later ones."""
    latest = MONTHS[-1]
    offline = use.learner.school.slug in OFFLINE and use.at.day >= OFFLINE_FROM_DAY
    if month == MONTHS[0] and offline:
        return next_month(month)
    if month != latest and share < LATE_SHARE:
        following = next_month(month)
        return (
            next_month(following) if following != latest and share < LATE_SHARE / 2 else following
        )
    return month


def _log_rows() -> dict[Month, list[Row]]:
    """Return the school log by month; each file begins with the last days of the one before."""
    by_month = _by_month(logged_uses())
    rows: dict[Month, list[Row]] = {}
    overlap: list[Use] = []
    for month in MONTHS:
        random = chance(f"log/{show_month(month)}")
        uses = by_month[month]
        rows[month] = recounted(random, overlap, share=LOG_CORRECTED_SHARE)
        rows[month] += [use.row() for use in uses]
        overlap = [use for use in uses if use.at.day >= LOG_OVERLAP_FROM_DAY]
    return rows


def _by_month(uses: tuple[Use, ...]) -> dict[Month, list[Use]]:
    by_month: dict[Month, list[Use]] = defaultdict(list)
    for use in uses:
        by_month[month_of(shanghai_day(use.at))].append(use)
    return by_month


def _in_order(found: list[Placed]) -> list[Row]:
    def place(one: Placed) -> tuple[datetime, str]:
        return one.at, one.row["event_id"]

    return [one.row for one in sorted(found, key=place)]
