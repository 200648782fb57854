"""Months are settled in their order, those without a use too."""

from kernel.clock import parse_month
from kernel.unit import Units
from settlement.closing import settle
from settlement.queries.lines import lines_of
from settlement.verify.recompute import verify
from tests.support.settlement_builders import APRIL, SYSTEM, a_market, a_use, at, deliver


def test_a_month_without_use_is_over_once_a_later_one_is_sealed(units: Units) -> None:
    """R37: what comes for it afterwards is late, and has what later months left of the ceiling."""
    market = a_market(units, unit_price="1.0000", ceiling_fen=300)
    deliver(units, [a_use(units, market, f"may-{n}", at(4, 8, n, month=5)) for n in range(2)])
    settle(units, SYSTEM, parse_month("2026-05"))
    deliver(units, [a_use(units, market, f"april-{n}", at(7, 8, n, month=4)) for n in range(2)])
    settle(units, SYSTEM, parse_month("2026-06"))
    with units(SYSTEM) as unit:
        lines = {(line.kind, line.of_month): line for line in lines_of(unit)}
    late = lines["adjustment", APRIL]
    assert (late.quantity, late.amount_fen, late.above_ceiling_fen) == (2, 100, 100)
    assert verify(units, SYSTEM) == []
