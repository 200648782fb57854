"""`market fund`: rules, budgets, the issue of a year's lines and its end (R15–R20)."""

from datetime import date
from decimal import Decimal

import click

from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.early_use import COMMANDS as EARLY_USE
from market.cli.output import as_option, emit, json_option, naming_options, note
from market.cli.values import DAY, RATE
from market.cli.year_end import close_year_, year_option
from market.issuing import issue_year
from procurement.budget_proposals import check_budget
from procurement.funding.allocations import IssueSummary, LinePreview, preview_lines
from procurement.funding.desk import beyond_budget
from procurement.funding.funding_rules import FundingRuleRow, record_funding_rule
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import propose_lines
from procurement.funding.rules import HeadcountBasis, Holder
from procurement.funding.year_end_rules import (
    Commitments,
    YearEnd,
    YearEndRuleRow,
    record_year_end_rule,
)
from procurement.record_proposals import RecordKind, checkable_records
from settlement.budgets import SOURCES

MOST_PUPILS = 100_000


RULE_OPTIONS = {
    "source": "--source",
    "digital_share": "--share",
    "floor_pupils": "--floor",
    "short_stage": "--short-stage",
    "origin": "--origin",
}
YEAR_END_OPTIONS = {"source": "--source", "carry_until": "--until", "origin": "--origin"}
"""Options of a rule by the field that errors name."""


@click.group()
def fund() -> None:
    """Funding lines of schools."""


@fund.command()
@click.option("--region", "region_code", metavar="CODE", required=True, help="Six digits.")
@click.option("--source", default="per_student", show_default=True, help="Source of the money.")
@click.option("--from", "valid_from", type=DAY, required=True, help="In force from this day.")
@click.option(
    "--share", type=RATE, required=True, help="Share usable for digital resources, such as 0.05."
)
@click.option(
    "--share-minimum", type=RATE, default="0", show_default=True, help="Least share allowed."
)
@click.option(
    "--share-maximum", type=RATE, default="1", show_default=True, help="Largest share allowed."
)
@click.option(
    "--floor",
    "floor_pupils",
    type=click.IntRange(0, MOST_PUPILS),
    default=100,
    show_default=True,
    help="Pupils that a small rural school is funded for at least (R15).",
)
@click.option("--short-stage", default="primary", show_default=True, help="Pays the shortfall.")
@click.option(
    "--headcount",
    type=click.Choice([one.value for one in HeadcountBasis]),
    default=HeadcountBasis.EACH_TERM.value,
    show_default=True,
    help="Which census the terms go by.",
)
@click.option(
    "--holder",
    type=click.Choice([one.value for one in Holder]),
    default=Holder.SCHOOL.value,
    show_default=True,
    help="Whose line gets the share.",
)
@click.option("--origin", required=True, help="The document that the rule comes from.")
@as_option
@json_option
def rule(
    *,
    region_code: str,
    source: str,
    valid_from: date,
    share: Decimal,
    share_minimum: Decimal,
    share_maximum: Decimal,
    floor_pupils: int,
    short_stage: str,
    headcount: str,
    holder: str,
    origin: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Record a region's funding rule; the nearest region above a school decides."""
    row = FundingRuleRow(
        region_code=region_code,
        source=source,
        valid_from=valid_from,
        floor_pupils=floor_pupils,
        short_stage=short_stage,
        digital_share=share,
        share_minimum=share_minimum,
        share_maximum=share_maximum,
        headcount=headcount,
        holder=holder,
        origin=origin,
    )
    with (
        naming_options(RULE_OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        recorded = record_funding_rule(unit, row)
    emit(
        {"recorded": recorded, **row.as_data()},
        [f"Rule of {region_code} from {valid_from}: {'recorded' if recorded else 'unchanged'}."],
        as_json=as_json,
    )


@fund.command()
@year_option
@click.option("--preview", is_flag=True, help="Show what would be issued, and issue nothing.")
@click.option("--take-back", is_flag=True, help="Take back, too, what lines are worth less by now.")
@click.option("--make-as", metavar="LOGIN", help="The finance person who proposes.")
@click.option("--check-as", metavar="LOGIN", help="Another one, who checks and issues.")
@as_option
@json_option
@click.pass_context
def issue(
    ctx: click.Context,
    *,
    fiscal_year: int,
    preview: bool,
    take_back: bool,
    make_as: str | None,
    check_as: str | None,
    who: str | None,
    as_json: bool,
) -> None:
    """Issue the per-student lines of the schools below a bureau, proposed and checked by two.

    With --make-as alone the proposal is made and its number printed; `market fund check` issues it.
    Safe to repeat: only what a newer census, quota or rule adds is issued. Exit 1 if a school is
    left out.
    """
    if preview == bool(make_as):
        raise click.UsageError("Give --preview (with --as), or --make-as (and --check-as).")
    with open_units(load_settings()) as units:
        if preview:
            with units(acting(units, who)) as unit:
                lines = preview_lines(unit, fiscal_year=fiscal_year)
            emit(
                [_as_json(one) for one in lines],
                [_as_line(one) for one in lines]
                or [f"No school below the bureau has a line of {fiscal_year} to compute."],
                as_json=as_json,
            )
            left_out = [one for one in lines if one.error is not None]
        elif check_as is None:
            maker = acting(units, make_as)
            with units(maker) as unit:
                left_out = [
                    one
                    for one in preview_lines(unit, fiscal_year=fiscal_year)
                    if one.error is not None
                ]
                number = propose_lines(unit, fiscal_year=fiscal_year, takes_back=take_back)
                warnings = [str(one) for one in beyond_budget(unit, [number])]
            emit(
                {"proposal": number, "warnings": warnings},
                [f"{number} waits to be checked: market fund check {number}"],
                as_json=as_json,
            )
            for warning in warnings:
                note(f"Warning: {warning}")
        else:
            summary = issue_year(
                units,
                acting(units, make_as),
                acting(units, check_as),
                fiscal_year=fiscal_year,
                takes_back=take_back,
            )
            left_out = summary.left_out
            _report(summary, as_json=as_json)
    for one in left_out:
        note(f"{one.code} {one.name}: {one.error}")
    if left_out:
        ctx.exit(1)


@fund.command()
@click.argument("number")
@as_option
@json_option
def check(*, number: str, who: str | None, as_json: bool) -> None:
    """Issue the proposal NUMBER, as another person than who made it (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        summary = issue_proposal(unit, number)
    _report(summary, as_json=as_json)


@fund.command("check-budget")
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that wait and were made by somebody else.")
@as_option
@json_option
def check_budget_(*, numbers: tuple[str, ...], every: bool, who: str | None, as_json: bool) -> None:
    """Record the budget approvals NUMBER that wait, as another person than who made them (--as).

    All of them or none.
    """
    if every == bool(numbers):
        raise click.UsageError("Give the NUMBERs to check, or --all.")
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        waiting = [row.number for row in checkable_records(unit, RecordKind.BUDGET)]
        rows = [check_budget(unit, number) for number in numbers or waiting]
    if not rows:
        note(f"No budget waits that somebody else than {who or 'you'} proposed.")
    amount_fen = sum(row.amount_fen for row in rows)
    emit(
        {"checked": len(rows), "amount_fen": amount_fen},
        [f"{len(rows)} approvals checked and recorded; {yuan(amount_fen)} yuan."],
        as_json=as_json,
    )


@fund.command("year-end-rule")
@click.option("--region", "region_code", metavar="CODE", required=True, help="Six digits.")
@click.option("--source", type=click.Choice(SOURCES), required=True, help="Source of the money.")
@click.option("--from", "valid_from", type=DAY, required=True, help="In force from this day.")
@click.option("--outcome", type=click.Choice([one.value for one in YearEnd]), required=True)
@click.option("--until", "carry_until", metavar="MM-DD", default="", help="Carried over until.")
@click.option(
    "--commitments",
    type=click.Choice([one.value for one in Commitments]),
    default=Commitments.RELEASED.value,
    show_default=True,
    help="What becomes of commitments on a line that is carried over.",
)
@click.option("--origin", required=True, help="The document that the rule comes from.")
@as_option
@json_option
def year_end_rule(
    *,
    region_code: str,
    source: str,
    valid_from: date,
    outcome: str,
    carry_until: str,
    commitments: str,
    origin: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Record what becomes of a source's lines at a year's end in a region."""
    row = YearEndRuleRow(
        region_code=region_code,
        source=source,
        valid_from=valid_from,
        outcome=outcome,
        carry_until=carry_until,
        commitments=commitments,
        origin=origin,
    )
    with (
        naming_options(YEAR_END_OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        recorded = record_year_end_rule(unit, row)
    emit(
        {"recorded": recorded, "region_code": region_code, "source": source, "outcome": outcome},
        [f"Year's end of {source} in {region_code}: {'recorded' if recorded else 'unchanged'}."],
        as_json=as_json,
    )


def _report(summary: IssueSummary, *, as_json: bool) -> None:
    counts = {
        "fiscal_year": summary.fiscal_year,
        "proposal": summary.number,
        "issued": summary.issued,
        "topped_up": summary.topped_up,
        "taken_back": summary.taken_back,
        "unchanged": summary.unchanged,
        "above": summary.above,
        "amount_fen": summary.amount_fen,
        "left_out": len(summary.left_out),
    }
    line = (
        f"Lines of {summary.fiscal_year}: {summary.issued} issued, {summary.topped_up} topped up, "
        f"{summary.unchanged} unchanged, {len(summary.left_out)} left out; "
        f"{yuan(summary.amount_fen)} yuan."
    )
    emit(counts, [line], as_json=as_json)
    if not (summary.issued or summary.topped_up or summary.taken_back):
        note(
            f"Looked at the lines of {summary.fiscal_year} of {summary.unchanged} schools: each "
            "has what census, quotas and rule are worth now."
        )


def _as_json(one: LinePreview) -> dict[str, object]:
    return {
        "code": one.code,
        "name": one.name,
        "line_fen": one.line_fen,
        "issued_fen": one.issued_fen,
        "amount_fen": one.amount_fen,
        "error": str(one.error) if one.error else None,
    }


def _as_line(one: LinePreview) -> str:
    if one.error is not None:
        return f"{one.code}  {'-':>14}  {one.name}"
    return f"{one.code}  {yuan(one.amount_fen):>14}  {one.name}"


for command in (*EARLY_USE, close_year_):
    fund.add_command(command)
