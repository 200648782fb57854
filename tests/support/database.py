"""One PostgreSQL for a test run, and a fresh migrated database for each test.

The first to ask starts the server and migrates the template, behind a lock; every test gets a copy
of the template. The server is a scratch: it trades durability, which no test here examines (those
that do start their own), for speed.
"""

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from kernel.clock import FixedClock
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.embedded import ensure_server, server_url, stop_server
from market.schema import upgrade_schema

HOMES = "xuanyong-test-"
MIGRATED = "migrated"
HASTE = (
    "fsync = off",
    "synchronous_commit = off",
    "full_page_writes = off",
    "autovacuum = off",
    "max_wal_size = '128MB'",
)
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 1024**3
"""What a run takes at most, with a margin: the copies are small, the log is bounded."""

_counter = itertools.count(1)


def home_of_run() -> Path:
    """Return the folder of this run's server, and stop what a killed run left behind."""
    folders = (MEMORY, Path(tempfile.gettempdir()))
    # Two runs that start together would both stop the same server, one of them finding it gone.
    with (folders[1] / f"{HOMES}left-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (found for folder in folders for found in folder.glob(HOMES + "*")):
            pid = left.name.removeprefix(HOMES)
            if pid.isdigit() and not _exists(int(pid)):
                discard(left)
    home = (folders[0] if _memory_has_room() else folders[1]) / f"{HOMES}{os.getpid()}"
    home.mkdir(exist_ok=True)
    return home


def _memory_has_room() -> bool:
    """Whether the server may live in memory, where a copy of a database costs a tenth."""
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder; stop every server of an installation in it and remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="xuanyong-scratch-"))
    try:
        yield folder
    finally:
        for found in folder.glob("**/pg"):
            stop_server(_settings(found.parent))
        shutil.rmtree(folder)


def discard(home: Path) -> None:
    """Stop the server of `home` and remove the folder."""
    stop_server(_settings(home))
    shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path) -> Settings:
    return Settings.load({"MARKET_HOME": str(home)})


def template_server(home: Path) -> str:
    """Start the run's server with its migrated template, once; return the URL of its `market`."""
    with (home / "template.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = server_url(_settings(home))
        if url is None:
            url = ensure_server(_settings(home))
            with psycopg.connect(url, autocommit=True) as connection:
                for setting in HASTE:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
                connection.execute("SELECT pg_reload_conf()")
        with psycopg.connect(url, autocommit=True) as connection:
            known = connection.execute(
                "SELECT datistemplate FROM pg_database WHERE datname = %s", (MIGRATED,)
            ).fetchone()
            if known is None or not known[0]:
                connection.execute(f"DROP DATABASE IF EXISTS {MIGRATED}")
                connection.execute(f"CREATE DATABASE {MIGRATED} TEMPLATE template0")
                engine = open_engine(_beside(url, MIGRATED))
                upgrade_schema(engine)
                engine.dispose()
                connection.execute(f"ALTER DATABASE {MIGRATED} IS_TEMPLATE true")
    return url


@contextmanager
def fresh_database(url: str, *, template: str = MIGRATED) -> Iterator[str]:
    """Copy the template; yield the copy's URL; drop it, whoever is still connected."""
    name = f"test_{os.getpid()}_{next(_counter)}"
    server = _connection(url)
    if template == MIGRATED and _spare:
        server.execute(f"ALTER DATABASE {_spare.pop()} RENAME TO {name}")
    else:
        _copy(server, template, name)
    try:
        yield _beside(url, name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


_connections: dict[str, psycopg.Connection] = {}
_spare: list[str] = []
"""Copies of the migrated template that nobody has opened."""


def _connection(url: str) -> psycopg.Connection:
    """Return this process's own connection to the server, on which it makes and drops copies."""
    if url not in _connections:
        _connections[url] = psycopg.connect(url, autocommit=True)
    return _connections[url]


def close_connections() -> None:
    """Close what `fresh_database` left open; the next one opens it again."""
    while _connections:
        _connections.popitem()[1].close()


def _copy(server: psycopg.Connection, template: str, name: str) -> None:
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


class WarmEngine:
    """An engine that connects to whatever database of its server it is aimed at."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        self.server = url
        self.database = ""
        self.touched = False
        event.listen(self.engine, "do_connect", self._aim)

    def _aim(self, _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        self.touched = True
        parameters["dbname"] = self.database

    def untouched(self) -> bool:
        """Whether nobody has opened the database since it was copied: neither we nor others."""
        if self.touched:
            return False
        found = _connection(self.server).execute(
            "SELECT (SELECT sessions FROM pg_stat_database WHERE datname = %(name)s)"
            " + (SELECT count(*) FROM pg_stat_activity WHERE datname = %(name)s)",
            {"name": self.database},
        )
        return found.fetchone() == (0,)

    def replace(self, template: str) -> None:
        """Put a copy of `template` in the place of the database, which must be untouched."""
        server, spare = _connection(self.server), f"spare_{self.database}"
        server.execute(f"ALTER DATABASE {self.database} RENAME TO {spare}")
        _spare.append(spare)
        _copy(server, template, self.database)
        self.touched = True

    def keep(self, name: str) -> None:
        """Copy the database as it is now, closing the engine's connections to it."""
        self.engine.dispose()
        _copy(_connection(self.server), self.database, name)


_idle: list[WarmEngine] = []
_in_use: dict[Engine, WarmEngine] = {}


@contextmanager
def warm_engine(url: str, *, worlds: bool = True) -> Iterator[Engine]:
    """Yield an engine on a database of the run's server; without `worlds` each is built anew.

    Engines are used again, one database after the other: each keeps the statements it compiled,
    and compiling them anew for every test took a quarter of the tests' time.
    """
    warm = _idle.pop() if _idle else WarmEngine(_beside(url, "market"))
    warm.database, warm.touched = _name_in(url), not worlds
    _in_use[warm.engine] = warm
    try:
        yield warm.engine
    finally:
        warm.engine.dispose()
        _idle.append(_in_use.pop(warm.engine))


def warm_engine_of(units: Units) -> WarmEngine | None:
    """Return what is behind the engine of `units`, or None if it is another kind of engine."""
    return _in_use.get(units.engine)


@contextmanager
def fresh_units(
    server: str, told: Settings, clock: FixedClock | None = None, *, worlds: bool = False
) -> Iterator[Units]:
    """Yield units on a fresh database, for tests that need one for each example.

    Without `worlds` what stands in it is built anew for each, so that results which are the same
    for two of them do not hang on ids that they share.
    """
    clock = clock or FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))
    with fresh_database(server) as url, warm_engine(url, worlds=worlds) as engine:
        yield Units(engine, clock, told, RecordingDispatcher())


def _name_in(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _beside(url: str, name: str) -> str:
    head, _, tail = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{tail}"
