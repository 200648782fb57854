"""The gates of due process, as a list of what is met and what is not: for acts and for pages (R44).

Each gate names its rule; the first that is not met is why a step is refused. The database keeps the
same gates (triggers of 0019 and 0028), so that nothing depends on this list alone. “Since” a step
means of a later month than those that had been looked at by then: a month that is ranked again is
no other look at a vendor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

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
    notice, what was signed last, and an appeal that waits.

    `noticed_in`, `suspended_in`, `upheld_in`: the latest month that had been looked at when the
    notice or the suspension was signed, or an appeal upheld. `says_more`: whether the last look has
    evidence that the notice before an upheld appeal did not name.
    """

    state: VendorStanding
    gates: Gates
    looks: Sequence[StandingLook] = ()
    notice: StandingNotice | None = None
    suspension: StandingEvent | None = None
    exit: StandingEvent | None = None
    open_appeal: StandingAppeal | None = None
    noticed_in: date | None = None
    suspended_in: date | None = None
    upheld_in: date | None = None
    says_more: bool = True

    @property
    def look(self) -> StandingLook | None:
        return self.looks[0] if self.looks else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One condition of a step and whether it is met; `rule` says what is wrong while it is not.

    `day`: the last day on which it can't be. `have`, `need`: how much of it there is, where that is
    a number.
    """

    rule: str
    condition: str
    is_met: bool
    day: date | None = None
    have: Decimal | None = None
    need: Decimal | None = None


NOT_THERE = "it stands elsewhere"
NO_LOOK = "no ranking has looked at it yet"
APPEAL_STAYS = "an appeal waits for its decision and stays it"
NOT_BAD = "the last look does not find it bad enough"
TERM_RUNS = "the term of the notice is not over"
FEW_LOOKS = "too few looks in a row after the notice found it bad"
FEW_SCHOOLS = "too few schools were affected since the notice"
DAYS_TO_APPEAL = "the days to appeal are not over"
NO_LOOK_SINCE = "no look at a later month found it bad"
UPHELD_ON_IT = "an appeal was upheld on what this month says"
NOT_OURS = "your bureau does not answer for all that was let in here"
SAYS_NO_MORE = "it says nothing that the notice before the upheld appeal did not say"

CONDITIONS: Final = {
    NOT_THERE: msgid("It stands where this step begins"),
    NO_LOOK: msgid("A ranking has looked at it"),
    APPEAL_STAYS: msgid("No appeal waits for its decision"),
    NOT_BAD: msgid("The last look finds it bad enough"),
    TERM_RUNS: msgid("The term of the notice is over"),
    FEW_LOOKS: msgid("Enough looks in a row after the notice find it bad"),
    FEW_SCHOOLS: msgid("Enough schools were affected since the notice"),
    DAYS_TO_APPEAL: msgid("The days to appeal are over"),
    NO_LOOK_SINCE: msgid("A look at a later month finds it bad"),
    UPHELD_ON_IT: msgid("A month has been looked at since the appeal was upheld"),
    NOT_OURS: msgid("Your bureau, or bureaus below it, let in all that the vendor offers here"),
    SAYS_NO_MORE: msgid("Schools say what the notice before the upheld appeal did not name"),
}
"""What has to hold, by what is wrong while it does not."""


def gates_of(unit: Unit, course: Course, step: Because) -> list[Gate]:
    """Return the gates before a step that a person signs: notice, suspension or exit."""
    today = shanghai_day(unit.clock.now())
    match step:
        case Because.NOTICE:
            return [
                _gate(NOT_THERE, is_met=course.state is VendorStanding.WATCH),
                *_looked(course),
                _enough(
                    NOT_BAD,
                    course.look.p_bad if course.look else None,
                    course.gates.probation,
                ),
                *_after_upheld(course),
            ]
        case Because.SUSPENSION:
            return [
                _gate(NOT_THERE, is_met=course.state is VendorStanding.PROBATION),
                *_looked(course),
                *_after_notice(course, today),
            ]
        case Because.EXIT:
            return [
                _gate(NOT_THERE, is_met=course.state is VendorStanding.NO_NEW_SCHOOLS),
                *_looked(course),
                *_after_suspension(course, today),
            ]
    raise ValueError(step)


def gate_of_ours(*, is_met: bool) -> Gate:
    """Return the gate of who may sign, for who reads as a bureau (`jurisdiction`)."""
    return _gate(NOT_OURS, is_met=is_met)


def _gate(rule: str, *, is_met: bool, day: date | None = None) -> Gate:
    return Gate(rule=rule, condition=CONDITIONS[rule], is_met=is_met, day=day)


def _enough(rule: str, have: Decimal | int | None, need: Decimal | int) -> Gate:
    """Return a gate that takes so much, and how much there is."""
    return Gate(
        rule=rule,
        condition=CONDITIONS[rule],
        is_met=have is not None and have >= need,
        have=None if have is None else Decimal(have),
        need=Decimal(need),
    )


def first_unmet(gates: Sequence[Gate]) -> Gate | None:
    return next((one for one in gates if not one.is_met), None)


def _looked(course: Course) -> list[Gate]:
    return [
        _gate(NO_LOOK, is_met=course.look is not None),
        _gate(APPEAL_STAYS, is_met=course.open_appeal is None),
    ]


def _after_upheld(course: Course) -> list[Gate]:
    """Return what a further notice needs after an upheld appeal: another month, new evidence."""
    if course.upheld_in is None:
        return []
    return [
        _gate(UPHELD_ON_IT, is_met=_is_later(course, course.upheld_in)),
        _gate(SAYS_NO_MORE, is_met=course.says_more),
    ]


def _is_later(course: Course, month: date | None) -> bool:
    return course.look is not None and (month is None or course.look.month > month)


def _after_notice(course: Course, today: date) -> list[Gate]:
    notice, look = course.notice, course.look
    mend_by = notice.mend_by if notice else None
    return [
        _gate(TERM_RUNS, is_met=mend_by is not None and today > mend_by, day=mend_by),
        _enough(FEW_LOOKS, _looks_in_a_row(course), course.gates.looks),
        _enough(FEW_SCHOOLS, affected(look) if look else 0, course.gates.fresh_schools),
    ]


def _after_suspension(course: Course, today: date) -> list[Gate]:
    since = course.suspension
    appeal_by = since.appeal_by if since else None
    return [
        _gate(
            DAYS_TO_APPEAL,
            is_met=appeal_by is not None and today > appeal_by,
            day=appeal_by,
        ),
        _gate(
            NO_LOOK_SINCE,
            is_met=since is not None
            and _is_later(course, course.suspended_in)
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
        since = course.noticed_in is None or look.month > course.noticed_in
        if course.notice is None or not in_a_row or not bad or not since:
            break
        month = Month(look.month)
        found += 1
    return found


def affected(look: StandingLook) -> int:
    """Return how many schools were affected newly, by a look."""
    return len({one["school"] for one in look.fresh})


def _bad(course: Course, line: Decimal) -> bool:
    return course.look is not None and course.look.p_bad >= line
