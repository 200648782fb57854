"""`market fund`: a region's funding rule, and the issue of a year's lines (R15–R20)."""

import click

from kernel.clock import FIRST_YEAR, LAST_YEAR, parse_day
from kernel.money import parse_rate, yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options, note
from procurement.funding.allocations import IssueSummary, LinePreview, issue_lines, preview_lines
from procurement.funding.funding_rules import FundingRuleRow, record_funding_rule

MOST_PUPILS = 100_000


RULE_OPTIONS = {
    "source": "--source",
    "digital_share": "--share",
    "floor_pupils": "--floor",
    "short_stage": "--short-stage",
    "origin": "--origin",
}
"""Options of a rule by the field that errors name."""


@click.group()
def fund() -> None:
    """Funding lines of schools."""


@fund.command()
@click.option("--region", "region_code", metavar="CODE", required=True, help="Six digits.")
@click.option("--source", default="per_student", show_default=True, help="Source of the money.")
@click.option("--from", "valid_from", metavar="DAY", required=True, help="In force from this day.")
@click.option("--share", required=True, help="Share usable for digital resources, such as 0.05.")
@click.option("--share-minimum", default="0", show_default=True, help="Least share allowed.")
@click.option("--share-maximum", default="1", show_default=True, help="Largest share allowed.")
@click.option(
    "--floor",
    "floor_pupils",
    type=click.IntRange(0, MOST_PUPILS),
    default=100,
    show_default=True,
    help="Pupils that a small rural school is funded for at least (R15).",
)
@click.option("--short-stage", default="primary", show_default=True, help="Pays the shortfall.")
@click.option("--origin", required=True, help="The document that the rule comes from.")
@as_option
@json_option
def rule(
    *,
    region_code: str,
    source: str,
    valid_from: str,
    share: str,
    share_minimum: str,
    share_maximum: str,
    floor_pupils: int,
    short_stage: str,
    origin: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Record a region's funding rule; the nearest region above a school decides."""
    row = FundingRuleRow(
        region_code=region_code,
        source=source,
        valid_from=parse_day(valid_from),
        floor_pupils=floor_pupils,
        short_stage=short_stage,
        digital_share=parse_rate(share),
        share_minimum=parse_rate(share_minimum),
        share_maximum=parse_rate(share_maximum),
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
@click.option(
    "--year",
    "fiscal_year",
    type=click.IntRange(FIRST_YEAR, LAST_YEAR),
    required=True,
    help="Fiscal year, such as 2026.",
)
@click.option("--preview", is_flag=True, help="Show what would be issued, and issue nothing.")
@as_option
@json_option
@click.pass_context
def issue(
    ctx: click.Context, fiscal_year: int, preview: bool, who: str | None, as_json: bool
) -> None:
    """Issue the per-student lines of the schools below the acting bureau.

    Safe to repeat: only what a newer census, quota or rule adds is issued. Exit 1 if a school is
    left out.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        if preview:
            lines = preview_lines(unit, fiscal_year=fiscal_year)
            emit([_as_json(one) for one in lines], map(_as_line, lines), as_json=as_json)
            left_out = [one for one in lines if one.error is not None]
        else:
            summary = issue_lines(unit, fiscal_year=fiscal_year)
            left_out = summary.left_out
    if not preview:
        _report(summary, as_json=as_json)
    for one in left_out:
        note(f"{one.code} {one.name}: {one.error}")
    if left_out:
        ctx.exit(1)


def _report(summary: IssueSummary, *, as_json: bool) -> None:
    counts = {
        "fiscal_year": summary.fiscal_year,
        "issued": summary.issued,
        "topped_up": summary.topped_up,
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
