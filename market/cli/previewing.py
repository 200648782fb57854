"""`market preview`, `market simulate` and `market explain`: figures before they are due.

Nothing is written by any of them.
"""

from collections.abc import Sequence
from typing import Any

import click

from catalog.plans import Plan, Tier, parse_tiers
from kernel.clock import Month, show_month
from kernel.errors import InvalidInput, PlanMismatch
from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options, payer_option
from market.cli.ranking_trial import simulate_ranking
from market.cli.values import AMOUNT, PERIOD, RATE
from procurement.funding.assumed import LineDifference, lines_with
from settlement.ceilings import CeilingUse
from settlement.explaining import explain_statement
from settlement.preview import Preview, PreviewLine, preview
from settlement.simulation import Changes, Simulation, fits, simulate

OPTIONS = {
    "plan": "--plan",
    "unit_price": "--unit-price",
    "tiers": "--tiers",
    "free_allowance": "--free-allowance",
    "period_cap": "--period-cap",
    "learner_cap": "--learner-cap",
    "ceiling": "--ceiling",
    "pupils": "--pupils",
}
"""Options by the field that errors name."""
AMOUNTS = ("rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen")


@click.command("preview")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@payer_option
@as_option
@json_option
def preview_period(month: Month, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """Show what the bill of PERIOD (such as 2026-03) would be now, and write nothing."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        shown = preview(unit, month, payer_code=payer_code)
    emit(_preview_data(shown), _preview_lines(shown), as_json=as_json)


@click.group("simulate")
def simulate_group() -> None:
    """Ask what had been, had something been otherwise. Nothing is written."""


simulate_group.add_command(simulate_ranking)


@simulate_group.command("statement")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@payer_option
@click.option("--agreement", "number", default="", metavar="NUMBER", help="Only this agreement.")
@click.option("--sku", default="", help="Only agreements on this resource.")
@click.option("--plan", type=click.Choice([plan.value for plan in Plan]), help="Another plan.")
@click.option("--unit-price", type=RATE, help="Another price per unit (flat: per period).")
@click.option("--tiers", metavar="TIERS", help="Tiers, such as 1000:0.0200;*:0.0100.")
@click.option("--free-allowance", type=click.IntRange(min=1), help="Free units per period.")
@click.option("--period-cap", type=RATE, help="At most so much per period.")
@click.option("--learner-cap", type=click.IntRange(min=1), help="Billable units per learner.")
@click.option("--ceiling", type=AMOUNT, help="Another ceiling of each agreement concerned.")
@click.option("--pupils", multiple=True, metavar="SCHOOL=N", help="Another headcount. Repeatable.")
@as_option
@json_option
def simulate_statement(
    month: Month, *, payer_code: str | None, who: str | None, as_json: bool, **wanted: Any
) -> None:
    """Show the bill of PERIOD as it is and as it had been with another plan, ceiling or headcount.

    With --pupils also what the schools' funding lines of the year would be worth.
    """
    changes = _changes(wanted)
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        done = simulate(unit, month, changes, payer_code=payer_code)
        lines = (
            lines_with(unit, fiscal_year=month.year, pupils=changes.pupils)
            if changes.pupils
            else []
        )
    emit(_simulation_data(done, lines), _simulation_lines(done, lines), as_json=as_json)


@click.command("explain")
@click.argument("statement", metavar="STATEMENT-NUMBER")
@click.argument("agreement", required=False, metavar="[AGREEMENT]")
@click.option("--language", type=click.Choice(["zh_CN", "en"]), default="en", show_default=True)
@as_option
@json_option
def explain(
    statement: str, agreement: str | None, language: str, who: str | None, as_json: bool
) -> None:
    """Print a statement's arithmetic line by line: from events to fen, to draws and to shares."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        found = explain_statement(unit, statement, agreement_number=agreement, locale=language)
    data = [
        {"agreement": one.agreement_number, "of_month": one.of_month, "lines": one.sentences}
        for one in found
    ]
    texts = [text for one in found for text in (*one.sentences, "")]
    emit({"statement": statement, "explained": data}, texts[:-1], as_json=as_json)


def _changes(wanted: dict[str, Any]) -> Changes:
    """Read the options; raise `InvalidInput` or `InvalidAmount` for what can't be read.

    What is asked for together has to go together; a change of the plan alone is for agreements of
    any kind, and leaves out what does not fit.
    """
    if wanted["plan"] is not None:
        for key, option in OPTIONS.items():
            if wanted.get(key) is not None and not fits(key, wanted["plan"]):
                raise PlanMismatch(option=option, plan=wanted["plan"])
    plan: dict[str, Any] = {}
    if wanted["plan"] is not None:
        plan["plan"] = wanted["plan"]
    for key in ("unit_price", "period_cap"):
        if wanted[key] is not None:
            plan[key] = f"{wanted[key]:.4f}"
    if wanted["tiers"] is not None:
        with naming_options({"": OPTIONS["tiers"]}):
            plan["tiers"] = [_tier(tier) for tier in parse_tiers(wanted["tiers"])]
    for key in ("free_allowance", "learner_cap"):
        if wanted[key] is not None:
            plan[key] = wanted[key]
    return Changes(
        plan=plan,
        ceiling_fen=wanted["ceiling"],
        pupils=dict(_pupils(text) for text in wanted["pupils"]),
        agreement_number=wanted["number"],
        sku=wanted["sku"],
    )


def _tier(tier: Tier) -> dict[str, Any]:
    return {"up_to": tier.up_to, "unit_price": f"{tier.unit_price:f}"}


def _pupils(text: str) -> tuple[str, int]:
    code, _, count = text.partition("=")
    if not code or not count.isascii() or not count.isdigit() or len(count) > 9:
        raise InvalidInput(field="--pupils", value=text, expected="SCHOOL=N, such as 3301010001=80")
    return code, int(count)


def _line_data(line: PreviewLine) -> dict[str, Any]:
    return {
        "payer": line.payer_code,
        "agreement": line.agreement_number,
        "title": line.title,
        "kind": line.kind,
        "of_month": show_month(line.of_month),
        "metric": line.metric.value,
        "quantity": line.quantity,
        "arithmetic": line.arithmetic,
        **{name: getattr(line, name) for name in AMOUNTS},
        "ceiling_fen": line.ceiling_fen,
        "left_after_fen": line.left_after_fen,
        "warns": line.warns,
    }


def _preview_data(shown: Preview) -> dict[str, Any]:
    return {
        "period": show_month(shown.month),
        "payers": shown.payers,
        "earlier_open": shown.earlier_open,
        "lines": [_line_data(line) for line in shown.lines],
        **{name: shown.total_fen(name) for name in AMOUNTS},
    }


def _warning(line: PreviewLine) -> str:
    """Return how far the line's ceiling is used, where that is worth a warning."""
    if line.above_ceiling_fen:
        return f"  ! the ceiling is exceeded by {yuan(line.above_ceiling_fen)}, which is not paid"
    match line.ceiling_use:
        case CeilingUse.USED_UP:
            return "  ! the ceiling is used up"
        case CeilingUse.NEARLY_USED:
            return "  ! four fifths of the ceiling are used"
    return ""


def _preview_lines(shown: Preview) -> list[str]:
    texts = []
    for line in shown.lines:
        texts.append(f"{line.agreement_number}  {line.title}: {line.arithmetic}{_warning(line)}")
    if shown.earlier_open:
        texts.append(
            f"{shown.earlier_open} is not stated yet: its use takes its part of ceilings first."
        )
    return [
        *texts,
        (
            f"{show_month(shown.month)} now: {len(shown.lines)} lines of {shown.payers} payers, "
            f"billed {yuan(shown.total_fen('amount_fen'))} yuan, "
            f"above ceilings {yuan(shown.total_fen('above_ceiling_fen'))}, "
            f"uncovered {yuan(shown.total_fen('uncovered_fen'))}. Nothing was written."
        ),
    ]


def _simulation_data(done: Simulation, lines: Sequence[LineDifference]) -> dict[str, Any]:
    return {
        "period": show_month(done.before.month),
        "lines": [
            {
                "payer": one.line.payer_code,
                "agreement": one.line.agreement_number,
                "kind": one.line.kind,
                "of_month": show_month(one.line.of_month),
                "before_fen": one.before_fen,
                "after_fen": one.after_fen,
                "difference_fen": one.difference_fen,
            }
            for one in done.differences
        ],
        "before_fen": done.before.total_fen("amount_fen"),
        "after_fen": done.after.total_fen("amount_fen"),
        "funding_lines": [
            {
                "school": one.code,
                "before_fen": one.before_fen,
                "after_fen": one.after_fen,
                "difference_fen": one.difference_fen,
                "error": str(one.error) if one.error else "",
            }
            for one in lines
        ],
    }


def _simulation_lines(done: Simulation, lines: Sequence[LineDifference]) -> list[str]:
    texts = [
        f"{one.line.agreement_number}  {one.line.title}: {_change(one.before_fen, one.after_fen)}"
        for one in done.differences
        if one.difference_fen
    ]
    unchanged = len(done.differences) - len(texts)
    before, after = (side.total_fen("amount_fen") for side in (done.before, done.after))
    funding = [
        f"Funding line {done.before.month.year} of {one.code} {one.name}: "
        + (str(one.error) if one.error else _change(one.before_fen, one.after_fen))
        for one in lines
    ]
    return [
        *texts,
        f"{unchanged} lines stay as they are.",
        f"{show_month(done.before.month)} billed: {_change(before, after)}. Nothing was written.",
        *funding,
    ]


def _change(before_fen: int, after_fen: int) -> str:
    sign = "+" if after_fen > before_fen else ""
    return f"{yuan(before_fen)} → {yuan(after_fen)} yuan ({sign}{yuan(after_fen - before_fen)})"
