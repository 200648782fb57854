"""Scratch databases for benchmarks, beside the product's own on the same server."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from sqlalchemy import func, make_url, select, text

from kernel.db import open_engine
from kernel.unit import Unit

BENCHMARKS: Final = 0x62656E6368
"""The advisory lock that a benchmark holds."""


@contextmanager
def scratch_database(url: str, name: str, *, template: str | None = None) -> Iterator[str]:
    """Create a database (empty, or a copy of `template`), yield its URL, and drop it.

    Whoever wants an empty one waits until the server has no other benchmark under way: two at
    once would measure each other.
    """
    with nullcontext() if template else _alone(url):
        yield from _scratch(url, name, template)


def _scratch(url: str, name: str, template: str | None) -> Iterator[str]:
    copied = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
    _administer(
        url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}{copied}"
    )
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _alone(url: str) -> Iterator[None]:
    engine = open_engine(
        make_url(url).set(database="postgres").render_as_string(hide_password=False), pool_size=1
    )
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(select(func.pg_advisory_lock(BENCHMARKS)))
            yield  # the lock ends with the connection, which holds no transaction meanwhile
    finally:
        engine.dispose()


@contextmanager
def past_the_reviewers(unit: Unit) -> Iterator[None]:
    """Let versions be listed that nobody admitted, in a database that is dropped again."""
    unit.session.execute(text("ALTER TABLE version DISABLE TRIGGER USER"))
    yield
    unit.session.execute(text("ALTER TABLE version ENABLE TRIGGER USER"))


def _administer(url: str, *statements: str) -> None:
    engine = open_engine(url, pool_size=1)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()
