"""`market usage`: where the months of usage are; to the archive and back."""

import click

from kernel.clock import Month, show_month
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.values import PERIOD
from settlement.metering.archive import Archived, archive_month, restore_month
from settlement.queries.archives import usage_months


@click.group("usage")
def usage() -> None:
    """Months of usage: in the database, or in files of the archive."""


@usage.command("list")
@as_option
@json_option
def show(who: str | None, as_json: bool) -> None:
    """List the months with their rows, bytes and state: present, archived or restored."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        months = usage_months(unit)
    emit(
        [
            {
                "month": show_month(one.month),
                "state": one.state,
                "rows": one.rows,
                "bytes": one.bytes,
            }
            for one in months
        ],
        [
            f"{show_month(one.month)}  {one.state:<9} {one.rows:>14,} rows  "
            + ("file missing" if one.bytes is None else f"{one.bytes:>16,} bytes")
            for one in months
        ]
        or ["No usage has come in yet."],
        as_json=as_json,
    )


@usage.command("archive")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@as_option
@json_option
def archive(month: Month, who: str | None, as_json: bool) -> None:
    """Move PERIOD, whose books are closed, from the database into a Parquet file.

    The file is proved against the seals before the database lets go of anything; safe to repeat.
    """
    with open_units(load_settings()) as units:
        done = archive_month(units, acting(units, who), month)
    _tell(done, "archived in", as_json=as_json)


@usage.command("restore")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@as_option
@json_option
def restore(month: Month, who: str | None, as_json: bool) -> None:
    """Bring PERIOD back from its file, for an audit; archive it again afterwards."""
    with open_units(load_settings()) as units:
        done = restore_month(units, acting(units, who), month)
    _tell(done, "restored from", as_json=as_json)


def _tell(done: Archived, verb: str, *, as_json: bool) -> None:
    emit(
        {"file": str(done.path), "rows": done.rows, "sha256": done.digest.hex()},
        [f"{done.rows:,} rows {verb} {done.path} (SHA-256 {done.digest.hex()})."],
        as_json=as_json,
    )
