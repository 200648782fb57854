"""`market fund close-year`: ends the lines of a year, and says what waits and for what."""

from datetime import date

import click

from kernel.clock import show_month
from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, note
from market.cli.values import YEAR
from procurement.funding.year_ends import YearEndLine, YearEndPlan, close_year, plan_year_end
from settlement.line_ends import CarriedLine
from settlement.year_ends import last_open_day

year_option = click.option(
    "--year", "fiscal_year", type=YEAR, required=True, help="Fiscal year, such as 2026."
)


@click.command("close-year")
@year_option
@click.option("--preview", is_flag=True, help="Show what would end how, and end nothing.")
@as_option
@json_option
@click.pass_context
def close_year_(
    ctx: click.Context, *, fiscal_year: int, preview: bool, who: str | None, as_json: bool
) -> None:
    """End the lines of a year whose books are closed: each lapses or is carried over by rule.

    Safe to repeat. Exit 1 if a line waits for a month to be settled or has no rule.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        act = plan_year_end if preview else close_year
        plan = act(unit, fiscal_year=fiscal_year)
    _report_year_end(plan, as_json=as_json)
    for carried in plan.carried_on:
        note(_carried(carried, last_open_day(unit.settings, carried.until.year)))
    for one in plan.lines:
        if one.end is None:
            note(f"{one.line.code}: {_waits(one)}")
    if plan.waiting:
        ctx.exit(1)


def _carried(line: CarriedLine, open_until: date) -> str:
    balance = line.balance
    return (
        f"{line.code}: carried over until {line.until}; what is left of it "
        f"({yuan(balance.available_fen)} available, {yuan(balance.committed_fen)} committed) ends "
        f"with the books of {line.until.year}, which are open until {open_until}."
    )


def _waits(one: YearEndLine) -> str:
    if one.waits_for is not None:
        return f"{show_month(one.waits_for)} has to be settled first."
    return str(one.error)


def _report_year_end(plan: YearEndPlan, *, as_json: bool) -> None:
    facts = {
        "fiscal_year": plan.fiscal_year,
        "lapsed": plan.lapsed,
        "carried": plan.carried,
        "waiting": plan.waiting,
        "lapsed_fen": plan.total_fen("lapsed_fen"),
        "freed_fen": plan.total_fen("freed_fen"),
        "carried_fen": plan.total_fen("carried_fen"),
        "carried_on": [
            {
                "line": one.code,
                "until": one.until.isoformat(),
                "available_fen": one.balance.available_fen,
                "committed_fen": one.balance.committed_fen,
            }
            for one in plan.carried_on
        ],
    }
    line = (
        f"Lines of {plan.fiscal_year}: {plan.lapsed} lapse with "
        f"{yuan(plan.total_fen('lapsed_fen'))} yuan, {plan.carried} are carried over with "
        f"{yuan(plan.total_fen('carried_fen'))}, {plan.waiting} wait."
    )
    emit(facts, [line], as_json=as_json)
