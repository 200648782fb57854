"""Which months the worker ranks, and when: each in its order, however late it comes to it."""

from datetime import date

from sqlalchemy import select

from kernel.clock import parse_month, show_month
from kernel.unit import Units
from settlement.ranking.models import ScoreRun
from settlement.ranking.standing_gates import FEW_LOOKS, gates_of
from settlement.ranking.standing_states import Because
from settlement.ranking.standings import course_of
from settlement.tasks import rank_what_is_stated
from tests.support.ranking_builders import (
    BAD,
    a_contest,
    lived,
    on_probation,
    standing_of,
)
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL, SEPTEMBER, OCTOBER = (parse_month(f"2026-{month:02d}") for month in (3, 4, 9, 10))


def runs(units: Units) -> list[tuple[str, int]]:
    """Return the runs in the order in which they were made, as month and number."""
    with units(SYSTEM) as unit:
        found = unit.session.scalars(select(ScoreRun).order_by(ScoreRun.ran_at, ScoreRun.month))
        return [(show_month(one.month), one.number) for one in found]


def test_no_month_is_passed_over_when_the_worker_comes_late(units: Units) -> None:
    """R44: two months were stated before it came; both are looked at, so two looks in a row."""
    contest = on_probation(units)
    for month in (SEPTEMBER, OCTOBER):
        lived(units, contest, month, {BAD: 1})

    rank_what_is_stated(units)
    rank_what_is_stated(units)

    assert runs(units) == [(f"2026-{month:02d}", 1) for month in range(4, 11)]
    with units(SYSTEM) as unit:
        course = course_of(unit, standing_of(units, contest))
        gates = {one.rule: one.is_met for one in gates_of(unit, course, Because.SUSPENSION)}
    assert [one.month for one in course.looks[:2]] == [date(2026, 10, 1), date(2026, 9, 1)]
    assert gates[FEW_LOOKS]


def test_the_first_ranking_is_of_the_latest_month(units: Units) -> None:
    """Nobody stands anywhere before it, and what is older is in its evidence."""
    contest = a_contest(units)
    rank_what_is_stated(units)
    assert runs(units) == []
    lived(units, contest, MARCH)
    lived(units, contest, APRIL)

    rank_what_is_stated(units)

    assert runs(units) == [("2026-04", 1)]
