"""Working days: deadlines by the Chinese calendar, with its holidays and worked weekends."""

from datetime import date, timedelta

import chinese_calendar


def after_workdays(day: date, workdays: int) -> date:
    """Return the day that lies `workdays` working days after `day`: the last one to act on.

    Past the years whose holidays are published, Monday to Friday stand in.
    """
    left = workdays
    while left > 0:
        day += timedelta(days=1)
        try:
            works = chinese_calendar.is_workday(day)
        except NotImplementedError:
            works = day.weekday() < 5
        left -= works
    return day
