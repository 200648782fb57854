"""Import of master data: a file is taken in whole or not at all, but where a kind is taken by row.

Decides when a file is refused and what is reported. All rows are read and judged before that, so
that one run names everything there is to mend.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kernel.actors import Actor
from kernel.errors import AlreadyExists, InvalidInput, MarketError, RepeatedRow, RowsRejected
from kernel.outcomes import Fate
from kernel.unit import Unit
from market.imports.files import SourceFile, examine
from market.imports.kinds import Kind, field_names, needed_names
from market.imports.maps import FieldMap
from market.imports.reading import Record, open_table
from market.imports.tally import Reject, Rejects, Tally
from market.imports.translation import CellError, Translation, prepare

Progress = Callable[[int, int], None]
"""Called with the rows done so far and those there may be."""
OpenUnit = Callable[[Actor], AbstractContextManager[Unit]]
"""Opens a unit of work, or a part of one: what is raised in it undoes it."""


class _DryRun(Exception):
    """Ends a unit of work without keeping what was done in it."""


@dataclass(slots=True)
class _Read:
    """A file as read: rows with their records, and what could not be read."""

    rows: list[Any]
    records: list[Record]
    rejects: list[Reject]
    translation: Translation
    columns: list[str] | None


def import_master(
    units: OpenUnit,
    actor: Actor,
    kind: Kind,
    *,
    path: Path,
    field_map: FieldMap,
    rejects: Rejects,
    dry_run: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> Tally:
    """Take in the file at `path`; raise `RowsRejected` and keep nothing if any row is not right.

    Of a kind that is taken by row the others are kept, and what is not right is reported.
    """
    source = examine(path, kind=kind.name)
    read = _read(source, kind, field_map=field_map, progress=progress)
    tally = Tally(
        received=len(read.rows) + len(read.rejects),
        rejected=0,
        outside=read.translation.outside,
        grouped=read.translation.grouped if field_map.group else None,
        dry_run=dry_run,
    )
    rejects.expect(read.columns)
    with suppress(_DryRun), units(actor) as unit:
        _record(unit, kind, read, tally=tally)
        for reject in sorted(read.rejects, key=lambda one: one.record.row):
            rejects.add(reject)
        if read.rejects and not kind.by_row:
            raise RowsRejected(rejected=len(read.rejects), received=tally.received, file=path.name)
        tally.rejected = len(read.rejects) - tally.conflicts
        if dry_run:
            raise _DryRun
    return tally


def _read(source: SourceFile, kind: Kind, *, field_map: FieldMap, progress: Progress) -> _Read:
    with open_table(source, kind=kind.name) as table:
        translation = prepare(
            table,
            field_map,
            file=source.path.name,
            fields=field_names(kind.columns),
            required=needed_names(kind.columns),
        )
        read = _Read([], [], [], translation, table.columns)
        for record in translation.records(table.records):
            if record.error is not None:
                read.rejects.append(Reject.of(record, record.error, field=record.field))
                continue
            texts: dict[str, str] = {}
            try:
                texts = translation.translate(record.values)
                row = kind.row(texts)
            except CellError as wrong:
                faults = kind.faults(texts) if texts else ()
                others = tuple((one.field, one.error) for one in faults if one.field != wrong.field)
                known = Reject.of(record, wrong.error, field=wrong.field)
                read.rejects.append(replace(known, others=others))
                continue
            read.rows.append(row)
            read.records.append(record)
            if len(read.rows) % 1_000 == 0:
                progress(len(read.rows), source.lines)
    return read


def _record(unit: Unit, kind: Kind, read: _Read, *, tally: Tally) -> None:
    """Hand the rows to the service; count their fates, and add those that can't stay to rejects."""
    outcomes = kind.record(unit, read.rows) if read.rows else []
    taken: dict[tuple[Any, ...], int] = {}
    for row, record, outcome in zip(read.rows, read.records, outcomes, strict=True):
        match outcome.fate:
            case Fate.ACCEPTED:
                tally.accepted += 1
                taken.setdefault(kind.identity_of(row), record.row)
            case Fate.DUPLICATE:
                tally.duplicates += 1
            case Fate.CONFLICT | Fate.REJECTED:
                error: MarketError = outcome.error or InvalidInput(
                    field=outcome.field, value="", expected="another value"
                )
                first = taken.get(kind.identity_of(row))
                if isinstance(error, AlreadyExists) and first is not None:
                    # Nothing of it is recorded: what is against this row stands above it.
                    error = RepeatedRow(row=first, **error.facts)
                known = Reject.of(record, error, field=outcome.field)
                read.rejects.append(replace(known, others=outcome.others))
                tally.conflicts += kind.by_row and outcome.fate is Fate.CONFLICT
    numbers = list(dict.fromkeys(one.became for one in outcomes if one.became))
    tally.documents = numbers
    tally.warnings = [str(one) for one in kind.warn(unit, numbers)] if kind.warn else []
    if kind.warn_rows and not read.rejects:
        tally.warnings += kind.warn_rows(unit, read.rows)
