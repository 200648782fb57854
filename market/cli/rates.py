"""`market rates`: tables of rates as versioned configuration; one is followed, never changed."""

import tomllib
from datetime import date
from pathlib import Path

import click

from kernel.errors import UnreadableFile
from kernel.identity.models import NATION
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.values import DAY
from settlement.credit_rules import credits_text
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind, replaced_by, versions_of

kind_argument = click.argument("kind", type=click.Choice([one.value for one in RateKind]))


@click.group("rates")
def rates() -> None:
    """Tables of rates: of the tax withheld of teachers, and of credits."""


@rates.command("show")
@kind_argument
@as_option
@json_option
def show(kind: str, who: str | None, as_json: bool) -> None:
    """List the versions of a table, the shipped one first, then as they were recorded."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        found = versions_of(unit, RateKind(kind))
    replaced = replaced_by(found)
    emit(
        [
            {
                "version": one.version,
                "region": one.region_code,
                "valid_from": one.valid_from.isoformat(),
                "source": one.source,
                "replaced_by": replaced.get(one.version),
                "table": one.body(),
            }
            for one in found
        ],
        [
            f"{one.version}  {one.region_code}  from {one.valid_from}  {one.source}"
            + (f"  replaced by {replaced[one.version]}" if one.version in replaced else "")
            for one in found
        ],
        as_json=as_json,
    )


@rates.command("record")
@kind_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--version", "version", required=True, help="Name of the version.")
@click.option("--from", "valid_from", type=DAY, required=True, help="First day on which it holds.")
@click.option("--source", required=True, help="The document that says so.")
@click.option("--region", default=NATION, show_default=True, help="Where it holds, and below.")
@click.option("--replaces", default="", help="The version of the same region and first day.")
@click.option("--because", default="", metavar="TEXT", help="Why what was earned is moved.")
@as_option
def record(
    *,
    kind: str,
    file: Path,
    version: str,
    valid_from: date,
    source: str,
    region: str,
    replaces: str,
    because: str,
    who: str | None,
) -> None:
    """Record a version of a table out of a TOML FILE.

    Its form is that of the table which market rates show KIND --json tells.
    """
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableFile(file=file, reason=str(error)) from error
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        moved = record_table(
            unit,
            RateKind(kind),
            version=version,
            region_code=region,
            valid_from=valid_from,
            source=source,
            body=body,
            replaces=replaces,
            because=because,
        )
    click.echo(f"{version} holds in {region} from {valid_from} on.")
    if moved.bookings:
        click.echo(
            f"It moves {moved.bookings} bookings: {credits_text(moved.more)} credits more, "
            f"{credits_text(moved.less)} less."
        )
