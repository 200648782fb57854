"""`market doctor`: says what an installation lacks."""

import click

from market.cli.context import load_settings
from market.cli.output import emit, json_option
from market.doctor import Check, run_checks


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check what an installation needs; exit 1 if something is missing. Changes nothing."""
    checks = run_checks(load_settings())
    emit(
        [
            {"name": one.name, "ok": one.ok, "finding": one.finding, "remedy": one.remedy}
            for one in checks
        ],
        [_line(one) for one in checks],
        as_json=as_json,
    )
    if not all(one.ok for one in checks):
        ctx.exit(1)


def _line(check: Check) -> str:
    sign = "ok  " if check.ok else "FAIL"
    return " ".join(part for part in (sign, f"{check.name}: {check.finding}", check.remedy) if part)
