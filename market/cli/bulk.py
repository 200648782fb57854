"""`market bulk`: what a bureau buys for many schools, in the name of a person of its finance."""

from datetime import date
from typing import Any

import click

from kernel.money import yuan
from kernel.unit import Unit
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options, summary_lines
from market.cli.values import AMOUNT, DAY
from procurement.bulk import BulkPreview, BulkWanted, preview_bulk, request_bulk
from procurement.bulk_lists import bulk_agreement, bulk_purchases, schools_using
from procurement.bulk_places import Marks, places_of, shared_by_pupils
from procurement.bulk_school_proposals import check_schools, propose_schools
from settlement.agreement_schools import SchoolWish
from settlement.agreement_schools import decline as decline_agreement
from settlement.school_days import runs_within

OPTIONS = {
    "sku": "VENDOR/SKU",
    "starts_on": "--from",
    "from_day": "--from",
    "ends_on": "--until",
    "ceiling": "--ceiling",
    "ceiling_yuan": "--ceiling",
    "next_year_ceiling_yuan": "--next-year",
    "school_ceiling_yuan": "--each",
    "reason": "--reason",
}
"""Options by the field that errors name."""
reason_option = click.option("--reason", required=True, help="Why; the schools may read it.")


@click.group()
def bulk() -> None:
    """Buy for many schools out of a bureau's own lines; look at it, change it, decline it."""


@bulk.command("list")
@as_option
@json_option
def list_all(*, who: str | None, as_json: bool) -> None:
    """List the bulk purchases that --as LOGIN sees."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = bulk_purchases(unit)
    emit(
        {
            "bulk_purchases": [
                {
                    "reference": row.reference,
                    "agreement": row.agreement_number,
                    "title": row.title,
                    "schools": row.schools,
                    "ceiling_fen": row.ceiling_fen,
                    "state": row.state,
                }
                for row in rows
            ]
        },
        [
            f"{row.reference}  {row.agreement_number or '-'}  {yuan(row.ceiling_fen)}"
            f"  {row.schools} schools  {row.state}  {row.title}"
            for row in rows
        ]
        or ["Nothing was bought for schools yet: market bulk request."],
        as_json=as_json,
    )


@bulk.command()
@click.argument("number")
@as_option
@json_option
def show(*, number: str, who: str | None, as_json: bool) -> None:
    """Show a bulk purchase's schools by its agreement NUMBER: ceiling, days, billed, left."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        agreement = bulk_agreement(unit, number)
        term = agreement.starts_on, agreement.ends_on
        rows = [one.standing for one in schools_using(unit, agreement)]
    emit(
        {
            "agreement": number,
            "schools": [
                {
                    "school": row.code,
                    "ceiling_fen": row.ceiling_fen,
                    "quantity": row.quantity,
                    "billed_fen": row.billed_fen,
                    "above_ceiling_fen": row.above_fen,
                    "left_fen": row.left_fen,
                    "days": [
                        {"first": first, "last": last}
                        for first, last in runs_within(row.runs, *term)
                    ],
                }
                for row in rows
            ],
        },
        [
            f"{row.code}  {yuan(row.ceiling_fen or 0)}  billed {yuan(row.billed_fen)}"
            f"  left {yuan(row.left_fen or 0)}  above {yuan(row.above_fen)}"
            f"  {', '.join(f'{first} – {last}' for first, last in runs_within(row.runs, *term))}"
            for row in rows
        ],
        as_json=as_json,
    )


@bulk.command()
@click.argument("resource", metavar="VENDOR/SKU")
@click.option("--from", "starts_on", type=DAY, required=True, help="First day, as 2026-09-01.")
@click.option("--until", "ends_on", type=DAY, required=True, help="Last day.")
@click.option("--ceiling", type=AMOUNT, required=True, help="Of all schools together.")
@click.option("--next-year", "later", type=AMOUNT, help="Of it for use from 1 January on.")
@click.option("--each", type=AMOUNT, help="Ceiling of each school; else shared by pupils.")
@click.option("--region", default="", help="Only schools of this region.")
@click.option("--stage", default="", help="Only schools of this stage.")
@click.option("--setting", default="", help="Only urban, county_town or rural schools.")
@click.option("--small-rural", is_flag=True, help="Only those marked small rural.")
@click.option("--dry-run", is_flag=True, help="Say what it would mean, and request nothing.")
@reason_option
@as_option
@json_option
def request(
    *,
    resource: str,
    starts_on: date,
    ends_on: date,
    ceiling: int,
    later: int | None,
    each: int | None,
    region: str,
    stage: str,
    setting: str,
    small_rural: bool,
    dry_run: bool,
    reason: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Request a bulk purchase for the schools that fit; market import bulk takes a list of them."""
    marks = Marks(region_code=region, stage=stage, setting=setting, small_rural=small_rural)
    vendor_code, _, sku = resource.partition("/")
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        wanted = BulkWanted(
            vendor_code=vendor_code,
            sku=sku,
            starts_on=starts_on,
            ends_on=ends_on,
            ceiling_fen=ceiling,
            later_fen=later,
            reason=reason,
            ceilings=_ceilings(unit, marks, each_fen=each, ceiling_fen=ceiling),
        )
        preview = preview_bulk(unit, wanted)
        if preview.item.error is not None:
            raise preview.item.error
        selection_id = None if dry_run else request_bulk(unit, wanted)
    found = _told(preview) | ({"selection": str(selection_id)} if selection_id else {})
    emit(found, summary_lines(found), as_json=as_json)


@bulk.command("ceiling")
@click.argument("number")
@click.argument("school")
@click.argument("amount", metavar="YUAN", type=AMOUNT)
@reason_option
@as_option
@json_option
def school_ceiling(
    *, number: str, school: str, amount: int, reason: str, who: str | None, as_json: bool
) -> None:
    """Propose another own ceiling for a SCHOOL of the agreement NUMBER."""
    wish = SchoolWish(code=school, ceiling_fen=amount)
    _propose(number, wish, reason=reason, who=who, as_json=as_json)


@bulk.command("add")
@click.argument("number")
@click.argument("school")
@click.argument("amount", metavar="YUAN", type=AMOUNT)
@click.option("--from", "from_day", type=DAY, required=True, help="First day with it.")
@reason_option
@as_option
@json_option
def add_one(
    *,
    number: str,
    school: str,
    amount: int,
    from_day: date,
    reason: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Propose that a SCHOOL joins the agreement NUMBER on a day, up to an own ceiling."""
    wish = SchoolWish(code=school, ceiling_fen=amount, from_day=from_day)
    _propose(number, wish, reason=reason, who=who, as_json=as_json)


@bulk.command()
@click.argument("proposal")
@as_option
@json_option
def check(*, proposal: str, who: str | None, as_json: bool) -> None:
    """Record what PROPOSAL wants for schools, as another person than who made it (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        wish = check_schools(unit, proposal)
    emit(
        {"recorded": proposal, "agreement": wish.agreement_number},
        [f"{proposal} of {wish.agreement_number}: recorded."],
        as_json=as_json,
    )


@bulk.command()
@click.argument("number")
@click.option("--from", "from_day", type=DAY, required=True, help="First day without it.")
@reason_option
@as_option
def decline(*, number: str, from_day: date, reason: str, who: str | None) -> None:
    """Have the school of --as LOGIN go by its own agreements from a day on."""
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        decline_agreement(unit, number, from_day=from_day, reason=reason)


def _propose(number: str, wish: SchoolWish, *, reason: str, who: str | None, as_json: bool) -> None:
    with (
        naming_options({**OPTIONS, "ceiling": "YUAN"}),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        proposal = propose_schools(unit, number, [wish], reason=reason)
    emit({"proposal": proposal}, [f"{proposal} waits to be checked."], as_json=as_json)


def _ceilings(
    unit: Unit, marks: Marks, *, each_fen: int | None, ceiling_fen: int
) -> dict[str, int]:
    places = places_of(unit, marks)
    if each_fen is None:
        return shared_by_pupils(unit, places, ceiling_fen)
    return {place.code: each_fen for place in places}


def _told(preview: BulkPreview) -> dict[str, Any]:
    return {
        "schools": preview.places,
        "ceiling_fen": preview.amount_fen,
        "school_ceilings_fen": preview.school_ceilings_fen,
        "short_fen": preview.item.short_fen,
        "signers": ", ".join(preview.signers),
    }
