"""COPY into a table, inside a unit's transaction: for rows by the thousand."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Cursor

from kernel.unit import Unit


def copy_rows(
    unit: Unit, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Write rows with COPY on the unit's own connection, inside its transaction."""
    raw = unit.session.connection().connection.driver_connection
    assert raw is not None
    cursor: Cursor[Any]
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
