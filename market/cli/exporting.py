"""`market export`: what leaves the installation as a file, in open formats."""

import sys
from pathlib import Path

import click

from kernel.clock import parse_month
from kernel.errors import UnwritableFile
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, payer_option
from settlement.exports import export_statements

out_option = click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File (default: stdout)."
)


@click.group("export")
def export() -> None:
    """Write statements and their grounds to files."""


@export.command("statements")
@click.argument("period", metavar="PERIOD")
@payer_option
@out_option
@as_option
def statements(period: str, payer_code: str | None, out: Path | None, who: str | None) -> None:
    """Export the statements of PERIOD as canonical JSON lines.

    Ordered by business keys, without surrogate ids or clock times: the same input gives the same
    bytes (R39).
    """
    month = parse_month(period)
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        _write(export_statements(unit, month, payer_code=payer_code), out)


def _write(content: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise UnwritableFile(file=out, reason=error.strerror) from error
