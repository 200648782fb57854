"""Budgets: an approval is made by one person and counts once another checked it (R20)."""

from datetime import date

import pytest

from kernel.errors import (
    BudgetTooSmall,
    MakerChecks,
    NoBudget,
    NotFound,
    Refused,
)
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Units
from procurement.budget_proposals import check_budget, propose_budgets
from procurement.record_proposals import (
    RecordKind,
    RecordState,
    checkable_records,
    record_proposals,
    return_record,
)
from procurement.verification import verify
from settlement.budgets import BudgetRow, budgets
from tests.support.funding_builders import COUNTY, CountyBuilder, a_county
from tests.support.settlement_builders import SYSTEM

YEAR = 2028
"""A year for which the county has no budget yet."""


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


def a_row(amount_fen: int = 500_000, document: str = "青财预〔2028〕1号") -> BudgetRow:
    return BudgetRow(
        region_code=COUNTY,
        fiscal_year=YEAR,
        source="per_student",
        amount_fen=amount_fen,
        document=document,
        approved_on=date(YEAR, 1, 20),
    )


def proposed(county: CountyBuilder, *rows: BudgetRow, login: str = "bureau") -> list[RowOutcome]:
    with county.units(county.actor(login)) as unit:
        return propose_budgets(unit, rows)


def waiting(county: CountyBuilder, *, login: str = "checker") -> list[str]:
    with county.units(county.actor(login)) as unit:
        return [row.number for row in checkable_records(unit, RecordKind.BUDGET)]


def checked(county: CountyBuilder, number: str, *, login: str = "checker") -> None:
    with county.units(county.actor(login)) as unit:
        check_budget(unit, number)


def test_one_person_alone_records_no_budget(county: CountyBuilder) -> None:
    """R20: what waits is no budget, for an issue as for a board; the second person makes it one."""
    assert [one.fate for one in proposed(county, a_row())] == [Fate.ACCEPTED]
    with county.units(county.actor("bureau")) as unit:
        assert budgets(unit, fiscal_year=YEAR) == []
    county.counted(pupils=200, as_of=date(YEAR, 3, 10))
    with pytest.raises(NoBudget):
        county.issue(YEAR)
    (number,) = waiting(county)
    assert waiting(county, login="bureau") == []
    with pytest.raises(MakerChecks):
        checked(county, number, login="bureau")
    with pytest.raises(Refused):
        checked(county, number, login="operator")
    checked(county, number)
    with county.units(county.actor("bureau")) as unit:
        (budget,) = budgets(unit, fiscal_year=YEAR)
        (row, *_) = record_proposals(unit, RecordKind.BUDGET)
    assert (budget.approved_fen, budget.unallocated_fen) == (500_000, 500_000)
    assert [(one.recorded_by, one.checked_by) for one in budget.entries] == [("bureau", "checker")]
    assert (row.state, row.decided_by_name) == (RecordState.RECORDED, "checker")
    assert verify(county.units, SYSTEM) == []


def test_what_is_imported_waits_for_a_finance_person(county: CountyBuilder) -> None:
    """R20, R32: made by the one at the machine; again it is a duplicate, waiting or recorded."""
    with county.units(SYSTEM) as unit:
        first = propose_budgets(unit, [a_row(), a_row(1, "2号"), a_row(), a_row(2, "2号")])
    assert [one.fate for one in first] == [
        *[Fate.ACCEPTED] * 2,
        Fate.DUPLICATE,
        Fate.CONFLICT,
    ]
    for number in waiting(county):
        checked(county, number)
    with county.units(SYSTEM) as unit:
        again = propose_budgets(unit, [a_row(), a_row(2, "2号")])
    assert [one.fate for one in again] == [Fate.DUPLICATE, Fate.CONFLICT]
    with pytest.raises(Refused), county.units(SYSTEM) as unit:
        check_budget(unit, "329901-B-001")


def test_what_was_returned_may_be_proposed_anew_with_another_amount(county: CountyBuilder) -> None:
    """R20."""
    proposed(county, a_row(500_000))
    (number,) = waiting(county)
    with county.units(county.actor("checker")) as unit:
        return_record(unit, number, note="金额与文件不符")
    assert [one.fate for one in proposed(county, a_row(50_000))] == [Fate.ACCEPTED]
    (number,) = waiting(county)
    checked(county, number)
    with county.units(county.actor("bureau")) as unit:
        assert [one.approved_fen for one in budgets(unit, fiscal_year=YEAR)] == [50_000]


def test_what_a_take_back_asks_for_must_still_be_there_when_it_is_checked(
    county: CountyBuilder,
) -> None:
    """R20: of two that wait for the same money the second is refused by how much it lacks."""
    county.budgeted(1_000, fiscal_year=YEAR)
    taken = [a_row(-800, "收回一"), a_row(-700, "收回二")]
    assert {one.fate for one in proposed(county, *taken)} == {Fate.ACCEPTED}
    first, second = waiting(county)
    checked(county, first)
    with pytest.raises(BudgetTooSmall) as refused:
        checked(county, second)
    assert refused.value.facts["short_fen"] == 500
    assert waiting(county) == [second]


def test_another_bureau_sees_nothing_of_it(county: CountyBuilder) -> None:
    county.with_other_bureau()
    proposed(county, a_row())
    (number,) = waiting(county)
    assert waiting(county, login="elsewhere") == []
    with pytest.raises(NotFound):
        checked(county, number, login="elsewhere")
