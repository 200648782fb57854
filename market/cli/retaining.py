"""`market retention`: what is held back of the bills, its release, its forfeit."""

import click

from kernel.clock import Month, show_month
from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.values import PERIOD
from settlement.queries.retention import retention_of_payers
from settlement.retention import Ended, find_retained_line, forfeit_retention, release_all_due


@click.group("retention")
def retention() -> None:
    """Quality retention: held back from each bill until its term is over."""


@retention.command("list")
@as_option
@json_option
def show(who: str | None, as_json: bool) -> None:
    """List what is held of which month, until when, and what was released or forfeited."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = retention_of_payers(unit)
    emit(
        [
            {
                "of_month": show_month(row.of_month),
                "due_on": row.due_on.isoformat(),
                "lines": row.lines,
                "held_fen": row.held_fen,
                "disputed_fen": row.disputed_fen,
                "released_fen": row.released_fen,
                "forfeited_fen": row.forfeited_fen,
            }
            for row in rows
        ],
        [
            f"{show_month(row.of_month)}  due {row.due_on}  held {yuan(row.held_fen)}  "
            f"released {yuan(row.released_fen)}  forfeited {yuan(row.forfeited_fen)}"
            for row in rows
        ]
        or ["Nothing was ever held back."],
        as_json=as_json,
    )


@retention.command("release")
@as_option
@json_option
def release(who: str | None, as_json: bool) -> None:
    """Release every retention whose term is over. Safe to repeat; the worker does it every hour."""
    with open_units(load_settings()) as units:
        ended = release_all_due(units, acting(units, who))
    _tell(ended, as_json=as_json)


@retention.command("forfeit")
@click.argument("agreement", metavar="AGREEMENT")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@click.option("--because", required=True, metavar="TEXT", help="Why; it stands on the record.")
@as_option
@json_option
def forfeit(agreement: str, month: Month, because: str, who: str | None, as_json: bool) -> None:
    """Forfeit what is held of AGREEMENT for the use of PERIOD: it goes back to the funding lines.

    A finance person of a bureau above the payer does it, in their own name: --as.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        line_id = find_retained_line(unit, agreement, month)
        ended = forfeit_retention(unit, line_id, because=because)
    _tell(ended, as_json=as_json)


def _tell(ended: Ended, *, as_json: bool) -> None:
    told = (
        f"{ended.lines} lines: {yuan(ended.released_fen)} yuan released, "
        f"{yuan(ended.forfeited_fen)} forfeited."
    )
    emit(
        {
            "lines": ended.lines,
            "released_fen": ended.released_fen,
            "forfeited_fen": ended.forfeited_fen,
        },
        [told],
        as_json=as_json,
    )
