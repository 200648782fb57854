"""Same input, any order, any batches, resent or not: byte-identical statements (R39).

Two deliveries of one identity keep theirs: what comes first stands, so only rows with identities of
their own are shuffled.
"""

from datetime import timedelta
from random import Random

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
from settlement.exports import export_statements
from tests.support.database import fresh_units
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)

uses = st.lists(
    st.tuples(
        st.sampled_from(["L1", "L2", "L3"]),
        st.integers(0, 300),  # seconds: dense, so that the 30-second rule has work to do
        st.sampled_from(["", "lesson"]),
    ),
    max_size=60,
)


def statements(
    units: Units, seen: list[tuple[str, int, str]], *, order: Random | None, batch_size: int
) -> bytes:
    """Deliver uses in an order and in batches, some of them twice, and return the statements."""
    market = a_market(units, ceiling_fen=700, learners=["L1", "L2", "L3"])
    rows = [
        a_use(units, market, f"e{n}", at(2) + timedelta(seconds=s), learner=who, session=session)
        for n, (who, s, session) in enumerate(seen)
    ]
    if order is not None:
        order.shuffle(rows)
        rows += order.sample(rows, k=len(rows) // 3)
    deliver(units, rows, batch_size=batch_size)
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        return export_statements(unit, MARCH)


@profile(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(uses, st.randoms(use_true_random=False), st.integers(1, 70))
def test_order_batches_and_resends_do_not_change_a_byte(
    server: str, settings: Settings, seen: list[tuple[str, int, str]], order: Random, size: int
) -> None:
    with fresh_units(server, settings) as units:
        plain = statements(units, seen, order=None, batch_size=5_000)
    with fresh_units(server, settings) as units:
        assert statements(units, seen, order=order, batch_size=size) == plain
