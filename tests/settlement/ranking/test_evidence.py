"""Evidence comes of settled facts, once for each school, and never from whoever has an interest."""

from datetime import timedelta

import pytest

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.ranking.evidence import Evidence, gather
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.rules import SHIPPED
from tests.support.builders import a_person, took
from tests.support.ranking_builders import CELL, Contest, a_contest, closed, lived, said, used
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
    assert {one.rating_age_days for one in found.schools} == {28}
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


@pytest.mark.parametrize("uses", [1, 3])
def test_more_use_at_the_same_opinion_changes_nothing_but_exposure(units: Units, uses: int) -> None:
    """R42, R46."""
    contest = a_contest(units)
    for n in range(uses):
        used(units, contest, MARCH, day=10 + n)
    closed(units, MARCH)

    found = of_vendor(gathered(units, MARCH), contest)

    assert {(one.months, one.uses) for one in found.schools} == {(1, 2 * uses)}
