"""`market bench rank`: a month's ranking against the close of the same month, in one run."""

import resource
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from time import perf_counter
from typing import Any

from sqlalchemy import Engine

from kernel.actors import system_actor
from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bench.scratch import scratch_database
from market.bench.settle import close_month, generate
from market.bench.workload import MONTH, Spread
from market.migrate import upgrade
from settlement.ranking.evidence import gather
from settlement.ranking.evidence_queries import KINDS
from settlement.ranking.measuring import measure_all
from settlement.ranking.priors import estimate_priors
from settlement.ranking.rules import SHIPPED
from settlement.ranking.runs import rank_month

NOW = datetime(2026, 4, 2, 2, tzinfo=UTC)
TEACHERS = 3
"""Teachers of each school who rate all that it uses."""


def bench_rank(
    settings: Settings,
    url: str,
    *,
    events: int,
    vendors: int,
    cells: int,
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Close a generated month and rank it, `rounds` times, each on a fresh copy.

    Returns medians: seconds of the close; of the scoring alone (priors, scores, places of vendors
    and of resources, from evidence that is in memory); of the whole ranking (evidence read, scored,
    snapshots written); their ratios to the close, and the peak memory in MB.
    """
    spread = Spread(vendors=vendors, cells=cells, teachers=TEACHERS)
    closes: list[float] = []
    scorings: list[float] = []
    rankings: list[float] = []
    counts: dict[str, int] = {}
    with scratch_database(url, "market_bench") as bench_url:
        upgrade(settings, bench_url)
        say(f"generating {events:,} uses of {vendors:,} vendors in {cells} cells …")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(generate, settings, bench_url, events, spread).result()
        for number in range(1, rounds + 1):
            with scratch_database(url, "market_bench_round", template="market_bench") as round_url:
                engine = open_engine(round_url, pool_size=4)
                closes.append(close_month(engine, settings, FixedClock(NOW)).total_s)
                scoring, ranking, counts = _rank(engine, settings)
                scorings.append(scoring)
                rankings.append(ranking)
                engine.dispose()
            say(f"round {number}: close {closes[-1]:.2f} s, ranking {ranking:.2f} s")
    close, scoring, ranking = map(statistics.median, (closes, scorings, rankings))
    return {
        "events": events,
        "vendors": vendors,
        "cells": cells,
        "rounds": rounds,
        "scored": counts,
        "close_s": round(close, 3),
        "score_s": round(scoring, 3),
        "rank_s": round(ranking, 3),
        "score_ratio": round(scoring / close, 4),
        "rank_ratio": round(ranking / close, 4),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _rank(engine: Engine, settings: Settings) -> tuple[float, float, dict[str, int]]:
    """Return the seconds of scoring alone and of the whole ranking, and what was scored."""
    units = Units(engine, FixedClock(NOW), settings, RecordingDispatcher())
    with units(system_actor("bench")) as unit:
        evidence = gather(unit, MONTH, SHIPPED)
        started = perf_counter()
        for kind in KINDS:
            priors = estimate_priors(evidence.scored(kind), SHIPPED.ranking)
            measure_all(evidence.subjects[kind], priors, SHIPPED.ranking)
        scoring = perf_counter() - started
    started = perf_counter()
    with units(system_actor("bench")) as unit:
        rank_month(unit, MONTH)
    ranking = perf_counter() - started
    counts = {kind: len(evidence.subjects[kind]) for kind in KINDS}
    rows = sum(len(one.evidence.schools) for kind in KINDS for one in evidence.subjects[kind])
    return scoring, ranking, {**counts, "school_rows": rows}
