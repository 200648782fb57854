"""Who recovered by silence is at the beginning again, and what is set aside is no silence (R44)."""

from datetime import timedelta

from kernel.actors import Role
from kernel.clock import next_month, parse_month
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.ranking.due_process import issue_notice
from settlement.ranking.ranking import rank
from settlement.ranking.runs import require_run
from settlement.ranking.standing_states import VendorStanding
from tests.settlement.ranking.test_other_months import upheld
from tests.settlement.ranking.test_silence import PESSIMIST, after_a_year, given_up, stated
from tests.support.builders import a_person, took
from tests.support.ranking_builders import (
    BAD,
    audited,
    on_probation,
    ranked,
    said,
    standing_of,
)
from tests.support.settlement_builders import SYSTEM


def test_an_appeal_that_was_upheld_before_a_recovery_bars_no_later_notice(units: Units) -> None:
    """Else one item that was struck out once would protect a vendor for ever."""
    contest = on_probation(units)
    upheld(units, contest, [2])
    given_up(units, contest)
    month = parse_month("2028-01")
    stated(units, contest, month)
    ranked(units, month)
    assert standing_of(units, contest).state == VendorStanding.NORMAL
    units.clock.advance(timedelta(days=1))
    said(units, contest, {BAD: 1})
    audited(units, contest, failing=BAD, times=8)
    stated(units, contest, next_month(month))
    ranked(units, next_month(month))
    standing = standing_of(units, contest)
    assert standing.state == VendorStanding.WATCH
    with units(contest.reviewers[0]) as unit:
        issue_notice(unit, standing.id, note="又不合格", seen=require_run(unit).id)
    assert standing_of(units, contest).state == VendorStanding.PROBATION


def test_whose_every_school_is_set_aside_is_not_silent(units: Units) -> None:
    """What is known and does not count is known; a vendor could have it set aside."""
    contest, month = after_a_year(units)
    said(units, contest, {BAD: 3})
    vendor = contest.sellers[BAD].organisation.code
    with units(SYSTEM) as unit:
        rows = []
        for number, school in enumerate(contest.schools):
            a_person(unit, school, [Role.ACADEMIC], person_no=f"B{number}")
            rows.append(
                RosterRow(
                    person_no=f"B{number}",
                    name="两边",
                    organisation_kind="vendor",
                    organisation_code=vendor,
                    roles=(Role.VENDOR_MANAGER,),
                )
            )
        took(record_roster(unit, rows))
    stated(units, contest, next_month(month))
    before = standing_of(units, contest).state
    with units(SYSTEM) as unit:
        rank(unit, next_month(month), rules=PESSIMIST)
    assert standing_of(units, contest).state == before != VendorStanding.NORMAL
