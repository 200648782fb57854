"""Golden cases of use before the funds arrive, worked by hand; the arithmetic stands in each test.

The agreement goes from September 2026 to June 2027 at 1.00 yuan a use: 5.00 are committed on the
line of 2026, 8.00 wait for that of 2027.
"""

from datetime import date

import pytest

from kernel.clock import FixedClock, Month, parse_month, show_month
from kernel.errors import EarlyUseUsedUp
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.metering.launches import agreement_in_force
from tests.support.agreement_builders import a_line_of_2027, across, balances, on
from tests.support.early_use_builders import allowed, consented, entries, stated, who_agree
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    confirm_all,
    deliver,
)

JANUARY, FEBRUARY, MARCH = (parse_month(f"2027-0{month}") for month in (1, 2, 3))


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    """A market on 1 September 2026, in which vendor and bureau agreed for 2027."""
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    agreeing = who_agree(units, market)
    consented(units, agreeing, date(2026, 9, 1), cap_fen=600)
    allowed(units, agreeing, date(2026, 9, 1), total_fen=10_000, payer_fen=700)
    return market


def used(units: Units, market: Market, month: Month, *, times: int) -> None:
    name = show_month(month)
    rows = [
        a_use(units, market, f"{name}-{day}", on(month.year, month.month, day))
        for day in range(1, times + 1)
    ]
    deliver(units, rows, name=f"{name}.csv")


def settled(units: Units, market: Market, month: Month) -> None:
    settle(units, SYSTEM, month)
    confirm_all(units, market, month)
    settle(units, SYSTEM, month)


def launched(units: Units, market: Market, day: date) -> None:
    with units(SYSTEM) as unit:
        agreement_in_force(
            unit, school=market.school, resource_id=market.resource_id, sku=market.sku, day=day
        )


def test_use_before_the_money_is_noted_and_taken_up_when_it_comes(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R25, R35, R19: the oldest use first, each from the line of its own year.

    Agreed:   min(8.00 that wait, 6.00 the vendor lets use, 7.00 per payer, 100.00 in all) = 6.00.
    January:  4 uses = 4.00, no line of 2027: uncovered 4.00. Memorandum 4.00 of 6.00.
    February: 3 uses = 3.00, uncovered 3.00. Memorandum 4.00 + 2.00 = 6.00, full; the last 1.00 is
              unfunded, but not agreed to, and launches stop.
    March:    20.00 are issued for 2027, 8.00 committed. 1 use = 1.00.
              Close of March: January takes up 4.00, February 3.00, March draws 1.00.
              Memorandum 6.00 - 4.00 - 2.00 = 0. Line of 2027: committed 8.00 - 8.00 = 0,
              accrued 8.00, available 12.00. The line of 2026 is not touched.
    """
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 5)
    launched(units, market, date(2027, 1, 5))
    clock.at = on(2027, 1, 31)
    used(units, market, JANUARY, times=4)
    clock.at = on(2027, 2, 1)
    settled(units, market, JANUARY)
    assert stated(units, JANUARY) == [("2027-01", "use", 400, 400, 400, 0)]
    launched(units, market, date(2027, 2, 1))

    clock.at = on(2027, 2, 28)
    used(units, market, FEBRUARY, times=3)
    clock.at = on(2027, 3, 1)
    settled(units, market, FEBRUARY)
    assert entries(units) == [("2027-01", "use", 400), ("2027-02", "use", 200)]
    with pytest.raises(EarlyUseUsedUp):
        launched(units, market, date(2027, 3, 1))

    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    launched(units, market, date(2027, 3, 1))
    clock.at = on(2027, 3, 31)
    used(units, market, MARCH, times=1)
    clock.at = on(2027, 4, 1)
    settled(units, market, MARCH)
    assert stated(units, MARCH) == [
        ("2027-01", "take_up", 0, 0, -400, 400),
        ("2027-02", "take_up", 0, 0, -300, 300),
        ("2027-03", "use", 100, 100, 0, 100),
    ]
    assert entries(units)[2:] == [("2027-01", "take_up", -400), ("2027-02", "take_up", -200)]
    line_2026, line_2027 = balances(units, [market.line_id, line_id])
    assert (line_2026.committed_fen, line_2026.accrued_fen) == (10_500, 0)
    assert (line_2027.available_fen, line_2027.committed_fen, line_2027.accrued_fen) == (
        *(1_200, 0),
        800,
    )
    assert verify(units, SYSTEM) == []
