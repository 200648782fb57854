"""The database: one PostgreSQL dialect, the declarative base, engines and what their errors mean.

What the database itself guarantees (immutability, balance, minimum) is written as triggers in the
migrations; models here and elsewhere describe shapes only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Engine,
    MetaData,
    Numeric,
    Text,
    Uuid,
    create_engine,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from kernel.arrays import register_arrays
from kernel.errors import DatabaseUnavailable, InvalidInput, MarketError, OutOfSpace

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

DISK_FULL = "53100"
CONNECTION_LOST = ("08", "57P")


class Base(DeclarativeBase):
    """Base of all models. Annotations decide column types; money is always BIGINT fen."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        UUID: Uuid,
        date: Date,
        datetime: DateTime(timezone=True),
        Decimal: Numeric,
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


def open_engine(url: str, *, pool_size: int = 16) -> Engine:
    """Open an engine for `postgresql://…`; connections are checked before use.

    JIT is off: the statements here are short or set-wise, and compiling them costs more than it
    saves. The session's zone is UTC, so that no cast depends on the machine.
    """
    register_arrays()
    plain = url.replace("postgres://", "postgresql://", 1)
    return create_engine(
        plain.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": "-c timezone=UTC -c jit=off", "connect_timeout": 10},
    )


@contextmanager
def set_wise(session: Session) -> Iterator[None]:
    """Plan the statements in the block for whole tables: hash and merge joins, no nested loops.

    A period's rows are minutes old and not analysed yet; the planner then takes a province for one
    payer and probes an index a million times where one scan would do.
    """
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))


@contextmanager
def held_alone(engine: Engine, key: int) -> Iterator[bool]:
    """Hold an advisory lock over the block and its several units, or yield False: another has it.

    It is a connection's, so that it ends with the process that holds it.
    """
    with database_errors(), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")  # idle in no transaction
        is_held = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))
        try:
            yield is_held
        finally:
            if is_held:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a lost connection or a full disk into an error with a way out; let the rest pass."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        known = as_market_error(error)
        if known is None:
            raise
        raise known from error


def as_market_error(error: DBAPIError | psycopg.Error) -> MarketError | None:
    """Return what a driver error means to an operator, or None if it is a defect of ours.

    The driver's own error comes as it is from COPY, which goes past SQLAlchemy.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = next(iter(str(cause or "").strip().splitlines()), "") or "connection lost"
    sqlstate: str = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, psycopg.DataError) and sqlstate in ("", "22021", "22003"):
        # A NUL character, or a number beyond BIGINT: what was sent can't be stored anywhere.
        return InvalidInput(field="the request", value="…", expected="plain text, usual numbers")
    if sqlstate == DISK_FULL:
        return OutOfSpace(reason=reason)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseUnavailable(reason=reason)
    if sqlstate.startswith(CONNECTION_LOST):
        return DatabaseUnavailable(reason=reason)
    never_connected = not isinstance(error, DBAPIError) or error.statement is None
    if not sqlstate and never_connected and isinstance(cause, psycopg.OperationalError):
        return DatabaseUnavailable(reason=reason)
    return None
