"""Scratch databases for benchmarks, beside the product's own on the same server."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from kernel.db import open_engine


@contextmanager
def scratch_database(url: str, name: str, *, template: str | None = None) -> Iterator[str]:
    """Create a database (empty, or a copy of `template`), yield its URL, and drop it."""
    copied = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
    _administer(
        url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}{copied}"
    )
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _administer(url: str, *statements: str) -> None:
    engine = open_engine(url, pool_size=1)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()
