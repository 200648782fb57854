"""Who may rate: by a use that counted, and never what is their own (R30, R42)."""

from datetime import datetime

import pytest
from sqlalchemy import select, text

from kernel.actors import Role
from kernel.clock import SHANGHAI, FixedClock, parse_month
from kernel.errors import OwnWork, Refused, StaffOfVendor, UseNotBilled, UseNotSettled
from kernel.identity.models import Organisation, RoleGrant
from kernel.ids import new_id
from kernel.unit import Units
from settlement.closing import settle
from settlement.models import StatementLine
from settlement.rating_models import Rating
from settlement.ratings import rate, ratings_of
from settlement.signals import publish
from tests.support.builders import a_school
from tests.support.credit_builders import Contribution, a_contribution, moves, taught
from tests.support.settlement_builders import MARCH, SYSTEM, at

APRIL = parse_month("2026-04")


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def teaches_at(units: Units, given: Contribution, school: Organisation) -> None:
    """Have the author taught there from the beginning."""
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        vendor.facts = {"vendor_kind": "teacher", "school_id": str(school.id)}


def close(units: Units, clock: FixedClock) -> None:
    clock.at = datetime(2026, 4, 3, 10, tzinfo=SHANGHAI)
    settle(units, SYSTEM, MARCH)


def may_rate(units: Units, given: Contribution) -> bool:
    with units(given.reader) as unit:
        told = ratings_of(unit, given.market.resource_id, title="资源").may_rate
    try:
        with units(given.reader) as unit:
            rate(unit, f"{given.market.vendor.code}/{given.market.sku}", stars=5)
    except OwnWork:
        assert not told, "the page offers what is refused"
        return False
    assert told
    return True


def test_a_teaching_point_and_its_school_are_one_school(units: Units, given: Contribution) -> None:
    """R30, R42: who teaches at the school does not rate what was made at its point."""
    with units(SYSTEM) as unit:
        point = a_school(unit, parent=given.market.school)
        elsewhere = a_school(unit, parent=a_school(unit))
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    teaches_at(units, given, point)
    assert not may_rate(units, given)
    teaches_at(units, given, elsewhere)
    assert may_rate(units, given)


def test_own_school_stays_own_for_what_it_did_while_it_was(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R30, R42: who moves takes nobody along; what colleagues of then use later, they may rate."""
    teaches_at(units, given, given.market.school)
    taught(units, given, day=2)
    clock.at = at(10)
    with units(SYSTEM) as unit:
        elsewhere = a_school(unit)
    moves(units, given, to=elsewhere)
    close(units, clock)
    assert not may_rate(units, given)


def test_a_colleague_of_then_rates_by_what_they_use_since(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R42."""
    teaches_at(units, given, given.market.school)
    clock.at = at(10)
    with units(SYSTEM) as unit:
        elsewhere = a_school(unit)
    moves(units, given, to=elsewhere)
    clock.at = at(13)
    taught(units, given, day=12)
    taught(units, given, day=2)
    close(units, clock)
    assert may_rate(units, given)
    moves(units, given, to=given.market.school)
    with units(given.reader) as unit:
        told = ratings_of(unit, given.market.resource_id, title="资源")
    assert not told.may_rate, "they are colleagues now"


# Only use that counted lets rate; staff of the vendor do not


def refusal(units: Units, given: Contribution) -> Refused | None:
    """Return why the reader may not rate; what the page tells is what is raised."""
    with units(given.reader) as unit:
        told = ratings_of(unit, given.market.resource_id, title=f"资源{given.market.sku}")
    key = f"{given.market.vendor.code}/{given.market.sku}"
    if told.may_rate:
        with units(given.reader) as unit:
            rate(unit, key, stars=5)
        return told.refusal
    with units(given.reader) as unit, pytest.raises(Refused) as raised:
        rate(unit, key, stars=5)
    assert told.refusal is not None and str(told.refusal) == str(raised.value)
    return raised.value


def has_role(units: Units, given: Contribution, *, until: datetime | None = None) -> None:
    """Grant the reader a role at the vendor since the year began."""
    with units(SYSTEM) as unit:
        unit.session.add(
            RoleGrant(
                id=new_id(),
                person_id=given.reader.person_id,
                role=Role.VENDOR_MANAGER,
                organisation_id=given.market.vendor.id,
                granted_from=datetime(2026, 1, 1, tzinfo=SHANGHAI),
                granted_until=until,
                granted_by="test",
            )
        )


def signal(units: Units, given: Contribution) -> tuple[int, int]:
    with units(SYSTEM) as unit:
        publish(unit)
        return tuple(
            unit.session.execute(
                text("SELECT ratings, stars FROM resource_signal WHERE resource_id = :id"),
                {"id": given.market.resource_id},
            ).one()
        )


@pytest.mark.parametrize("until", [None, datetime(2026, 3, 20, tzinfo=SHANGHAI)])
def test_staff_of_the_vendor_do_not_rate_its_work(units: Units, given: Contribution, until) -> None:
    """R30, R42: whoever holds a role there, or has held one; nor does the bill count their use."""
    has_role(units, given, until=until)
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert isinstance(refusal(units, given), StaffOfVendor)
    assert signal(units, given) == (0, 0)


def test_a_rating_of_before_stays_and_is_not_shown_once_its_teacher_has_a_role(
    units: Units, given: Contribution
) -> None:
    """R42: kept, for runs that rest on it, and left out of what the storefront shows."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert refusal(units, given) is None
    assert signal(units, given) == (1, 5)
    has_role(units, given)
    assert signal(units, given) == (0, 0)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Rating.stars)).all() == [5]
    with units(given.reader) as unit:
        view = ratings_of(unit, given.market.resource_id, title="资源")
    assert sum(teachers for _, teachers in view.spread) == 0


def test_a_use_that_is_on_no_bill_lets_nobody_rate(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R30, R42: the month was sealed while it was of an own school, whatever is known since.

    A second use, on a bill of a later month, lets them.
    """
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        away = dict(vendor.facts)
        vendor.facts = {**away, "school_code": given.market.school.code}
    taught(units, given, day=2)
    close(units, clock)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(StatementLine.quantity)).all() == [0]
        unit.session.get_one(Organisation, given.market.vendor.id).facts = away
    assert isinstance(refusal(units, given), UseNotBilled)
    clock.at = at(5, month=4)
    taught(units, given, day=4, month=4)
    clock.at = datetime(2026, 5, 3, 10, tzinfo=SHANGHAI)
    settle(units, SYSTEM, APRIL)
    assert refusal(units, given) is None


def test_late_use_lets_rate_once_a_later_close_has_counted_it(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R37, R42: a month that is stated says nothing of what came in after its seal."""
    close(units, clock)
    taught(units, given, day=2)
    assert type(refusal(units, given)) is UseNotSettled
    clock.at = datetime(2026, 5, 3, 10, tzinfo=SHANGHAI)
    settle(units, SYSTEM, APRIL)
    assert refusal(units, given) is None
