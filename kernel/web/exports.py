"""Exports: the rows of a table as CSV (UTF-8 with BOM) or XLSX, typed like the page's columns.

Money is written in yuan with two decimals, as a number. A text that a spreadsheet would run as a
formula is written so that it stays a text (OWASP: CSV injection).
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from kernel.clock import SHANGHAI, as_utc, show_month
from kernel.i18n import label, msgid, translate
from kernel.money import plain_yuan
from kernel.web.tables import Cell, Column, Kind

CSV_TYPE: Final = "text/csv"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
# What XML 1.0 can't hold: openpyxl refuses a workbook over one such character.
UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
NUMBER_FORMATS: Final[dict[Kind, str]] = {
    "money": "#,##0.00",
    "number": "#,##0",
    "ratio": "#,##0.00",
    "price": "#,##0.00##",
    "day": "yyyy-mm-dd",
    "moment": "yyyy-mm-dd hh:mm",
    "second": "yyyy-mm-dd hh:mm:ss",
}

READ_OTHERWISE: Final = ("=", "#")
"""How texts begin that a workbook takes for a formula or for an error such as #N/A."""
WORDS: Final[frozenset[Kind]] = frozenset({"state", "label"})

IN_YUAN: Final = msgid(" (yuan)")
TOTAL: Final = msgid("Total")

Row = TypeVar("Row")


def export_csv(
    rows: Iterable[Row],
    columns: Sequence[Column[Row]],
    *,
    locale: str,
    totals: Mapping[str, Cell] | None = None,
) -> bytes:
    """Return the rows as CSV: a header of titles, CRLF, UTF-8 with BOM as spreadsheets expect.

    `totals`, if given, make a last row.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([title_of(column, locale) for column in columns])
    for row in rows:
        writer.writerow([_as_text(column, column.value(row), locale) for column in columns])
    if totals:
        last = [_as_text(column, totals.get(column.key), locale) for column in columns]
        writer.writerow([translate(TOTAL, locale), *last[1:]])
    return text.getvalue().encode("utf-8-sig")


def export_xlsx(
    rows: Iterable[Row],
    columns: Sequence[Column[Row]],
    *,
    locale: str,
    sheet: str,
    totals: Mapping[str, Cell] | None = None,
) -> bytes:
    """Return the rows as a workbook with one sheet: a bold, frozen header and typed cells.

    `totals`, if given, make a last row, as bold as the header.
    """
    workbook = Workbook(write_only=True)
    page = workbook.create_sheet(re.sub(r"[\\/*?:\[\]]", " ", sheet)[:31])
    page.freeze_panes = "A2"
    for position, column in enumerate(columns, start=1):
        page.column_dimensions[get_column_letter(position)].width = 16 if column.is_figure else 24
    header = []
    for column in columns:
        cell = WriteOnlyCell(page, value=title_of(column, locale))
        cell.font = Font(bold=True)
        header.append(cell)
    page.append(header)
    for row in rows:
        page.append([_as_value(page, column, column.value(row), locale) for column in columns])
    if totals:
        cells = [_as_cell(page, column, totals.get(column.key), locale) for column in columns]
        cells[0].value = translate(TOTAL, locale)
        for cell in cells:
            cell.font = Font(bold=True)
        page.append(cells)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def title_of(column: Column[Any], locale: str) -> str:
    """Return a column's title as the first row has it, with the unit of money."""
    title = translate(column.title, locale)
    return title + translate(IN_YUAN, locale) if column.kind in {"money", "price"} else title


def _as_text(column: Column[Any], value: Cell, locale: str) -> str:
    if value is None:
        return ""
    if column.kind == "money" and isinstance(value, int):
        return plain_yuan(value)
    if isinstance(value, datetime):
        return _local(value).strftime(
            "%Y-%m-%d %H:%M:%S" if column.kind == "second" else "%Y-%m-%d %H:%M"
        )
    if isinstance(value, date):
        return show_month(value) if column.kind == "month" else value.isoformat()
    if isinstance(value, int | Decimal):
        return str(value)
    return no_formula(_in_words(column, value, locale))


def _in_words(column: Column[Any], value: str, locale: str) -> str:
    """Return a text as it reads: a code of a column of words in its words."""
    return label(value, locale, kind=column.label_kind) if column.kind in WORDS else value


def no_formula(text: str) -> str:
    """Return a text so that no spreadsheet runs it: with a mark that our imports take off again."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _as_value(page: Any, column: Column[Any], value: Cell, locale: str) -> Any:
    """Return what stands in a cell: the text itself where nothing else could be read in it.

    Most cells are such, and a cell of its own costs as much as writing it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = UNPRINTABLE.sub("", _in_words(column, value, locale))
        if not text.startswith(READ_OTHERWISE):
            return text
    return _as_cell(page, column, value, locale)


def _as_cell(page: Any, column: Column[Any], value: Cell, locale: str) -> Any:
    cell = WriteOnlyCell(page, value=None)
    if value is None:
        return cell
    if column.kind == "money" and isinstance(value, int):
        cell.value = Decimal(plain_yuan(value))
    elif isinstance(value, datetime):
        cell.value = _local(value).replace(tzinfo=None)  # a workbook knows no time zones
    elif isinstance(value, str) or column.kind == "month":
        if isinstance(value, str):
            text = _in_words(column, value, locale)
        else:
            text = _as_text(column, value, locale)
        cell.value = UNPRINTABLE.sub("", text)
        cell.data_type = "s"  # a text that begins like a formula stays a text
    else:
        cell.value = value
    if column.kind in NUMBER_FORMATS:
        cell.number_format = NUMBER_FORMATS[column.kind]
    return cell


def _local(at: datetime) -> datetime:
    return as_utc(at).astimezone(SHANGHAI)
