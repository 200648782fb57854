"""`market key`: API keys of organisations, by which their machines come in."""

from pathlib import Path

import click

from kernel.actors import Role
from kernel.errors import NotFound, UnreadableFile
from kernel.identity.api_keys import api_keys, create_api_key, read_public_key, revoke_api_key
from market.cli.context import acting, find_organisation, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options


@click.group()
def key() -> None:
    """API keys, by which machines report."""


@key.command()
@click.option("--organisation", "code", metavar="CODE", required=True, help="Whose key it is.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([role.value for role in Role if role is not Role.SYSTEM]),
    multiple=True,
    default=[Role.USAGE_REPORTER.value],
    show_default=True,
    help="What it may do; several times for several.",
)
@click.option(
    "--public-key",
    "pem",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file of the Ed25519 public key under which the machine signs what it sends.",
)
@click.option("--label", default="API", show_default=True, help="What it is for, for people.")
@as_option
@json_option
def create(
    *,
    code: str,
    scopes: tuple[str, ...],
    pem: Path | None,
    label: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Make a key; it is shown once and kept nowhere."""
    with naming_options({"public_key": "--public-key"}):
        public_key = read_public_key(_content(pem)) if pem else None
    with (
        naming_options({"label": "--label", "scopes": "--scope", "public key": "--public-key"}),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        organisation = find_organisation(unit, code)
        made = create_api_key(
            unit, organisation.id, label=label, scopes=scopes, public_key=public_key
        )
    emit(
        {"organisation": code, "prefix": made.prefix, "key": made.key, "scopes": list(scopes)},
        [
            f"organisation  {code} ({organisation.name})",
            f"scopes        {', '.join(scopes)}",
            f"signs         {'yes' if public_key else 'no'}",
            f"key           {made.key}   (shown only now)",
        ],
        as_json=as_json,
    )


@key.command("list")
@as_option
@json_option
def list_(*, who: str | None, as_json: bool) -> None:
    """List the keys; none can be shown again."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        known = api_keys(unit)
    emit(
        [
            {
                "prefix": one.prefix,
                "organisation": one.organisation_code,
                "label": one.label,
                "scopes": one.scopes,
                "signs": one.signs,
                "created_at": one.created_at,
                "revoked_at": one.revoked_at,
            }
            for one in known
        ],
        [
            f"{one.prefix}  {one.organisation_code}  {', '.join(one.scopes)}"
            f"  {'signs' if one.signs else 'does not sign'}"
            f"  {'revoked' if one.revoked_at else 'valid'}  {one.label}"
            for one in known
        ]
        or ["There is no key yet: market key create."],
        as_json=as_json,
    )


@key.command()
@click.argument("prefix")
@as_option
@json_option
def revoke(*, prefix: str, who: str | None, as_json: bool) -> None:
    """End the key that begins with PREFIX (see market key list), from now on."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        for one in api_keys(unit):
            if one.prefix == prefix and one.revoked_at is None:
                revoke_api_key(unit, one.id)
                break
        else:
            raise NotFound(what="API key", key=prefix)
    emit({"prefix": prefix, "revoked": True}, [f"{prefix} is revoked."], as_json=as_json)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(file=path.name, reason=error.strerror) from error
