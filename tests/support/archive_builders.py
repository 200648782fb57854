"""A market whose March is closed, so that its usage can be archived."""

from sqlalchemy import update

from kernel.unit import Units
from settlement.closing import settle
from settlement.models import Period
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.worlds import a_world


@a_world
def a_closed_month(units: Units, *, uses: int = 40) -> Market:
    """A market with uses in March, whose periods are closed, and one use in April."""
    market = a_market(units)
    rows = [
        a_use(units, market, f"u{n}", at(2, 8, n), learner=f"L{n % 2 + 1}") for n in range(uses)
    ]
    deliver(units, rows, name="first")
    deliver(units, [a_use(units, market, "april", at(3, month=4))], name="second")
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        unit.session.execute(update(Period).where(Period.month == MARCH).values(state="closed"))
    return market
