"""`market settle`, `confirm` and `verify`: the close of a month, and the proof of the books."""

from typing import Any, Final
from uuid import UUID

import click

from kernel.actors import Actor, OrganisationKind, Role
from kernel.clock import Month, parse_month, show_month
from kernel.errors import NotFound
from kernel.identity.grants import actor_of, person_with_role
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.ids import OrganisationId
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
from settlement.closing import settle as settle_month
from settlement.confirmations import confirm_lines
from settlement.periods import payers_of, stated_periods
from settlement.verify.recompute import verify as find_differences

FINANCE: Final = (Role.SCHOOL_FINANCE, Role.BUREAU_FINANCE)
TALLIED: Final = frozenset(
    {"received", "accepted", "duplicates", "conflicts", "quarantined", "late"}
)
"""Counts of a summary that are a whole month's: a row that is not taken has no payer."""


@click.command()
@click.argument("period", metavar="PERIOD")
@payer_option
@as_option
@json_option
def settle(period: str, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """Close PERIOD (such as 2026-03): seal, count, rate, state, and post what is confirmed.

    Safe to repeat, and goes on where a run was killed. What nobody has confirmed waits for the next
    call, or for the silence of the set days.
    """
    month = parse_month(period)
    with open_units(load_settings()) as units, progress_bar(period) as progress:
        actor = acting(units, who)
        if payer_code is not None:
            with units(actor) as unit:
                _require_payer(unit, payer_code)
        summary = settle_month(
            units,
            actor,
            month,
            payer_code=payer_code,
            progress=lambda _step, done, total: progress(done, total),
        )
    shown = _with_all_payers_named(summary) if payer_code else summary
    emit(summary, summary_lines(shown), as_json=as_json)


def _with_all_payers_named(summary: dict[str, Any]) -> dict[str, Any]:
    """Return one payer's summary with what it can't tell by payer named so: what came in."""
    return {
        f"{name} (all payers)" if name in TALLIED else name: value
        for name, value in summary.items()
    }


@click.command()
@click.argument("period", metavar="PERIOD")
@payer_option
@as_option
@json_option
def confirm(period: str, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """Confirm the stated lines of PERIOD in the name of each payer's finance person.

    For demonstrations and guides: people confirm on their school's page. With --as only that
    person acts, for their own organisation.
    """
    month = parse_month(period)
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
    """Confirm statement by statement, each in a unit of its own; return lines by payer."""
    person = acting(units, who) if who else None
    if person is not None:
        person.require("statement.confirm", *FINANCE)
    with units(OPERATOR) as unit:
        if payer_code is not None:
            _require_payer(unit, payer_code)
        waiting = set(stated_periods(unit).get(month, []))
        payers = payers_of(unit, month, payer_code=payer_code)
        actors = [person or _finance_person(unit, payer) for payer in payers if payer in waiting]
    confirmed: dict[str, int] = {}
    for actor in actors:
        if actor is None or actor.organisation_id not in waiting:
            continue
        with units(actor) as unit:
            payer_id = OrganisationId(actor.organisation_id)
            confirmed[actor.organisation_code] = confirm_lines(unit, payer_id, month)
    if None in actors:
        note(f"{actors.count(None)} payers have no finance person: their lines wait for silence.")
    return confirmed


def _require_payer(unit: Unit, code: str) -> None:
    """Raise `NotFound` unless the actor may see an organisation of this code that can pay."""
    known = visible_organisations(unit).where(
        Organisation.code == code,
        Organisation.kind.in_([OrganisationKind.SCHOOL, OrganisationKind.BUREAU]),
    )
    if unit.session.scalars(known).first() is None:
        raise NotFound(what="payer", key=code)


def _finance_person(unit: Unit, payer_id: UUID) -> Actor | None:
    for role in FINANCE:
        person = person_with_role(unit, payer_id, role)
        if person is not None:
            return actor_of(unit, person_id=person.id, via=VIA)
    return None


@click.command()
@as_option
@json_option
@click.pass_context
def verify(ctx: click.Context, who: str | None, as_json: bool) -> None:
    """Recompute balances, budgets, statements, seals and the trail; exit 1 on any difference."""
    with open_units(load_settings()) as units:
        findings = find_differences(units, acting(units, who))
    emit(
        {"clean": not findings, "findings": findings},
        findings or ["The books are what their sources say."],
        as_json=as_json,
    )
    if findings:
        ctx.exit(1)
