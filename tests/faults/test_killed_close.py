"""A close that is killed at any step and run again gives the same bytes (R39)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel.clock import FixedClock
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.trail import sequence_trail
from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
from settlement.exports import export_statements
from tests.faults import closing_child
from tests.support.children import Run, children_of
from tests.support.database import fresh_database, warm_engine
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
# Each close opens six units: the check, the seal, its fingerprint, the statements, the postings,
# and the summary. The second close, after the days of silence, opens them again.
UNITS = 16


@contextmanager
def used_market(server: str) -> Iterator[tuple[str, Units]]:
    """A market with a month of uses that is not closed; two schools' worth of lines."""
    with fresh_database(server) as url, warm_engine(url, worlds=False) as engine:
        told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
        clock = FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))
        units = Units(engine, clock, told, RecordingDispatcher())
        market = a_market(units, ceiling_fen=400)
        deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(20)])
        yield url, units


def close(units: Units) -> bytes:
    """Close the month, by silence, and return the statements."""
    clock = FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))
    again = Units(units.engine, clock, units.settings, RecordingDispatcher())
    settle(again, SYSTEM, MARCH)
    clock.advance(timedelta(days=30))
    summary = settle(again, SYSTEM, MARCH)
    assert summary["waiting_fen"] == 0
    with again(SYSTEM) as unit:
        sequence_trail(unit)
    assert verify(again, SYSTEM) == []
    with again(SYSTEM) as unit:
        return export_statements(unit, MARCH)


@pytest.fixture(scope="module")
def run_child() -> Iterator[Run]:
    with children_of(closing_child) as run:
        yield run


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_close_killed_at_any_unit_of_work_ends_in_the_same_bytes(
    server: str, run_child: Run, moment: str
) -> None:
    with used_market(server) as (_, units):
        plain = close(units)
    assert plain.count(b"\n") == 1

    for unit in range(1, UNITS + 1):
        with used_market(server) as (url, units):
            assert run_child(url, unit, moment) == -signal.SIGKILL
            assert close(units) == plain, f"killed {moment} the commit of unit {unit}"


def test_the_child_dies_at_every_unit_that_a_close_opens(server: str, run_child: Run) -> None:
    """One unit more than `UNITS` is never reached: the kills above cover the whole close."""
    with used_market(server) as (url, _):
        assert run_child(url, UNITS + 1, "after") == closing_child.SETTLED
