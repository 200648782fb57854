"""A close in several shards that is killed, doubled, cut off or out of space: same bytes (R39)."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.errors import DatabaseUnavailable, OutOfSpace
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.embedded import ensure_server, stop_server
from market.schema import upgrade_schema
from procurement.verification import verify
from settlement.closing import close_shard, seal_month, settle
from settlement.exports import export_statements
from settlement.periods import shards_of
from tests.faults import closing_child
from tests.faults.test_unwell_database import FULL
from tests.support.children import Run, children_of
from tests.support.database import fresh_database, warm_engine
from tests.support.plan_builders import a_neighbour
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
SCHOOLS, SHARD = 5, 2
NOON = datetime(2026, 8, 3, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settlement.periods.SHARD", SHARD)


def a_used_county(units: Units) -> None:
    """Five schools with an agreement each and a month of uses that is not closed."""
    first = a_market(units, ceiling_fen=400)
    markets = [(first, "L1")]
    for number in range(1, SCHOOLS):
        learner = f"N{number}"
        other = a_neighbour(units, first, code=f"{2199000010 + number}", learner=learner)
        markets.append((other, learner))
    rows = [
        a_use(units, market, f"{learner} {minute}", at(2, 8, minute), learner=learner)
        for number, (market, learner) in enumerate(markets)
        for minute in range(10 + number)
    ]
    deliver(units, rows)


@contextmanager
def used_county(server: str) -> Iterator[tuple[str, Units]]:
    with fresh_database(server) as url, warm_engine(url, worlds=False) as engine:
        told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
        units = Units(engine, FixedClock(NOON), told, RecordingDispatcher())
        a_used_county(units)
        yield url, units


def close(units: Units) -> bytes:
    """Close the month, let silence confirm it, and return the statements, each line posted once."""
    clock = FixedClock(NOON)
    again = Units(units.engine, clock, units.settings, RecordingDispatcher())
    settle(again, SYSTEM, MARCH)
    clock.advance(timedelta(days=30))
    assert settle(again, SYSTEM, MARCH)["waiting_fen"] == 0
    assert verify(again, SYSTEM) == []
    with again(SYSTEM) as unit:
        posted = unit.session.scalar(text("SELECT count(*) FROM transfer WHERE key LIKE 'post:%'"))
        assert posted == SCHOOLS
        return export_statements(unit, MARCH)


def child(url: str) -> subprocess.Popen[bytes]:
    """Start a close in a process of its own; it is not killed."""
    return subprocess.Popen(
        [sys.executable, str(Path(closing_child.__file__)), url, "0", "before", str(SHARD)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def run_child() -> Iterator[Run]:
    with children_of(closing_child) as run:
        yield run


@pytest.fixture
def plain(server: str) -> bytes:
    """The statements of a close that nothing disturbed, in one shard."""
    with used_county(server) as (_, units), pytest.MonkeyPatch.context() as patch:
        patch.setattr("settlement.periods.SHARD", 1_600)
        found = close(units)
    assert found.count(b"\n") == SCHOOLS
    return found


def test_shards_give_the_bytes_of_the_whole(server: str, plain: bytes) -> None:
    with used_county(server) as (_, units):
        assert close(units) == plain


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_close_killed_between_its_shards_ends_in_the_same_bytes(
    server: str, run_child: Run, plain: bytes, moment: str
) -> None:
    """R39: some shards are through, one is half done, one was not begun."""
    for unit in (5, 8, 11):
        with used_county(server) as (url, units):
            assert run_child(url, unit, moment, SHARD) == -signal.SIGKILL
            assert close(units) == plain, f"killed {moment} the commit of unit {unit}"


def test_two_processes_that_close_a_month_at_once_close_it_once(server: str, plain: bytes) -> None:
    with used_county(server) as (url, units):
        both = [child(url) for _ in range(2)]
        assert [one.wait(120) for one in both] == [closing_child.SETTLED] * 2
        assert close(units) == plain


def test_a_full_disk_in_one_shard_leaves_the_others_closed(server: str, plain: bytes) -> None:
    """The second shard finds no space; the first is stated, and all go on when there is some."""
    with used_county(server) as (_, units):
        payers = seal_month(units, SYSTEM, MARCH)
        first, second, third = shards_of(payers)
        close_shard(units, SYSTEM, MARCH, first)
        with units(SYSTEM) as unit:
            unit.session.execute(text(FULL.format(table="statement_line")))
        with pytest.raises(OutOfSpace):
            settle(units, SYSTEM, MARCH)
        with units(SYSTEM) as unit:
            states = dict(unit.session.execute(text("SELECT payer_id, state FROM period")).all())
            unit.session.execute(text("DROP TRIGGER full_disk ON statement_line"))
        assert {states[payer] for payer in first} == {"stated"}
        assert {states[payer] for payer in (*second, *third)} <= {"sealing", "sealed"}
        assert close(units) == plain


def test_a_database_that_is_stopped_in_a_close_and_started_again_ends_in_the_same_bytes(
    scratch: Path, plain: bytes
) -> None:
    """The embedded server of an installation stops between two shards and is started again."""
    told = Settings.load({"MARKET_HOME": str(scratch), "MARKET_SECRET_KEY": "test"})
    engine = open_engine(ensure_server(told))
    upgrade_schema(engine)
    units = Units(engine, FixedClock(NOON), told, RecordingDispatcher())
    a_used_county(units)
    first, second, _ = shards_of(seal_month(units, SYSTEM, MARCH))
    close_shard(units, SYSTEM, MARCH, first)
    with pytest.raises(DatabaseUnavailable), units(SYSTEM) as unit:
        unit.session.execute(text("SELECT FROM period FOR UPDATE"))
        stop_server(told)
        close_shard(units, SYSTEM, MARCH, second)
    ensure_server(told)
    assert close(units) == plain
    engine.dispose()
