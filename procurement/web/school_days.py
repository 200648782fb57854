"""The days on which a school goes by a bulk agreement, in words."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from kernel.i18n import LIST_SEPARATOR, msgid, translate
from settlement.school_days import Run, runs_within

SPAN: Final = msgid("{first} to {last}")
NO_DAY: Final = msgid("on no day")


def days_words(runs: Sequence[Run], first: date, last: date, *, locale: str) -> str:
    """Return a school's days of an agreement, such as `2026-09-01 to 2026-09-30`."""
    words = translate(SPAN, locale)
    shown = [words.format(first=one, last=other) for one, other in runs_within(runs, first, last)]
    return LIST_SEPARATOR[locale].join(shown) or translate(NO_DAY, locale)
