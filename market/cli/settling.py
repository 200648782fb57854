"""`market settle`, `confirm` and `verify`: the close of a month, and the proof of the books."""

from collections.abc import Callable
from time import sleep
from typing import Any, Final

import click

from kernel.actors import Actor, OrganisationKind, Role
from kernel.clock import Month, show_month
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit, Units
from market.cli.context import OPERATOR, VIA, acting, load_settings, open_units
from market.cli.output import (
    as_option,
    emit,
    json_option,
    note,
    payer_option,
    progress_bar,
    summary_lines,
)
from market.cli.values import PERIOD
from market.confirming import confirm_for_payers
from procurement.verification import verify as find_differences
from settlement.closing import begin_to_close, payers_to_close
from settlement.closing import settle as settle_month
from settlement.metering.rematch import release_waiting
from settlement.periods import payers_in_closing
from settlement.summaries import period_summary

LOOK_EVERY_S: Final = 0.5
FINANCE: Final = (Role.SCHOOL_FINANCE, Role.BUREAU_FINANCE)
TALLIED: Final = frozenset(
    {"received", "accepted", "duplicates", "conflicts", "quarantined", "late"}
)
"""Counts of a summary that are a whole month's: a row that is not taken has no payer."""


@click.command()
@click.argument("month", type=PERIOD, metavar="PERIOD")
@payer_option
@click.option(
    "--background",
    is_flag=True,
    help="Seal here, have the workers close the shards, and follow them until they are through.",
)
@as_option
@json_option
def settle(
    month: Month, payer_code: str | None, background: bool, who: str | None, as_json: bool
) -> None:
    """Close PERIOD (such as 2026-03): seal, count, rate, state, and post what is confirmed.

    Safe to repeat, and goes on where a run was killed. What nobody has confirmed waits for the next
    call, or for the silence of the set days.
    """
    with (
        open_units(load_settings(), sends=background) as units,
        progress_bar(show_month(month)) as progress,
    ):
        actor = acting(units, who)
        if payer_code is not None:
            with units(actor) as unit:
                _require_payer(unit, payer_code)
        if background:
            summary = _by_workers(units, actor, month, payer_code=payer_code, progress=progress)
        else:
            summary = settle_month(
                units,
                actor,
                month,
                payer_code=payer_code,
                progress=lambda _step, done, total: progress(done, total),
            )
    shown = _with_all_payers_named(summary) if payer_code else summary
    emit(summary, summary_lines(shown), as_json=as_json)


def _by_workers(
    units: Units,
    actor: Actor,
    month: Month,
    *,
    payer_code: str | None,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Hand the month to the workers and follow its rows; interrupted, the work goes on."""
    payers = payers_to_close(units, actor, month, payer_code=payer_code)
    with units(actor) as unit:  # before the seal's own, which takes usage alone
        release_waiting(unit)
    with units(actor) as unit:
        shards = begin_to_close(unit, month, payers=payers, payer_code=payer_code)
    note(f"{shards} shards handed to the workers; the close goes on if you leave.")
    while True:
        with units(actor) as unit:
            left = len(payers_in_closing(unit, month, payers))
            if not left:
                return period_summary(unit, month, payer_ids=payers if payer_code else None)
        progress(len(payers) - left, len(payers))
        sleep(LOOK_EVERY_S)


def _with_all_payers_named(summary: dict[str, Any]) -> dict[str, Any]:
    """Return one payer's summary with what it can't tell by payer named so: what came in."""
    return {
        f"{name} (all payers)" if name in TALLIED else name: value
        for name, value in summary.items()
    }


@click.command()
@click.argument("month", type=PERIOD, metavar="PERIOD")
@payer_option
@as_option
@json_option
def confirm(month: Month, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """Confirm the stated lines of PERIOD in the name of each payer's finance person.

    For demonstrations and guides: people confirm on their school's page. With --as only that
    person acts, for their own organisation.
    """
    with open_units(load_settings()) as units:
        confirmed = _confirm(units, month, payer_code=payer_code, who=who)
    lines = sum(confirmed.values())
    emit(
        {"period": show_month(month), "payers": len(confirmed), "lines": lines},
        [f"{lines} lines of {len(confirmed)} payers confirmed in {show_month(month)}."],
        as_json=as_json,
    )


def _confirm(
    units: Units, month: Month, *, payer_code: str | None, who: str | None
) -> dict[str, int]:
    """Confirm as one person or as everybody's finance person; return lines by payer."""
    person = acting(units, who) if who else None
    if person is not None:
        person.require("statement.confirm", *FINANCE)
    if payer_code is not None:
        with units(OPERATOR) as unit:
            _require_payer(unit, payer_code)
    done = confirm_for_payers(units, month, via=VIA, payer_code=payer_code, person=person)
    if done.unheld:
        note(f"{done.unheld} payers have no finance person: their lines wait for silence.")
    return done.lines


def _require_payer(unit: Unit, code: str) -> None:
    """Raise `NotFound` unless the actor may see an organisation of this code that can pay."""
    known = visible_organisations(unit).where(
        Organisation.code == code,
        Organisation.kind.in_([OrganisationKind.SCHOOL, OrganisationKind.BUREAU]),
    )
    if unit.session.scalars(known).first() is None:
        raise NotFound(what="payer", key=code)


@click.command()
@click.option("--files", is_flag=True, help="Read attached files, too, and compare their digests.")
@as_option
@json_option
@click.pass_context
def verify(ctx: click.Context, files: bool, who: str | None, as_json: bool) -> None:
    """Recompute balances, budgets, statements, seals and the trail; exit 1 on any difference."""
    with open_units(load_settings()) as units:
        findings = find_differences(units, acting(units, who), files=files)
    emit(
        {"clean": not findings, "findings": findings},
        findings or ["The books are what their sources say."],
        as_json=as_json,
    )
    if findings:
        ctx.exit(1)
