"""Signing selections: who, in which order, and what the last signature commits (R22, R23)."""

from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select, update

from catalog.models import Version
from kernel.actors import Role, system_actor
from kernel.errors import (
    BudgetExhausted,
    Conflict,
    NoFundingLine,
    NoteRequired,
    NotFound,
    NotListed,
    OwnInterest,
    Refused,
    SignedAlready,
)
from kernel.ids import FundingLineId, OrganisationId, SelectionId
from kernel.trail import TrailRow
from kernel.unit import Units
from procurement.approvals import (
    SigningSummary,
    refuse,
    return_,
    sign,
    sign_all,
)
from procurement.due_steps import WaitingStep, signatories, waiting_steps
from procurement.models import Selection
from procurement.policy import Threshold
from procurement.queries import budget_board, selection
from settlement.funding_lines import LineBalance, issue_amount, open_line
from settlement.models import Agreement, AgreementDraw, AgreementSchool
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county, a_selection
from tests.support.worlds import a_world

POINT, SECOND = "3299010002", "3299010003"
ACADEMIC, FINANCE, PRINCIPAL = (
    f"{role}-{SCHOOL}" for role in ("academic", "school_finance", "principal")
)


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county whose school has 6,500.00 yuan on its line of 2026."""
    county = a_county(units)
    county.issue()
    return county


def waiting_for(county: CountyBuilder, login: str) -> list[WaitingStep]:
    with county.units(county.actor(login)) as unit:
        return waiting_steps(unit)


def only(county: CountyBuilder, reference: str = "S-1") -> Selection:
    with county.units(system_actor("test")) as unit:
        return unit.session.scalars(select(Selection).where(Selection.reference == reference)).one()


def balance(county: CountyBuilder, login: str = FINANCE) -> LineBalance:
    with county.units(county.actor(login)) as unit:
        assert unit.actor.organisation_id is not None
        return budget_board(unit, unit.actor.organisation_id, fiscal_year=2026).total


def a_line(
    county: CountyBuilder, school: UUID, *, fen: int, source: str, restriction: dict[str, Any]
) -> FundingLineId:
    """Another line of the school with this much on it."""
    with county.units(system_actor("test")) as unit:
        line_id = open_line(
            unit,
            OrganisationId(school),
            fiscal_year=2026,
            source=source,
            restriction=restriction,
        )
        issue_amount(unit, line_id, amount_fen=fen, key=f"test:{line_id}", memo="test")
        return line_id


def test_the_last_signature_commits_the_ceiling_and_opens_the_agreement(
    county: CountyBuilder,
) -> None:
    """R22, R23: in order, by the role's holder; terms frozen; the school's points may use it."""
    county.school(POINT, parent=SCHOOL)
    county.select(a_selection(ceiling_fen=500_000))
    selection_id = SelectionId(only(county).id)

    for login in (FINANCE, PRINCIPAL):
        assert waiting_for(county, login) == []
    for login in (ACADEMIC, FINANCE):
        (step,) = waiting_for(county, login)
        assert (step.selection_id, step.last) == (selection_id, False)
        with county.units(county.actor(login)) as unit:
            assert sign(unit, selection_id).agreement_id is None
    assert balance(county) == LineBalance(available_fen=650_000)

    (step,) = waiting_for(county, PRINCIPAL)
    assert step.last
    with county.units(county.actor(PRINCIPAL)) as unit:
        signature = sign(unit, selection_id, note="同意")

    assert balance(county) == LineBalance(available_fen=150_000, committed_fen=500_000)
    with county.units(system_actor("test")) as unit:
        agreement = unit.session.get_one(Agreement, signature.agreement_id)
        users = unit.session.scalars(select(AgreementSchool.school_id)).all()
        view = selection(unit, selection_id)
    assert agreement.number == f"{SCHOOL}-S-1"
    assert (agreement.state, agreement.ceiling_fen) == ("open", 500_000)
    assert agreement.terms == view.terms
    assert len(users) == 2
    assert (view.state, view.agreement_id) == ("approved", agreement.id)
    assert [(step.state, step.note) for step in view.steps] == [
        ("approved", ""),
        ("approved", ""),
        ("approved", "同意"),
    ]


def test_nobody_signs_out_of_turn_or_for_another(county: CountyBuilder) -> None:
    county.school(SECOND)
    county.select(a_selection())
    selection_id = SelectionId(only(county).id)
    for login, error in (
        (FINANCE, Refused),  # not yet
        ("bureau", Refused),  # nothing above the school to sign
        (f"academic-{SECOND}", NotFound),  # not to be seen
    ):
        with pytest.raises(error), county.units(county.actor(login)) as unit:
            sign(unit, selection_id)
    with pytest.raises(Refused), county.units(system_actor("test")) as unit:
        sign(unit, selection_id)
    with pytest.raises(Refused), county.units(system_actor("test")) as unit:
        sign_all(unit)


def test_what_is_approved_or_refused_can_t_be_signed_again(county: CountyBuilder) -> None:
    county.select(a_selection(), a_selection("S-2"))
    county.sign_as(ACADEMIC, FINANCE)
    for login in (ACADEMIC, FINANCE):
        with pytest.raises(Conflict), county.units(county.actor(login)) as unit:
            sign(unit, SelectionId(only(county).id))
    assert balance(county).committed_fen == 100_000


@pytest.mark.parametrize(("decide", "state"), [(refuse, "refused"), (return_, "returned")])
def test_a_refusal_says_why_and_ends_it(county: CountyBuilder, decide, state: str) -> None:
    county.select(a_selection())
    selection_id = SelectionId(only(county).id)
    with pytest.raises(NoteRequired), county.units(county.actor(ACADEMIC)) as unit:
        decide(unit, selection_id, note="  ")
    with county.units(county.actor(ACADEMIC)) as unit:
        assert decide(unit, selection_id, note="与已有资源重复").state == state
    assert only(county).state == state
    assert waiting_for(county, FINANCE) == []
    with county.units(system_actor("test")) as unit:
        (row,) = unit.session.scalars(select(TrailRow).where(TrailRow.act == f"selection.{state}"))
    assert row.facts["note"] == "与已有资源重复"
    with pytest.raises(Conflict), county.units(county.actor(ACADEMIC)) as unit:
        sign(unit, selection_id)
    assert balance(county).committed_fen == 0


def test_a_ceiling_above_the_line_is_refused_with_what_is_short(county: CountyBuilder) -> None:
    """R23: by how much and on which line; nothing is committed, the signature is not given."""
    county.select(a_selection(ceiling_fen=660_001))
    county.sign_as(ACADEMIC, FINANCE)
    with pytest.raises(BudgetExhausted) as caught, county.units(county.actor(PRINCIPAL)) as unit:
        sign(unit, SelectionId(only(county).id))
    facts = caught.value.facts
    assert (facts["short_fen"], facts["short_yuan"]) == (10_001, "100.01")
    assert facts["line"] == f"{SCHOOL} 2026 per_student"
    assert balance(county) == LineBalance(available_fen=650_000)
    assert len(waiting_for(county, PRINCIPAL)) == 1


def test_a_year_without_a_line_is_named(county: CountyBuilder) -> None:
    """R19: a line pays only for use of its fiscal year."""
    county.select(a_selection(starts_on=date(2027, 1, 1), ends_on=date(2027, 6, 30)))
    county.sign_as(ACADEMIC)
    (summary,) = county.sign_as(FINANCE)
    ((_, error),) = summary.left
    assert isinstance(error, NoFundingLine)
    assert error.facts["year"] == 2027


def test_a_free_selection_commits_nothing_and_needs_no_line(county: CountyBuilder) -> None:
    """R33: a basic resource is a zero-price agreement, whatever ceiling was asked for."""
    county.school(SECOND)
    county.listed("basic-1", kind="basic", price="0")
    county.select(a_selection(school=SECOND, sku="basic-1", ceiling_fen=9_000_000))
    county.sign_as(f"academic-{SECOND}", f"school_finance-{SECOND}")
    with county.units(system_actor("test")) as unit:
        agreement = unit.session.scalars(select(Agreement)).one()
        assert unit.session.scalars(select(AgreementDraw)).all() == []
    assert agreement.ceiling_fen == 0


def test_restricted_money_goes_first_and_only_where_it_may(county: CountyBuilder) -> None:
    """R23, R34: maths from its special fund, then the general line; art from the general line."""
    school = county.actor(FINANCE).organisation_id
    assert school is not None
    special = a_line(
        county, school, fen=30_000, source="special_fund", restriction={"subjects": ["math"]}
    )
    county.listed("art-1", subject="art")
    county.select(a_selection(), a_selection("S-2", sku="art-1"))
    county.sign_as(ACADEMIC, FINANCE)
    with county.units(system_actor("test")) as unit:
        draws = unit.session.execute(
            select(Agreement.number, AgreementDraw.line_id == special, AgreementDraw.ceiling_fen)
            .join(AgreementDraw, AgreementDraw.agreement_id == Agreement.id)
            .order_by(Agreement.number, AgreementDraw.position)
        ).all()
    assert draws == [
        (f"{SCHOOL}-S-1", True, 30_000),
        (f"{SCHOOL}-S-1", False, 20_000),
        (f"{SCHOOL}-S-2", False, 50_000),
    ]


def test_a_resource_taken_down_since_is_not_agreed(county: CountyBuilder) -> None:
    """R14."""
    county.select(a_selection())
    county.sign_as(ACADEMIC)
    with county.units(system_actor("test")) as unit:
        unit.session.execute(update(Version).values(state="suspended"))
    with pytest.raises(NotListed), county.units(county.actor(FINANCE)) as unit:
        sign(unit, SelectionId(only(county).id))


def test_sign_all_leaves_what_is_not_covered_and_goes_on(county: CountyBuilder) -> None:
    """First come, first served: the second is too big for what is left, the third is not."""
    county.select(
        a_selection("S-1", ceiling_fen=400_000),
        a_selection("S-2", ceiling_fen=300_000),
        a_selection("S-3", ceiling_fen=250_000),
    )
    county.sign_as(ACADEMIC)
    (summary,) = county.sign_as(FINANCE)
    assert (summary.signed, summary.agreements) == (2, 2)
    ((step, error),) = summary.left
    assert step.reference == "S-2"
    assert isinstance(error, BudgetExhausted)
    assert error.facts["short_fen"] == 50_000
    assert balance(county) == LineBalance(available_fen=0, committed_fen=650_000)


def test_one_person_with_two_roles_signs_both_only_where_the_table_says_so(
    county: CountyBuilder,
) -> None:
    """R22: nobody signs two steps of one selection, unless a region's policy lets them."""
    county.school(SECOND, staff=(Role.TEACHER,))
    county.counted(SECOND, pupils=200)
    county.issue()
    county.with_person(SECOND, "head", roles=(Role.ACADEMIC, Role.SCHOOL_FINANCE))
    county.select(a_selection(school=SECOND))
    assert county.sign_as("head") == [SigningSummary(signed=1)]
    with pytest.raises(SignedAlready), county.units(county.actor("head")) as unit:
        sign(unit, SelectionId(only(county).id))
    with county.units(county.actor("operator")) as unit:
        assert signatories(unit) == []  # nobody else holds the role
    county.rules(
        Threshold(position=1, role=Role.ACADEMIC, from_amount_fen=0),
        Threshold(position=2, role=Role.SCHOOL_FINANCE, from_amount_fen=0, may_repeat=True),
    )
    county.select(a_selection("S-2", school=SECOND))
    assert county.sign_as("head") == [SigningSummary(signed=2, agreements=1)]


def test_nobody_signs_what_they_requested(county: CountyBuilder) -> None:
    """Commands find the next holder of the role instead; giving one's request up is allowed."""
    row = a_selection(requested_by=ACADEMIC)
    county.select(row, replace(row, reference="S-2"))
    selection_id = SelectionId(only(county).id)
    assert waiting_for(county, ACADEMIC) == []
    with pytest.raises(OwnInterest), county.units(county.actor(ACADEMIC)) as unit:
        sign(unit, selection_id)
    with county.units(county.actor("operator")) as unit:
        assert signatories(unit) == []
    county.with_person(SCHOOL, "deputy", roles=(Role.ACADEMIC,))
    with county.units(county.actor("operator")) as unit:
        assert [actor.name for actor in signatories(unit)] == ["deputy"]
    with county.units(county.actor(ACADEMIC)) as unit:
        assert refuse(unit, selection_id, note="不再需要").state == "refused"
    assert county.sign_as(ACADEMIC, "deputy") == [SigningSummary(), SigningSummary(signed=1)]


def test_commands_find_who_has_to_sign_next(county: CountyBuilder) -> None:
    """A position stays due where the last signature could not be given: SECOND has no line."""
    county.school(SECOND)
    county.select(a_selection(), a_selection(school=SECOND))
    no_line = f"school_finance-{SECOND}"
    for due in ([ACADEMIC, f"academic-{SECOND}"], [FINANCE, no_line], [no_line]):
        with county.units(county.actor("operator")) as unit:
            assert [actor.name for actor in signatories(unit)] == due
        county.sign_as(*due)
    assert {row.state for row in states(county)} == {"requested", "approved"}


def states(county: CountyBuilder) -> list[Selection]:
    with county.units(system_actor("test")) as unit:
        return list(unit.session.scalars(select(Selection)))


def test_the_bureau_signs_the_large_ones(county: CountyBuilder) -> None:
    """R22: above the school's own threshold."""
    school = county.actor(FINANCE).organisation_id
    assert school is not None
    a_line(county, school, fen=5_000_000, source="own_funds", restriction={})
    county.select(a_selection(ceiling_fen=5_000_000))
    county.sign_as(ACADEMIC, FINANCE, PRINCIPAL)
    (step,) = waiting_for(county, "bureau")
    assert (step.role, step.last) == (Role.BUREAU_FINANCE, True)
    assert county.sign_as("bureau") == [SigningSummary(signed=1, agreements=1)]


def test_many_are_signed_by_a_number_of_statements_that_does_not_grow(
    county: CountyBuilder, engine: Engine
) -> None:
    """The rows of trail and books grow, the statements that write them hardly do."""
    used = []
    for first, last in ((0, 5), (5, 205)):
        county.select(*(a_selection(f"S-{n}", ceiling_fen=1_000) for n in range(first, last)))
        county.sign_as(ACADEMIC)
        statements: list[str] = []

        def note(_c, _cursor, statement, *_rest, into=statements) -> None:
            into.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        (summary,) = county.sign_as(FINANCE)
        event.remove(engine, "before_cursor_execute", note)
        assert summary.agreements == last - first
        used.append(len(statements))
    assert used[1] <= used[0] + 5


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_commitments_and_what_is_left_always_make_what_was_issued(
    county: CountyBuilder, data: st.DataObject
) -> None:
    """R20, R23: whatever is asked for in whatever order, no fen is made, lost or spent twice."""
    example = len(states(county))
    ceilings = data.draw(st.lists(st.integers(1, 400_000), min_size=1, max_size=6))
    together = data.draw(st.booleans())
    before = balance(county)
    county.select(
        *(a_selection(f"H-{example}-{n}", ceiling_fen=fen) for n, fen in enumerate(ceilings))
    )
    county.sign_as(ACADEMIC)
    if together:
        county.sign_as(FINANCE)
    else:
        for step in waiting_for(county, FINANCE):
            with suppress(BudgetExhausted), county.units(county.actor(FINANCE)) as unit:
                sign(unit, step.selection_id)

    after = balance(county)
    with county.units(system_actor("test")) as unit:
        agreed = {row.number: row.ceiling_fen for row in unit.session.scalars(select(Agreement))}
        draws = unit.session.scalars(select(AgreementDraw.ceiling_fen)).all()
    assert after.allocated_fen == before.allocated_fen == 650_000
    assert after.available_fen >= 0
    assert after.committed_fen == sum(agreed.values()) == sum(draws)
    covered = before.available_fen
    for n, fen in enumerate(ceilings):
        fits = fen <= covered
        assert (f"{SCHOOL}-H-{example}-{n}" in agreed) == fits
        covered -= fen if fits else 0
