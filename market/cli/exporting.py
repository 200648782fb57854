"""`market export`: what leaves the installation as a file, in open formats."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from catalog.exporting import catalogue_rows
from catalog.misses import misses
from catalog.resources import CatalogueRow
from kernel.clock import Month, shanghai_day, show_month
from kernel.errors import UnwritableFile
from kernel.web.exports import export_csv, no_formula
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, payer_option
from market.cli.values import PERIOD, YEAR
from market.imports.registry import MASTER_KINDS
from market.imports.writing import csv_lines, csv_of, xlsx_of
from procurement.funding.recorded import census_rows, listed_rows, quota_rows
from procurement.web.lines import line_columns
from settlement.exports import export_statements
from settlement.journal import export_journal
from settlement.journal_formats import FORMATS
from settlement.queries.credits import years_of_teachers
from settlement.queries.funding import lines_board
from settlement.queries.withholding import filing_of
from settlement.web.credits import credit_year_columns
from settlement.web.filing import filing_columns

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


@export.command("withholding")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@out_option
@as_option
def withholding(month: Month, out: Path | None, who: str | None) -> None:
    """Export the tax withheld of teachers' incomes of PERIOD as CSV, for filing."""
    settings = load_settings()
    with open_units(settings) as units, units(acting(units, who)) as unit:
        rows = filing_of(unit, month)
    locale = settings.locale
    _write([export_csv(rows, filing_columns(), locale=locale, totals=None)], out)


@export.command("credits")
@click.option("--year", "year", type=YEAR, help="Only this calendar year's.")
@out_option
@as_option
def credits_(year: int | None, out: Path | None, who: str | None) -> None:
    """Export teachers' credits as CSV for their files: a row for each teacher and year."""
    settings = load_settings()
    with open_units(settings) as units, units(acting(units, who)) as unit:
        rows = years_of_teachers(unit, year=year)
    locale = settings.locale
    _write([export_csv(rows, credit_year_columns(), locale=locale, totals=None)], out)


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
    if first is not None and last is not None and first > last:
        raise click.UsageError(
            f"--from {show_month(first)} comes after --to {show_month(last)}: exchange the two."
        )
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
    _write([csv_lines([head, *lines])], out)


MOST_MISSES = 10_000


def catalogue_lines(rows: Iterable[CatalogueRow]) -> Iterator[bytes]:
    return csv_of(MASTER_KINDS["catalogue"], rows)


format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "xlsx"]),
    help="Form of the file (default: that of its name, else csv).",
)


@export.command("census")
@format_option
@out_option
@as_option
def census(form: str | None, out: Path | None, who: str | None) -> None:
    """Export every count of your schools, as `market import enrolment` takes it in."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        _write_kind("enrolment", census_rows(unit), form=form, out=out)


@export.command("quotas")
@format_option
@out_option
@as_option
def quotas(form: str | None, out: Path | None, who: str | None) -> None:
    """Export the quotas of your region and those below, as `market import quotas` takes them in."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        _write_kind("quotas", quota_rows(unit), form=form, out=out)


@export.command("allocations")
@click.option("--year", "fiscal_year", type=YEAR, help="Only this fiscal year's.")
@format_option
@out_option
@as_option
def allocations(
    *, fiscal_year: int | None, form: str | None, out: Path | None, who: str | None
) -> None:
    """Export the amounts by document, as `market import allocations` takes them in.

    Amounts that were computed from census and quotas are no rows of a document: see `export lines`.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = listed_rows(unit, fiscal_year=fiscal_year)
        _write_kind("allocations", rows, form=form, out=out)


def _write_kind(kind: str, rows: Iterable[Any], *, form: str | None, out: Path | None) -> None:
    named = out is not None and out.suffix.lower() == ".xlsx"
    written = xlsx_of if form == "xlsx" or (form is None and named) else csv_of
    _write(written(MASTER_KINDS[kind], rows), out)


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
