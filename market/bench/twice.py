"""`market bench ingest --twice`: the same uses again are duplicates, and the bill is the same.

The bill is the canonical export of the month's statements. It is drawn up from a copy that got the
uses once and from the one that got them twice, by the whole close, and compared byte by byte.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from kernel.clock import Month, SystemClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bench.delivering import (
    ACTOR,
    batches,
    import_file,
    prepare,
    scratch_settings,
    send,
    signed,
    write_json_lines,
)
from market.bench.scratch import scratch_database
from market.migrate import upgrade
from settlement.closing import settle
from settlement.exports import export_statements

TAKEN = text(
    """
SELECT CAST((SELECT count(*) FROM usage_event) AS bigint) AS events,
    COALESCE(sum(t.rows) FILTER (WHERE t.outcome = 'duplicate'), 0) AS duplicates,
    COALESCE(sum(t.rows), 0) AS received
FROM usage_tally t
"""
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the books hold of all deliveries."""

    events: int
    duplicates: int
    received: int


def bench_twice(
    settings: Settings,
    url: str,
    *,
    events: int,
    batch: int = 1_000,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Take in the same uses twice, over HTTP and as a file, each on a database of its own.

    Returns for each way the seconds of both times, `ratio` (the first as a share of the second: 1
    would be as fast), how many of the second were duplicates, and whether the bill has the same
    bytes. `same` says whether all is as it should be.
    """
    found: dict[str, Any] = {"events": events, "batch": batch}
    with (
        TemporaryDirectory(prefix="xuanyong-bench-") as folder,
        scratch_database(url, "market_bench") as bench_url,
    ):
        home = Path(folder)
        upgrade(settings, bench_url)
        say(f"generating {events:,} uses …")
        bench = scratch_settings(settings, home, bench_url)
        reports, key, private_key = prepare(bench, bench_url, events=events)
        path = write_json_lines(home / "uses.jsonl", reports.uses)

        def over_http(database: str) -> float:
            bodies = [
                signed(uses, key=key, private_key=private_key)
                for uses in batches(reports.uses, batch)
            ]
            return send(scratch_settings(settings, home, database), bodies)

        def as_file(database: str) -> float:
            return import_file(scratch_settings(settings, home, database), path)

        for name, deliver in (("http", over_http), ("file", as_file)):
            found[name] = _twice(settings, url, deliver, month=reports.month)
            say(f"{name}: {found[name]['first_s']:.2f} s, {found[name]['second_s']:.2f} s")
    found["same"] = all(
        found[name]["duplicates"] == events
        and found[name]["events"] == events
        and found[name]["received"] == 2 * events
        and found[name]["same_bill"]
        for name in ("http", "file")
    )
    return found


def _twice(
    settings: Settings, url: str, deliver: Callable[[str], float], *, month: Month
) -> dict[str, Any]:
    with scratch_database(url, "market_bench_round", template="market_bench") as twice_url:
        first_s = deliver(twice_url)
        with scratch_database(url, "market_bench_once", template="market_bench_round") as once_url:
            bill_of_once = _bill(settings, once_url, month)
        second_s = deliver(twice_url)
        taken = _taken(twice_url)
        bill_of_twice = _bill(settings, twice_url, month)
    return {
        "first_s": round(first_s, 3),
        "second_s": round(second_s, 3),
        "ratio": round(first_s / second_s, 3),
        "events": taken.events,
        "received": taken.received,
        "duplicates": taken.duplicates,
        "bill_lines": bill_of_once.count(b"\n"),
        "bill_bytes": len(bill_of_once),
        "bill_sha256": hashlib.sha256(bill_of_once).hexdigest(),
        "same_bill": bill_of_once == bill_of_twice and bool(bill_of_once),
    }


def _taken(url: str) -> Taken:
    engine = open_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return Taken(*map(int, connection.execute(TAKEN).one()))
    finally:
        engine.dispose()


def _bill(settings: Settings, url: str, month: Month) -> bytes:
    """Close the month and return its statements, as everybody can compare them."""
    engine = open_engine(url, pool_size=4)
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    try:
        settle(units, ACTOR, month)
        with units(ACTOR) as unit:
            return export_statements(unit, month)
    finally:
        engine.dispose()
