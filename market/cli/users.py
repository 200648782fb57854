"""`market user`: logins and passwords of people whom the roster knows."""

import secrets
import sys

import click

from kernel.identity.credentials import set_password
from market.cli.context import OPERATOR, find_actor, load_settings, open_units
from market.cli.output import emit, json_option

GENERATED_BYTES = 12

stdin_option = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of stdin; else one is made and shown once.",
)


@click.group()
def user() -> None:
    """Logins of people; who they are and what they may do comes from the roster."""


@user.command()
@click.option("--login", required=True)
@click.option("--person-no", required=True, help="The person's number in the roster.")
@stdin_option
@json_option
def create(login: str, person_no: str, password_stdin: bool, as_json: bool) -> None:
    """Give a person of the roster a login and a password."""
    _set(f"no:{person_no}", login=login, password_stdin=password_stdin, as_json=as_json)


@user.command()
@click.argument("login")
@stdin_option
@json_option
def password(login: str, password_stdin: bool, as_json: bool) -> None:
    """Give LOGIN a new password; sessions that are open end."""
    _set(login, login=login, password_stdin=password_stdin, as_json=as_json)


def _set(who: str, *, login: str, password_stdin: bool, as_json: bool) -> None:
    if password_stdin:
        chosen = sys.stdin.readline().rstrip("\r\n")
    else:
        chosen = secrets.token_urlsafe(GENERATED_BYTES)
    with open_units(load_settings()) as units, units(OPERATOR) as unit:
        person = find_actor(unit, who)
        assert person.person_id is not None
        set_password(unit, person.person_id, login=login, password=chosen)
    made = {} if password_stdin else {"password": chosen}
    shown = [] if password_stdin else [f"password  {chosen}   (shown only now)"]
    emit(
        {"login": login, "person": person.name, **made},
        [f"login     {login} ({person.name}, {person.organisation_name})", *shown],
        as_json=as_json,
    )
