"""A term of use in the sample county, as two sources deliver it month by month.

Lessons follow the bell, homework the evening, both the week; make-up days and holidays are those
of the real calendar. What goes wrong in life goes wrong here, in known numbers: `trouble` adds it.
The platform's player reports single uses; one junior school sends its own log, counted per day.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random

import chinese_calendar

from kernel.clock import SHANGHAI
from market.demo.bulk import parts_of_purchase
from market.demo.county import Row, chance
from market.demo.people import Learner
from market.demo.selections import (
    EVENING_SHARE,
    LESSON_SHARE,
    TERM_END,
    Selection,
    selections,
    served_learners,
)

PLAYER = "player"
SCHOOL_LOG = "yizhong-log"
LOGGING_SCHOOL = "yizhong"
"""Slug of the school whose homework runs on its own system, which sends an attested log."""

BELLS = (time(8, 20), time(9, 10), time(10, 15), time(11, 5), time(14, 30), time(15, 25))
LESSON_RHYTHM = (5, 6, 7, 5, 4, 3)  # the middle of the morning is the favourite
WEEK = (1.0, 1.1, 1.15, 1.05, 0.8, 0.8, 0.35)  # Monday … Sunday
ABSENT = 0.06
REVIEW_FROM = date(TERM_END.year, 6, 22)
REVIEW_FACTOR = 0.55  # the last days belong to the examinations
DOUBLE_CLICK = 0.022


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """One report of use before it becomes a row."""

    event_id: str
    at: datetime
    learner: Learner
    selection: Selection
    session: str
    quantity: int = 1

    def row(self) -> Row:
        return {
            "event_id": self.event_id,
            "time": self.at.isoformat(),
            "school_code": self.learner.school.code,
            "learner": self.learner.number,
            "vendor_code": self.selection.resource.vendor.code,
            "sku": self.selection.resource.sku,
            "session": self.session,
            "quantity": str(self.quantity),
        }


def player_uses() -> tuple[Use, ...]:
    """Return what the platform's player saw, in the order of time."""
    uses: list[Use] = []
    for selection in selections():
        if not _is_logged(selection):
            random = chance(f"player/{selection.school.slug}/{selection.reference}")
            spend = _evenings if selection.for_evenings else _lessons
            uses.extend(spend(random, selection))
    return tuple(sorted(uses, key=lambda use: (use.at, use.event_id)))


def bulk_uses() -> tuple[Use, ...]:
    """Return what the player saw of the bureau's bulk purchase, in the order of time."""
    uses: list[Use] = []
    for part in parts_of_purchase():
        uses.extend(_evenings(chance(f"bulk/{part.school.slug}"), part))
    return tuple(sorted(uses, key=lambda use: (use.at, use.event_id)))


def logged_uses() -> tuple[Use, ...]:
    """Return the school's own log: per learner and day one row with the day's count."""
    uses: list[Use] = []
    for selection in selections():
        if not _is_logged(selection):
            continue
        random = chance(f"log/{selection.reference}")
        for day, learner in _homework(random, selection):
            uses.append(
                Use(
                    event_id=f"YZ{day:%m%d}-{learner.number[-5:]}-{selection.resource.sku}",
                    at=datetime.combine(day, time(23, 0), SHANGHAI),
                    learner=learner,
                    selection=selection,
                    session="",
                    quantity=random.choice((1, 1, 1, 2, 2, 3)),
                )
            )
    return tuple(sorted(uses, key=lambda use: (use.at, use.event_id)))


def _is_logged(selection: Selection) -> bool:
    return selection.school.slug == LOGGING_SCHOOL and selection.for_evenings


def _days(selection: Selection) -> list[date]:
    length = (TERM_END - selection.starts_on).days + 1
    return [selection.starts_on + timedelta(days=index) for index in range(length)]


def _strength(day: date) -> float:
    return WEEK[day.weekday()] * (REVIEW_FACTOR if day >= REVIEW_FROM else 1.0)


@cache
def _is_evening_of_school(day: date) -> bool:
    """Homework is done on school days, and on the evening before one."""
    return any(chinese_calendar.is_workday(one) for one in (day, day + timedelta(days=1)))


def _is_there(learner: Learner, day: date) -> bool:
    return learner.left_on is None or day < learner.left_on


def _id(random: Random, prefix: str) -> str:
    return f"{prefix}{random.getrandbits(48):012x}"


def _lessons(random: Random, selection: Selection) -> list[Use]:
    """Return the uses in lessons: a class opens the resource together, within some minutes."""
    classes: dict[tuple[str, str, str], list[Learner]] = {}
    for learner in served_learners(selection.school, selection.resource):
        key = (learner.school.code, learner.grade, learner.class_name)
        classes.setdefault(key, []).append(learner)
    uses: list[Use] = []
    for day in _days(selection):
        if not chinese_calendar.is_workday(day):
            continue
        for members in classes.values():
            if random.random() >= LESSON_SHARE * _strength(day):
                continue
            bell = random.choices(BELLS, LESSON_RHYTHM)[0]
            start = datetime.combine(day, bell, SHANGHAI) + timedelta(minutes=random.randint(4, 12))
            for learner in members:
                if random.random() >= ABSENT and _is_there(learner, day):
                    at = start + timedelta(seconds=random.randint(0, 240))
                    uses.extend(_opened(random, selection, learner, at=at))
    return uses


def _evenings(random: Random, selection: Selection) -> list[Use]:
    """Return the uses of homework: each learner alone, most about half past seven."""
    uses: list[Use] = []
    for day, learner in _homework(random, selection):
        minute = int(random.triangular(17 * 60, 21 * 60 + 45, 19 * 60 + 30))
        at = datetime.combine(day, time(minute // 60, minute % 60, random.randrange(60)), SHANGHAI)
        uses.extend(_opened(random, selection, learner, at=at))
    return uses


def _homework(random: Random, selection: Selection) -> list[tuple[date, Learner]]:
    served = served_learners(selection.school, selection.resource)
    return [
        (day, learner)
        for day in _days(selection)
        if _is_evening_of_school(day)
        for share in (EVENING_SHARE * _strength(day),)
        for learner in served
        if random.random() < share and _is_there(learner, day)
    ]


def _opened(random: Random, selection: Selection, learner: Learner, *, at: datetime) -> list[Use]:
    """Return one opening, and sometimes the second click of an impatient finger."""
    session = _id(random, "s-")
    use = Use(
        event_id=_id(random, "pl-"), at=at, learner=learner, selection=selection, session=session
    )
    if random.random() >= DOUBLE_CLICK:
        return [use]
    again = Use(
        event_id=_id(random, "pl-"),
        at=at + timedelta(seconds=random.randint(1, 27)),
        learner=learner,
        selection=selection,
        session=session,
    )
    return [use, again]
