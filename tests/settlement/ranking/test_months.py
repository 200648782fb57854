"""Which months the worker ranks, and when: each in its order, however late it comes to it."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from kernel.clock import Month, parse_month, show_month
from kernel.errors import LaterMonthRanked, MonthNotStated, MonthOpenElsewhere
from kernel.i18n import translate_error
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.closing import seal_month, settle
from settlement.ranking.config import Gates, RankingConfig
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.ranking import rank
from settlement.ranking.rules import Rules
from settlement.ranking.standing_gates import FEW_LOOKS, gates_of
from settlement.ranking.standing_states import Because
from settlement.ranking.standings import course_of
from settlement.tasks import rank_what_is_stated
from tests.settlement.ranking.test_jurisdiction import bureaus_around
from tests.support.builders import a_school
from tests.support.ranking_builders import (
    BAD,
    Contest,
    a_contest,
    first_day_after,
    lived,
    move_to,
    on_probation,
    standing_of,
    used,
)
from tests.support.settlement_builders import SYSTEM, an_agreement

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


def closed_by_one(units: Units, contest: Contest, month: Month) -> None:
    """Have all schools use something, and the first alone close the month."""
    used(units, contest, month)
    move_to(units, first_day_after(month) + timedelta(days=1, hours=10))
    settle(units, SYSTEM, month, payer_code=contest.schools[0].code)


def days_over(units: Units, month: Month) -> None:
    """Move to the first day on which a month waits for nobody any more, by the shipped numbers."""
    move_to(units, first_day_after(month) + timedelta(days=15))


def known_schools(units: Units) -> list[set[int]]:
    """Return of how many schools the vendors' evidence is, run by run."""
    with units(SYSTEM) as unit:
        rows = unit.session.execute(
            select(ScoreRun.month, ScoreRun.number, ScoreSnapshot.inputs)
            .join(ScoreSnapshot, ScoreSnapshot.run_id == ScoreRun.id)
            .where(ScoreSnapshot.kind == "vendor")
            .order_by(ScoreRun.month, ScoreRun.number)
        ).all()
    found: dict[tuple[date, int], set[int]] = {}
    for month, number, inputs in rows:
        found.setdefault((month, number), set()).add(len(inputs["evidence"]["schools"]))
    return [*found.values()]


def test_who_closes_first_decides_nothing_for_the_others(units: Units) -> None:
    """R42, R44: a month waits for all who used something in it; by hand as well, and says so."""
    contest, around = a_contest(units), bureaus_around(units)
    closed_by_one(units, contest, MARCH)
    rank_what_is_stated(units)
    assert runs(units) == []

    with pytest.raises(MonthNotStated) as refused, units(contest.reviewers[0]) as unit:
        rank(unit, MARCH)
    said = translate_error(refused.value, "zh_CN")
    assert "尚有 3 个" in said and "2026-04-16" in said
    assert [one.code in said for one in contest.schools] == [False, True, True, True]
    with pytest.raises(MonthOpenElsewhere) as elsewhere, units(around.neighbours[0]) as unit:
        rank(unit, MARCH)
    assert not any(one.code in str(elsewhere.value) for one in contest.schools)

    settle(units, SYSTEM, MARCH)
    rank_what_is_stated(units)

    assert runs(units) == [("2026-03", 1)]
    assert known_schools(units) == [{4}]


def test_nobody_holds_up_the_others_and_who_comes_late_is_ranked_as_well(units: Units) -> None:
    """R42, R44: fifteen days after its end a month is ranked without them, and again with them."""
    contest = a_contest(units)
    closed_by_one(units, contest, MARCH)
    move_to(units, first_day_after(MARCH) + timedelta(days=15, seconds=-1))
    rank_what_is_stated(units)
    assert runs(units) == []
    days_over(units, MARCH)
    rank_what_is_stated(units)
    assert known_schools(units) == [{1}]

    units.clock.advance(timedelta(hours=2))
    settle(units, SYSTEM, MARCH)
    for _ in range(3):
        rank_what_is_stated(units)

    assert runs(units) == [("2026-03", 1), ("2026-03", 2)]
    assert known_schools(units) == [{1}, {4}]
    with units(SYSTEM) as unit:
        assert not rank(unit, MARCH).is_new


def test_a_statement_that_tells_nothing_is_looked_into_once(units: Units) -> None:
    """R45: the same inputs are the same run, and the trail says that they were asked again."""
    contest = a_contest(units)
    with units(SYSTEM) as unit:
        idle = a_school(unit)
        seller = contest.sellers[0]
        an_agreement(
            unit,
            idle,
            vendor_id=seller.organisation.id,
            resource_id=seller.resource_id,
            draws=[],
            unit_price="0.0000",
            reference="IDLE",
        )
    used(units, contest, MARCH)
    move_to(units, first_day_after(MARCH) + timedelta(days=1, hours=10))
    for school in contest.schools:
        settle(units, SYSTEM, MARCH, payer_code=school.code)
    rank_what_is_stated(units)
    settle(units, SYSTEM, MARCH, payer_code=idle.code)

    for _ in range(2):
        rank_what_is_stated(units)

    with units(SYSTEM) as unit:
        acts = unit.session.scalars(
            select(TrailRow.act).where(TrailRow.subject_kind == "score run").order_by(TrailRow.id)
        ).all()
    assert runs(units) == [("2026-03", 1)]
    assert sorted(acts) == ["month.looked-at", "month.ranked", "month.ranked-again"]


def test_what_is_stated_late_of_an_older_month_is_evidence_of_the_last(units: Units) -> None:
    """R44, R45: looks of before stay as they were; the last month is ranked again with it."""
    contest = a_contest(units)
    for month in (MARCH, APRIL):
        closed_by_one(units, contest, month)
        days_over(units, month)
        rank_what_is_stated(units)
    settle(units, SYSTEM, MARCH)
    with pytest.raises(LaterMonthRanked, match="2026-04"), units(SYSTEM) as unit:
        rank(unit, MARCH)

    rank_what_is_stated(units)

    assert runs(units) == [("2026-03", 1), ("2026-04", 1), ("2026-04", 2)]
    assert known_schools(units) == [{1}, {1}, {4}]
    with units(SYSTEM) as unit:
        looks = course_of(unit, standing_of(units, contest)).looks
    assert [one.month for one in looks] == [APRIL, MARCH]


def test_what_is_stated_later_is_ranked_by_the_version_of_the_month(units: Units) -> None:
    """R45: another configuration since is of the months that are ranked first by it."""
    contest = a_contest(units)
    closed_by_one(units, contest, MARCH)
    days_over(units, MARCH)
    before = Rules(ranking=RankingConfig(version="2026-1", gates=Gates()))
    with units(SYSTEM) as unit:
        rank(unit, MARCH, rules=before)
    settle(units, SYSTEM, MARCH)

    rank_what_is_stated(units)

    with units(SYSTEM) as unit:
        found = unit.session.scalars(select(ScoreRun).order_by(ScoreRun.number)).all()
    assert [one.config_version for one in found] == [before.version] * 2


def test_a_close_that_hangs_holds_up_nobody(units: Units) -> None:
    """R44: a payer whose month is sealed, and stated by nobody, is waited for as others are."""
    contest = a_contest(units)
    closed_by_one(units, contest, MARCH)
    seal_month(units, SYSTEM, MARCH)
    rank_what_is_stated(units)
    assert runs(units) == []
    days_over(units, MARCH)

    rank_what_is_stated(units)

    assert known_schools(units) == [{1}]
