"""What a teacher and a pupil of the sample county open themselves, in the platform's own player.

The rest of the sample's use comes in files; this little goes the way of a real school day: somebody
signs in, opens a resource, and the player reports the use. A month's openings are made once.
"""

from datetime import date, datetime, time, timedelta

import chinese_calendar

from kernel.clock import SHANGHAI, Month
from kernel.unit import Units
from market.demo.people import SIGNING_PUPIL, SIGNING_TEACHER, signing_pupil
from market.demo.rehearsal import SYSTEM, mark_done, on_day, person, steps_done
from settlement.metering.launches import open_launch
from settlement.metering.openers import school_of_opener
from settlement.metering.player import beat
from settlement.queries.launches import openable_at

LESSON_AT, HOMEWORK_AT = time(10, 20), time(19, 40)
FROM_DAY = 16
OPENINGS_A_MONTH = 2
STAYS = timedelta(minutes=18)


def open_in_class(units: Units, month: Month) -> None:
    """Have the teacher open a resource in a lesson, and the pupil one in the evening."""
    day = school_day(month)
    pupil = signing_pupil()
    class_name = f"{pupil.grade}{pupil.class_name}"
    _open(units, SIGNING_TEACHER, datetime.combine(day, LESSON_AT, SHANGHAI), class_name)
    _open(units, SIGNING_PUPIL, datetime.combine(day, HOMEWORK_AT, SHANGHAI), "")


def _open(units: Units, login: str, at: datetime, class_name: str) -> None:
    """Open the first resource of the person's list, once, and stay with it for a while."""
    step = f"opening-{at:%Y-%m}-{login}"
    then = on_day(units, at)
    with then(SYSTEM) as unit:
        if step in steps_done(unit):
            return
    actor = person(then, login)
    with then(actor) as unit:
        school_id = school_of_opener(unit)
        assert school_id is not None, "who opens is at a school"
        row = next(one for one in openable_at(unit, school_id) if not one.elsewhere)
        opened = open_launch(unit, vendor_code=row.vendor_code, sku=row.sku, class_name=class_name)
        mark_done(unit, step)  # together with the use: a run that is stopped opens nothing twice
    with on_day(units, at + STAYS)(actor) as unit:
        beat(unit, opened.launch)


def school_day(month: Month) -> date:
    """Return the first school day of a month's second half."""
    day = month.replace(day=FROM_DAY)
    while not chinese_calendar.is_workday(day):
        day += timedelta(days=1)
    return day
