"""Nobody rates what was made at their own school, its points, or what was it then (R30, R42)."""

from datetime import datetime

import pytest

from kernel.clock import SHANGHAI, FixedClock
from kernel.errors import OwnWork
from kernel.identity.models import Organisation
from kernel.unit import Units
from settlement.closing import settle
from settlement.ratings import rate, ratings_of
from tests.support.builders import a_school
from tests.support.credit_builders import Contribution, a_contribution, moves, taught
from tests.support.settlement_builders import MARCH, SYSTEM, at


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
        told = ratings_of(unit, given.market.resource_id).may_rate
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
        told = ratings_of(unit, given.market.resource_id)
    assert not told.may_rate, "they are colleagues now"
