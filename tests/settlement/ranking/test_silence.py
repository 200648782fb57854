"""A vendor of which nothing is known any more: it is looked at, and has recovered (R44)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from kernel.clock import Month, next_month, parse_month
from kernel.unit import Units
from settlement.agreement_ends import EndWhy, end_agreement, end_what_is_over
from settlement.models import Agreement, Period
from settlement.queries.rankings import cells_of, places_of_vendor, ranking_of
from settlement.queries.standing_reasons import grounds_of
from settlement.queries.standings import standing_view
from settlement.ranking.evidence import gather
from settlement.ranking.looks import is_silent, move
from settlement.ranking.models import ScoreSnapshot, Standing, StandingEvent, StandingLook
from settlement.ranking.ranking import rank
from settlement.ranking.rules import SHIPPED, Rules
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.verify.rankings import check_rankings
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Contest,
    closed,
    first_day_after,
    move_to,
    on_probation,
    ranked,
    standing_of,
    suspended,
)
from tests.support.settlement_builders import SYSTEM

GATES = replace(SHIPPED.ranking.gates, silence=False)
BEFORE = Rules(ranking=replace(SHIPPED.ranking, version="2026-3", gates=GATES))
"""The rules of before: of whom nothing is known nobody looks."""
PESSIMIST = Rules(
    ranking=replace(
        SHIPPED.ranking,
        version="2026-9",
        gates=replace(SHIPPED.ranking.gates, recovery=SHIPPED.ranking.tau * 0),
    )
)
"""Rules by which no number says that anybody has recovered."""


def given_up(units: Units, contest: Contest) -> None:
    """Have every school leave the bad vendor, through nobody's fault."""
    vendor = contest.sellers[BAD].organisation
    with units(SYSTEM) as unit:
        numbers = {
            one.payer_id: one.number
            for one in unit.session.scalars(
                select(Agreement).where(Agreement.vendor_id == vendor.id)
            )
        }
    last_day = units.clock.now().date() + timedelta(days=2)
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            end_agreement(
                unit,
                numbers[school.id],
                last_day=last_day,
                reason="换教材",
                why=EndWhy.CURRICULUM_CHANGE,
            )
    units.clock.advance(timedelta(days=4))
    with units(SYSTEM) as unit:
        end_what_is_over(unit)


def stated(units: Units, contest: Contest, month: Month) -> None:
    """Have a month over and stated in which nobody used anything."""
    move_to(units, first_day_after(month) + timedelta(days=1, hours=10))
    with units(SYSTEM) as unit:
        unit.session.add(Period(payer_id=contest.schools[0].id, month=month, state="stated"))


def after_a_year(units: Units) -> tuple[Contest, Month]:
    """Return a suspended vendor that nobody used or rated for more than a year, and the month."""
    contest = suspended(units)
    given_up(units, contest)
    month = parse_month("2028-01")
    stated(units, contest, month)
    return contest, month


def test_who_is_suspended_and_no_more_used_is_looked_at_and_recovers(units: Units) -> None:
    """R44: nobody stays suspended for ever because its evidence has all aged out."""
    contest, month = after_a_year(units)
    standing = standing_of(units, contest)
    assert standing.state == "no_new_schools"
    with units(SYSTEM) as unit:
        of_before = gather(unit, month, BEFORE).scored("vendor")
    assert [len(one.schools) for one in of_before] == [4, 4, 4]  # old ratings alone

    run = ranked(units, month).run

    with units(SYSTEM) as unit:
        snapshot = unit.session.scalars(
            select(ScoreSnapshot).where(
                ScoreSnapshot.run_id == run.id, ScoreSnapshot.kind == "vendor"
            )
        ).one()  # of the two others, which stand at normal, there is nothing to look at
        look = unit.session.get_one(StandingLook, (standing.id, run.id))
        event = unit.session.scalars(
            select(StandingEvent)
            .where(StandingEvent.standing_id == standing.id)
            .order_by(StandingEvent.number.desc())
        ).first()
        assert list(check_rankings(unit)) == []
        assert cells_of(unit, run, kind="vendor") == []
        assert ranking_of(unit, run, kind="vendor", cell=snapshot.cell) == []
        assert [one.cell for one in places_of_vendor(unit, run, standing.vendor_id)] == [CELL]
    assert snapshot.subject_id == standing.vendor_id
    assert is_silent(snapshot)
    assert look.is_newcomer
    assert (event.from_state, event.to_state, event.because) == (
        "no_new_schools",
        "normal",
        "look",
    )
    assert standing_of(units, contest).state == "normal"
    later = next_month(month)
    stated(units, contest, later)
    assert ranked(units, later).run.counts["vendors"] == 0


def test_where_all_of_a_cell_are_bad_silence_is_recovery_too(units: Units) -> None:
    """R44: the means of a cell are not held against whom nobody uses; the database agrees."""
    contest, month = after_a_year(units)

    with units(SYSTEM) as unit:
        rank(unit, month, rules=PESSIMIST)

    standing = standing_of(units, contest)
    assert standing.state == "normal"
    with units(SYSTEM) as unit:
        grounds = grounds_of(unit, standing_view(unit, standing.id))
    by_number = [grounds[number].line for number in sorted(grounds, reverse=True)]
    assert (by_number[0], by_number[1] is None) == (None, False)  # no number restored it


def test_a_vendor_that_is_still_used_does_not_recover_by_silence(units: Units) -> None:
    """R44: neither by the service nor past it."""
    contest = on_probation(units)
    may = parse_month("2026-05")
    closed(units, may)  # nothing was used in May, and what is known is of before
    run = ranked(units, may).run
    standing = standing_of(units, contest)
    assert standing.state == "probation"

    with pytest.raises(DBAPIError, match="has not recovered"), units(SYSTEM) as unit:
        move(
            unit,
            unit.session.get_one(Standing, standing.id),
            VendorStanding.NORMAL,
            because=Because.LOOK,
            run_id=run.id,
        )


def test_what_was_said_long_ago_speaks_beside_a_use(units: Units) -> None:
    """R42: who is used again is known by what was said before, faded, from then on."""
    contest, month = after_a_year(units)
    with units(SYSTEM) as unit:
        silent = gather(unit, month, SHIPPED).scored("vendor")
        earlier = gather(unit, parse_month("2027-09"), SHIPPED).scored("vendor")
    wanted = str(contest.sellers[BAD].organisation.id)
    assert [(one.subject, one.schools) for one in silent] == [(wanted, ())]
    # In September use of the October before was of the last year, and so the ratings spoke.
    ages = {school.rating_age_days for one in earlier for school in one.schools}
    assert {len(one.schools) for one in earlier} == {4}
    assert max(ages) > SHIPPED.ranking.evidence_days
    step = SHIPPED.evidence.rating_age_step_days or 1
    assert all(age % step == 0 for age in ages)
    assert date(2027, 9, 30) - timedelta(days=max(ages) + step) < date(2026, 5, 1)
