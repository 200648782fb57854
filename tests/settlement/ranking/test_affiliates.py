"""A school with somebody at the vendor: its praise is set aside, its complaints stay (R42)."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.ranking.evidence import LeftOut, Subject, gather, without
from settlement.ranking.findings import guarded
from settlement.ranking.guards import Sign
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence, apart, together
from settlement.ranking.models import Standing, StandingLook
from settlement.ranking.rules import SHIPPED, Rules
from settlement.verify.rankings import check_rankings
from tests.support.builders import a_person, took
from tests.support.evidence_builders import a_vendor, says
from tests.support.ranking_builders import BAD, Contest, a_contest, lived, ranked, said
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL = parse_month("2026-03"), parse_month("2026-04")
GUARDS = replace(SHIPPED.ranking.guards, low_stays=False)
BEFORE = Rules(ranking=replace(SHIPPED.ranking, version="2026-3", guards=GUARDS))
"""The rules of before: whatever such a school says is set aside."""


def hired(
    units: Units, contest: Contest, *numbers: int, school: int, person_no: str = "BOTH"
) -> None:
    """Have vendors give a role to somebody of a school."""
    with units(SYSTEM) as unit:
        a_person(unit, contest.schools[school], [Role.ACADEMIC], person_no=person_no)
        rows = [
            RosterRow(
                person_no=person_no,
                name="两边都在",
                organisation_kind="vendor",
                organisation_code=contest.sellers[number].organisation.code,
                roles=(Role.VENDOR_MANAGER,),
            )
            for number in numbers
        ]
        took(record_roster(unit, rows))


def of_vendor(
    units: Units, contest: Contest, number: int, *, rules: Rules = SHIPPED
) -> SubjectEvidence:
    wanted = str(contest.sellers[number].organisation.id)
    with units(SYSTEM) as unit:
        evidence = guarded(unit, gather(unit, APRIL, rules), rules)
    return next(one for one in evidence.scored("vendor") if one.subject == wanted)


def of_school(found: SubjectEvidence, contest: Contest, number: int) -> SchoolEvidence | None:
    wanted = str(contest.schools[number].id)
    return next((one for one in found.schools if one.school == wanted), None)


def test_a_vendor_that_hires_a_teacher_washes_no_low_rating_away(units: Units) -> None:
    """R42: below the middle it stays in the score; at the middle it is set aside as praise is."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, BAD: 2})
    hired(units, contest, 0, 1, BAD, school=2)
    lived(units, contest, APRIL)

    praised, middling, low = (of_vendor(units, contest, number) for number in range(3))

    assert of_school(praised, contest, 2) is None
    assert of_school(middling, contest, 2) is None
    stayed = of_school(low, contest, 2)
    assert stayed is not None
    assert (stayed.rating_points, stayed.raters, stayed.months) == (2, 2, 0)
    assert low.excluded == ((str(contest.schools[2].id), "affiliate"),)
    assert of_school(of_vendor(units, contest, BAD, rules=BEFORE), contest, 2) is None
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        assert list(check_rankings(unit)) == []


def test_a_vendor_that_hires_at_unhappy_schools_is_no_newcomer_for_ever(units: Units) -> None:
    """R43: what stays of such a school makes it known, as without the role."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    for number in (0, 1):
        hired(units, contest, BAD, school=number, person_no=f"BOTH{number}")
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        look = unit.session.scalars(
            select(StandingLook)
            .join(Standing, Standing.id == StandingLook.standing_id)
            .where(Standing.vendor_id == contest.sellers[BAD].organisation.id)
        ).one()
    assert not look.is_newcomer


def test_a_low_opinion_that_stayed_is_set_aside_as_hostile_like_any_other(units: Units) -> None:
    """R42: a role at the vendor neither washes a rating away nor makes it count for more."""
    contest = a_contest(units, teachers=SHIPPED.ranking.guards.unanimous_raters)
    lived(units, contest, MARCH, {0: 4, 1: 4, BAD: 4})
    said(units, contest, {BAD: 1}, schools=[2])
    hired(units, contest, BAD, school=2)
    lived(units, contest, APRIL)

    found = of_vendor(units, contest, BAD)

    assert found.excluded == ((str(contest.schools[2].id), Sign.HOSTILE.value),)
    assert of_school(found, contest, 2) is None


@pytest.mark.parametrize("stars", [(1, 2), (3, 3), (5, 1, 1)])
@pytest.mark.parametrize("defects", [0, 3])
def test_what_stays_and_what_is_set_aside_are_the_whole(stars: tuple[int, ...], defects: int):
    whole = says("s", *stars, renewed=2, ended=defects // 3, defects=defects, months=4, uses=9)

    kept, aside = apart(whole, low_stays=True)

    is_low = sum(stars) < 3 * len(stars)
    assert (kept is not None) is (is_low or defects > 0)
    assert (aside.raters == 0) is is_low
    assert (together(aside, kept) if kept else aside) == whole


def test_what_is_set_aside_twice_is_one_school_with_the_last_reason():
    school = says("s", 1, 1, renewed=1, months=3, uses=7)
    whole = Subject(evidence=a_vendor("v", school, says("t", 4)))

    once = without(whole, {"s": LeftOut.AFFILIATE.value}, wrongs_stay=True, low_stays=True)
    twice = without(once, {"s": Sign.HOSTILE.value}, wrongs_stay=True)

    assert [one.school for one in once.evidence.schools] == ["s", "t"]
    assert [one.school for one in twice.evidence.schools] == ["t"]
    assert twice.evidence.excluded == (("s", "hostile-school"),)
    assert twice.left_out == (school,)
    assert without(twice, {"s": Sign.METERING.value}, wrongs_stay=True) == twice
