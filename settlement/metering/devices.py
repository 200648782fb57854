"""Classroom boxes: a school registers one, its bureau confirms it, either may revoke it (R31).

A box plays resources where there is no network and signs what it delivers later. Once confirmed it
is a source of its own, admitted like every other in the name of a bureau (R26).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Row, Select, func, select

from kernel.actors import Role
from kernel.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Refused
from kernel.identity.models import Organisation
from kernel.identity.visibility import require_visible, visible_organisations
from kernel.ids import DeviceId, new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.metering.models import ClassroomDevice, UsageSource
from settlement.metering.sources import admit_source

KEEPERS: Final = (Role.ACADEMIC, Role.PRINCIPAL)
"""Who registers a school's boxes and revokes them."""
CONFIRMERS: Final = (Role.ADMISSION,)
WAITING, CONFIRMED, REVOKED = "waiting", "confirmed", "revoked"
LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceRow:
    """A box as its school and its bureau see it; `state` waiting | confirmed | revoked."""

    id: UUID
    code: str
    name: str
    state: str
    school_code: str
    school_name: str
    fingerprint: str
    registered_by: str
    registered_at: datetime
    revoked_at: datetime | None


def register_device(unit: Unit, *, name: str, public_key_pem: str) -> DeviceId:
    """Register a box of the acting school; the bureau has to confirm it.

    `public_key_pem`: the box's Ed25519 public key. The same key again changes nothing; a key of
    another box is an `AlreadyExists`.
    """
    unit.actor.require("device.register", *KEEPERS)
    if unit.actor.organisation_id is None:
        raise Refused(act="device.register", needs="a person of a school", actor=unit.actor.name)
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        expected = f"1 to {LONGEST_NAME} characters"
        raise InvalidInput(field="name", value=name.strip()[:LONGEST_NAME], expected=expected)
    public_key = read_public_key(public_key_pem)
    # Locked, so that two registrations at once don't get one number.
    school = unit.session.scalars(
        select(Organisation).where(Organisation.id == unit.actor.organisation_id).with_for_update()
    ).one()
    known = unit.session.scalars(
        select(ClassroomDevice).where(ClassroomDevice.public_key == public_key)
    ).first()
    if known is not None:
        if (known.school_id, known.name, known.revoked_at) != (school.id, name.strip(), None):
            raise AlreadyExists(what="classroom box", key=name.strip())
        return DeviceId(known.id)
    count = unit.session.scalar(
        select(func.count())
        .select_from(ClassroomDevice)
        .where(ClassroomDevice.school_id == school.id)
    )
    device = ClassroomDevice(
        id=new_id(),
        school_id=school.id,
        source_id=None,
        code=f"box-{school.code}-{int(count or 0) + 1}",
        name=name.strip(),
        public_key=public_key,
        registered_by=unit.actor.name,
        registered_at=unit.clock.now(),
        revoked_at=None,
    )
    unit.session.add(device)
    unit.session.flush()
    _record(unit, "device.registered", device)
    return DeviceId(device.id)


def confirm_device(unit: Unit, code: str) -> None:
    """Confirm a box in the name of the acting bureau: from now on its packages are taken in.

    Confirming again changes nothing; a revoked box is a `Conflict`.
    """
    unit.actor.require("device.confirm", *CONFIRMERS)
    device = _locked(unit, code)
    if device.revoked_at is not None:
        raise Conflict(what="classroom box", key=code, state=REVOKED, wanted=CONFIRMED)
    if device.source_id is not None:
        return
    source_id = admit_source(unit, code=code, name=device.name, trust="player")
    source = unit.session.get_one(UsageSource, source_id)
    source.organisation_id = device.school_id
    device.source_id = source_id
    unit.session.flush()
    _record(unit, "device.confirmed", device)


def revoke_device(unit: Unit, code: str) -> None:
    """End a box, as when it was lost; nothing that it signed is taken in from now on."""
    unit.actor.require("device.revoke", *KEEPERS, *CONFIRMERS)
    device = _locked(unit, code)
    if device.revoked_at is not None:
        return
    device.revoked_at = unit.clock.now()
    unit.session.flush()
    _record(unit, "device.revoked", device)


def visible_devices(unit: Unit) -> list[DeviceRow]:
    """Return the boxes of the schools that the actor sees, those that wait first."""
    rows = [_row(row) for row in unit.session.execute(_visible(unit))]
    order = {WAITING: 0, CONFIRMED: 1, REVOKED: 2}
    return sorted(rows, key=lambda row: (order[row.state], row.school_name, row.code))


def visible_device(unit: Unit, code: str) -> DeviceRow:
    """Return one box, or raise `NotFound`."""
    row = unit.session.execute(_visible(unit).where(ClassroomDevice.code == code)).one_or_none()
    if row is None:
        raise NotFound(what="classroom box", key=code)
    return _row(row)


def read_public_key(pem: str) -> bytes:
    """Return the 32 bytes of an Ed25519 public key in PEM; raise `InvalidInput`."""
    expected = "an Ed25519 public key in PEM, as “openssl pkey -pubout” prints it"
    try:
        key = load_pem_public_key(pem.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(field="public_key", value=pem.strip()[:40], expected=expected)
    return key.public_bytes_raw()


def fingerprint(public_key: bytes) -> str:
    """Return what two people can compare over the telephone: 16 groups of four hex digits."""
    digits = public_key.hex()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def _locked(unit: Unit, code: str) -> ClassroomDevice:
    found = unit.session.scalars(
        select(ClassroomDevice)
        .where(ClassroomDevice.code == code)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="classroom box", key=code)
    try:
        require_visible(unit, found.school_id)
    except NotFound:
        raise NotFound(what="classroom box", key=code) from None
    return found


def _visible(unit: Unit) -> Select[ClassroomDevice, str, str]:
    schools = visible_organisations(unit).subquery()
    return select(ClassroomDevice, schools.c.code, schools.c.name).join(
        schools, schools.c.id == ClassroomDevice.school_id
    )


def _row(row: Row[ClassroomDevice, str, str]) -> DeviceRow:
    device, school_code, school_name = row
    state = WAITING if device.source_id is None else CONFIRMED
    return DeviceRow(
        id=device.id,
        code=device.code,
        name=device.name,
        state=REVOKED if device.revoked_at is not None else state,
        school_code=school_code,
        school_name=school_name,
        fingerprint=fingerprint(device.public_key),
        registered_by=device.registered_by,
        registered_at=device.registered_at,
        revoked_at=device.revoked_at,
    )


def _record(unit: Unit, act: str, device: ClassroomDevice) -> None:
    record(
        unit,
        act,
        subject_kind="device",
        subject_id=device.id,
        code=device.code,
        school=device.school_id,
        key=device.public_key.hex(),
    )
