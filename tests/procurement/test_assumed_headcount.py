"""What another headcount would make of a school's funding line (R15)."""

from datetime import date

import pytest

from kernel.actors import Role
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.unit import Units
from procurement.funding.allocations import preview_lines
from procurement.funding.assumed import lines_with
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county

POINT = "3299010002"


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


def test_another_headcount_gives_the_line_that_its_census_would(county: CountyBuilder) -> None:
    """R15: computed by the same formula; nothing is issued."""
    county.school(POINT, parent=SCHOOL)
    county.counted(POINT, pupils=30)
    bureau = county.actor("bureau")
    with county.units(bureau) as unit:
        (before,) = [one for one in preview_lines(unit, fiscal_year=2026) if one.code == SCHOOL]
        (assumed,) = lines_with(unit, fiscal_year=2026, pupils={SCHOOL: 333})
        (same,) = lines_with(unit, fiscal_year=2026, pupils={POINT: 30})
    assert assumed.before_fen == before.line_fen > 0
    assert assumed.difference_fen != 0
    assert (same.code, same.difference_fen) == (SCHOOL, 0)
    county.counted(SCHOOL, pupils=333, as_of=date(2026, 3, 11))
    with county.units(bureau) as unit:
        (after,) = [one for one in preview_lines(unit, fiscal_year=2026) if one.code == SCHOOL]
    assert after.line_fen == assumed.after_fen


def test_a_school_without_a_census_says_so(county: CountyBuilder) -> None:
    county.school("3299010009")
    with county.units(county.actor("bureau")) as unit:
        (line,) = lines_with(unit, fiscal_year=2026, pupils={"3299010009": 5})
        assert line.error is not None
        with pytest.raises(NotFound):
            lines_with(unit, fiscal_year=2026, pupils={"none": 5})
    county.counted("3299010009", pupils=0)
    with county.units(county.actor("bureau")) as unit:
        (line,) = lines_with(unit, fiscal_year=2026, pupils={"3299010009": 5})
        assert isinstance(line.error, InvalidInput)


def test_a_teacher_is_refused(county: CountyBuilder) -> None:
    teacher = county.actor(f"{Role.TEACHER}-{SCHOOL}")
    with pytest.raises(Refused), county.units(teacher) as unit:
        lines_with(unit, fiscal_year=2026, pupils={SCHOOL: 5})
