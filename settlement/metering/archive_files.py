"""Archived months as Parquet files: how a month's events are written, read back and proved.

Decides the file's schema and order (payer, time, sequence), and that it is there whole or not at
all: written beside, flushed, renamed. When a month may be moved is `archive`'s.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
from pyarrow import parquet
from sqlalchemy import text

from kernel.clock import Month, show_month
from kernel.unit import Unit
from settlement.metering.fingerprints import PRINT, Fingerprint
from settlement.metering.partitions import partition_name

GROUP_ROWS = 50_000
"""Rows per row group: what is in memory at a time."""

UUID_BYTES = pa.binary(16)
MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        pa.field("payer_id", UUID_BYTES, nullable=False),
        pa.field("agreement_id", UUID_BYTES, nullable=False),
        pa.field("school_id", UUID_BYTES, nullable=False),
        pa.field("resource_id", UUID_BYTES, nullable=False),
        pa.field("learner_id", UUID_BYTES, nullable=False),
        pa.field("source_id", UUID_BYTES, nullable=False),
        pa.field("batch_id", UUID_BYTES, nullable=False),
        pa.field("occurred_at", MOMENT, nullable=False),
        pa.field("received_at", MOMENT, nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("quantity", pa.int64(), nullable=False),
        pa.field("trust", pa.int16(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("launch_id", UUID_BYTES),
        pa.field("in_class", pa.bool_(), nullable=False),
    ]
)
COLUMNS: Final = tuple(SCHEMA.names)
PRINTS = """
SELECT u.payer_id, {print}
FROM {events} u JOIN period p ON p.payer_id = u.payer_id AND p.month = :month
WHERE u.sequence <= p.sealed_sequence GROUP BY u.payer_id
"""
# Every column of a file, as the database has it: whatever a fingerprint covers is there.
ARRAYS = {
    UUID_BYTES: "uuid[]",
    MOMENT: "timestamptz[]",
    pa.int64(): "bigint[]",
    pa.int16(): "smallint[]",
    pa.string(): "text[]",
    pa.bool_(): "boolean[]",
}
_GIVEN = ", ".join(f"CAST(:{field.name} AS {ARRAYS[field.type]})" for field in SCHEMA)
GIVEN = f"(SELECT * FROM unnest({_GIVEN}) AS g({', '.join(COLUMNS)}))"  # noqa: S608 - our columns
PRINTS_GIVEN = text(PRINTS.format(print=PRINT, events=GIVEN))


def archive_path(unit: Unit, month: Month) -> Path:
    return unit.settings.home / "archive" / f"usage-{show_month(month)}.parquet"


def write_month(unit: Unit, month: Month, path: Path) -> int:
    """Write a partition to a file, a row group at a time; return its rows.

    The file has its name only when it is whole and on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    rows = unit.session.execute(
        text(
            f"SELECT {', '.join(COLUMNS)} FROM {partition_name(month)} "  # noqa: S608 - our names
            "ORDER BY payer_id, occurred_at, sequence"
        ),
        execution_options={"stream_results": True, "yield_per": GROUP_ROWS},
    )
    written = 0
    with parquet.ParquetWriter(beside, SCHEMA, compression="zstd") as writer:
        for group in rows.partitions():
            writer.write_table(_table(group))
            written += len(group)
    _flush(beside)
    place(beside, path)
    return written


def place(beside: Path, path: Path) -> None:
    """Give a file that is written its name, for good."""
    os.replace(beside, path)
    _flush(path.parent)


def digest_of(path: Path) -> bytes:
    """Return SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def row_count(path: Path) -> int:
    return int(parquet.ParquetFile(path).metadata.num_rows)


def rows_of(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield a file's rows in the order of `COLUMNS`, as the database takes them."""
    for values in _groups(path, COLUMNS):
        yield from zip(*(values[name] for name in COLUMNS), strict=True)


def batches_of(path: Path) -> Counter[UUID]:
    """Return how many of a file's rows each delivery brought."""
    found: Counter[UUID] = Counter()
    for values in _groups(path, ("batch_id",)):
        found.update(values["batch_id"])
    return found


def prints_of_file(unit: Unit, month: Month, path: Path) -> dict[UUID, Fingerprint]:
    """Return the fingerprints of what was sealed, from a file; the database does the hashing."""
    found: dict[UUID, Fingerprint] = {}
    for values in _groups(path, COLUMNS):
        for payer_id, one in _prints(unit, PRINTS_GIVEN, {"month": month, **values}):
            found[payer_id] = found.get(payer_id, Fingerprint()) + one
    return found


def prints_of_table(unit: Unit, month: Month) -> dict[UUID, Fingerprint]:
    """Return the fingerprints of what was sealed, from a month's table, attached or not."""
    statement = text(PRINTS.format(print=PRINT, events=partition_name(month)))
    return dict(_prints(unit, statement, {"month": month}))


def _prints(
    unit: Unit, statement: Any, given: dict[str, Any]
) -> Iterator[tuple[UUID, Fingerprint]]:
    for payer_id, events, uses, total in unit.session.execute(statement, given):
        yield payer_id, Fingerprint(events, uses, int(total))


def _table(rows: Sequence[Any]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(
            [_raw(value) for value in values] if field.type == UUID_BYTES else values,
            type=field.type,
        )
        for field, values in zip(SCHEMA, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _raw(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _groups(path: Path, names: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Yield the columns of a file by name, some rows at a time; ids as they are in the database."""
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=list(names)):
            yield {name: _values(batch.column(name)) for name in names}


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if column.type == UUID_BYTES:
        return [None if value is None else UUID(bytes=value) for value in values]
    return values


def _flush(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before anything hangs on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
