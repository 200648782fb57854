"""What goes wrong with reports of use in the sample county, in known numbers.

Each function returns the rows of one kind of trouble for one month, with the moment at which each
stands in its delivery. Nothing here is random without a seed, and nothing is judged: what becomes
of each row is decided by the ingest, the counting and the rating.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random

from kernel.clock import SHANGHAI, Month, month_of
from market.demo.county import SCHOOLS, Row
from market.demo.people import learners
from market.demo.resources import resources
from market.demo.selections import selections, served_learners
from market.demo.usage import Use

BROKEN_TIMES = (
    "2026-04-31T09:12:00+08:00",
    "2026/13/05 10:20",
    "上午第三节",
    "",
    "09:12",
    "20260512T25:61",
)
BROKEN_QUANTITIES = ("两次", "0", "-1", "1.5")
RETIRED_SKUS = ("YJ-PG-SX99", "ZS-YW-0000", "CW-DEMO")

NO_AGREEMENT = 18
UNKNOWN_LEARNER = 14
OTHER_SCHOOL = 5
RETIRED = 5
TIMELESS = 7
QUANTITYLESS = 3
COUNTED_BY_PLAYER = 2
WRONG_CLOCK = 2
CONFLICTS = 9


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and the moment at which it stands in its delivery."""

    at: datetime
    row: Row


def placed(use: Use) -> Placed:
    return Placed(use.at, use.row())


def after_departure(random: Random, month: Month) -> list[Placed]:
    """Return uses of learners in the weeks after they left: their accounts still worked."""
    found: list[Placed] = []
    for learner in learners():
        if learner.left_on is None:
            continue
        suited = [
            one
            for one in selections()
            if one.school.code == learner.school.payer
            and one.resource.suits(learner.stage, grade=learner.grade)
            and one.starts_on <= learner.left_on
        ]
        if not suited:
            continue
        for _ in range(random.randint(3, 8)):
            day = learner.left_on + timedelta(days=random.randint(0, 20))
            use = Use(
                event_id=_new_id(random),
                at=_afternoon(random, day),
                learner=learner,
                selection=random.choice(suited),
                session=f"s-{random.getrandbits(48):012x}",
            )
            if month_of(day) == month:
                found.append(placed(use))
    return found


def without_agreement(random: Random, uses: Sequence[Use]) -> list[Placed]:
    """Return uses of resources that the learner's school has not selected."""
    taken: dict[str, set[str]] = {}
    for one in selections():
        taken.setdefault(one.school.code, set()).add(one.resource.sku)
    found = []
    for use in random.sample(uses, NO_AGREEMENT):
        others = [
            one
            for one in resources()
            if one.sku not in taken[use.learner.school.payer]
            and one.suits(use.learner.stage, grade=use.learner.grade)
        ]
        other = random.choice(others)
        found.append(_changed(random, use, vendor_code=other.vendor.code, sku=other.sku))
    return found


def unknown_learners(random: Random, uses: Sequence[Use]) -> list[Placed]:
    """Return uses under numbers that are on no roster: mistyped, or guests."""
    return [
        _changed(random, use, learner=f"{use.learner.number[:-3]}X{random.randint(10, 99)}")
        for use in random.sample(uses, UNKNOWN_LEARNER)
    ]


def other_schools(random: Random, uses: Sequence[Use]) -> list[Placed]:
    """Return uses reported for a school at which the learner has never been."""
    return [
        _changed(
            random,
            use,
            school_code=random.choice(
                [one.code for one in SCHOOLS if one.payer != use.learner.school.payer]
            ),
        )
        for use in random.sample(uses, OTHER_SCHOOL)
    ]


def retired_resources(random: Random, uses: Sequence[Use]) -> list[Placed]:
    """Return uses of article numbers that no vendor offers."""
    return [
        _changed(random, use, sku=random.choice(RETIRED_SKUS))
        for use in random.sample(uses, RETIRED)
    ]


def unreadable(random: Random, uses: Sequence[Use]) -> list[Placed]:
    """Return rows whose time or quantity says nothing, or what can't be."""
    drawn = random.sample(uses, TIMELESS + QUANTITYLESS + COUNTED_BY_PLAYER + WRONG_CLOCK)
    found = [
        _changed(random, drawn.pop(), time=random.choice(BROKEN_TIMES)) for _ in range(TIMELESS)
    ]
    found += [
        _changed(random, drawn.pop(), quantity=random.choice(BROKEN_QUANTITIES))
        for _ in range(QUANTITYLESS)
    ]
    found += [_changed(random, drawn.pop(), quantity="3") for _ in range(COUNTED_BY_PLAYER)]
    years = (2001, 2062)  # a tablet whose battery was empty, and one set by hand
    found += [
        _changed(random, use, time=use.at.replace(year=year).isoformat())
        for use, year in zip(drawn, years, strict=True)
    ]
    return found


def conflicting(random: Random, uses: Sequence[Use]) -> list[Row]:
    """Return rows under known event ids with another learner of the same school."""
    rows = []
    for use in random.sample(uses, CONFLICTS):
        others = served_learners(use.selection.school, use.selection.resource)
        other = random.choice([one for one in others if one != use.learner])
        rows.append(replace(use, learner=other).row())
    return rows


def resent(random: Random, uses: Sequence[Use], *, share: float) -> list[Row]:
    """Return some of the uses again; every fifth with another time, as a retry stamps it."""
    rows = []
    for index, use in enumerate(random.sample(uses, round(len(uses) * share))):
        again = replace(use, at=use.at + timedelta(seconds=3)) if index % 5 == 4 else use
        rows.append(again.row())
    return rows


def recounted(random: Random, uses: Sequence[Use], *, share: float) -> list[Row]:
    """Return counts that a school's log gives once more, some of them corrected by hand."""
    return [
        replace(use, quantity=use.quantity + 1).row() if random.random() < share else use.row()
        for use in uses
    ]


def _changed(random: Random, use: Use, **changes: str) -> Placed:
    return Placed(use.at, use.row() | {"event_id": _new_id(random)} | changes)


def _new_id(random: Random) -> str:
    return f"pl-{random.getrandbits(48):012x}"


def _afternoon(random: Random, day: date) -> datetime:
    return datetime.combine(day, time(random.randint(16, 20), random.randrange(60)), SHANGHAI)
