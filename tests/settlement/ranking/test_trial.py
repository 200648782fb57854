"""If a vendor were judged today: by today's facts, without moving anything (R44)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import func, select

from kernel.clock import parse_month, shanghai_day, start_of_day
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.models import ScoreRun, StandingLook
from settlement.ranking.runs import require_run
from settlement.ranking.trial import Trial, judged_today
from tests.support.application import an_app
from tests.support.ranking_builders import (
    APRIL,
    BAD,
    CELL,
    MARCH,
    Contest,
    a_contest,
    lived,
    ranked,
    said,
    standing_of,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, sign_in


@pytest.fixture
def contest(units: Units) -> Contest:
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        yield client


def tried(units: Units, contest: Contest, number: int = BAD) -> Trial:
    with units(SYSTEM) as unit:
        run = require_run(unit)
        return judged_today(unit, run, contest.sellers[number].organisation.id)[CELL]


def test_what_schools_say_today_is_in_the_trial_and_moves_nothing(
    units: Units, contest: Contest
) -> None:
    """R44: at the means of the last ranking, among the others as it has them."""
    before, standing = tried(units, contest), standing_of(units, contest)
    assert before.place is not None
    assert (before.place.place, before.place.among, before.score.schools) == (3, 3, 4)
    said(units, contest, {BAD: 5})
    told = tried(units, contest)
    assert replace(told, at=before.at) == before, "nobody learns from it who just rated"
    units.clock.advance(timedelta(days=1))
    after = tried(units, contest)
    assert after.place is not None
    assert after.score.satisfaction.mean > before.score.satisfaction.mean
    assert after.score.score > before.score.score
    assert after.score.p_bad < before.score.p_bad
    assert after.totals["raters"] == before.totals["raters"] == 8
    assert after.at == start_of_day(shanghai_day(units.clock.now()))
    with units(SYSTEM) as unit:
        assert unit.session.scalar(select(func.count()).select_from(ScoreRun)) == 1
        assert unit.session.scalar(select(func.count()).select_from(StandingLook)) == 3
    assert standing_of(units, contest).state == standing.state


def test_a_trial_is_the_ranking_of_a_month_at_its_end(units: Units, contest: Contest) -> None:
    """R44, R45: the same statements, asked together of one vendor."""
    may = parse_month("2026-05")
    lived(units, contest, may)
    ranked(units, may)
    with units(SYSTEM) as unit:
        run = require_run(unit, may)
        rows = {
            number: judged_today(unit, run, seller.organisation.id)[CELL]
            for number, seller in enumerate(contest.sellers)
        }
    ages = {number: one.totals["rating_age_days"] for number, one in rows.items()}
    assert len(set(ages.values())) == 1
    assert [rows[n].place.place for n in range(3) if rows[n].place] == [1, 2, 3]
    assert {one.totals["months"] for one in rows.values()} == {12}


def test_a_trial_is_reckoned_once_for_some_minutes_and_is_labelled(
    units: Units, contest: Contest, client: TestClient[Litestar]
) -> None:
    """R44: the page tells the last ranking and the trial apart, and asks little."""
    units.settings = replace(units.settings, remember_seconds=300)
    first = tried(units, contest)
    said(units, contest, {BAD: 5})
    assert tried(units, contest) is first
    units.clock.advance(timedelta(minutes=5))
    assert tried(units, contest) is not first
    units.clock.advance(timedelta(days=1))
    assert tried(units, contest).score.score > first.score.score
    units.settings = replace(units.settings, remember_seconds=0)
    sign_in(client, "vendor-2")
    with counted_queries(units.engine) as queries:
        page = client.get("/vendor/standing").text
    assert len(queries) <= 12
    assert "试算" in page
    assert "最近一次排名" in page
    assert not any(school.name in page for school in contest.schools)
