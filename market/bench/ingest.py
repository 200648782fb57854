"""`market bench ingest`: reports over HTTP and files of usage against raw COPY of the same rows.

How they are delivered is the matter of `delivering`.
"""

import hashlib
import statistics
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from kernel.settings import Settings
from market.bench.delivering import (
    CONNECTIONS,
    batches,
    fresh_copy,
    import_file,
    prepare,
    scratch_settings,
    send,
    signed,
    url_of,
    write_csv,
    write_json_lines,
)
from market.bench.reports import Reports
from market.bench.scratch import scratch_database
from market.migrate import upgrade
from settlement.metering.models import TRUST_TICKETED

COPY_BLOCK = 1 << 16
IDENTITY_COLUMNS = "source_id, event_id, digest"
EVENT_COLUMNS = (
    "payer_id, agreement_id, school_id, resource_id, learner_id, source_id, batch_id, occurred_at, "
    "received_at, sequence, quantity, trust, event_id, session_id, launch_id, in_class"
)


def bench_ingest(
    settings: Settings,
    url: str,
    *,
    events: int,
    batch: int = 1_000,
    rounds: int = 3,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Take in the same uses by COPY, HTTP and file, in turn, each time on a fresh database.

    Returns medians in seconds, and what raw COPY takes as a share of each way: 1 would be as fast.
    """
    times: dict[str, list[float]] = {"copy": [], "http": [], "file": [], "csv": []}
    with (
        TemporaryDirectory(prefix="xuanyong-bench-") as folder,
        scratch_database(url, "market_bench") as bench_url,
    ):
        home = Path(folder)
        upgrade(settings, bench_url)
        bench = scratch_settings(settings, home, bench_url)
        say(f"generating {events:,} uses …")
        reports, key, private_key = prepare(bench, bench_url, events=events)
        files = {
            "file": write_json_lines(home / "uses.jsonl", reports.uses),
            "csv": write_csv(home / "uses.csv", reports.uses),
        }
        copied = _copy_blocks(reports)
        for number in range(1, rounds + 1):
            with fresh_copy(url) as engine:
                times["copy"].append(_copy(engine, copied))
            bodies = [
                signed(uses, key=key, private_key=private_key)
                for uses in batches(reports.uses, batch)
            ]
            with fresh_copy(url) as engine:
                times["http"].append(send(scratch_settings(settings, home, url_of(engine)), bodies))
                _check(engine, events)
            for kind, path in files.items():
                with fresh_copy(url) as engine:
                    times[kind].append(
                        import_file(scratch_settings(settings, home, url_of(engine)), path)
                    )
                    _check(engine, events)
            say(
                f"round {number}: "
                + ", ".join(f"{name} {found[-1]:.2f} s" for name, found in times.items())
            )
    median = {name: statistics.median(found) for name, found in times.items()}
    return {
        "events": events,
        "batch": batch,
        "connections": CONNECTIONS,
        "rounds": rounds,
        "http_s": round(median["http"], 3),
        "copy_s": round(median["copy"], 3),
        "ratio": round(median["copy"] / median["http"], 3),
        "events_per_s": round(events / median["http"]),
        "file_import_s": round(median["file"], 3),
        "file_ratio": round(median["copy"] / median["file"], 3),
        "csv_import_s": round(median["csv"], 3),
        "csv_ratio": round(median["copy"] / median["csv"], 3),
    }


def _check(engine: Engine, events: int) -> None:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT count(*), (SELECT count(*) FROM usage_identity) FROM usage_event")
        ).one()
    assert tuple(found) == (events, events), f"{found} of {events} uses were taken in"


# Raw COPY


def _copy_blocks(reports: Reports) -> tuple[list[bytes], list[bytes]]:
    """Return the rows of identities and events as COPY reads them, in blocks."""
    batch_id = UUID(int=1)
    identities: list[str] = []
    events: list[str] = []
    for sequence, use in zip(count(1), reports.uses, strict=False):
        digest = hashlib.sha256(use.event_id.encode()).hexdigest()
        identities.append(f"{reports.source_id}\t{use.event_id}\t\\\\x{digest}\n")
        facts = (
            *(use.payer_id, use.agreement_id, use.payer_id, use.resource_id, use.learner_id),
            *(reports.source_id, batch_id, use.at.isoformat(), use.at.isoformat(), sequence, 1),
            *(TRUST_TICKETED, use.event_id, use.session, use.launch_id, "f"),
        )
        events.append("\t".join(map(str, facts)) + "\n")
    return _blocks(identities), _blocks(events)


def _blocks(lines: Sequence[str]) -> list[bytes]:
    whole = "".join(lines).encode()
    return [whole[start : start + COPY_BLOCK] for start in range(0, len(whole), COPY_BLOCK)]


def _copy(engine: Engine, blocks: tuple[list[bytes], list[bytes]]) -> float:
    with engine.connect() as connection:
        started = perf_counter()
        with connection.begin():
            driver: Any = connection.connection.driver_connection
            for table, columns, rows in zip(
                ("usage_identity", "usage_event"),
                (IDENTITY_COLUMNS, EVENT_COLUMNS),
                blocks,
                strict=True,
            ):
                with (
                    driver.cursor() as cursor,
                    cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
                ):
                    for block in rows:
                        copy.write(block)
        return perf_counter() - started
