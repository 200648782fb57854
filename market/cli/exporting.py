"""`market export`: what leaves the installation as a file, in open formats."""

import codecs
import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from catalog.exporting import catalogue_rows
from catalog.misses import misses
from catalog.resources import CatalogueRow
from kernel.clock import Month, shanghai_day
from kernel.errors import UnwritableFile
from kernel.web.exports import export_csv, no_formula
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, payer_option
from market.cli.values import PERIOD, YEAR
from market.imports.kinds import field_names
from market.imports.registry import MASTER_KINDS
from procurement.web.lines import line_columns
from settlement.exports import export_statements
from settlement.journal import export_journal
from settlement.journal_formats import FORMATS
from settlement.queries.funding import lines_board

out_option = click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File (default: stdout)."
)


@click.group("export")
def export() -> None:
    """Write statements and their grounds to files."""


@export.command("statements")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@payer_option
@out_option
@as_option
def statements(month: Month, payer_code: str | None, out: Path | None, who: str | None) -> None:
    """Export the statements of PERIOD as canonical JSON lines.

    Ordered by business keys, without surrogate ids or clock times: the same input gives the same
    bytes (R39).
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        _write([export_statements(unit, month, payer_code=payer_code)], out)


@export.command("lines")
@click.option("--year", "fiscal_year", type=YEAR, required=True, help="Fiscal year, such as 2026.")
@out_option
@as_option
def lines(fiscal_year: int, out: Path | None, who: str | None) -> None:
    """Export the funding lines of a year with their four amounts as CSV for spreadsheets."""
    settings = load_settings()
    with open_units(settings) as units, units(acting(units, who)) as unit:
        rows = lines_board(unit, fiscal_year=fiscal_year)
    locale = settings.locale
    _write([export_csv(rows, line_columns(locale), locale=locale, totals=None)], out)


@export.command("journal")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(sorted(FORMATS)),
    default="hledger",
    show_default=True,
    help="The program that is to read it.",
)
@click.option("--from", "first", type=PERIOD, help="First month (default: the books' first).")
@click.option("--to", "last", type=PERIOD, help="Last month (default: until now).")
@payer_option
@out_option
@as_option
def journal(
    *,
    format_name: str,
    first: Month | None,
    last: Month | None,
    payer_code: str | None,
    out: Path | None,
    who: str | None,
) -> None:
    """Export the ledger as a plain-text journal that hledger or Beancount checks.

    Every transfer is one transaction; in the end each account's balance is asserted as this
    program has it. A bureau's finance person or auditor exports what its own payers moved.
    """
    months = {
        name: month for name, month in (("first", first), ("last", last)) if month is not None
    }
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        with units(actor) as unit:
            parts = export_journal(unit, format_name, payer_code=payer_code, **months)
            _write((part.encode() for part in parts), out)


@export.command("catalogue")
@click.option("--vendor", "vendor_code", default="", metavar="CODE", help="Only this vendor's.")
@out_option
@as_option
def catalogue(vendor_code: str, out: Path | None, who: str | None) -> None:
    """Export resources as a CSV that `market import catalogue` takes in as it is.

    A vendor takes out its own, drafts as well; a bureau any vendor's.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        _write(catalogue_lines(catalogue_rows(unit, vendor_code=vendor_code)), out)


@export.command("misses")
@out_option
@as_option
def missed(out: Path | None, who: str | None) -> None:
    """Export what was searched for in the catalogue and not found, the most frequent first."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = misses(unit, limit=MOST_MISSES)
    head = ("words", "times", "last_on")
    lines = ((no_formula(one.words), one.times, shanghai_day(one.last_at)) for one in rows)
    _write([_csv([head, *lines])], out)


MOST_MISSES = 10_000


def catalogue_lines(rows: Iterable[CatalogueRow]) -> Iterable[bytes]:
    columns = MASTER_KINDS["catalogue"].columns
    yield codecs.BOM_UTF8 + _csv([field_names(columns)])
    for row in rows:
        yield _csv([[_text(getattr(row, one.attribute or one.name)) for one in columns]])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ";".join(value)
    return "" if value is None else no_formula(str(value))


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _write(content: Iterable[bytes], out: Path | None) -> None:
    """Write the parts one after the other, to standard output or a file."""
    if out is None:
        sys.stdout.buffer.writelines(content)
        return
    try:
        with out.open("wb") as file:
            file.writelines(content)
    except OSError as error:
        raise UnwritableFile(file=out, reason=error.strerror) from error
