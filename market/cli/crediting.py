"""`market credits`: teachers' continuing-education credits, booked by hand."""

import click

from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from settlement.credits import book_credits


@click.group("credits")
def credits_() -> None:
    """Continuing-education credits of teachers; their tables: market rates show credits."""


@credits_.command("book")
@as_option
@json_option
def book(who: str | None, as_json: bool) -> None:
    """Book what was earned and take back what is reversed; the worker does it every hour.

    Ends with status 1 if somebody was left out, and says who and why; all others are booked.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        booked = book_credits(unit)
    left_out = {str(person_id): why for person_id, why in booked.left_out.items()}
    emit(
        {"changes": booked.changes, "left_out": left_out},
        [f"{booked.changes} bookings."],
        as_json=as_json,
    )
    booked.require_all()
