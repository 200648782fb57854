"""Trials: nobody commits to anything; nothing is adopted or taken up by them (R21, R47, R65)."""

import pytest

from kernel.unit import Units
from settlement.closing import settle
from settlement.credit_rules import PARTS
from settlement.evaluation.schools import contributions
from settlement.evaluation.spans import read_span
from settlement.verify.recompute import verify
from tests.settlement.test_credits_kept import of_a_pack
from tests.support.credit_builders import a_contribution, booked, credited, taught
from tests.support.settlement_builders import MARCH, SYSTEM

FREE = "0.0000"


def taken_up(units: Units) -> int:
    """Return how many works were taken up from the schools that share."""
    with units(SYSTEM) as unit:
        return sum(one.taken_up for one in contributions(unit, read_span(unit, "2026")))


@pytest.mark.parametrize(("is_trial", "adopted"), [(True, 0), (False, 1)])
def test_a_trial_is_no_adoption_and_what_is_free_is(
    units: Units, is_trial: bool, adopted: int
) -> None:
    """R21, R47, R65: one opening that nobody pays for and nobody decided on earns no author 3
    credits and no school a place; what was agreed on without a price does."""
    given = a_contribution(units, unit_price=FREE, terms={"trial": is_trial})
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == adopted
    assert credited(units, given.author) == adopted * 3 * PARTS
    assert taken_up(units) == adopted
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(("is_trial", "adopted"), [(True, 0), (False, 1)])
def test_a_part_used_under_a_pack_on_trial_is_not_adopted(
    units: Units, is_trial: bool, adopted: int
) -> None:
    """R21, R47, R65: as if it had been tried by itself."""
    given = a_contribution(units)
    of_a_pack(units, given, price=FREE, terms={"trial": is_trial})
    assert booked(units) == adopted
    assert credited(units, given.author) == adopted * 3 * PARTS
    assert taken_up(units) == adopted
