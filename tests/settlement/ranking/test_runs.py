"""A month's ranking: the same inputs are the same run, and every digit can be had again."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.errors import AlreadyExists, MonthNotStated, PeriodNotOver, Refused
from kernel.unit import Units
from settlement.agreement_ends import end_agreement
from settlement.models import Agreement
from settlement.ranking.config import Gates, Guards, Newcomers, RankingConfig
from settlement.ranking.evidence import totals
from settlement.ranking.inputs import SchoolEvidence
from settlement.ranking.models import ScoreRun, ScoreSnapshot
from settlement.ranking.ranking import rank
from settlement.ranking.rules import EvidenceRules, Rules
from settlement.ranking.runs import rules_of
from settlement.verify.rankings import check_rankings
from tests.support.builders import a_person
from tests.support.ranking_builders import CELL, Contest, a_contest, lived, ranked, said
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL, MAY = (parse_month(f"2026-{month:02d}") for month in (3, 4, 5))


def snapshots(units: Units, run: ScoreRun, kind: str = "vendor") -> list[ScoreSnapshot]:
    with units(SYSTEM) as unit:
        return list(
            unit.session.scalars(
                select(ScoreSnapshot)
                .where(ScoreSnapshot.run_id == run.id, ScoreSnapshot.kind == kind)
                .order_by(ScoreSnapshot.place, ScoreSnapshot.subject_id)
            )
        )


def order_of(units: Units, contest: Contest, run: ScoreRun) -> list[int]:
    number = {seller.organisation.id: n for n, seller in enumerate(contest.sellers)}
    return [number[one.subject_id] for one in snapshots(units, run)]


def test_who_is_liked_stands_before_who_is_not(units: Units) -> None:
    """R42."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    lived(units, contest, APRIL)

    run = ranked(units, APRIL).run

    assert order_of(units, contest, run) == [0, 1, 2]
    first, _, last = snapshots(units, run)
    assert first.cell == CELL and first.score > 60 > last.score
    assert (first.place, first.place_low) == (1, 1)
    assert first.schools == 4 and not first.is_newcomer
    assert {name: one["schools"] for name, one in first.result["places"].items()} == {
        "urban": 2,
        "rural": 2,
    }


def test_until_three_schools_and_sixty_days_a_vendor_is_new(units: Units) -> None:
    """R43: newcomers have no place yet."""
    contest = a_contest(units)
    lived(units, contest, MARCH)

    found = snapshots(units, ranked(units, MARCH).run)

    assert [(one.is_newcomer, one.place, one.band) for one in found] == [(True, None, "")] * 3


def test_the_same_inputs_are_the_same_run(units: Units) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3})
    lived(units, contest, APRIL)
    first = ranked(units, APRIL)
    units.clock.advance(timedelta(days=20))
    said(units, contest, {0: 1})  # of a later month

    again = ranked(units, APRIL)

    assert first.is_new and not again.is_new
    assert again.run.id == first.run.id


def test_other_inputs_are_a_further_run_of_the_month_and_both_are_kept(units: Units) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3})
    lived(units, contest, APRIL)
    first = ranked(units, APRIL).run
    other = Rules(ranking=RankingConfig(version="2026-9", cap=RankingConfig().cap / 2))
    with units(SYSTEM) as unit:
        second = rank(unit, APRIL, rules=other).run

    assert (first.number, second.number) == (1, 2)
    assert second.config_version == "2026-9.5"
    assert len(snapshots(units, first)) == len(snapshots(units, second)) == 3


def test_a_published_configuration_keeps_its_numbers(units: Units) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    ranked(units, MARCH)
    same_name = Rules(ranking=RankingConfig(cap=RankingConfig().cap / 2))

    with units(SYSTEM) as unit, pytest.raises(AlreadyExists):
        rank(unit, MARCH, rules=same_name)


def test_a_month_is_ranked_once_it_is_over_and_stated(units: Units) -> None:
    contest = a_contest(units)
    lived(units, contest, MARCH)
    for month, error in ((APRIL, PeriodNotOver), (parse_month("2026-02"), MonthNotStated)):
        with units(SYSTEM) as unit, pytest.raises(error):
            rank(unit, month)
    with units(contest.teachers[contest.schools[0].id][0].actor) as unit, pytest.raises(Refused):
        rank(unit, MARCH)


def test_every_past_ranking_is_recomputed_to_the_same_digits(units: Units) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    ranked(units, MARCH)
    lived(units, contest, APRIL, {0: 4, 1: 4, 2: 2})
    ranked(units, APRIL)
    lived(units, contest, MAY)
    ranked(units, MAY)
    with units(SYSTEM) as unit:
        assert list(check_rankings(unit)) == []


def test_what_was_ranked_by_a_version_before_is_had_again(units: Units) -> None:
    """R45: its numbers read back as they were published, and its month is ranked again by them."""
    before = Rules(
        ranking=RankingConfig(
            version="2026-1", gates=Gates(), newcomers=Newcomers(), guards=Guards()
        ),
        evidence=EvidenceRules(),
    )
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    lived(units, contest, APRIL)
    with units(SYSTEM) as unit:
        first = rank(unit, APRIL, rules=before).run
        kept = rules_of(unit, first)
        again = rank(unit, APRIL, rules=kept)
        assert list(check_rankings(unit)) == []

    assert before.digest().hex() == (
        "b3a379f89ea393fc8ade8dae9870450d1297b9360c751b459f05ac39da169574"
    )
    assert kept == before
    assert (again.is_new, again.run.id) == (False, first.id)


def test_what_runs_before_kept_of_a_school_is_told_as_it_was() -> None:
    """R45: they knew no numbers of best and worst ratings, and tell none of them now."""
    kept = {"school": "a", "rating_points": 8, "raters": 2, "months": 3}
    school = msgspec.convert(kept, type=SchoolEvidence)

    assert totals([school]) == {
        "rating_points": 8,
        "raters": 2,
        "rating_age_days": 0,
        "renewed": 0,
        "ended": 0,
        "defects": 0,
        "months": 3,
        "uses": 0,
    }
    assert totals([replace(school, best=2)])["best"] == 2


def test_a_planted_difference_is_named(units: Units) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE score_snapshot DISABLE TRIGGER USER"))
        unit.session.execute(text("UPDATE score_snapshot SET score = score + 1 WHERE place = 3"))
        unit.session.execute(
            text(
                "UPDATE score_snapshot SET inputs = jsonb_set(inputs, '{evidence,audits}', '9') "
                "WHERE place = 1 AND kind = 'vendor'"
            )
        )
        unit.session.execute(text("ALTER TABLE score_snapshot ENABLE TRIGGER USER"))
    with units(SYSTEM) as unit:
        found = list(check_rankings(unit))

    assert any("score of vendor" in one for one in found)
    assert any("do not match their digest" in one for one in found)


@pytest.mark.parametrize("table", ["ranking_config", "score_run", "score_snapshot"])
def test_what_a_ranking_rests_on_never_changes(units: Units, table: str) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    ranked(units, MARCH)
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET result = '{{}}'"):
        if "UPDATE" in statement and table != "score_snapshot":
            continue
        with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
            unit.session.execute(text(statement))


def test_a_term_given_up_counts_and_one_that_is_renewed_counts_for_it(units: Units) -> None:
    """R42: renewals against terms that ended."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    school, vendor = contest.schools[0], contest.sellers[0].organisation
    with units(SYSTEM) as unit:
        finance = a_person(unit, school, [Role.SCHOOL_FINANCE])
        number = unit.session.scalars(
            select(Agreement.number).where(
                Agreement.payer_id == school.id, Agreement.vendor_id == vendor.id
            )
        ).one()
    with units(finance) as unit:
        end_agreement(
            unit, number, last_day=units.clock.now().date() + timedelta(days=1), reason="不合适"
        )
    lived(units, contest, APRIL)

    found = snapshots(units, ranked(units, APRIL).run)

    ended = {one.subject_id: one.result["totals"].get("ended", 0) for one in found}
    assert ended[vendor.id] == 1
    assert sum(ended.values()) == 1


def test_nothing_is_updated_by_accident(units: Units) -> None:
    contest = a_contest(units)
    lived(units, contest, MARCH)
    ranked(units, MARCH)
    with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
        unit.session.execute(update(ScoreRun).values(number=9))
