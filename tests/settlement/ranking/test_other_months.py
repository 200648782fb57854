"""A month that is ranked again is no other look: steps rest on later months, and new evidence."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role
from kernel.clock import Month, parse_month, shanghai_day
from kernel.errors import StepNotDue
from kernel.identity.people import RosterRow, record_roster
from kernel.ids import new_id
from kernel.unit import Unit, Units
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.items import items_of, say_more
from settlement.ranking.looks import look_at, move
from settlement.ranking.models import ScoreRun, ScoreSnapshot, Standing, StandingNotice
from settlement.ranking.runs import last_run, require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.standings import course_of
from tests.support.builders import a_person, took
from tests.support.ranking_builders import (
    BAD,
    Contest,
    lived,
    move_to,
    next_look,
    on_probation,
    ranked,
    said,
    standing_of,
    suspended,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

MAY, AUGUST, SEPTEMBER = (parse_month(f"2026-{month:02d}") for month in (5, 8, 9))


def ranked_again(units: Units, month: Month) -> None:
    """Have a month ranked once more with the same figures, as if somebody else's evidence fell."""
    units.clock.advance(timedelta(minutes=1))
    with units(SYSTEM) as unit:
        last = require_run(unit, month)
        values = {
            one.name: getattr(last, one.name)
            for one in ScoreRun.__table__.columns
            if one.name not in {"id", "number", "ran_at"}
        }
        run = ScoreRun(id=new_id(), number=last.number + 1, ran_at=unit.clock.now(), **values)
        unit.session.add(run)
        unit.session.flush()
        rows = unit.session.scalars(
            select(ScoreSnapshot).where(ScoreSnapshot.run_id == last.id)
        ).all()
        columns = [one.name for one in ScoreSnapshot.__table__.columns if one.name != "run_id"]
        unit.session.execute(
            insert(ScoreSnapshot),
            [{"run_id": run.id, **{name: getattr(one, name) for name in columns}} for one in rows],
        )
        look_at(unit, run)


def signed(
    unit: Unit, standing: Standing, to: VendorStanding, because: Because, who: Actor, **facts: Any
) -> None:
    """Write a step past the service; the database has its say."""
    run = last_run(unit)
    assert run is not None
    move(
        unit,
        unit.session.get_one(Standing, standing.id),
        to,
        because=because,
        **{
            "run_id": run.id,
            "signed_by": who.person_id,
            "note": "硬来",
            "appeal_by": shanghai_day(unit.clock.now()),
            **facts,
        },
    )


def upheld(units: Units, contest: Contest, struck: list[int]) -> None:
    """Have the vendor appeal and a third reviewer strike these items out."""
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="不服", contested=struck
        )
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=True, note="部分不实", struck=struck)


def test_after_an_upheld_appeal_the_same_month_carries_no_notice_again(units: Units) -> None:
    """R44: what was upheld is not noticed once more by what is left of the same look."""
    contest = on_probation(units)
    upheld(units, contest, [1])
    standing = standing_of(units, contest)
    assert standing.state == "watch"
    with units(contest.reviewers[0]) as unit:
        assert course_of(unit, standing).look.p_bad >= 0.7

    with units(contest.reviewers[0]) as unit, pytest.raises(StepNotDue, match="upheld on what"):
        issue_notice(unit, standing.id, note="再来一次", seen=require_run(unit).id)
    with pytest.raises(DBAPIError, match="upheld on what this month says"):
        noticed_past_the_service(units, contest)


def test_a_later_month_carries_a_notice_once_it_says_more(units: Units) -> None:
    """R44: the same evidence a month on is the same evidence; a further defect is not."""
    contest = on_probation(units)
    upheld(units, contest, [1])
    standing = standing_of(units, contest)
    lived(units, contest, MAY)
    ranked(units, MAY)
    with units(contest.reviewers[0]) as unit:
        assert course_of(unit, standing).look.p_bad >= 0.7
    with units(contest.reviewers[0]) as unit, pytest.raises(StepNotDue, match="says nothing that"):
        issue_notice(unit, standing.id, note="再来一次", seen=require_run(unit).id)
    with pytest.raises(DBAPIError, match="nothing that the notice before"):
        noticed_past_the_service(units, contest)

    wronged(units, contest, MAY, BAD)
    june = parse_month("2026-06")
    lived(units, contest, june)
    ranked(units, june)
    with units(contest.reviewers[0]) as unit:
        issue_notice(unit, standing.id, note="又有新的缺陷", seen=require_run(unit).id)

    assert standing_of(units, contest).state == "probation"


def test_what_an_appeal_struck_out_bars_no_later_evidence_of_the_same_school(
    units: Units,
) -> None:
    """R44: all ratings were struck out; the same teachers' new ones, as low as before, are new."""
    contest = on_probation(units)
    upheld(units, contest, [1, 3, 5, 7])  # the ratings of all schools; what broke stays named
    standing = standing_of(units, contest)
    units.clock.advance(timedelta(minutes=1))
    said(units, contest, {BAD: 1})
    lived(units, contest, MAY)
    ranked(units, MAY)
    with units(contest.reviewers[0]) as unit:
        items = items_of(unit, standing.vendor_id, cell=standing.cell, run_id=require_run(unit).id)
        known = unit.session.scalars(select(StandingNotice)).one()
        assert [one["component"] for one in items].count("ratings") == 4
        assert not say_more(items, known.items)  # it says to the letter what was struck out
        assert course_of(unit, standing).look.p_bad >= 0.7
    with units(contest.reviewers[0]) as unit:
        issue_notice(unit, standing.id, note="又有教师评价过低", seen=require_run(unit).id)

    assert standing_of(units, contest).state == "probation"


def noticed_past_the_service(units: Units, contest: Contest) -> None:
    standing = standing_of(units, contest)
    reviewer = contest.reviewers[0]
    units.clock.advance(timedelta(minutes=1))
    with units(SYSTEM) as unit:
        run = require_run(unit)
        notice = StandingNotice(
            id=new_id(),
            standing_id=standing.id,
            run_id=run.id,
            items=items_of(unit, standing.vendor_id, cell=standing.cell, run_id=run.id),
            note="硬来",
            issued_at=unit.clock.now(),
            issued_by=reviewer.person_id,
            mend_by=shanghai_day(unit.clock.now()) + timedelta(days=200),
        )
        unit.session.add(notice)
        unit.session.flush()
        signed(
            unit,
            standing,
            VendorStanding.PROBATION,
            Because.NOTICE,
            reviewer,
            notice_id=notice.id,
        )


def test_a_month_that_is_ranked_again_is_no_look_after_the_notice(units: Units) -> None:
    """R44: two looks after the notice are two later months."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    april = parse_month("2026-04")
    ranked_again(units, april)
    said(units, contest, {BAD: 1})
    lived(units, contest, MAY)
    ranked(units, MAY)
    move_to(units, units.clock.now() + timedelta(days=190))
    with units(SYSTEM) as unit:
        course = course_of(unit, standing)
        assert [one.at > course.notice.issued_at for one in course.looks[:2]] == [True, True]
        assert len(course.looks[0].fresh) == 4

    with units(contest.reviewers[1]) as unit, pytest.raises(StepNotDue, match="too few looks"):
        suspend(unit, standing.id, note="没有改善", seen=require_run(unit).id)
    with (
        pytest.raises(DBAPIError, match="too few months were looked at"),
        units(SYSTEM) as unit,
    ):
        signed(
            unit,
            standing,
            VendorStanding.NO_NEW_SCHOOLS,
            Because.SUSPENSION,
            contest.reviewers[1],
            notice_id=course.notice.id,
        )


def test_a_month_that_is_ranked_again_is_no_look_after_the_suspension(units: Units) -> None:
    """R44: before an exit a later month is looked at."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    units.clock.advance(timedelta(days=30))
    ranked_again(units, parse_month("2026-10"))
    with units(SYSTEM) as unit:
        course = course_of(unit, standing)
        assert course.look.at > course.suspension.at

    with units(contest.reviewers[1]) as unit, pytest.raises(StepNotDue, match="later month"):
        let_exit(unit, standing.id, note="退出", seen=require_run(unit).id)
    with pytest.raises(DBAPIError, match="no later month"), units(SYSTEM) as unit:
        signed(unit, standing, VendorStanding.EXITING, Because.EXIT, contest.reviewers[1])
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing.id, note="退出", seen=require_run(unit).id)


def test_a_step_rests_on_the_last_look(units: Units) -> None:
    """R44: by the database as well."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    with units(SYSTEM) as unit:
        before = require_run(unit).id
    next_look(units, contest)
    with (
        pytest.raises(DBAPIError, match="does not rest on the last look"),
        units(SYSTEM) as unit,
    ):
        signed(
            unit,
            standing,
            VendorStanding.EXITING,
            Because.EXIT,
            contest.reviewers[1],
            run_id=before,
        )


def test_what_went_wrong_at_a_school_with_somebody_at_the_vendor_is_fresh(units: Units) -> None:
    """R44: praise of it is set aside; an upheld dispute and a low rating count as any do."""
    contest = on_probation(units)
    vendor, school = contest.sellers[BAD].organisation, contest.schools[2]
    with units(SYSTEM) as unit:
        a_person(unit, school, [Role.ACADEMIC], person_no="BOTH")
        row = RosterRow(
            person_no="BOTH",
            name="两边都在",
            organisation_kind="vendor",
            organisation_code=vendor.code,
            roles=(Role.VENDOR_MANAGER,),
        )
        took(record_roster(unit, [row]))
    lived(units, contest, MAY, {BAD: 1})
    wronged(units, contest, MAY, BAD)
    june = parse_month("2026-06")
    lived(units, contest, june)
    ranked(units, june)

    with units(SYSTEM) as unit:
        fresh = course_of(unit, standing_of(units, contest)).look.fresh

    assert {one["school"]: one["what"] for one in fresh} == {
        str(one.id): ["defects", "ratings"] for one in contest.schools
    }


@pytest.mark.parametrize(
    ("component", "before", "after", "more"),
    [
        ("ratings", {"teachers": 2, "stars": 2}, {"teachers": 2, "stars": 2}, False),
        ("ratings", {"teachers": 2, "stars": 2}, {"teachers": 3, "stars": 3}, True),
        ("ratings", {"teachers": 2, "stars": 4}, {"teachers": 2, "stars": 3}, True),
        ("ratings", {"teachers": 2, "stars": 4}, {"teachers": 1, "stars": 1}, True),
        ("ratings", {"teachers": 2, "stars": 4}, {"teachers": 2, "stars": 5}, False),
        ("ratings", {"teachers": 2, "stars": 4}, {"teachers": 1, "stars": 2}, False),
        ("renewal", {"ended": 1, "renewed": 0}, {"ended": 1, "renewed": 1}, False),
        ("renewal", {"ended": 1, "renewed": 0}, {"ended": 2, "renewed": 0}, True),
        ("defects", {"severity": 3, "months": 2}, {"severity": 3, "months": 3}, False),
        ("defects", {"severity": 3, "months": 2}, {"severity": 4, "months": 3}, True),
    ],
)
def test_what_is_more_than_what_was_said(units: Units, component, before, after, more):
    """By the service and by the database alike."""
    known = [{"school": "a", "component": component, "what": before}]
    now = [{"school": "a", "component": component, "what": after}]
    assert say_more(now, known) is more
    assert say_more(known, []) and not say_more([], known)
    asked = text("SELECT items_say_more(CAST(:now AS jsonb), CAST(:known AS jsonb))")
    given = {"now": json.dumps(now), "known": json.dumps(known)}
    with units(SYSTEM) as unit:
        assert unit.session.scalar(asked, given) is more
