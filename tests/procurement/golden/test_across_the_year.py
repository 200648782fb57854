"""Golden cases of agreements and 1 January, worked by hand; the arithmetic stands in each test.

The market's school has 1,000.00 yuan on its line of 2026 and an agreement of its own until June.
"""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock, Month, parse_month, show_month
from kernel.errors import YearNotFunded
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_models import AgreementYear
from settlement.closing import settle
from settlement.metering.launches import agreement_in_force
from settlement.models import StatementLine
from tests.support.agreement_builders import a_line_of_2027, across, balances, on
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    confirm_all,
    deliver,
)
from tests.support.statement_readings import draws_of

DECEMBER, JANUARY = parse_month("2026-12"), parse_month("2027-01")
FIGURES = ("rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen", "drawn_fen")


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    """A market on 1 December 2026."""
    market = a_market(units)
    clock.at = on(2026, 12, 1)
    return market


def used(units: Units, market: Market, month: Month, *, times: int) -> None:
    """Deliver so many uses of a month, one a day, at 1 yuan each."""
    name = show_month(month)
    rows = [
        a_use(units, market, f"{name}-{day}", on(month.year, month.month, day))
        for day in range(1, times + 1)
    ]
    deliver(units, rows, name=f"{name}.csv")


def figures(units: Units, month: object) -> list[tuple[str, ...]]:
    with units(SYSTEM) as unit:
        lines = unit.session.scalars(
            select(StatementLine)
            .where(StatementLine.month == month)
            .order_by(StatementLine.of_month)
        ).all()
    return [tuple(getattr(line, name) for name in FIGURES) for line in lines]


def waiting(units: Units) -> Sequence[int]:
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(AgreementYear.waiting_fen).order_by(AgreementYear.fiscal_year)
        ).all()


def test_an_agreement_across_the_years_end(units: Units, clock: FixedClock, market: Market) -> None:
    """R19: each year's ceiling and money for its own use.

    Ceilings 5.00 for 2026 and 8.00 for 2027; price 1.00 a use; no fee, no retention.

    Opening:   2026: available 1000.00 - 100.00 (the market's own agreement) - 5.00 = 895.00,
                     committed 100.00 + 5.00 = 105.00. 2027: 8.00 waits.
    1 January: 2027 has no line, so launches stop.
    Issue of 2027 with 20.00: 8.00 of it are committed, 12.00 stay available.
    December:  7 uses = 7.00; ceiling of 2026 5.00: billed 5.00, above it 2.00, drawn from 2026.
    January:   6 uses = 6.00; ceiling of 2027 8.00: billed 6.00, nothing above, drawn from 2027,
               though of both years together 13.00 - 5.00 = 8.00 were left either way.
    After both are posted: 2026 committed 105.00 - 5.00 = 100.00, accrued 5.00;
                           2027 committed 8.00 - 6.00 = 2.00, accrued 6.00, available 12.00.
    """
    across(units, market, first_fen=500, later_fen=800)
    (line_2026,) = balances(units, [market.line_id])
    assert (line_2026.available_fen, line_2026.committed_fen) == (89_500, 10_500)
    clock.at = on(2026, 12, 31)
    used(units, market, DECEMBER, times=7)

    clock.at = on(2027, 1, 2)
    with pytest.raises(YearNotFunded), units(SYSTEM) as unit:
        agreement_in_force(
            unit,
            school=market.school,
            resource_id=market.resource_id,
            sku=market.sku,
            day=on(2027, 1, 2).date(),
        )
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 0
    assert waiting(units) == [0, 800]

    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
        assert commit_waiting(unit) == 0
        assert agreement_in_force(
            unit,
            school=market.school,
            resource_id=market.resource_id,
            sku=market.sku,
            day=on(2027, 1, 2).date(),
        )
    assert waiting(units) == [0, 0]
    (line_2027,) = balances(units, [line_id])
    assert (line_2027.available_fen, line_2027.committed_fen) == (1_200, 800)

    clock.at = on(2027, 1, 31)
    used(units, market, JANUARY, times=6)
    clock.at = on(2027, 2, 1)
    settle(units, SYSTEM, DECEMBER)
    settle(units, SYSTEM, JANUARY)
    assert figures(units, DECEMBER) == [(700, 200, 500, 0, 500)]
    assert figures(units, JANUARY) == [(600, 0, 600, 0, 600)]
    for month in (DECEMBER, JANUARY):
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)
    line_2026, line_2027 = balances(units, [market.line_id, line_id])
    assert (line_2026.committed_fen, line_2026.accrued_fen) == (10_000, 500)
    assert (line_2027.committed_fen, line_2027.accrued_fen, line_2027.available_fen) == (
        *(200, 600),
        1_200,
    )
    assert verify(units, SYSTEM) == []


def test_a_december_use_settled_in_january(units: Units, clock: FixedClock, market: Market) -> None:
    """R19, R37: late use of December is drawn from the year in which it was used.

    Ceilings 5.00 for 2026 and 8.00 for 2027; price 1.00 a use. 2027 has 8.00, all committed.

    December's statement: 3 uses = 3.00, drawn from 2026; of its ceiling 5.00 - 3.00 = 2.00 left.
    In January 4 more uses of December come in, and 2 of January.
    January's statement: December anew: 7 uses = 7.00, less 3.00 stated = 4.00 more;
                         of them billed 2.00 (what 2026 has left), above it 2.00;
                         drawn 2.00 from the line of 2026, nothing from that of 2027.
                         January: 2 uses = 2.00, drawn from 2027: 8.00 - 2.00 = 6.00 left.
    """
    across(units, market, first_fen=500, later_fen=800)
    line_id = a_line_of_2027(units, market, fen=800)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    clock.at = on(2026, 12, 31)
    used(units, market, DECEMBER, times=3)
    clock.at = on(2027, 1, 4)
    settle(units, SYSTEM, DECEMBER)
    assert figures(units, DECEMBER) == [(300, 0, 300, 0, 300)]

    clock.at = on(2027, 1, 31)
    late = [a_use(units, market, f"late-{day}", on(2026, 12, day)) for day in range(20, 24)]
    deliver(units, late, name="late.csv")
    used(units, market, JANUARY, times=2)
    clock.at = on(2027, 2, 1)
    settle(units, SYSTEM, JANUARY)
    assert figures(units, JANUARY) == [(400, 200, 200, 0, 200), (200, 0, 200, 0, 200)]
    with units(SYSTEM) as unit:
        adjustment, own = unit.session.scalars(
            select(StatementLine)
            .where(StatementLine.month == JANUARY)
            .order_by(StatementLine.of_month)
        ).all()
    assert draws_of(units, adjustment) == [(market.line_id, 200)]
    assert draws_of(units, own) == [(line_id, 200)]
    for month in (DECEMBER, JANUARY):
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)
    line_2026, line_2027 = balances(units, [market.line_id, line_id])
    assert line_2026.accrued_fen == 300 + 200
    assert (line_2027.committed_fen, line_2027.accrued_fen) == (600, 200)
    assert verify(units, SYSTEM) == []


def test_use_before_the_years_money_is_billed_and_uncovered(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R19, R35: of a year whose part still waits nothing is drawn, least of all from another year.

    2 uses of January = 2.00, within 2027's ceiling of 8.00; no line of 2027: uncovered 2.00.
    """
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 20)
    used(units, market, JANUARY, times=2)
    clock.at = on(2027, 2, 1)
    settle(units, SYSTEM, JANUARY)
    assert figures(units, JANUARY) == [(200, 0, 200, 200, 0)]
    assert verify(units, SYSTEM) == []


def test_what_waits_is_committed_in_the_order_of_approval(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R19: 9.00 on the new line; the first agreement needs 10.00 and keeps all of it.

    A second one of 4.00 does not take what the first would need; with 5.00 more (14.00) both fit.
    """
    across(units, market, first_fen=500, later_fen=1_000)
    across(units, market, first_fen=100, later_fen=400, reference="X-2")
    line_id = a_line_of_2027(units, market, fen=900)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 0
    a_line_of_2027(units, market, fen=500, key="more")
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 2
    (line_2027,) = balances(units, [line_id])
    assert (line_2027.available_fen, line_2027.committed_fen) == (0, 1_400)
