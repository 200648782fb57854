"""`market device`: classroom boxes, from their registration to their end (R31)."""

from pathlib import Path

import click
import msgspec

from kernel.errors import UnreadableFile
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from settlement.metering.devices import (
    confirm_device,
    register_device,
    revoke_device,
    visible_devices,
)
from settlement.metering.models import ClassroomDevice


@click.group()
def device() -> None:
    """Boxes for classrooms without a network."""


@device.command("register")
@click.argument("key_file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Where the box stands, for people.")
@as_option
@json_option
def register(*, key_file: Path, name: str, who: str | None, as_json: bool) -> None:
    """Register the box whose Ed25519 public key (PEM) is in KEY_FILE, for a school (--as)."""
    try:
        pem = key_file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableFile(file=key_file, reason=error.strerror) from error
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        device_id = register_device(unit, name=name, public_key_pem=pem)
        code = unit.session.get_one(ClassroomDevice, device_id).code
    emit(
        {"device": code, "state": "waiting"},
        [f"{code} is registered; the bureau confirms it: market device confirm {code} --as LOGIN"],
        as_json=as_json,
    )


@device.command("confirm")
@click.argument("code")
@as_option
@json_option
def confirm(*, code: str, who: str | None, as_json: bool) -> None:
    """Confirm the box CODE in the name of a bureau's reviewer (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        confirm_device(unit, code)
    emit(
        {"device": code, "state": "confirmed"},
        [f"Packages of {code} are taken in: market import package FILE"],
        as_json=as_json,
    )


@device.command("revoke")
@click.argument("code")
@as_option
@json_option
def revoke(*, code: str, who: str | None, as_json: bool) -> None:
    """Revoke the box CODE: nothing that it signed is taken in any more."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        revoke_device(unit, code)
    emit(
        {"device": code, "state": "revoked"},
        [f"{code} is revoked; what was taken in before stays."],
        as_json=as_json,
    )


@device.command("list")
@as_option
@json_option
def list_(*, who: str | None, as_json: bool) -> None:
    """List the boxes that a person sees, with the fingerprints of their keys."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = visible_devices(unit)
    emit(
        msgspec.to_builtins(rows),
        [f"{row.code}  {row.state:<9}  {row.name}  {row.fingerprint}" for row in rows]
        or ["There is no box yet: market device register."],
        as_json=as_json,
    )
