"""Import of usage: in resumable chunks, each row with its fate (R31, R32).

A chunk is a unit of work: what it took in, its tally and the position it reached are one commit. A
run that was killed goes on after the last chunk when the same file is imported again with the same
map; a file that was finished is judged again, as duplicates. How a row is read is the matter of
`usage_rows`, what becomes of it is decided by `settlement.metering.ingest`.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import func, select, text

from kernel.actors import Actor
from kernel.db import held_alone
from kernel.errors import ImportInProgress
from kernel.i18n import readable
from kernel.unit import Unit, Units
from market.imports.ahead import read_ahead
from market.imports.files import SourceFile, examine
from market.imports.kinds import field_names, needed_names
from market.imports.maps import ALL_COLUMNS, NO_MAP, FieldMap, UsageSection
from market.imports.reading import Record, open_table
from market.imports.recall import recall_outcomes
from market.imports.tally import Reject, Rejects, Tally
from market.imports.translation import Translation, prepare
from market.imports.usage_rows import USAGE_COLUMNS, ReadRow, RowReader, judged_field
from settlement.metering.ingest import (
    Batch,
    Columns,
    UsageOutcome,
    begin_batch,
    finish_batch,
    ingest_rows,
)
from settlement.metering.models import UsageTally
from settlement.metering.remedies import mending

CHUNK_ROWS = 20_000
FIRST_ROWS = 4_000
"""Rows of a run's first chunk: the database begins early, and each next chunk, half as large again,
is read by the time it is asked for."""


def _any_known(judged: Collection[UsageOutcome]) -> bool:
    return any(fate.outcome in {"duplicate", "conflict"} for fate in judged)


class _DryRun(Exception):
    """Ends a unit of work without keeping what was done in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One file of usage, from which source, and how it is to be read."""

    path: Path
    source_code: str
    field_map: FieldMap = NO_MAP
    dry_run: bool = False

    @property
    def section(self) -> UsageSection:
        return self.field_map.usage or UsageSection()

    @property
    def all_columns(self) -> bool:
        return self.section.identity == ALL_COLUMNS


def import_usage(
    units: Units,
    actor: Actor,
    delivery: Delivery,
    *,
    rejects: Rejects,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    on_resume: Callable[[int], None] = lambda _rows_taken: None,
) -> Tally:
    """Take in a file of usage; return what became of all its rows, interrupted runs included.

    A dry run does the same in one unit of work, and rolls it back. Raises what is wrong with the
    file as a whole (`MissingColumns`, `UnknownEncoding` …) before anything is written.
    """
    source = examine(delivery.path, kind="usage")
    with open_table(source, kind="usage") as table, _alone(units, source):
        translation = prepare(
            table,
            delivery.field_map,
            file=delivery.path.name,
            fields=field_names(USAGE_COLUMNS),
            required=set(needed_names(USAGE_COLUMNS))
            - ({"event_id"} if delivery.all_columns else set()),
        )
        rejects.expect(table.columns)
        run = _Run(
            delivery=delivery,
            source=source,
            translation=translation,
            reader=RowReader(units.settings, translation, delivery.all_columns),
            records=translation.records(table.records),
            rejects=rejects,
            progress=progress,
        )
        if delivery.dry_run:
            return run.rehearse(units, actor)
        with units(actor) as unit:
            batch = run.begin(unit)
        if batch.rows_taken:
            on_resume(batch.rows_taken)
        for position, chunk in run.earlier_chunks(batch):
            with units(actor) as unit:
                run.recall(unit, batch, chunk, first_position=position)
        all_new = False
        with read_ahead(run.prepared_chunks(batch)) as chunks:
            for position, chunk, columns in chunks:
                with units(actor) as unit:
                    _commit_with_the_next(unit)
                    judged = ingest_rows(
                        unit, batch, columns, first_position=position, all_new=all_new
                    )
                # Of a file whose ids were all new so far the next ones are likely to be new, too.
                all_new = (all_new or position == batch.rows_taken) and not _any_known(judged)
                run.report(chunk, judged)
        with units(actor) as unit:
            finish_batch(unit, batch)
            return run.tally(unit, batch)


Chunk = list[tuple[Record, ReadRow]]


def _commit_with_the_next(unit: Unit) -> None:
    """Don't wait until the disk has this commit: the delivery's end waits for all before it.

    What a crash of the database's machine could lose is the last chunks with the position they
    reached, so that the next run takes them in.
    """
    unit.session.execute(text("SET LOCAL synchronous_commit = off"))


@dataclass(kw_only=True, slots=True)
class _Run:
    """One passage through a file."""

    delivery: Delivery
    source: SourceFile
    translation: Translation
    reader: RowReader
    records: Iterator[Record]
    rejects: Rejects
    progress: Callable[[int, int], None]

    def begin(self, unit: Unit) -> Batch:
        return begin_batch(
            unit,
            self.delivery.source_code,
            # A name may be in another encoding than that of the system, and then is no text.
            file_name=os.fsencode(self.delivery.path.name).decode(errors="replace"),
            file_digest=_delivery_digest(self.source, self.delivery.field_map),
            pre_counted=self.delivery.section.pre_counted,
        )

    def earlier_chunks(self, batch: Batch) -> Iterator[tuple[int, Chunk]]:
        """Yield the rows that runs before this one took in, in chunks with their first position."""
        return self._chunks(0, batch.rows_taken)

    def chunks(self, batch: Batch) -> Iterator[tuple[int, Chunk]]:
        """Yield the rows after those, which are not taken in yet, in the same way."""
        return self._chunks(batch.rows_taken, None)

    def prepared_chunks(self, batch: Batch) -> Iterator[tuple[int, Chunk, Columns]]:
        """Yield the same with what the database takes of them."""
        for position, chunk in self.chunks(batch):
            yield position, chunk, Columns.of([read.row for _, read in chunk])

    def _chunks(self, position: int, end: int | None) -> Iterator[tuple[int, Chunk]]:
        size = min(FIRST_ROWS, CHUNK_ROWS)
        while end is None or position < end:
            wanted = size if end is None else min(size, end - position)
            records = list(islice(self.records, wanted))
            if not records:
                return
            size = min(size + size // 2, CHUNK_ROWS)
            yield position, [(record, self.reader.read(record)) for record in records]
            position += len(records)
            self.progress(position, self.source.lines)

    def recall(self, unit: Unit, batch: Batch, chunk: Chunk, *, first_position: int) -> None:
        """Note what was not taken of a chunk that a run before this one took in."""
        rows = [read.row for _, read in chunk]
        self.report(chunk, recall_outcomes(unit, batch, rows, first_position=first_position))

    def report(self, chunk: Chunk, judged: list[UsageOutcome]) -> None:
        """Note the rows of a chunk that were neither accepted nor known."""
        for (record, read), fate in zip(chunk, judged, strict=True):
            if fate.outcome in {"accepted", "duplicate"}:
                continue
            code = fate.reason or fate.outcome
            if read.error is not None:
                self.rejects.add(Reject(record, read.field, code, str(read.error)))
                continue
            field, text = judged_field(read.row, code)
            reason = f"{readable(code)} (“{text}”)." if text else f"{readable(code)}."
            reason = f"{reason} {mending(code).remedy}".strip()
            self.rejects.add(Reject(record, field, code, reason))

    def rehearse(self, units: Units, actor: Actor) -> Tally:
        tally = Tally()
        with suppress(_DryRun), units(actor) as unit:
            batch = self.begin(unit)
            for position, chunk in self.earlier_chunks(batch):
                self.recall(unit, batch, chunk, first_position=position)
            for position, chunk in self.chunks(batch):
                rows = [read.row for _, read in chunk]
                self.report(chunk, ingest_rows(unit, batch, rows, first_position=position))
            tally = self.tally(unit, batch)
            raise _DryRun
        tally.dry_run = True
        return tally

    def tally(self, unit: Unit, batch: Batch) -> Tally:
        """Return the delivery's tally as the books have it."""
        tally = Tally(outside=self.translation.outside, late=0)
        found = unit.session.execute(
            select(UsageTally.outcome, UsageTally.reason, func.sum(UsageTally.rows))
            .where(UsageTally.batch_id == batch.id)
            .group_by(UsageTally.outcome, UsageTally.reason)
            .order_by(UsageTally.outcome, UsageTally.reason)
        )
        for outcome, reason, summed in found:
            rows = int(summed)
            tally.received += rows
            match outcome:
                case "accepted":
                    tally.accepted += rows
                    tally.late = (tally.late or 0) + (rows if reason == "late" else 0)
                case "duplicate":
                    tally.duplicates += rows
                case "conflict":
                    tally.conflicts += rows
                case _:
                    tally.quarantined[reason] = tally.quarantined.get(reason, 0) + rows
        return tally


def _delivery_digest(source: SourceFile, field_map: FieldMap) -> bytes:
    """Return what a delivery is resumed by: the file, and the map through which it is read.

    With another map the rows mean something else, so that a run that was stopped to mend the map
    begins anew.
    """
    if field_map == NO_MAP:
        return source.digest
    return hashlib.sha256(source.digest + msgspec.json.encode(field_map)).digest()


@contextmanager
def _alone(units: Units, source: SourceFile) -> Iterator[None]:
    """Hold off a second import of the same file, which would resume this one's delivery."""
    key = int.from_bytes(source.digest[:8], "big", signed=True)
    with held_alone(units.engine, key) as is_held:
        if not is_held:
            raise ImportInProgress(file=source.path.name)
        yield
