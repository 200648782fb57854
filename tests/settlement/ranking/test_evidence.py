"""Evidence comes of settled facts, once for each school, and never from whoever has an interest."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from kernel.actors import Role
from kernel.clock import SHANGHAI, parse_month
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.agreement_ends import EndWhy, end_agreement
from settlement.models import Agreement
from settlement.ranking.evidence import Evidence, gather
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.models import ScoreSnapshot, StandingEvent
from settlement.ranking.rules import SHIPPED
from settlement.verify.rankings import check_rankings
from tests.support.builders import a_person, took
from tests.support.ranking_builders import (
    CELL,
    Contest,
    a_contest,
    audited,
    closed,
    lived,
    ranked,
    said,
    standing_id_of,
    used,
    wronged,
)
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL, MAY = (parse_month(f"2026-{month:02d}") for month in (3, 4, 5))


def gathered(units: Units, month=APRIL) -> Evidence:
    with units(SYSTEM) as unit:
        return gather(unit, month, SHIPPED)


def of_vendor(evidence: Evidence, contest: Contest, number: int = 0) -> SubjectEvidence:
    wanted = str(contest.sellers[number].organisation.id)
    return next(one for one in evidence.scored("vendor") if one.subject == wanted)


def test_what_schools_used_and_said_is_evidence_school_by_school(units: Units) -> None:
    """R42, R46: uses are carried along as exposure."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    lived(units, contest, APRIL)

    found = of_vendor(gathered(units), contest)

    assert found.cell == CELL
    assert [one.school for one in found.schools] == sorted(str(one.id) for one in contest.schools)
    assert {(one.rating_points, one.raters) for one in found.schools} == {(8, 2)}
    assert {(one.months, one.uses) for one in found.schools} == {(2, 4)}
    assert sorted(one.rural for one in found.schools) == [False, False, True, True]
    assert {one.rating_age_days for one in found.schools} == {0}, "no age tells the day (R58)"
    assert found.first_listed_days == 60
    assert found.excluded == ()


def test_what_was_said_after_the_month_is_of_a_later_one(units: Units) -> None:
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5})

    assert {one.raters for one in of_vendor(gathered(units, MARCH), contest).schools} == {0}


def test_a_teachers_latest_rating_counts(units: Units) -> None:
    """R42."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5})
    units.clock.advance(timedelta(days=3))
    said(units, contest, {0: 2}, schools=[1])

    found = of_vendor(gathered(units), contest)

    points = {one.school: one.rating_points for one in found.schools}
    assert points.pop(str(contest.schools[1].id)) == 2
    assert set(points.values()) == {8}


def test_resources_have_evidence_of_their_own(units: Units) -> None:
    contest = a_contest(units)
    lived(units, contest, MARCH)

    subjects = {one.subject for one in gathered(units, MARCH).scored("resource")}

    assert subjects == {str(seller.resource_id) for seller in contest.sellers}


def test_a_school_with_somebody_at_the_vendor_is_left_out_and_shown(units: Units) -> None:
    """R42: no captive school."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5})
    vendor, school = contest.sellers[0].organisation, contest.schools[2]
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

    evidence = gathered(units)
    found = of_vendor(evidence, contest)

    assert found.excluded == ((str(school.id), "affiliate"),)
    assert str(school.id) not in {one.school for one in found.schools}
    other = of_vendor(evidence, contest, 1)
    assert str(school.id) in {one.school for one in other.schools}


def test_what_went_wrong_at_a_school_with_somebody_at_the_vendor_stays(units: Units) -> None:
    """R42: a role that a vendor gives away washes no upheld defect away; the opinion is shown."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5})
    wronged(units, contest, MARCH, 0)
    vendor, school = contest.sellers[0].organisation, contest.schools[2]
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
    lived(units, contest, APRIL)

    found = of_vendor(gathered(units), contest)

    kept = {one.school: one for one in found.schools}[str(school.id)]
    assert found.excluded == ((str(school.id), "affiliate"),)
    assert (kept.raters, kept.renewed, kept.defects, kept.months) == (0, 0, 10, 2)
    run = ranked(units, APRIL).run
    with units(SYSTEM) as unit:
        assert list(check_rankings(unit)) == []
        snapshot = unit.session.scalars(
            select(ScoreSnapshot).where(
                ScoreSnapshot.run_id == run.id,
                ScoreSnapshot.kind == "vendor",
                ScoreSnapshot.subject_id == vendor.id,
            )
        ).one()
    (left_out,) = snapshot.result["left_out"]
    assert (left_out["school"], left_out["why"]) == (str(school.id), "affiliate")
    assert float(left_out["effect"]) > 0
    assert snapshot.result["totals"]["defects"] == 40


def test_who_came_back_in_a_month_is_known_by_it_and_by_nothing_before(units: Units) -> None:
    """R44: months of use, and since when it is in use, by the month's last moment."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    came_back = datetime(2026, 4, 15, 10, tzinfo=SHANGHAI)
    with units(SYSTEM) as unit:
        standing_id = standing_id_of(unit, contest, 0)
        unit.session.execute(text("ALTER TABLE standing_event DISABLE TRIGGER USER"))
        unit.session.add(
            StandingEvent(
                id=standing_id,
                standing_id=standing_id,
                number=99,
                from_state="left",
                to_state="newcomer",
                because="return",
                signed_by=contest.reviewers[0].person_id,
                note="同意",
                at=came_back,
                day=came_back.date(),
            )
        )
        unit.session.flush()
        unit.session.execute(text("ALTER TABLE standing_event ENABLE TRIGGER USER"))

    found = of_vendor(gathered(units), contest)

    assert {(one.months, one.uses, one.raters) for one in found.schools} == {(1, 2, 0)}
    assert found.first_listed_days == 29


@pytest.mark.parametrize("uses", [1, 3])
def test_more_use_at_the_same_opinion_changes_nothing_but_exposure(units: Units, uses: int) -> None:
    """R42, R46."""
    contest = a_contest(units)
    for n in range(uses):
        used(units, contest, MARCH, day=10 + n)
    closed(units, MARCH)

    found = of_vendor(gathered(units, MARCH), contest)

    assert {(one.months, one.uses) for one in found.schools} == {(1, 2 * uses)}


def test_disputes_that_were_upheld_count_once_and_by_what_was_credited(units: Units) -> None:
    """R42: never what the platform did or gave back."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    wronged(units, contest, MARCH, 0)
    lived(units, contest, APRIL)

    found = of_vendor(gathered(units), contest)

    assert {one.defects for one in found.schools} == {10}  # all of the line was credited
    assert {one.defects for one in of_vendor(gathered(units), contest, 1).schools} == {0}
    assert {one.defects for one in of_vendor(gathered(units, MARCH), contest).schools} == {0}


def test_what_a_close_refers_to_the_bureau_is_nobodys_defect(units: Units) -> None:
    """R42: the platform's own refunds never count."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    wronged(units, contest, MARCH, 0)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE dispute DISABLE TRIGGER USER"))
        unit.session.execute(text("UPDATE dispute SET opened_by = 'system'"))
        unit.session.execute(text("ALTER TABLE dispute ENABLE TRIGGER USER"))
    lived(units, contest, APRIL)

    assert {one.defects for one in of_vendor(gathered(units), contest).schools} == {0}


def test_blind_audits_count_for_whose_version_was_drawn(units: Units) -> None:
    """R42."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    audited(units, contest, failing=1, times=2)
    lived(units, contest, APRIL)

    evidence = gathered(units)

    assert [
        (one.audits_passed, one.audits)
        for one in (of_vendor(evidence, contest, n) for n in range(3))
    ] == [(2, 2), (0, 2), (2, 2)]


def test_one_schools_praise_that_nobody_shares_is_set_aside_with_its_effect(units: Units) -> None:
    """R42: a captive school is shown with what it would have done, and not scored."""
    contest = a_contest(units, teachers=SHIPPED.ranking.guards.unanimous_raters)
    lived(units, contest, MARCH, {1: 3, 2: 3})
    said(units, contest, {0: 2}, schools=[1, 2, 3])
    said(units, contest, {0: 5}, schools=[0])
    lived(units, contest, APRIL)

    run = ranked(units, APRIL).run

    with units(SYSTEM) as unit:
        snapshot = unit.session.scalars(
            select(ScoreSnapshot).where(
                ScoreSnapshot.run_id == run.id,
                ScoreSnapshot.kind == "vendor",
                ScoreSnapshot.subject_id == contest.sellers[0].organisation.id,
            )
        ).one()
        assert list(check_rankings(unit)) == []
    (left_out,) = snapshot.result["left_out"]
    assert (left_out["school"], left_out["why"]) == (
        str(contest.schools[0].id),
        "captive-school",
    )
    assert float(left_out["effect"]) > 0
    assert snapshot.schools == 3


def test_a_change_of_grade_is_no_reason_to_blame_the_vendor(units: Units) -> None:
    """R42: terms that end by a change of grade or curriculum are left out."""
    contest = a_contest(units)
    lived(units, contest, MARCH)
    vendor = contest.sellers[0].organisation
    for number, why in ((0, "grade-change"), (1, "not-suitable")):
        school = contest.schools[number]
        with units(SYSTEM) as unit:
            named = unit.session.scalars(
                select(Agreement.number).where(
                    Agreement.payer_id == school.id, Agreement.vendor_id == vendor.id
                )
            ).one()
        with units(contest.heads[school.id]) as unit:
            end_agreement(
                unit,
                named,
                last_day=units.clock.now().date() + timedelta(days=1),
                reason="换教材",
                why=EndWhy(why),
            )
    lived(units, contest, APRIL)

    found = of_vendor(gathered(units), contest)

    ended = {one.school: one.ended for one in found.schools}
    assert ended[str(contest.schools[0].id)] == 0
    assert ended[str(contest.schools[1].id)] == 1


def test_what_the_authors_own_school_says_has_no_effect(units: Units) -> None:
    """R42: it is left out and shown, and the score is the same whatever it says."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 4, 1: 3, 2: 3})
    vendor, school = contest.sellers[0].organisation, contest.schools[0]
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE organisation SET facts = facts || "
                "jsonb_build_object('school_id', CAST(:school AS text)) WHERE id = :vendor"
            ),
            {"school": str(school.id), "vendor": vendor.id},
        )
    lived(units, contest, APRIL)
    before = of_vendor(gathered(units), contest)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE rating DISABLE TRIGGER USER"))
        unit.session.execute(
            text("UPDATE rating SET stars = 1 WHERE school_id = :school"), {"school": school.id}
        )

    after = of_vendor(gathered(units), contest)

    assert before.excluded == ((str(school.id), "own-school"),)
    assert after == before
    assert len(after.schools) == 3
