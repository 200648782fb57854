"""A vendor's catalogue file carries its self-check and commitment (R12, R60)."""

from typing import Any

import pytest

from catalog.admission import claim
from catalog.cases import case
from catalog.criteria import Criterion
from catalog.exporting import catalogue_rows
from catalog.queries import latest_versions, resources_by_key
from catalog.resources import record_catalogue
from catalog.risk import Factor
from kernel.outcomes import Fate
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM

CHECKED = {
    **{f"check_{one}": f"{one}已自查" for one in Criterion},
    "commitment": "本单位承诺",
    "suits_stages": ("primary",),
    "suits_conditions": "有投影即可",
}


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def brought(desk: Desk, *, by: Any = None, **facts: Any):
    with desk.units(by or desk.manager) as unit:
        (outcome,) = record_catalogue(unit, [desk.row(**facts)])
    return outcome


def version_of(desk: Desk, sku: str = "A"):
    with desk.units(SYSTEM) as unit:
        resource = resources_by_key(unit, [(desk.firm.code, sku)])[desk.firm.code, sku]
        return latest_versions(unit, [resource.id])[resource.id].id


def test_a_file_with_a_self_check_is_submitted_with_it(desk):
    """R12, R60: the desk reads the answers, and the case does not come forward for lacking them."""
    assert brought(desk, **CHECKED).fate is Fate.ACCEPTED
    with desk.units(desk.first) as unit:
        found = case(unit, version_of(desk))
        claim(unit, [found.version_id])

    assert {one.criterion: one.answer for one in found.judged} == {
        one: f"{one}已自查" for one in Criterion
    }
    assert (found.commitment, found.suits["stages"]) == ("本单位承诺", ["primary"])
    assert Factor.NO_SELF_CHECK not in {one.factor for one in found.factors if one.points}


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"check_safety": ""}, "check_safety"),
        ({"commitment": " "}, "commitment"),
        ({"launch_url": "https://vendor.example/app"}, "filing_number"),
    ],
)
def test_half_a_self_check_is_refused_with_its_column(desk, facts, field):
    outcome = brought(desk, **CHECKED | facts)

    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)
    assert outcome.error.remedy


def test_nobody_commits_in_a_vendors_name(desk):
    outcome = brought(desk, by=desk.first, **CHECKED)

    assert (outcome.fate, outcome.field) == (Fate.REJECTED, "commitment")
    assert brought(desk, by=desk.first).fate is Fate.ACCEPTED, "without one it comes as before"


def test_what_is_taken_out_carries_the_self_check(desk):
    brought(desk, **CHECKED)
    with desk.units(desk.manager) as unit:
        (row,) = catalogue_rows(unit)
        assert record_catalogue(unit, [row])[0].fate is Fate.DUPLICATE

    assert {name: getattr(row, name) for name in CHECKED} == CHECKED
