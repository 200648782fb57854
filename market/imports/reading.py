"""Rows of a file as texts: CSV, the first sheet of an XLSX workbook, or JSON lines.

Decides what a row is and what its cells read; what they mean is the kind's matter. Rows stream:
nothing here holds more than one. A row that can't be taken apart is still a row, with its error:
the caller counts and reports it. Row numbers are those of a spreadsheet: the header is row 1.
Rows without any content are no rows.
"""

import csv
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TextIO, TypeVar
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import msgspec
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from kernel.errors import (
    EmptyFile,
    InvalidInput,
    MarketError,
    RepeatedColumn,
    UnevenRow,
    UnknownEncoding,
    UnreadableFile,
    UnreadableFormat,
    UnreadableLine,
    UnreadableRow,
)
from kernel.web.exports import FORMULA_STARTS
from market.imports.files import Format, SourceFile

# What Excel keeps of a number; a longer one has lost digits, and an identifier with it.
SPREADSHEET_DIGITS = 15
CELL_CHARACTERS = 32_767
"""The longest cell of a spreadsheet; more is a forgotten quotation mark, not a value."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that no database takes: NUL, and halves of surrogate pairs."""

TEXT_ERRORS = (UnicodeError, OSError)
# What the reader of workbooks may raise over a damaged one: it trusts what it opens.
BOOK_ERRORS = (
    InvalidFileException,
    BadZipFile,
    zlib.error,
    ParseError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    RuntimeError,  # encrypted, nested too deeply, or compressed in a way nobody knows
    EOFError,
    OSError,
)

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row of the file: texts by column; `error` if it could not be taken apart."""

    row: int
    values: dict[str, str]
    error: MarketError | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows; `columns` is its header row, None where every row names its own."""

    columns: list[str] | None
    records: Iterator[Record]


@contextmanager
def open_table(source: SourceFile, *, kind: str) -> Iterator[Table]:
    """Open the rows of `source`; raise `EmptyFile`, `RepeatedColumn` or `UnreadableFile`."""
    if source.format is Format.XLSX:
        with _open_sheet(source.path) as rows:
            sound = _guarded(rows, source.path, BOOK_ERRORS)
            yield _sheet_table(sound, source, kind=kind)
        return
    with _open_text(source) as file:
        lines = _guarded(file, source.path, TEXT_ERRORS)
        if source.format is Format.JSON_LINES:
            yield Table(None, _json_records(lines))
        else:
            yield _csv_table(lines, source, kind=kind)


def _guarded(items: Iterable[T], path: Path, errors: tuple[type[Exception], ...]) -> Iterator[T]:
    """Yield what a foreign reader yields; raise `UnreadableFile` where it fails in the middle."""
    try:
        yield from items
    except errors as error:
        raise UnreadableFormat(file=path.name, reason=_words(error)) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _open_text(source: SourceFile) -> Iterator[TextIO]:
    try:
        file = source.path.open(encoding=source.encoding, newline="")
    except OSError as error:
        raise UnreadableFile(file=source.path.name, reason=error.strerror) from error
    with file:
        yield file


def _header(cells: Sequence[str], source: SourceFile, *, kind: str) -> list[str]:
    names = [_unmarked(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise EmptyFile(file=source.path.name, kind=kind)
    seen: set[str] = set()
    for name in names:
        if "\0" in name:
            raise UnknownEncoding(file=source.path.name, offset=name.index("\0"))
        if name in seen:
            raise RepeatedColumn(file=source.path.name, column=name)
        seen.add(name)
    return names


# CSV


def _csv_table(lines: Iterator[str], source: SourceFile, *, kind: str) -> Table:
    reader = csv.reader(lines, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise UnreadableFormat(file=source.path.name, reason=str(error)) from error
    columns = _header(cells, source, kind=kind)
    return Table(columns, _csv_records(reader, columns))


def _csv_records(reader: Iterator[list[str]], columns: list[str]) -> Iterator[Record]:
    width, row = len(columns), 1
    while True:
        row += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(row, {}, UnreadableRow(reason=str(error)))
            continue
        if len(cells) == width:
            joined = "".join(cells)
            if not joined or joined.isspace():
                continue
            if "'" in joined:
                cells = [_unmarked(cell) for cell in cells]
            record = Record(row, dict(zip(columns, cells, strict=True)))
            if "\0" in joined or len(joined) > CELL_CHARACTERS:
                record = _with_bad_cell(record)
            yield record
        elif any(cell.strip() for cell in cells):
            missing = columns[len(cells)] if len(cells) < width else ""
            yield Record(
                row,
                dict(zip(columns, cells, strict=False)),
                UnevenRow(found=len(cells), expected=width),
                missing,
            )


def _unmarked(cell: str) -> str:
    """Return a cell without the mark by which `--rejects` keeps it from being run as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _with_bad_cell(record: Record) -> Record:
    """Return the record with the error of its first cell that no database should take."""
    for column, cell in record.values.items():
        if UNSTORABLE.search(cell) or UNSTORABLE.search(column):
            shown = _storable(cell)[:40]
            expected = "text without NUL characters"
        elif len(cell) > CELL_CHARACTERS:
            shown = cell[:40] + "…"
            expected = f"at most {CELL_CHARACTERS} characters"
        else:
            continue
        name = _storable(column)
        error = InvalidInput(field=name, value=shown, expected=expected)
        kept = {known: value[:200] for known, value in _all_storable(record.values).items()}
        return Record(record.row, kept, error, name)
    return record


def _all_storable(values: dict[str, str]) -> dict[str, str]:
    return {_storable(name): _storable(value) for name, value in values.items()}


def _storable(text: str) -> str:
    """Return a text that can be shown and kept, whatever it holds."""
    return UNSTORABLE.sub("␀", text)


# JSON lines

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode


def _json_records(lines: Iterator[str]) -> Iterator[Record]:
    row = 0
    for line in lines:
        if line.isspace():
            continue
        row += 1
        if len(line) <= CELL_CHARACTERS and "\0" not in line and "\\u0000" not in line:
            try:  # most files hold nothing but texts
                texts = _decode_texts(line)
                if line.count('"') == 4 * len(texts):  # none of them twice
                    yield Record(row, texts)
                    continue
            except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
                pass  # some other value, or no object: looked at below
        try:
            found = _decode(line)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            yield Record(row, {}, UnreadableLine(reason=str(error)))
            continue
        except RecursionError:
            yield Record(row, {}, UnreadableLine(reason="nested too deeply"))
            continue
        values, nested = _json_texts(found)
        twice = _twice(line, found)
        if twice is not None:
            reason = f"{_storable(twice)[:40]} stands in it twice"
            yield Record(row, {}, UnreadableLine(reason=reason))
        elif nested is not None:
            column = _storable(nested)
            wrong = InvalidInput(field=column, value="…", expected="a text or a number")
            yield Record(row, _all_storable(values), wrong, column)
        elif "\0" in line or "\\u0000" in line or len(line) > CELL_CHARACTERS:
            yield _with_bad_cell(Record(row, values))
        else:
            yield Record(row, values)


def _twice(line: str, found: dict[str, Any]) -> str | None:
    """Return a name that the line's object has twice; of such a one the decoder took the last."""
    texts = sum(isinstance(value, str) for value in found.values())
    if line.count('"') == 2 * (len(found) + texts):
        return None
    pairs: list[tuple[str, Any]] = []

    def outermost(seen: list[tuple[str, Any]]) -> None:
        pairs[:] = seen  # objects are told from within outwards

    json.loads(line, object_pairs_hook=outermost)
    names = [name for name, _ in pairs]
    return next((name for name in found if names.count(name) > 1), None)


def _json_texts(found: dict[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return an object's values as texts, and the first name whose value is no single one."""
    values: dict[str, str] = {}
    nested: str | None = None
    for name, value in found.items():
        if isinstance(value, str):
            values[name] = value
        elif value is None:
            values[name] = ""
        elif isinstance(value, bool):
            values[name] = "yes" if value else "no"
        elif isinstance(value, int):
            values[name] = str(value)
        elif nested is None:
            nested = name
    return values, nested


# XLSX


@contextmanager
def _open_sheet(path: Path) -> Iterator[Iterator[tuple[Any, ...]]]:
    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
    except BOOK_ERRORS as error:
        reason = f"it is not an XLSX workbook ({_words(error)})"
        raise UnreadableFormat(file=path.name, reason=reason) from error
    try:
        if not workbook.worksheets:
            reason = "it is not an XLSX workbook with a sheet of rows"
            raise UnreadableFormat(file=path.name, reason=reason)
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # what a foreign program wrote about its size is not to be trusted
        yield sheet.iter_rows(values_only=True)
    finally:
        workbook.close()


def _sheet_table(rows: Iterator[tuple[Any, ...]], source: SourceFile, *, kind: str) -> Table:
    cells = [_cell_text(cell) or "" for cell in next(rows, ())]
    columns = _header(cells, source, kind=kind)
    return Table(columns, _sheet_records(rows, columns))


def _sheet_records(rows: Iterator[tuple[Any, ...]], columns: list[str]) -> Iterator[Record]:
    width = len(columns)
    for row, cells in enumerate(rows, start=2):
        texts = [_cell_text(cell) for cell in cells]
        while len(texts) > width and texts[-1] == "":
            texts.pop()
        if not any(text is None or text.strip() for text in texts):
            continue
        if len(texts) > width:
            kept = [text or "" for text in texts]
            yield Record(
                row,
                _all_storable(dict(zip(columns, kept, strict=False))),
                UnevenRow(found=len(texts), expected=width),
            )
            continue
        texts += [""] * (width - len(texts))
        values = {name: text or "" for name, text in zip(columns, texts, strict=True)}
        if None in texts:
            column = columns[texts.index(None)]
            shown = str(cells[texts.index(None)])
            error = InvalidInput(
                field=column,
                value=shown,
                expected=f"a cell of text (a number keeps only {SPREADSHEET_DIGITS} digits)",
            )
            yield Record(row, _all_storable(values), error, column)
        else:
            yield _with_bad_cell(Record(row, values))


def _cell_text(cell: Any) -> str | None:
    """Return what a cell reads as in a CSV of the sheet; None for a number that lost digits."""
    match cell:
        case None:
            text = ""
        case bool():
            text = "yes" if cell else "no"
        case int() | float():
            too_long = abs(cell) >= 10**SPREADSHEET_DIGITS
            return None if too_long else format(cell, f".{SPREADSHEET_DIGITS}g")
        case datetime():
            text = (cell.date() if cell.time() == time.min else cell).isoformat()
        case date():
            text = cell.isoformat()
        case _:
            text = _unmarked(str(cell))
    return text
