"""What a standing does: who gets no new schools, who finishes, and who is affected."""

from datetime import date

import pytest
from sqlalchemy import select, text

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.errors import NoNewSchools
from kernel.unit import Units
from procurement.requests import Wanted, request_selection
from settlement.agreement_ends import EndWhy, end_agreement, end_what_is_over
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.funding_lines import issue_amount, open_line
from settlement.models import Agreement, StatementLine
from settlement.ranking.due_process import let_exit
from settlement.ranking.looks import leave_when_over
from settlement.ranking.runs import require_run
from settlement.ranking.standings import course_of
from tests.support.builders import a_person, a_school
from tests.support.ranking_builders import (
    BAD,
    closed,
    lived,
    next_look,
    on_probation,
    ranked,
    standing_of,
    suspended,
    used,
    wronged,
)
from tests.support.settlement_builders import SYSTEM, an_agreement


def test_a_vendor_that_mends_nothing_takes_no_new_schools(units: Units) -> None:
    """R44: those who use it may go on, others may not begin."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    assert standing.state == "no_new_schools"
    with units(SYSTEM) as unit:
        assert len(course_of(unit, standing).looks[0].fresh) == 4
        other = a_school(unit)
        line = open_line(unit, other.id, fiscal_year=2026, source="per_student")
        issue_amount(unit, line, amount_fen=100_000, key="test:other", memo="allocation")
    seller = contest.sellers[BAD]

    def begin(school, line_id, reference):
        with units(SYSTEM) as unit:
            return an_agreement(
                unit,
                school,
                vendor_id=seller.organisation.id,
                resource_id=seller.resource_id,
                draws=[Draw(line_id, 100)],
                reference=reference,
                starts_on=date(2026, 12, 1),
                ends_on=date(2026, 12, 31),
            )

    with pytest.raises(NoNewSchools):
        begin(other, line, "NEW")
    with units(SYSTEM) as unit:
        known = contest.schools[0]
        own_line = unit.session.scalar(
            text("SELECT id FROM funding_line WHERE payer_id = :payer"), {"payer": known.id}
        )
    assert begin(known, own_line, "AGAIN")


def test_a_new_school_is_refused_as_soon_as_it_asks(units: Units) -> None:
    """R44."""
    contest = suspended(units)
    with units(SYSTEM) as unit:
        other = a_school(unit)
        teacher = a_person(unit, other, [Role.TEACHER])
    seller = contest.sellers[BAD]
    wanted = Wanted(
        vendor_code=seller.organisation.code,
        sku=seller.sku,
        starts_on=date(2026, 12, 1),
        ends_on=date(2026, 12, 31),
        ceiling_fen=1_000,
        reason="想试用",
    )
    with units(teacher) as unit, pytest.raises(NoNewSchools, match="takes no new schools"):
        request_selection(unit, wanted, reference="R-1")


def test_schools_finish_their_term_under_an_exit_and_are_paid_for(units: Units) -> None:
    """R44: what was used until the end is billed and due; then the vendor has left."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    november = next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing.id, note="整改无效，学期结束后退出", seen=require_run(unit).id)
    december = parse_month("2026-12")
    used(units, contest, december)
    vendor = contest.sellers[BAD].organisation.id
    with units(SYSTEM) as unit:
        assert leave_when_over(unit) == 0  # the schools finish their term
        line = unit.session.scalar(text("SELECT id FROM funding_line LIMIT 1"))
    with pytest.raises(NoNewSchools), units(SYSTEM) as unit:
        an_agreement(
            unit,
            contest.schools[0],
            vendor_id=vendor,
            resource_id=contest.sellers[BAD].resource_id,
            draws=[Draw(line, 100)],
            reference="NEXT",
            starts_on=date(2026, 12, 1),
            ends_on=date(2026, 12, 31),
        )
    closed(units, december)
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            confirm_lines(unit, school.id, december)
    settle(units, SYSTEM, december)
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 1
        lines = unit.session.execute(
            select(StatementLine.month, StatementLine.state, StatementLine.vendor_fen).where(
                StatementLine.vendor_id == vendor, StatementLine.month >= november
            )
        ).all()
    assert standing_of(units, contest).state == "left"
    ended = [line for line in lines if line.month == december]
    assert len(ended) == len(contest.schools)
    assert {(line.state, line.vendor_fen > 0) for line in ended} == {("posted", True)}


def test_who_disputes_or_leaves_since_the_notice_is_affected(units: Units) -> None:
    """R44: fresh evidence is of ratings, disputes and terms; a change of grade is none."""
    contest = on_probation(units)
    may, june = parse_month("2026-05"), parse_month("2026-06")
    lived(units, contest, may)
    wronged(units, contest, may, BAD)
    vendor = contest.sellers[BAD].organisation
    for number, why in ((0, EndWhy.NOT_SUITABLE), (1, EndWhy.GRADE_CHANGE)):
        school = contest.schools[number]
        with units(SYSTEM) as unit:
            named = unit.session.scalars(
                select(Agreement.number).where(
                    Agreement.payer_id == school.id, Agreement.vendor_id == vendor.id
                )
            ).one()
        with units(contest.heads[school.id]) as unit:
            end_agreement(unit, named, last_day=date(2026, 6, 5), reason="不再使用", why=why)
    ranked(units, may)
    standing = standing_of(units, contest)
    with units(SYSTEM) as unit:
        assert course_of(unit, standing).looks[0].fresh == []  # all of it is June's

    lived(units, contest, june)
    ranked(units, june)

    with units(SYSTEM) as unit:
        fresh = course_of(unit, standing).looks[0].fresh
    said_of = {one["school"]: one["what"] for one in fresh}
    assert said_of == {
        str(school.id): ["defects", "renewal"] if number == 0 else ["defects"]
        for number, school in enumerate(contest.schools)
    }
