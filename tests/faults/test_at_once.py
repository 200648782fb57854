"""What happens at the same moment: closes beside closes, deliveries beside seals (R32, R39)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
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

pytestmark = pytest.mark.faults


def together(*acts: Callable[[], object]) -> list[object]:
    """Start all acts at the same moment; return what they returned, raise what they raised."""
    ready = Barrier(len(acts))

    def go(act: Callable[[], object]) -> object:
        ready.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result() for one in [pool.submit(go, act) for act in acts]]


def test_four_closes_of_one_month_bill_it_once(units: Units) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(9)])
    together(*[lambda: settle(units, SYSTEM, MARCH)] * 4)
    confirm_all(units, market)
    summaries = together(*[lambda: settle(units, SYSTEM, MARCH)] * 4)
    assert all(one == summaries[0] for one in summaries)
    with units(SYSTEM) as unit:
        assert unit.session.scalar(text("SELECT count(*) FROM statement_line")) == 1
        assert (
            unit.session.scalar(text("SELECT count(*) FROM transfer WHERE key LIKE 'post:%'")) == 1
        )
    assert verify(units, SYSTEM) == []


def test_the_same_events_from_many_hands_are_taken_once(units: Units) -> None:
    market = a_market(units)
    rows = [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(40)]
    outcomes = together(
        *[
            lambda name=name: deliver(units, rows, name=f"hand {name}", batch_size=7)
            for name in range(6)
        ]
    )
    fates = [one.outcome for batch in outcomes for one in batch]
    assert (fates.count("accepted"), fates.count("duplicate")) == (40, 200)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("attempt", range(3))
def test_an_event_that_races_a_seal_is_in_the_period_or_late_and_never_lost(
    units: Units, attempt: int
) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, "first", at(1))])

    def writer(name: int) -> Callable[[], object]:
        return lambda: deliver_one_by_one(units, market, name)

    together(*[writer(name) for name in range(4)], lambda: settle(units, SYSTEM, MARCH))
    with units(SYSTEM) as unit:
        stored, sealed, late = unit.session.execute(
            text(
                "SELECT (SELECT count(*) FROM usage_event), "
                "(SELECT (counts->>'events')::int FROM period), "
                "(SELECT count(*) FROM usage_event u, period p "
                " WHERE u.sequence > p.sealed_sequence)"
            )
        ).one()
        tallied_late = unit.session.scalar(
            text("SELECT COALESCE(sum(rows), 0) FROM usage_tally WHERE reason = 'late'")
        )
    assert stored == 81
    assert sealed + late == stored
    assert tallied_late == late
    assert verify(units, SYSTEM) == []


def deliver_one_by_one(units: Units, market: Market, name: int) -> None:
    rows = [a_use(units, market, f"{name}-{n}", at(3 + name, 9, n)) for n in range(20)]
    deliver(units, rows, name=f"writer {name}", batch_size=2)
