"""Which funding lines may pay for a use, and in which order they do (R19, R34)."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import update

from kernel.ids import OrganisationId
from kernel.unit import Unit, Units
from settlement.funding_lines import lock_lines_for, open_line
from settlement.models import FundingLine
from tests.support.builders import a_region_tree, a_school
from tests.support.settlement_builders import SYSTEM

MATHS = {"subjects": ["math"]}
CARRIED_OVER = date(2026, 4, 1)

# What each line is, in the order in which they have to pay.
LINES = (
    {"fiscal_year": 2026, "source": "special_fund", "restriction": MATHS, "priority": 200},
    {"fiscal_year": 2025, "source": "per_student"},  # carried over, so it lapses first
    {"fiscal_year": 2026, "source": "own_funds", "priority": 10},
    {"fiscal_year": 2026, "source": "surcharge", "priority": 20},
)


@pytest.fixture
def payer(units: Units) -> OrganisationId:
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return OrganisationId(a_school(unit).id)


def carry_over(unit: Unit, line_id: UUID) -> None:
    unit.session.execute(
        update(FundingLine).where(FundingLine.id == line_id).values(lapses_on=CARRIED_OVER)
    )


def paying(units: Units, payer: OrganisationId, first: date, last: date) -> list[str]:
    with units(SYSTEM) as unit:
        lines = lock_lines_for(unit, payer, day_from=first, day_until=last)
        return [f"{line.fiscal_year} {line.source}" for line in lines]


@pytest.mark.parametrize("opened", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_lines_are_drawn_restricted_first_then_by_expiry_then_by_priority(
    units: Units, payer: OrganisationId, opened: Sequence[int]
) -> None:
    """R34: whichever was opened first."""
    with units(SYSTEM) as unit:
        for number in opened:
            line_id = open_line(unit, payer, **LINES[number])
            if LINES[number]["fiscal_year"] == 2025:
                carry_over(unit, line_id)

    assert paying(units, payer, date(2026, 3, 1), date(2026, 3, 31)) == [
        "2026 special_fund",
        "2025 per_student",
        "2026 own_funds",
        "2026 surcharge",
    ]


def test_a_line_pays_only_for_days_of_its_year(units: Units, payer: OrganisationId) -> None:
    """R19, R34: from 1 January until it lapses, for all days that are asked for or for none."""
    with units(SYSTEM) as unit:
        carry_over(unit, open_line(unit, payer, fiscal_year=2025, source="per_student"))
        open_line(unit, payer, fiscal_year=2026, source="per_student")
    old, new = "2025 per_student", "2026 per_student"

    assert paying(units, payer, date(2024, 12, 31), date(2024, 12, 31)) == []
    assert paying(units, payer, date(2025, 1, 1), date(2025, 12, 31)) == [old]
    assert paying(units, payer, date(2025, 12, 31), date(2026, 1, 1)) == [old]
    assert paying(units, payer, date(2026, 1, 1), date(2026, 3, 31)) == [old, new]
    assert paying(units, payer, date(2026, 3, 31), date(2026, 4, 1)) == [new]
    assert paying(units, payer, date(2026, 12, 31), date(2027, 1, 1)) == []


def test_another_payers_lines_do_not_pay(units: Units, payer: OrganisationId) -> None:
    with units(SYSTEM) as unit:
        other = OrganisationId(a_school(unit).id)
        open_line(unit, other, fiscal_year=2026, source="per_student")

    assert paying(units, payer, date(2026, 3, 1), date(2026, 3, 31)) == []
