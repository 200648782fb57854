"""A bulk purchase under tight ceilings: any order, any batches, late or in time (R24, R37, R39)."""

from random import Random

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from kernel.clock import FixedClock, parse_month
from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
from settlement.exports import export_statements
from settlement.metering.ingest import UsageRow
from tests.properties.test_settlement_order import fresh_units
from tests.support.agreement_builders import on
from tests.support.bulk_builders import Buyer, a_buyer, standings
from tests.support.settlement_builders import SYSTEM, deliver

SEPTEMBER, OCTOBER = parse_month("2026-09"), parse_month("2026-10")
counts = st.tuples(*[st.integers(0, 6)] * 3)


def settled(
    units: Units,
    september: tuple[int, ...],
    late: tuple[int, ...],
    *,
    total_fen: int,
    order: Random | None,
) -> tuple[bytes, list[tuple[int | None, int, int]]]:
    """Close September, then October with what came late; return October's statements, and sums."""
    assert isinstance(units.clock, FixedClock)
    buyer = a_buyer(units, price="0.3333")
    number = buyer.bought(dict.fromkeys(buyer.codes, 120), ceiling_fen=total_fen)
    units.clock.at = on(2026, 9, 20)
    _deliver(buyer, buyer.rows(dict(zip(buyer.codes, september, strict=True))), order=order)
    units.clock.at = on(2026, 10, 3)
    settle(units, SYSTEM, SEPTEMBER)
    rows = buyer.rows(dict(zip(buyer.codes, late, strict=True)), name="late", from_minute=60)
    rows += buyer.rows(dict.fromkeys(buyer.codes, 1), month=10)
    _deliver(buyer, rows, order=order)
    units.clock.at = on(2026, 11, 3)
    settle(units, SYSTEM, OCTOBER)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        return export_statements(unit, OCTOBER), standings(buyer, number)


def _deliver(buyer: Buyer, rows: list[UsageRow], *, order: Random | None) -> None:
    if order is not None:
        order.shuffle(rows)
    deliver(buyer.units, rows, batch_size=5_000 if order is None else 3, name=f"{len(rows)} {rows}")


@profile(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    september=counts,
    late=counts,
    total_fen=st.integers(120, 360),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_deliveries_changes_no_byte_and_no_ceiling_is_exceeded(
    server: str,
    settings: Settings,
    *,
    september: tuple[int, ...],
    late: tuple[int, ...],
    total_fen: int,
    order: Random,
) -> None:
    """R24, R33, R37, R39: of each school over all its lines, and of all together."""
    found = []
    for turn in (None, order):
        with fresh_units(server, settings) as units:
            found.append(settled(units, september, late, total_fen=total_fen, order=turn))
    assert found[0] == found[1]
    billed = [fen for _, fen, _ in found[0][1]]
    assert all(0 <= fen <= 120 for fen in billed)
    assert sum(billed) <= total_fen
