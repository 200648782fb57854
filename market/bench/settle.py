"""`market bench settle`: the close of a month against the bare counting query on the same table."""

import resource
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from time import perf_counter
from typing import Any

from sqlalchemy import Engine, text

from kernel.actors import system_actor
from kernel.clock import FixedClock, month_bounds
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bench.scratch import scratch_database
from market.bench.workload import ALIKE, MONTH, Spread, build_workload
from market.migrate import upgrade
from settlement.closing import settle
from settlement.phases import PHASES, Phases

BARE_COUNT = text(
    """
SELECT agreement_id, sum(quantity) FROM (
    SELECT agreement_id, quantity,
        lead(occurred_at) OVER (PARTITION BY learner_id, resource_id ORDER BY occurred_at)
            - occurred_at AS gap
    FROM usage_event WHERE occurred_at >= :start AND occurred_at < :end
) uses
WHERE gap IS NULL OR gap > interval '30 seconds' GROUP BY agreement_id
"""
)

NOW = datetime(2026, 4, 2, 2, tzinfo=UTC)


def bench_settle(
    settings: Settings, url: str, *, events: int, rounds: int = 3, say: Callable[[str], None]
) -> dict[str, Any]:
    """Close a generated month `rounds` times, each on a fresh copy, bare count and close in turn.

    Returns medians: seconds of the close and by phase (summed over shards that run side by side),
    the bare counting query's seconds, their ratio, and the peak memory in MB of the process that
    closes. Both sides run with the same settings of the same server.
    """
    clock = FixedClock(NOW)
    bare: list[float] = []
    closes: list[Close] = []
    with scratch_database(url, "market_bench") as bench_url:
        upgrade(settings, bench_url)
        say(f"generating {events:,} uses …")
        # In a process of its own, so that the peak of memory is that of a worker that closes.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            agreements = pool.submit(generate, settings, bench_url, events).result()
        for number in range(1, rounds + 1):
            with scratch_database(url, "market_bench_round", template="market_bench") as round_url:
                engine = open_engine(round_url, pool_size=4)
                bare.append(_bare_count(engine))
                closes.append(close_month(engine, settings, clock))
                bare.append(_bare_count(engine))
                engine.dispose()
            say(f"round {number}: close {closes[-1].total_s:.2f} s, bare {bare[-2]:.2f} s")
    total = statistics.median(close.total_s for close in closes)
    bare_s = statistics.median(bare)
    return {
        "events": events,
        "agreements": agreements,
        "rounds": rounds,
        "phases": {
            phase: round(statistics.median(close.phases[phase] for close in closes), 3)
            for phase in PHASES
        },
        "total_s": round(total, 3),
        "bare_count_s": round(bare_s, 3),
        "ratio": round(total / bare_s, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


@dataclass(frozen=True, slots=True)
class Close:
    """One close: its whole time, and the time in each phase, summed over shards side by side."""

    total_s: float
    phases: dict[str, float]


def close_month(engine: Engine, settings: Settings, clock: FixedClock) -> Close:
    """Settle, let the days of silence pass, and settle again, which posts every line."""
    began = clock.at
    units = Units(engine, clock, settings, RecordingDispatcher())
    actor = system_actor("bench")
    phases = Phases()
    started = perf_counter()
    settle(units, actor, MONTH, phases=phases)
    clock.advance(timedelta(days=60))
    summary = settle(units, actor, MONTH, phases=phases)
    total_s = perf_counter() - started
    clock.at = began
    assert summary["waiting_fen"] == 0 and summary["ledger_balanced"], summary
    return Close(total_s, phases.seconds)


def _bare_count(engine: Engine) -> float:
    start, end = month_bounds(MONTH)
    with engine.connect() as connection:
        started = perf_counter()
        connection.execute(BARE_COUNT, {"start": start, "end": end}).all()
        return perf_counter() - started


def generate(settings: Settings, url: str, events: int, spread: Spread = ALIKE) -> int:
    """Write the workload and return its agreements.

    Tables are left as after autovacuum, so that rounds don't differ by its luck.
    """
    engine = open_engine(url, pool_size=2)
    units = Units(engine, FixedClock(NOW), settings, RecordingDispatcher())
    with units(system_actor("bench")) as unit:
        agreements = build_workload(unit, events=events, spread=spread)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()
    return agreements
