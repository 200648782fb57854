"""`market selection` and `market delegate`: one selection at a time, in the name of a person."""

from collections.abc import Callable
from datetime import date
from typing import Any

import click
from sqlalchemy import select

from kernel.actors import Actor, Role
from kernel.errors import NotFound, Refused
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, SelectionId
from kernel.money import yuan
from kernel.unit import Unit
from market.cli.context import BY_NUMBER, acting, find_actor, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options, note
from market.cli.values import DAY
from procurement.approvals import Signature, refuse, return_, sign, withdraw
from procurement.delegations import colleagues
from procurement.delegations import delegate as grant
from procurement.due_steps import waiting_steps
from procurement.models import Selection
from procurement.queries import selection as show

DELEGATE_OPTIONS = {
    "role": "--role",
    "delegate": "COLLEAGUE",
    "starts_on": "--from",
    "ends_on": "--until",
}
"""Options by the field that errors name."""

Decide = Callable[[Unit, SelectionId], Signature]

note_option = click.option("--note", required=True, help="The reason, which the school reads.")


@click.group()
def selection() -> None:
    """Look at, sign, return, refuse or withdraw selections."""


@selection.command()
@as_option
@json_option
def waiting(*, who: str | None, as_json: bool) -> None:
    """List what --as LOGIN may sign now; for the operator, all that is due."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        steps = waiting_steps(unit)
    emit(
        {
            "waiting": [
                {
                    "school": step.school_code,
                    "reference": step.reference,
                    "kind": step.kind,
                    "title": step.title,
                    "ceiling_fen": step.ceiling_fen,
                    "role": step.role,
                    "due_on": step.due_on.isoformat() if step.due_on else None,
                    "overdue": step.is_overdue,
                }
                for step in steps
            ]
        },
        [
            f"{step.school_code} {step.reference}  {yuan(step.ceiling_fen)}  {step.role}"
            f"  {step.due_on or ''}{' overdue' if step.is_overdue else ''}  {step.title}"
            for step in steps
        ],
        as_json=as_json,
    )
    if not steps:
        whose = f"{who} to sign" if who else "anybody's signature"
        note(f"No selection waits for {whose}.")


@selection.command("sign")
@click.argument("school")
@click.argument("reference")
@click.option("--note", default="", help="What to say with it.")
@as_option
@json_option
def sign_one(*, school: str, reference: str, note: str, who: str | None, as_json: bool) -> None:
    """Sign a school's selection; the last signature opens or changes its agreement."""
    _decide(school, reference, lambda unit, one: sign(unit, one, note=note), who, as_json=as_json)


@selection.command("return")
@click.argument("school")
@click.argument("reference")
@note_option
@as_option
@json_option
def return_one(*, school: str, reference: str, note: str, who: str | None, as_json: bool) -> None:
    """Return a selection to who requested it, with the reason."""
    _decide(
        school, reference, lambda unit, one: return_(unit, one, note=note), who, as_json=as_json
    )


@selection.command("refuse")
@click.argument("school")
@click.argument("reference")
@note_option
@as_option
@json_option
def refuse_one(*, school: str, reference: str, note: str, who: str | None, as_json: bool) -> None:
    """Refuse a selection for good, with the reason."""
    _decide(school, reference, lambda unit, one: refuse(unit, one, note=note), who, as_json=as_json)


@selection.command("withdraw")
@click.argument("school")
@click.argument("reference")
@as_option
@json_option
def withdraw_one(*, school: str, reference: str, who: str | None, as_json: bool) -> None:
    """Take one's own request back before its last signature."""
    _decide(school, reference, withdraw, who, as_json=as_json)


@click.command()
@click.argument("colleague")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--from", "starts_on", type=DAY, required=True, help="First day, as 2026-09-01.")
@click.option("--until", "ends_on", type=DAY, required=True, help="Last day.")
@click.option("--only-overdue", is_flag=True, help="A substitute: only what is overdue.")
@click.option("--holder", help="Whose role it is, if not --as LOGIN's own.")
@as_option
@json_option
def delegate(
    *,
    colleague: str,
    role: str,
    starts_on: date,
    ends_on: date,
    only_overdue: bool,
    holder: str | None,
    who: str | None,
    as_json: bool,
) -> None:
    """Let COLLEAGUE (a login) sign in a role of --as LOGIN for some days."""
    with naming_options(DELEGATE_OPTIONS), open_units(load_settings()) as units:
        actor = acting(units, who)
        with units(actor) as unit:
            to = _colleague(unit, colleague)
            of = _colleague(unit, holder) if holder else actor
            grant(
                unit,
                role=Role(role),
                holder_id=_person_of(of),
                delegate_id=_person_of(to),
                starts_on=starts_on,
                ends_on=ends_on,
                only_overdue=only_overdue,
            )
    answer = {
        "delegate": to.name,
        "role": role,
        "holder": of.name,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "only_overdue": only_overdue,
    }
    overdue = ", only what is overdue" if only_overdue else ""
    line = f"{to.name} signs as {role} for {of.name}, {starts_on} to {ends_on}{overdue}."
    emit(answer, [line], as_json=as_json)


def _colleague(unit: Unit, who: str) -> Actor:
    """Return the colleague of this login or number who holds a role where the actor does."""
    found = find_actor(unit, who)
    if found.person_id not in {one.id for one in colleagues(unit)}:
        # A person number is not repeated in an error, which may be logged.
        raise NotFound(what="colleague", key="…" if who.startswith(BY_NUMBER) else who)
    return found


def _person_of(actor: Actor) -> PersonId:
    if actor.person_id is None:
        raise Refused(act="delegate a role", needs="a person", actor=actor.name)
    return actor.person_id


def _decide(school: str, reference: str, decide: Decide, who: str | None, *, as_json: bool) -> None:
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        selection_id = _find(unit, school, reference)
        done = decide(unit, selection_id)
        number = show(unit, selection_id).agreement_number if done.agreement_id else ""
    answer: dict[str, Any] = {
        "selection": f"{school} {reference}",
        "state": done.state,
        "agreement": number or None,
    }
    opened = f"  agreement {number}" if number else ""
    emit(answer, [f"{school} {reference}  {done.state}{opened}"], as_json=as_json)


def _find(unit: Unit, school: str, reference: str) -> SelectionId:
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    found = unit.session.scalar(
        select(Selection.id)
        .join(Organisation, Organisation.id == Selection.school_id)
        .where(
            Organisation.code == school,
            Selection.reference == reference,
            Selection.school_id.in_(visible),
        )
    )
    if found is None:
        raise NotFound(what="selection", key=f"{school} {reference}")
    return SelectionId(found)
