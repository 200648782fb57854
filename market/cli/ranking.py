"""`market rank`: a month's ranking of vendors and resources, from what its close settled."""

from typing import Any

import click

from kernel.clock import Month, show_month
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, summary_lines
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
            summary = summary_of(rank(unit, month))
    emit(summary, summary_lines(summary), as_json=as_json)


def summary_of(ranked: Ranked) -> dict[str, Any]:
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
