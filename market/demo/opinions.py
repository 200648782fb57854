"""What the sample's teachers use with a class in the platform's player, and what they think of it.

Each school's first two teachers open some of what their school has selected, and say so once
the month is closed: how good a vendor is to its users is drawn once for each, their moods each
time. Nobody writes down a ranking: it follows from this and from what the months settled. Each act
may be repeated.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Final

from kernel.actors import Actor
from kernel.clock import SHANGHAI, Month
from kernel.errors import OwnInterest, UseNotSettled
from kernel.identity.grants import actor_of
from kernel.unit import Unit, Units
from market.demo.county import SCHOOLS, chance
from market.demo.deliveries import MONTHS
from market.demo.openings import STAYS, school_day
from market.demo.people import staff_number
from market.demo.rehearsal import SYSTEM, VIA, mark_done, on_day, steps_done
from settlement.metering.launches import open_launch
from settlement.metering.openers import classes_of, school_of_opener
from settlement.metering.player import beat
from settlement.queries.launches import OpenableRow, openable_at
from settlement.ratings import rate

TEACHERS: Final = ("t01", "t02")
RESOURCES_EACH: Final = 3
USED_IN: Final = frozenset(MONTHS[:2])
"""The months in which they try what was selected."""
FROM: Final = time(9, 30)
BETWEEN: Final = timedelta(minutes=25)
BEST: Final = 5


def openings_in(month: Month) -> int:
    """Return how many openings of teachers a month has."""
    return len(_teachers()) * RESOURCES_EACH if month in USED_IN else 0


def use_in_class(units: Units, month: Month) -> None:
    """Have the teachers open resources with a class on a school day of the month."""
    if month not in USED_IN:
        return
    for number in _teachers():
        step = f"class-{month:%Y-%m}-{number}"
        begins = datetime.combine(school_day(month), FROM, SHANGHAI)
        with on_day(units, begins)(SYSTEM) as unit:
            if step in steps_done(unit):
                continue
            actor = actor_of(unit, person_no=number, via=VIA)
        for position in range(RESOURCES_EACH):
            at = begins + position * BETWEEN
            with on_day(units, at)(actor) as unit:
                school_id = school_of_opener(unit)
                assert school_id is not None, "who opens is at a school"
                row = _row_of(openable_at(unit, school_id), number, month, position)
                class_name = classes_of(unit, school_id)[0]
                opened = open_launch(
                    unit, vendor_code=row.vendor_code, sku=row.sku, class_name=class_name
                )
                if position == RESOURCES_EACH - 1:
                    mark_done(unit, step)
            with on_day(units, at + STAYS)(actor) as unit:
                beat(unit, opened.launch)


def say(units: Units, month: Month) -> None:
    """Have them rate what they used, once the month is closed."""
    if month not in USED_IN:
        return
    for number in _teachers():
        step = f"rated-{month:%Y-%m}-{number}"
        with units(SYSTEM) as unit:
            if step in steps_done(unit):
                continue
            actor = actor_of(unit, person_no=number, via=VIA)
        with units(actor) as unit:
            for key, stars in _opinions(unit, actor, number, month):
                try:
                    rate(unit, key, stars=stars)
                except (UseNotSettled, OwnInterest):  # it did not count, or is of their own school
                    continue
            mark_done(unit, step)


def _teachers() -> Sequence[str]:
    return [
        staff_number(f"{school.slug}-{post}")
        for school in SCHOOLS
        if not school.parent
        for post in TEACHERS
    ]


def _opinions(unit: Unit, actor: Actor, number: str, month: Month) -> Iterator[tuple[str, int]]:
    assert actor.organisation_id is not None
    rows = openable_at(unit, actor.organisation_id)
    for position in range(RESOURCES_EACH):
        row = _row_of(rows, number, month, position)
        key = f"{row.vendor_code}/{row.sku}"
        quality = chance(f"quality/{row.vendor_code}").uniform(1.8, 4.6)
        mood = chance(f"mood/{number}/{key}").gauss(0, 0.8)
        yield key, min(max(round(quality + mood), 1), BEST)


def _row_of(rows: Sequence[OpenableRow], number: str, month: Month, position: int) -> OpenableRow:
    """Return what a teacher opens: each another part of what the school has, in its order."""
    played = [one for one in rows if not one.elsewhere]
    first = chance(f"shelf/{number}/{month:%Y-%m}").randrange(len(played))
    return played[(first + position) % len(played)]
