"""`market bench ingest`: reports over HTTP and files of usage against raw COPY of the same rows.

The whole way is measured: a web process of its own on loopback, keys, signatures, launches. The
requests are written and signed before the clock starts, as vendors' machines do that elsewhere.
"""

import base64
import csv
import hashlib
import http.client
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, text

from kernel.actors import Role, system_actor
from kernel.clock import SystemClock, month_of, next_month, shanghai_day
from kernel.db import open_engine
from kernel.http.signatures import SCHEME, SIGNATURE_HEADER, TIMESTAMP_HEADER, signed_bytes
from kernel.identity.api_keys import create_api_key
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.bench.reports import LOG, Reports, Use, build_reports
from market.bench.scratch import scratch_database
from market.imports.tally import Rejects
from market.imports.usage import Delivery, import_usage
from market.migrate import upgrade
from market.serving import listen
from settlement.metering.models import TRUST_TICKETED

ACTOR = system_actor("bench")
CONNECTIONS = 4
STARTS_WITHIN_S = 30
COPY_BLOCK = 1 << 16
SECRET_KEY = "bench"  # noqa: S105 - of a scratch database, which is dropped

IDENTITY_COLUMNS = "source_id, event_id, digest"
EVENT_COLUMNS = (
    "payer_id, agreement_id, school_id, resource_id, learner_id, source_id, batch_id, occurred_at, "
    "received_at, sequence, quantity, trust, event_id, session_id, launch_id, in_class"
)

Body = tuple[bytes, dict[str, str]]


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
        bench = _settings(settings, home, bench_url)
        say(f"generating {events:,} uses …")
        reports, key, private_key = _prepare(bench, bench_url, events=events)
        files = {
            "file": _json_lines(home / "uses.jsonl", reports.uses),
            "csv": _csv(home / "uses.csv", reports.uses),
        }
        copied = _copy_blocks(reports)
        for number in range(1, rounds + 1):
            with _fresh(url) as engine:
                times["copy"].append(_copy(engine, copied))
            bodies = [
                _signed(uses, key=key, private_key=private_key)
                for uses in _batches(reports.uses, batch)
            ]
            with _fresh(url) as engine:
                times["http"].append(_send(_settings(settings, home, _url(engine)), bodies))
                _check(engine, events)
            for kind, path in files.items():
                with _fresh(url) as engine:
                    times[kind].append(_import(_settings(settings, home, _url(engine)), path))
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


def _settings(settings: Settings, home: Path, url: str) -> Settings:
    """Return the settings of the web process and the imports: everything scratch, no rate limit."""
    return Settings.load(_environment(settings, home, url))


def _environment(settings: Settings, home: Path, url: str) -> dict[str, str]:
    return {
        "MARKET_HOME": str(home),
        "DATABASE_URL": url,
        "MARKET_SECRET_KEY": SECRET_KEY,
        "MARKET_USAGE_RATE": "0",
        "MARKET_PORT": "0",
        "MARKET_DATABASE_POOL": str(settings.database_pool),
    }


def _prepare(
    settings: Settings, url: str, *, events: int
) -> tuple[Reports, str, Ed25519PrivateKey]:
    engine = open_engine(url, pool_size=2)
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    private_key = Ed25519PrivateKey.generate()
    today = shanghai_day(units.clock.now())
    month = month_of(today.replace(year=today.year - 1))
    with units(ACTOR) as unit:
        reports = build_reports(unit, next_month(month), events=events)
        made = create_api_key(
            unit,
            reports.vendor_id,
            label="bench",
            scopes=[Role.USAGE_REPORTER],
            public_key=private_key.public_key().public_bytes_raw(),
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()
    return reports, made.key, private_key


@contextmanager
def _fresh(url: str) -> Iterator[Engine]:
    """Yield an engine on a fresh copy of the generated database."""
    with scratch_database(url, "market_bench_round", template="market_bench") as round_url:
        engine = open_engine(round_url, pool_size=2)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("CHECKPOINT")
            yield engine
        finally:
            engine.dispose()


def _url(engine: Engine) -> str:
    plain = engine.url.set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


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
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    started = perf_counter()
    for table, columns, rows in zip(
        ("usage_identity", "usage_event"), (IDENTITY_COLUMNS, EVENT_COLUMNS), blocks, strict=True
    ):
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
        ):
            for block in rows:
                copy.write(block)
    driver.commit()
    taken = perf_counter() - started
    raw.close()
    return taken


# HTTP


def _batches(uses: Sequence[Use], size: int) -> Iterator[Sequence[Use]]:
    for start in range(0, len(uses), size):
        yield uses[start : start + size]


def _signed(uses: Sequence[Use], *, key: str, private_key: Ed25519PrivateKey) -> Body:
    body = msgspec.json.encode([use.event() for use in uses])
    timestamp = SystemClock().now().isoformat(timespec="seconds")
    signature = base64.b64encode(private_key.sign(signed_bytes(timestamp, body))).decode()
    return body, {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/cloudevents-batch+json",
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: SCHEME + signature,
    }


def _send(settings: Settings, bodies: Sequence[Body]) -> float:
    """Send all bodies over four connections to one web process; return the seconds it took."""
    with _web(settings) as port, ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [bodies[number::CONNECTIONS] for number in range(CONNECTIONS)]
        started = perf_counter()
        for _ in pool.map(lambda share: _post(port, share), shares):
            pass
        return perf_counter() - started


def _post(port: int, bodies: Sequence[Body]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for body, headers in bodies:
        connection.request("POST", "/api/v1/usage", body, headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer[:500]
    connection.close()


@contextmanager
def _web(settings: Settings) -> Iterator[int]:
    """Run a web process on loopback and yield its port once it answers."""
    listener = listen(settings)
    port: int = listener.getsockname()[1]
    environment: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith("MARKET_")
    } | _environment(settings, settings.home, settings.database_url)
    process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
        [sys.executable, "-m", "market.serving", str(listener.fileno())],
        env=environment,
        pass_fds=[listener.fileno()],
    )
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait()
        listener.close()


def _await(port: int) -> None:
    deadline = perf_counter() + STARTS_WITHIN_S
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTS_WITHIN_S)
    while perf_counter() < deadline:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            connection.close()
            return
        sleep(0.1)
    raise TimeoutError("the web process did not start")


# Files


def _json_lines(path: Path, uses: Sequence[Use]) -> Path:
    with path.open("wb") as file:
        for use in uses:
            file.write(msgspec.json.encode(use.row()) + b"\n")
    return path


def _csv(path: Path, uses: Sequence[Use]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, uses[0].row())
        writer.writeheader()
        writer.writerows(use.row() for use in uses)
    return path


def _import(settings: Settings, path: Path) -> float:
    engine = open_engine(settings.database_url, pool_size=4)
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    started = perf_counter()
    with Rejects(None) as rejects:
        import_usage(units, ACTOR, Delivery(path=path, source_code=LOG), rejects=rejects)
    taken = perf_counter() - started
    engine.dispose()
    return taken
