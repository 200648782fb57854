"""Signing in another's place: delegates, substitutes, and what binds them (R22, R59)."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from kernel.actors import Role, system_actor
from kernel.clock import FixedClock
from kernel.errors import InvalidInput, NotFound, OwnInterest, Refused, SignedAlready
from kernel.identity.models import RoleGrant
from kernel.ids import SelectionId
from kernel.trail import TrailRow
from kernel.unit import Units
from procurement.approvals import refuse, sign
from procurement.delegations import delegate, delegations, revoke_delegation
from procurement.due_steps import WaitingStep, waiting_steps
from procurement.models import Selection
from procurement.queries import selection
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county, a_selection
from tests.support.worlds import a_world

TEACHER, ACADEMIC, FINANCE, PRINCIPAL = (
    f"{role}-{SCHOOL}" for role in ("teacher", "academic", "school_finance", "principal")
)
TODAY = date(2026, 8, 3)


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county with a deputy at its school, and one selection that waits."""
    county = a_county(units)
    county.issue()
    county.with_person(SCHOOL, "deputy", roles=(Role.TEACHER,))
    county.select(a_selection())
    return county


def the_selection(county: CountyBuilder) -> SelectionId:
    with county.units(system_actor("test")) as unit:
        return SelectionId(unit.session.scalars(select(Selection.id)).one())


def person(county: CountyBuilder, login: str) -> UUID:
    person_id = county.actor(login).person_id
    assert person_id is not None
    return person_id


def let(
    county: CountyBuilder,
    login: str = ACADEMIC,
    *,
    to: str = "deputy",
    role: Role = Role.ACADEMIC,
    holder: str = ACADEMIC,
    days: int = 7,
    only_overdue: bool = False,
) -> UUID:
    with county.units(county.actor(login)) as unit:
        return delegate(
            unit,
            role=role,
            holder_id=person(county, holder),
            delegate_id=person(county, to),
            starts_on=TODAY,
            ends_on=TODAY + timedelta(days=days - 1),
            only_overdue=only_overdue,
        )


def waits_for(county: CountyBuilder, login: str) -> list[WaitingStep]:
    with county.units(county.actor(login)) as unit:
        return waiting_steps(unit)


def sign_as(county: CountyBuilder, login: str) -> None:
    with county.units(county.actor(login)) as unit:
        sign(unit, the_selection(county), note="同意")


def test_a_delegate_signs_for_the_holder_and_both_are_shown(county: CountyBuilder) -> None:
    """R22, R59: the step and the trail say who signed, and in whose place."""
    with pytest.raises(Refused):
        sign_as(county, "deputy")
    let(county)
    (step,) = waits_for(county, "deputy")
    assert step.signs_for == person(county, ACADEMIC)
    sign_as(county, "deputy")
    with county.units(county.actor(FINANCE)) as unit:
        first = selection(unit, the_selection(county)).steps[0]
        (row,) = unit.session.scalars(select(TrailRow).where(TrailRow.act == "selection.signed"))
    assert (first.signed_by, first.signed_for) == (
        person(county, "deputy"),
        person(county, ACADEMIC),
    )
    assert (first.signed_by_name, first.signed_for_name) == ("deputy", ACADEMIC)
    assert row.facts["signed_for"] == str(person(county, ACADEMIC))


def test_it_holds_for_its_days_and_until_it_is_taken_back(
    county: CountyBuilder, clock: FixedClock
) -> None:
    first = let(county, days=2)
    clock.advance(timedelta(days=2))
    assert waits_for(county, "deputy") == []
    clock.advance(timedelta(days=-1))
    assert len(waits_for(county, "deputy")) == 1
    with pytest.raises(NotFound), county.units(county.actor("deputy")) as unit:
        revoke_delegation(unit, first)
    with county.units(county.actor(ACADEMIC)) as unit:
        revoke_delegation(unit, first)
        (view,) = delegations(unit)
    assert not view.is_running
    assert waits_for(county, "deputy") == []


def test_a_substitute_signs_only_what_is_overdue(county: CountyBuilder, clock: FixedClock) -> None:
    """R22: after three working days (3 August is a Monday) the head's substitute may sign."""
    let(county, PRINCIPAL, days=30, only_overdue=True)
    (step,) = waits_for(county, ACADEMIC)
    assert step.due_on == date(2026, 8, 6)
    clock.advance(timedelta(days=3))
    assert waits_for(county, "deputy") == []
    with pytest.raises(Refused):
        sign_as(county, "deputy")
    clock.advance(timedelta(days=1))
    (step,) = waits_for(county, "deputy")
    assert step.is_overdue
    sign_as(county, "deputy")
    (step,) = waits_for(county, FINANCE)
    assert step.due_on == date(2026, 8, 12)  # 7 August is a Friday: 10, 11, 12


def test_who_requested_signs_it_in_nobodys_place(county: CountyBuilder) -> None:
    """R22: neither who requested, nor a delegate of whoever requested."""
    let(county, to=TEACHER)
    assert waits_for(county, TEACHER) == []
    with pytest.raises(OwnInterest):
        sign_as(county, TEACHER)
    with county.units(county.actor(TEACHER)) as unit:
        refuse(unit, the_selection(county), note="不再需要")
    county.select(a_selection("S-2", requested_by=ACADEMIC))
    let(county)
    assert waits_for(county, "deputy") == []


def test_one_person_signs_once_whosever_place_it_is(county: CountyBuilder) -> None:
    let(county)
    let(county, FINANCE, role=Role.SCHOOL_FINANCE, holder=FINANCE)
    sign_as(county, "deputy")
    assert waits_for(county, "deputy") == []
    with pytest.raises(SignedAlready):
        sign_as(county, "deputy")
    let(county, FINANCE, role=Role.SCHOOL_FINANCE, holder=FINANCE, to=ACADEMIC)
    assert waits_for(county, ACADEMIC) == []  # it was signed for them already
    sign_as(county, FINANCE)


def test_a_role_is_delegated_by_its_holder_to_a_colleague_for_days_to_come(
    county: CountyBuilder,
) -> None:
    with pytest.raises(Refused):
        let(county, FINANCE)  # another's
    with pytest.raises(Refused):
        let(county, "deputy", to=TEACHER)  # nor what was only lent
    with pytest.raises(Refused):
        let(county, PRINCIPAL)  # a head names substitutes, not delegates
    with pytest.raises(NotFound):
        let(county, to="bureau")
    with pytest.raises(InvalidInput):
        let(county, to=ACADEMIC)
    with pytest.raises(InvalidInput):
        let(county, days=0)
    with pytest.raises(InvalidInput):
        let(county, days=367)
    with pytest.raises(InvalidInput):
        let(county, TEACHER, role=Role.TEACHER, holder=TEACHER)


def test_a_delegation_ends_with_the_holders_role(county: CountyBuilder) -> None:
    let(county)
    with county.units(system_actor("test")) as unit:
        unit.session.execute(
            update(RoleGrant)
            .where(RoleGrant.person_id == person(county, ACADEMIC))
            .values(granted_until=unit.clock.now())
        )
    assert waits_for(county, "deputy") == []
