"""`market doctor`: is everything there that an installation needs, and if not, what to do.

Each check looks and changes nothing; none of them starts the embedded database.
"""

import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from kombu import Connection
from kombu.exceptions import KombuError

from catalog.attachments.vault import FOLDER, open_vault
from kernel.db import open_engine
from kernel.errors import EmbeddedUnavailable, MarketError, SchemaOutdated
from kernel.settings import Settings
from market.embedded import server_url, unavailable_because
from market.schema import require_schema
from market.worker import broker_lacks

PYTHON_AT_LEAST = (3, 11)
POSTGRESQL_AT_LEAST = 16
FREE_AT_LEAST_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One finding; `remedy` says what to do and is empty where nothing is."""

    name: str
    ok: bool
    finding: str
    remedy: str = ""


def run_checks(settings: Settings) -> list[Check]:
    """Return all findings, in the order in which one would mend them."""
    return [
        _python(),
        _disk(settings),
        _secret_key(settings),
        *_database(settings),
        _broker(settings),
        _store(settings),
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        name="python",
        ok=sys.version_info >= PYTHON_AT_LEAST,
        finding=f"Python {version}",
        remedy="" if sys.version_info >= PYTHON_AT_LEAST else "Install Python 3.11 or later.",
    )


def _disk(settings: Settings) -> Check:
    existing = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    enough = free >= FREE_AT_LEAST_BYTES
    return Check(
        name="disk",
        ok=enough,
        finding=f"{free // 1_000_000:,} MB free for {settings.home}",
        remedy="" if enough else "Free some space, or move MARKET_HOME to a larger disk.",
    )


def _secret_key(settings: Settings) -> Check:
    path = settings.home / "secret.key"
    if settings.secret_key:
        return Check(name="secret key", ok=True, finding="given in MARKET_SECRET_KEY")
    if not path.exists():
        return Check(name="secret key", ok=True, finding=f"will be made in {path} when needed")
    mode = stat.S_IMODE(path.stat().st_mode)
    private = not mode & (stat.S_IRWXG | stat.S_IRWXO)
    return Check(
        name="secret key",
        ok=private,
        finding=f"{path} has mode {mode:04o}",
        remedy="" if private else f"Run: chmod 600 {path}",
    )


def _store(settings: Settings) -> Check:
    """Ask a bucket for a file that nobody has: the answer shows that it is there and lets us in."""
    if not settings.store:
        return Check(name="files", ok=True, finding=f"in {settings.home / FOLDER}")
    try:
        open_vault(settings).size_of("0" * 64)
    except MarketError as error:
        return Check(
            name="files", ok=False, finding=str(error.facts["reason"]), remedy=error.remedy
        )
    return Check(name="files", ok=True, finding=f"{settings.store} answers")


def _database(settings: Settings) -> Iterator[Check]:
    url = settings.database_url or None
    if settings.embedded:
        reason = unavailable_because()
        if reason:
            error = EmbeddedUnavailable(reason=reason)
            yield Check(name="database", ok=False, finding=reason, remedy=error.remedy)
            return
        url = server_url(settings)
    if url is None:
        yield Check(name="database", ok=True, finding="embedded, not running: market run starts it")
        return
    check = _server(url)
    yield check
    if check.ok:
        yield _schema(url)


def _server(url: str) -> Check:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error as error:
        return Check(
            name="database",
            ok=False,
            finding=str(error).strip().splitlines()[0],
            remedy="Start the server, or mend DATABASE_URL.",
        )
    fits = version >= POSTGRESQL_AT_LEAST and encoding == "UTF8"
    return Check(
        name="database",
        ok=fits,
        finding=f"PostgreSQL {version}, {encoding}",
        remedy="" if fits else f"Needed: PostgreSQL {POSTGRESQL_AT_LEAST} or later, with UTF8.",
    )


def _schema(url: str) -> Check:
    engine = open_engine(url, pool_size=1)
    try:
        require_schema(engine)
    except SchemaOutdated as error:
        finding = f"revision {error.facts['found']}, needed is {error.facts['needed']}"
        return Check(name="schema", ok=False, finding=finding, remedy=error.remedy)
    except MarketError as error:
        return Check(name="schema", ok=False, finding=error.sentence(), remedy="Run it again.")
    finally:
        engine.dispose()
    return Check(name="schema", ok=True, finding="at the revision of this version")


def _broker(settings: Settings) -> Check:
    if not settings.celery_broker_url:
        return Check(name="broker", ok=True, finding="the database carries the background work")
    lacking = broker_lacks(settings)
    if lacking:
        return Check(name="broker", ok=False, finding=lacking, remedy="Install it.")
    try:
        with Connection(settings.celery_broker_url, connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            shown = connection.as_uri()
    except (KombuError, OSError) as error:
        return Check(
            name="broker",
            ok=False,
            finding=str(error).strip() or type(error).__name__,
            remedy="Start the broker, mend CELERY_BROKER_URL, or leave it empty.",
        )
    return Check(name="broker", ok=True, finding=f"{shown} answers")
