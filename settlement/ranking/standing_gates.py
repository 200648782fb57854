"""The gates of due process, as a list of what is met and what is not: for acts and for pages (R44).

Each gate names its rule; the first that is not met is why a step is refused. The database keeps the
same gates (trigger of 0019), so that nothing depends on this list alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from kernel.clock import Month, next_month, shanghai_day
from kernel.i18n import msgid
from kernel.unit import Unit
from settlement.ranking.config import Gates
from settlement.ranking.models import (
    StandingAppeal,
    StandingEvent,
    StandingLook,
    StandingNotice,
)
from settlement.ranking.standing_states import Because, VendorStanding


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What is known of a standing: its looks (of each month the last, the latest first), its
    notice, what was signed last, and an appeal that waits."""

    state: VendorStanding
    gates: Gates
    looks: Sequence[StandingLook] = ()
    notice: StandingNotice | None = None
    suspension: StandingEvent | None = None
    exit: StandingEvent | None = None
    open_appeal: StandingAppeal | None = None

    @property
    def look(self) -> StandingLook | None:
        return self.looks[0] if self.looks else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One condition of a step, in words, and whether it is met; `day`: from when on it can be."""

    rule: str
    is_met: bool
    day: date | None = None


NOT_THERE = msgid("it stands elsewhere")
NO_LOOK = msgid("no ranking has looked at it yet")
APPEAL_STAYS = msgid("an appeal waits for its decision and stays it")
NOT_BAD = msgid("the last look does not find it bad enough")
TERM_RUNS = msgid("the term of the notice is not over")
FEW_LOOKS = msgid("too few looks in a row after the notice found it bad")
FEW_SCHOOLS = msgid("too few schools were affected since the notice")
DAYS_TO_APPEAL = msgid("the days to appeal are not over")
NO_LOOK_SINCE = msgid("no look since then found it bad")


def gates_of(unit: Unit, course: Course, step: Because) -> list[Gate]:
    """Return the gates before a step that a person signs: notice, suspension or exit."""
    today = shanghai_day(unit.clock.now())
    match step:
        case Because.NOTICE:
            return [
                Gate(rule=NOT_THERE, is_met=course.state is VendorStanding.WATCH),
                *_looked(course),
                Gate(rule=NOT_BAD, is_met=_bad(course, course.gates.probation)),
            ]
        case Because.SUSPENSION:
            return [
                Gate(rule=NOT_THERE, is_met=course.state is VendorStanding.PROBATION),
                *_looked(course),
                *_after_notice(course, today),
            ]
        case Because.EXIT:
            return [
                Gate(rule=NOT_THERE, is_met=course.state is VendorStanding.NO_NEW_SCHOOLS),
                *_looked(course),
                *_after_suspension(course, today),
            ]
    raise ValueError(step)


def first_unmet(gates: Sequence[Gate]) -> Gate | None:
    return next((one for one in gates if not one.is_met), None)


def _looked(course: Course) -> list[Gate]:
    return [
        Gate(rule=NO_LOOK, is_met=course.look is not None),
        Gate(rule=APPEAL_STAYS, is_met=course.open_appeal is None),
    ]


def _after_notice(course: Course, today: date) -> list[Gate]:
    notice, look = course.notice, course.look
    mend_by = notice.mend_by if notice else None
    return [
        Gate(rule=TERM_RUNS, is_met=mend_by is not None and today > mend_by, day=mend_by),
        Gate(rule=FEW_LOOKS, is_met=_looks_in_a_row(course) >= course.gates.looks),
        Gate(
            rule=FEW_SCHOOLS,
            is_met=look is not None and affected(look) >= course.gates.fresh_schools,
        ),
    ]


def _after_suspension(course: Course, today: date) -> list[Gate]:
    since, look = course.suspension, course.look
    appeal_by = since.appeal_by if since else None
    return [
        Gate(
            rule=DAYS_TO_APPEAL,
            is_met=appeal_by is not None and today > appeal_by,
            day=appeal_by,
        ),
        Gate(
            rule=NO_LOOK_SINCE,
            is_met=since is not None
            and look is not None
            and look.at > since.at
            and _bad(course, course.gates.no_new_schools),
        ),
    ]


def _looks_in_a_row(course: Course) -> int:
    """Return how many looks in a row, the last one first, found it bad after the notice."""
    found = 0
    month: Month | None = None
    for look in course.looks:
        in_a_row = month is None or next_month(Month(look.month)) == month
        bad = look.p_bad >= course.gates.no_new_schools
        if course.notice is None or not in_a_row or not bad or look.at <= course.notice.issued_at:
            break
        month = Month(look.month)
        found += 1
    return found


def affected(look: StandingLook) -> int:
    """Return how many schools were affected newly, by a look."""
    return len({one["school"] for one in look.fresh})


def _bad(course: Course, line: Decimal) -> bool:
    return course.look is not None and course.look.p_bad >= line
