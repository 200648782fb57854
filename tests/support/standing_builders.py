"""A vendor before it fell, and what a test names of a standing as its reader would."""

from uuid import UUID

from kernel.unit import Unit, Units
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standings import events_of
from tests.support.ranking_builders import (
    APRIL,
    BAD,
    MARCH,
    Contest,
    a_contest,
    lived,
    standing_of,
)
from tests.support.worlds import a_world


@a_world
def liked(units: Units) -> Contest:
    """All vendors are found good in March, and have been there for sixty days when April closes."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 4})
    lived(units, contest, APRIL)
    return contest


def last_event(unit: Unit, standing_id: UUID) -> int:
    """Return the number of what moved a standing last, 0 where nothing did."""
    return max((one.number for one in events_of(unit, standing_id)), default=0)


def an_appeal(units: Units, contest: Contest, *, upheld: bool) -> None:
    """Have the vendor that was suspended appeal, and another reviewer decide it."""
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit,
            standing.id,
            event=last_event(unit, standing.id),
            claim="评价不是使用者所写",
            contested=[1, 2],
        )
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(
            unit, appeal.id, upheld=upheld, note="已复核", struck=[1, 2] if upheld else []
        )
