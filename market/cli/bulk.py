"""`market bulk`: what a bureau buys for many schools, in the name of a person of its finance."""

from datetime import date
from typing import Any

import click

from kernel.clock import parse_day
from kernel.money import parse_fen, yuan
from kernel.unit import Unit
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, summary_lines
from procurement.bulk import BulkPreview, BulkWanted, preview_bulk, request_bulk
from procurement.bulk_lists import framework_agreement, frameworks, schools_using
from procurement.bulk_places import Marks, places_of, shared_by_pupils
from settlement.agreement_schools import add_schools, change_school_ceiling
from settlement.agreement_schools import decline as decline_agreement

reason_option = click.option("--reason", required=True, help="Why; the schools may read it.")


@click.group()
def bulk() -> None:
    """Buy for many schools out of a bureau's own lines; look at it, change it, decline it."""


@bulk.command("list")
@as_option
@json_option
def list_all(*, who: str | None, as_json: bool) -> None:
    """List the frameworks that --as LOGIN sees."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = frameworks(unit)
    emit(
        {
            "frameworks": [
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
        ],
        as_json=as_json,
    )


@bulk.command()
@click.argument("number")
@as_option
@json_option
def show(*, number: str, who: str | None, as_json: bool) -> None:
    """Show a framework's schools by its agreement NUMBER: ceiling, billed, left, above."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = [one.standing for one in schools_using(unit, framework_agreement(unit, number))]
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
                    "declined_from": row.declined_from.isoformat() if row.declined_from else None,
                }
                for row in rows
            ],
        },
        [
            f"{row.code}  {yuan(row.ceiling_fen or 0)}  billed {yuan(row.billed_fen)}"
            f"  left {yuan(row.left_fen or 0)}  above {yuan(row.above_fen)}"
            f"{f'  declined from {row.declined_from}' if row.declined_from else ''}"
            for row in rows
        ],
        as_json=as_json,
    )


@bulk.command()
@click.argument("resource", metavar="VENDOR/SKU")
@click.option("--from", "starts_on", required=True, help="First day, such as 2026-09-01.")
@click.option("--until", "ends_on", required=True, help="Last day.")
@click.option("--ceiling", required=True, metavar="YUAN", help="Of all schools together.")
@click.option("--next-year", "later", metavar="YUAN", help="Of it for use from 1 January on.")
@click.option("--each", metavar="YUAN", help="Ceiling of each school; else shared by pupils.")
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
    starts_on: str,
    ends_on: str,
    ceiling: str,
    later: str | None,
    each: str | None,
    region: str,
    stage: str,
    setting: str,
    small_rural: bool,
    dry_run: bool,
    reason: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Request a framework for the schools that fit; market import bulk takes a list of them."""
    marks = Marks(region_code=region, stage=stage, setting=setting, small_rural=small_rural)
    vendor_code, _, sku = resource.partition("/")
    days: tuple[date, date] = parse_day(starts_on), parse_day(ends_on)
    ceiling_fen = parse_fen(ceiling)
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        wanted = BulkWanted(
            vendor_code=vendor_code,
            sku=sku,
            starts_on=days[0],
            ends_on=days[1],
            ceiling_fen=ceiling_fen,
            later_fen=parse_fen(later) if later else None,
            reason=reason,
            ceilings=_ceilings(unit, marks, each=each, ceiling_fen=ceiling_fen),
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
@click.argument("amount", metavar="YUAN")
@reason_option
@as_option
def school_ceiling(*, number: str, school: str, amount: str, reason: str, who: str | None) -> None:
    """Give a SCHOOL of the agreement NUMBER another own ceiling."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        change_school_ceiling(unit, number, school, ceiling_fen=parse_fen(amount), reason=reason)


@bulk.command("add")
@click.argument("number")
@click.argument("school")
@click.argument("amount", metavar="YUAN")
@reason_option
@as_option
def add_one(*, number: str, school: str, amount: str, reason: str, who: str | None) -> None:
    """Let a SCHOOL join the agreement NUMBER, up to an own ceiling."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        add_schools(unit, number, ceilings={school: parse_fen(amount)}, reason=reason)


@bulk.command()
@click.argument("number")
@click.option("--from", "from_day", required=True, help="First day without it.")
@reason_option
@as_option
def decline(*, number: str, from_day: str, reason: str, who: str | None) -> None:
    """Have the school of --as LOGIN go by its own agreements from a day on."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        decline_agreement(unit, number, from_day=parse_day(from_day), reason=reason)


def _ceilings(unit: Unit, marks: Marks, *, each: str | None, ceiling_fen: int) -> dict[str, int]:
    places = places_of(unit, marks)
    if each is None:
        return shared_by_pupils(unit, places, ceiling_fen)
    return {place.code: parse_fen(each) for place in places}


def _told(preview: BulkPreview) -> dict[str, Any]:
    return {
        "schools": preview.places,
        "ceiling_fen": preview.amount_fen,
        "school_ceilings_fen": preview.school_ceilings_fen,
        "short_fen": preview.item.short_fen,
        "signers": ", ".join(preview.signers),
    }
