"""A year that waits for its money: what may be used of it, and what is kept for it (R19)."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock
from kernel.errors import BudgetExhausted, CeilingReached, YearNotFunded
from kernel.unit import Units
from procurement.request_previews import preview_basket
from procurement.requests import Wanted
from procurement.waiting_years import commit_waiting
from settlement.ceilings import CeilingUse
from settlement.estimates import estimate_ceilings
from settlement.funding_lines import issue_amount, open_line
from settlement.metering.launches import agreement_in_force
from settlement.queries.agreements import agreement_life
from settlement.queries.funding import agreements_of
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    across,
    asked,
    balances,
    on,
    signed,
)
from tests.support.funding_builders import SCHOOL, VENDOR, a_county, a_selection
from tests.support.settlement_builders import SYSTEM, Market, a_use, deliver


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


def launched(units: Units, market: Market, day: date) -> None:
    """Look for the agreement that a launch of the day falls under."""
    with units(SYSTEM) as unit:
        agreement_in_force(
            unit,
            school=market.school,
            resource_id=market.resource_id,
            sku=market.sku,
            day=day,
        )


def a_special_line_of_2027(units: Units, market: Market, *, fen: int) -> None:
    """Money of 2027 that only this school may use; the general line is not issued yet."""
    with units(SYSTEM) as unit:
        line_id = open_line(
            unit,
            market.school.id,
            fiscal_year=2027,
            source="special_fund",
            restriction={"schools": [market.school.code]},
        )
        issue_amount(unit, line_id, amount_fen=fen, key="test:special", memo="allocation")


def a_year_partly_there(units: Units, market: Market, clock: FixedClock) -> None:
    """Of 15.00 for 2027, 8.00 are committed and 7.00, added later, wait; use stops there."""
    across(units, market, first_fen=500, later_fen=800, stop_at_ceiling=True)
    of = f"{market.school.code}-X-1"
    clock.at = on(2027, 1, 5)
    with pytest.raises(YearNotFunded):
        launched(units, market, date(2027, 1, 6))
    a_special_line_of_2027(units, market, fen=900)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    signed(units, market, asked(units, market, {2027: 1_500}, of=of))
    with units(SYSTEM) as unit:
        life = agreement_life(unit, of)
    assert life is not None
    assert [(one.ceiling_fen, one.waiting_fen) for one in life.years] == [(500, 0), (1_500, 700)]


def test_a_raise_that_waits_stops_no_launch_that_is_paid_for(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19, R33."""
    a_year_partly_there(units, market, clock)
    launched(units, market, date(2027, 1, 6))


def test_use_of_a_year_stops_where_its_money_ends(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19, R33: seven uses at 1 yuan leave one of the 8.00 that are there, the eighth none."""
    a_year_partly_there(units, market, clock)
    clock.at = on(2027, 1, 20)
    for uses, stops in ((7, False), (8, True)):
        rows = [
            a_use(units, market, f"january-{n}", on(2027, 1, n + 6)) for n in range(1, uses + 1)
        ]
        deliver(units, rows, name=f"january-{uses}.csv")
        with units(SYSTEM) as unit:
            estimate_ceilings(unit)
        if stops:
            with pytest.raises(CeilingReached):
                launched(units, market, date(2027, 1, 20))
        else:
            launched(units, market, date(2027, 1, 20))


def test_a_later_approval_takes_no_money_that_an_earlier_agreement_waits_for(
    units: Units, clock: FixedClock
) -> None:
    """R19, R23: 300.00 wait, 250.00 come: a new 200.00 are refused; with 100.00 more it is paid."""
    county = a_county(units)
    county.issue()
    people = [f"{role}-{SCHOOL}" for role in ("academic", "school_finance", "principal")]
    county.select(replace(a_selection(ends_on=date(2027, 6, 30)), later_fen=30_000))
    county.sign_as(*people)
    clock.at = on(2027, 1, 5)
    county.line(fen=25_000, year=2027, source="per_student")
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 0
    county.listed("maths-2")
    later = a_selection(
        "S-2",
        sku="maths-2",
        starts_on=date(2027, 1, 6),
        ends_on=date(2027, 6, 30),
        ceiling_fen=20_000,
    )
    county.select(later)
    left = [error for summary in county.sign_as(*people) for _, error in summary.left]
    assert {type(error) for error in left} == {BudgetExhausted}
    county.line(fen=10_000, year=2027, source="per_student")
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    left = [error for summary in county.sign_as(*people) for _, error in summary.left]
    assert [error.facts["short_fen"] for error in left] == [15_000]


def test_a_preview_promises_no_money_that_an_earlier_agreement_waits_for(
    units: Units, clock: FixedClock
) -> None:
    """R19, R21: of 250.00 that came, 300.00 are waited for: a new request is short by all of it."""
    county = a_county(units)
    county.issue()
    people = [f"{role}-{SCHOOL}" for role in ("academic", "school_finance", "principal")]
    county.select(replace(a_selection(ends_on=date(2027, 6, 30)), later_fen=30_000))
    county.sign_as(*people)
    clock.at = on(2027, 1, 5)
    county.line(fen=25_000, year=2027, source="per_student")
    county.listed("maths-2")
    wanted = Wanted(
        vendor_code=VENDOR,
        sku="maths-2",
        starts_on=date(2027, 1, 6),
        ends_on=date(2027, 6, 30),
        ceiling_fen=20_000,
        reason="数学",
    )
    with county.units(county.actor(f"teacher-{SCHOOL}")) as unit:
        (item,) = preview_basket(unit, [wanted]).items
    assert (item.short_fen, [one.amount_fen for one in item.draws]) == (20_000, [])


def test_each_fen_that_was_carried_over_is_planned_once(units: Units, clock: FixedClock) -> None:
    """R19, R23: 300.00 that may pay for both years pay for the first 200.00; the later 200.00 wait.

    Planned apart, both parts would be taken for covered, and the agreement for more than there is.
    """
    county = a_county(units)
    line_id = county.line(fen=30_000)
    with units(SYSTEM) as unit:
        carried = text("UPDATE funding_line SET lapses_on = '2027-07-01' WHERE id = :id")
        unit.session.execute(carried, {"id": line_id})
    row = a_selection(ceiling_fen=40_000, ends_on=date(2027, 4, 30))
    county.select(replace(row, later_fen=20_000))
    summaries = county.sign_as(*[f"{role}-{SCHOOL}" for role in ("academic", "school_finance")])
    assert [summary.left for summary in summaries] == [[], []]
    (line,) = balances(units, [line_id])
    assert (line.available_fen, line.committed_fen) == (10_000, 20_000)
    with units(SYSTEM) as unit:
        life = agreement_life(unit, f"{SCHOOL}-S-1")
    assert life is not None
    assert [one.waiting_fen for one in life.years] == [0, 20_000]


def test_the_list_of_agreements_tells_how_the_ceiling_of_this_year_stands(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19, R33: 5.00 of 5.00 for 2026 are used, whatever 2027 still has; then 2027 counts."""
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2026, 9, 20)
    uses = [a_use(units, market, f"s-{n}", on(2026, 9, n)) for n in range(1, 6)]
    deliver(units, uses, name="september.csv")
    with units(SYSTEM) as unit:
        estimate_ceilings(unit)
        rows = {row.number: row for row in agreements_of(unit, market.school.code)}
    of = rows[f"{market.school.code}-X-1"]
    assert (of.left_by_estimate_fen, of.ceiling_use) == (800, CeilingUse.USED_UP)
    a_line_of_2027(units, market, fen=1_000)
    clock.at = on(2027, 1, 5)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
        rows = {row.number: row for row in agreements_of(unit, market.school.code)}
    assert rows[f"{market.school.code}-X-1"].ceiling_use is CeilingUse.WITHIN
