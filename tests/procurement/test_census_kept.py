"""What a census says nothing of keeps its last count (ADR 0034)."""

from datetime import UTC, date, datetime

import pytest

from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.funding.allocations import preview_lines
from procurement.funding.explanation import explain
from tests.support.funding_builders import SCHOOL, CountyBuilder

POINT = "3299010002"


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    county = CountyBuilder(units).with_bureau()
    county.school()
    return county


def test_what_a_census_does_not_count_keeps_its_last_count_until_one_says_zero(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """R15, R16, R19: an autumn file of primary alone takes no special education away."""
    county.school(POINT, parent=SCHOOL)
    county.counted(pupils=200)
    county.counted(pupils=50, stage="junior")
    county.counted(pupils=3, kind="special", stage="")
    county.counted(pupils=10, kind="boarding", stage="")
    county.counted(POINT, pupils=20)
    county.issue()
    clock.at = datetime(2026, 9, 11, tzinfo=UTC)
    autumn = {"basis": "autumn", "as_of": date(2026, 9, 10)}
    county.counted(pupils=200, **autumn)
    county.counted(pupils=4, kind="boarding", stage="primary", **autumn)
    with county.units(county.actor("bureau")) as unit:
        (preview,) = preview_lines(unit, fiscal_year=2026)
    assert preview.kept == [
        (SCHOOL, {"kind": "enrolled", "stage": "junior", "pupils": 50, "as_of": "2026-03-10"}),
        (SCHOOL, {"kind": "special", "stage": "", "pupils": 3, "as_of": "2026-03-10"}),
    ]
    spring, second = preview.computation["places"][0]["terms"]
    assert "kept" not in spring["census"]
    pupils = {(step["step"], step["stage"]): step["pupils"] for step in second["steps"]}
    assert pupils["special", ""] == 3 and pupils["boarding", ""] == 4
    (said,) = [line for line in explain(preview.computation) if "Special" in line]
    assert "so the count of 2026-03-10 stays: Special, 3 pupils" in said
    before = preview.line_fen

    county.counted(pupils=0, kind="special", stage="", **autumn)
    with county.units(county.actor("bureau")) as unit:
        (now,) = preview_lines(unit, fiscal_year=2026)
    assert now.line_fen < before and len(now.kept) == 1
