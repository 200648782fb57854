"""`market rank`: a month's ranking of vendors and resources, from what its close settled."""

from typing import Any

import click

from kernel.clock import Month, show_month
from kernel.unit import Unit
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.values import PERIOD
from settlement.ranking.ranking import rank
from settlement.ranking.runs import Ranked


@click.command("rank")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@as_option
@json_option
def rank_command(month: Month, who: str | None, as_json: bool) -> None:
    """Rank vendors and resources by all that is settled up to the end of PERIOD.

    Safe to repeat: the same inputs are the same run. What became known since makes a further run of
    the month, which then holds.
    """
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        with units(actor) as unit:
            summary = summary_of(unit, rank(unit, month))
    words = "ranked" if summary["is_new"] else "ranked already by the same inputs"
    emit(
        summary,
        [
            f"{summary['month']} {words}: run {summary['number']}, {summary['vendors']} vendors and "
            f"{summary['resources']} resources in {summary['cells']} cells, by "
            f"{summary['schools']} schools.",
            f"configuration {summary['config']} · digest {summary['digest']}",
        ],
        as_json=as_json,
    )


def summary_of(unit: Unit, ranked: Ranked) -> dict[str, Any]:
    """Return what a run says of itself (JSON)."""
    run = ranked.run
    return {
        "month": show_month(run.month),
        "number": run.number,
        "is_new": ranked.is_new,
        "config": run.config_version,
        "digest": run.digest.hex(),
        **run.counts,
    }
