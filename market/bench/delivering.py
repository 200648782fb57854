"""Deliveries for benchmarks: reports over HTTP to a web process of its own, and files of usage.

The whole way is gone: loopback, keys, signatures, launches. The requests are written and signed
before the clock starts, as vendors' machines do that elsewhere.
"""

import base64
import csv
import gc
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

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
from market.serving import listen

ACTOR = system_actor("bench")
CONNECTIONS = 4
STARTS_WITHIN_S = 30
SECRET_KEY = "bench"  # noqa: S105 - of a scratch database, which is dropped

Body = tuple[bytes, dict[str, str]]


def scratch_settings(settings: Settings, home: Path, url: str) -> Settings:
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


def prepare(settings: Settings, url: str, *, events: int) -> tuple[Reports, str, Ed25519PrivateKey]:
    """Fill a database with what the uses need; return these, and the key and pen of who reports."""
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
    # The uses lie here for the benchmark's sake only: no import should search them for garbage.
    gc.collect()
    gc.freeze()
    return reports, made.key, private_key


@contextmanager
def fresh_copy(url: str) -> Iterator[Engine]:
    """Yield an engine on a fresh copy of the generated database."""
    with scratch_database(url, "market_bench_round", template="market_bench") as round_url:
        engine = open_engine(round_url, pool_size=2)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("CHECKPOINT")
            yield engine
        finally:
            engine.dispose()


def url_of(engine: Engine) -> str:
    plain = engine.url.set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


# HTTP


def batches(uses: Sequence[Use], size: int) -> Iterator[Sequence[Use]]:
    for start in range(0, len(uses), size):
        yield uses[start : start + size]


def signed(uses: Sequence[Use], *, key: str, private_key: Ed25519PrivateKey) -> Body:
    body = msgspec.json.encode([use.event() for use in uses])
    timestamp = SystemClock().now().isoformat(timespec="seconds")
    signature = base64.b64encode(private_key.sign(signed_bytes(timestamp, body))).decode()
    return body, {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/cloudevents-batch+json",
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: SCHEME + signature,
    }


def send(settings: Settings, bodies: Sequence[Body]) -> float:
    """Send all bodies over four connections to one web process; return the seconds it took."""
    with web_process(settings) as port, ThreadPoolExecutor(CONNECTIONS) as pool:
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
def web_process(settings: Settings) -> Iterator[int]:
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


def write_json_lines(path: Path, uses: Sequence[Use]) -> Path:
    with path.open("wb") as file:
        for use in uses:
            file.write(msgspec.json.encode(use.row()) + b"\n")
    return path


def write_csv(path: Path, uses: Sequence[Use]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, uses[0].row())
        writer.writeheader()
        writer.writerows(use.row() for use in uses)
    return path


def import_file(settings: Settings, path: Path) -> float:
    engine = open_engine(settings.database_url, pool_size=4)
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    started = perf_counter()
    with Rejects(None) as rejects:
        import_usage(units, ACTOR, Delivery(path=path, source_code=LOG), rejects=rejects)
    taken = perf_counter() - started
    engine.dispose()
    return taken
