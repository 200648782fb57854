"""`market import`: takes in a file of master data or usage, or prints what it has to look like."""

import csv
import io
from pathlib import Path

import click

from catalog.vocabularies import Vocabulary, folded
from kernel.errors import MissingSource, UnreadableFile
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, note, progress_bar, summary_lines
from market.imports.kinds import Column, field_names
from market.imports.maps import NO_MAP, FieldMap, read_map
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Rejects, Tally
from market.imports.usage import Delivery, import_usage
from market.imports.usage_rows import USAGE_COLUMNS
from settlement.metering.packages import take_package

USAGE = "usage"
PACKAGE = "package"
NAMES = [*MASTER_KINDS, USAGE, PACKAGE]


@click.command("import")
@click.argument("kind", type=click.Choice(NAMES), metavar="KIND")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--map", "map_path", type=click.Path(path_type=Path), help="Maps foreign columns (TOML)."
)
@click.option("--dry-run", is_flag=True, help="Do everything, report it, and keep nothing.")
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the rows that were not taken to this CSV, with the reasons.",
)
@click.option("--source", "source_code", metavar="CODE", help="Source of the usage.")
@click.option("--template", is_flag=True, help="Print the header row with an example, and stop.")
@click.option("--words", is_flag=True, help="Print the words that its columns know, and stop.")
@as_option
@json_option
def import_(
    *,
    kind: str,
    file: Path | None,
    map_path: Path | None,
    dry_run: bool,
    rejects_path: Path | None,
    source_code: str | None,
    template: bool,
    words: bool,
    who: str | None,
    as_json: bool,
) -> None:
    """Import FILE as KIND: regions, bureaus, schools, vendors, roster, enrolment, quotas,
    budgets, approval-rules, allocations, catalogue, offers, selections, bulk, treasury-returns,
    bank-accounts, fapiao, evaluators, findings, usage, or package.

    CSV (UTF-8 or GB18030), XLSX, or JSON lines (.jsonl). Master data is taken in whole or not at
    all; each row of usage and of treasury-returns has its own fate, and a run of usage that was
    stopped goes on where it was. A package is the signed file of a classroom box.
    """
    if kind == PACKAGE:
        if file is None or map_path or rejects_path or source_code or template or words or dry_run:
            raise click.UsageError("A package is a FILE by itself: only --as and --json apply.")
        _take_package(file, who=who, as_json=as_json)
        return
    columns = USAGE_COLUMNS if kind == USAGE else MASTER_KINDS[kind].columns
    if template:
        click.echo(_template(columns), nl=False)
        return
    if words:
        click.echo(_words(() if kind == USAGE else MASTER_KINDS[kind].words), nl=False)
        return
    if file is None:
        raise click.UsageError("Name the FILE to import, or ask for its --template.")
    field_map = read_map(map_path, kind=kind, fields=field_names(columns)) if map_path else NO_MAP
    settings = load_settings()
    inputs = [path for path in (file, map_path) if path is not None]
    with open_units(settings) as units, Rejects(rejects_path, inputs=inputs) as rejects:
        actor = acting(units, who)
        try:
            with progress_bar(kind) as progress:
                if kind == USAGE:
                    delivery = Delivery(
                        path=file,
                        source_code=_source(source_code, field_map),
                        field_map=field_map,
                        dry_run=dry_run,
                    )
                    tally = import_usage(
                        units,
                        actor,
                        delivery,
                        rejects=rejects,
                        progress=progress,
                        on_resume=lambda rows: note(f"Resuming after row {rows} of {file.name}."),
                    )
                else:
                    tally = import_master(
                        units,
                        actor,
                        MASTER_KINDS[kind],
                        path=file,
                        field_map=field_map,
                        rejects=rejects,
                        dry_run=dry_run,
                        progress=progress,
                    )
        finally:
            _show_rejects(rejects, rejects_path)
    _report(tally, kind=kind, file=file, as_json=as_json)
    then = MASTER_KINDS[kind].then if kind in MASTER_KINDS else ""
    if then and tally.accepted and not dry_run:
        note(then)


def _take_package(file: Path, *, who: str | None, as_json: bool) -> None:
    """Take in the package of a classroom box, whole or not at all."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableFile(file=file, reason=error.strerror) from error
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        tally = take_package(unit, content, name=file.name)
    emit(tally.as_json(), summary_lines(tally.as_json()), as_json=as_json)


def _source(source_code: str | None, field_map: FieldMap) -> str:
    mapped = field_map.usage.source if field_map.usage else ""
    if not (source_code or mapped):
        raise MissingSource()
    return source_code or mapped


def _template(columns: tuple[Column, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field_names(columns))
    writer.writerow(column.example for column in columns)
    return text.getvalue()


def _words(vocabularies: tuple[Vocabulary, ...]) -> str:
    """Return a CSV of field, word, and what else is read as that word."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("field", "word", "read_as_well"))
    for one in vocabularies:
        for term in one.terms:
            others = [word for word, known in one.known.items() if known == term]
            writer.writerow((one.field, term, ";".join(w for w in others if w != folded(term))))
    return text.getvalue()


def _show_rejects(rejects: Rejects, path: Path | None) -> None:
    for reject in rejects.first:
        note(reject.line())
    more = rejects.count - len(rejects.first)
    if more:
        note(f"… and {more} more: " + (f"see {path}" if path else "--rejects FILE.csv lists all"))


def _report(tally: Tally, *, kind: str, file: Path, as_json: bool) -> None:
    emit(tally.as_json(), tally.as_lines(), as_json=as_json)
    for warning in tally.warnings:
        note(f"Warning: {warning}")
    if tally.dry_run:
        note("Dry run: nothing was kept.")
    elif not tally.received:
        note(f"{file.name} has no rows to import below its header row.")
    by_row = kind == USAGE or MASTER_KINDS[kind].by_row
    if by_row and tally.received and not tally.accepted + tally.duplicates:
        note(f"No row of {file.name} was taken: mend them and import it again.")
        raise click.exceptions.Exit(1)
