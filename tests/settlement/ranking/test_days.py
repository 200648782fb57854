"""Days are those of Shanghai, where a notice is signed before eight in the morning as well."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from msgspec import UNSET
from sqlalchemy import select

from kernel.clock import SHANGHAI, parse_month
from kernel.unit import Unit, Units
from settlement.agreement_ends import end_agreement
from settlement.models import Agreement
from settlement.ranking.config import Gates, RankingConfig
from settlement.ranking.due_process import issue_notice
from settlement.ranking.evidence import gather
from settlement.ranking.models import StandingNotice
from settlement.ranking.ranking import rank
from settlement.ranking.rules import SHIPPED, SHIPPED_EVIDENCE, Rules
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standings import course_of
from tests.support.ranking_builders import (
    APRIL,
    BAD,
    MARCH,
    Contest,
    a_contest,
    closed,
    lived,
    move_to,
    ranked,
    standing_id_of,
    standing_of,
    used,
    wronged,
)
from tests.support.settlement_builders import SYSTEM, an_agreement
from tests.support.standing_builders import last_event

MAY, AUGUST = parse_month("2026-05"), parse_month("2026-08")
BEFORE = Rules(
    ranking=RankingConfig(version="2026-5", gates=Gates(return_days=366, silence=True)),
    evidence=replace(SHIPPED_EVIDENCE, version="4", local_days=UNSET, rating_age_step_days=UNSET),
)


def noticed_in_the_morning(units: Units, contest: Contest) -> None:
    """Have the bad vendor's notice signed at half past seven on the fifth of May."""
    move_to(units, datetime(2026, 5, 5, 7, 30, tzinfo=SHANGHAI))
    with units(contest.reviewers[0]) as unit:
        standing_id = standing_id_of(unit, contest, BAD)
        issue_notice(unit, standing_id, note="请整改", seen=require_run(unit).id)


def given_up(units: Units, contest: Contest, last_day: date) -> None:
    """Have the first school give up what it has of the bad vendor's that runs."""
    school = contest.schools[0]
    with units(SYSTEM) as unit:
        (number,) = [one.number for one in agreements(unit, contest) if one.ends_on > last_day]
    with units(contest.heads[school.id]) as unit:
        end_agreement(unit, number, last_day=last_day, reason="不再使用")


def agreements(unit: Unit, contest: Contest) -> list[Agreement]:
    return [
        *unit.session.scalars(
            select(Agreement).where(
                Agreement.payer_id == contest.schools[0].id,
                Agreement.vendor_id == contest.sellers[BAD].organisation.id,
            )
        )
    ]


def test_the_numbers_of_the_version_before_are_as_they_were() -> None:
    """R45: its runs are recomputed, and its months ranked again, by what it says."""
    assert BEFORE.version == "2026-5.4"
    assert BEFORE.digest().hex() == (
        "7c5b0dada8b6fadd20360189197cc4a84b5a36c70cab3e43da3c7299959b6c11"
    )


@pytest.mark.parametrize(("rules", "fresh"), [(SHIPPED, []), (BEFORE, ["2026-05-04"])])
def test_a_term_that_ended_the_day_before_the_notice_is_not_since(
    units: Units, rules: Rules, fresh: list[str]
) -> None:
    """R44: a version before goes on as it did."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    wronged(units, contest, MARCH, BAD)
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    given_up(units, contest, date(2026, 5, 4))
    noticed_in_the_morning(units, contest)
    used(units, contest, MAY)
    closed(units, MAY)
    with units(SYSTEM) as unit:
        rank(unit, MAY, rules=rules)

    with units(SYSTEM) as unit:
        look = course_of(unit, standing_of(units, contest)).look
    assert [one["on"] for one in look.fresh] == fresh


def test_what_an_appeal_struck_out_reaches_to_its_own_morning(units: Units) -> None:
    """R44: a term whose last day had begun when the appeal was upheld is struck out with it."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    wronged(units, contest, MARCH, BAD)
    given_up(units, contest, date(2026, 4, 20))
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    noticed_in_the_morning(units, contest)
    standing, seller = standing_of(units, contest), contest.sellers[BAD]
    with units(SYSTEM) as unit:
        items = unit.session.scalars(select(StandingNotice.items)).one()
        (struck,) = [one["number"] for one in items if one["component"] == "renewal"]
        an_agreement(
            unit,
            contest.schools[0],
            vendor_id=seller.organisation.id,
            resource_id=seller.resource_id,
            draws=[],
            reference="AGAIN",
            starts_on=date(2026, 7, 25),
            ends_on=date(2026, 12, 31),
        )
    with units(seller.manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    move_to(units, datetime(2026, 8, 1, 9, tzinfo=SHANGHAI))
    given_up(units, contest, date(2026, 8, 20))
    move_to(units, datetime(2026, 8, 20, 7, 30, tzinfo=SHANGHAI))
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=True, note="另有原因", struck=[struck])

    units.clock.advance(timedelta(days=20))
    assert [terms_ended(units, contest, rules) for rules in (SHIPPED, BEFORE)] == [0, 1]


def terms_ended(units: Units, contest: Contest, rules: Rules) -> int:
    """Return how many terms with the bad vendor August knows to have ended."""
    vendor = str(contest.sellers[BAD].organisation.id)
    with units(SYSTEM) as unit:
        found = gather(unit, AUGUST, rules).subjects["vendor"]
    (bad,) = [one.evidence for one in found if one.evidence.subject == vendor]
    return sum(one.ended for one in bad.schools)
