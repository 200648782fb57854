"""Rows written in the form in which they are imported: taken out, they can be brought in again.

Decides how a value reads in a file: amounts in yuan, yes and no, several words with a semicolon.
Every cell is a text, so that codes keep their zeros and amounts their decimals.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from openpyxl import Workbook

from kernel.money import plain_yuan
from kernel.web.exports import UNPRINTABLE, no_formula
from market.imports.kinds import Column, Kind, field_names


def csv_of(kind: Kind, rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield a CSV with a byte order mark, which spreadsheets need."""
    yield codecs.BOM_UTF8 + csv_lines([field_names(kind.columns)])
    for row in rows:
        yield csv_lines([[no_formula(cell) for cell in _cells(kind, row)]])


def xlsx_of(kind: Kind, rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield a workbook with one sheet, all cells of it texts."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(kind.name)
    sheet.freeze_panes = "A2"
    sheet.append(field_names(kind.columns))
    for row in rows:
        sheet.append([UNPRINTABLE.sub("", no_formula(cell)) for cell in _cells(kind, row)])
    content = io.BytesIO()
    workbook.save(content)
    yield content.getvalue()


def csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cells(kind: Kind, row: Any) -> list[str]:
    return [_text(column, getattr(row, column.attribute or column.name)) for column in kind.columns]


def _text(column: Column, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and column.attribute.endswith("_fen"):
        return plain_yuan(value)
    if isinstance(value, tuple):
        return ";".join(value)
    return str(value)
