"""Classroom boxes and the packages that they write, for tests of offline classrooms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.actors import Actor, Role
from kernel.ids import new_id
from kernel.unit import Units
from settlement.metering.devices import confirm_device, register_device
from settlement.metering.models import ClassroomDevice
from settlement.metering.package_file import PackedLaunch, PackedUse, write_package
from settlement.metering.packages import PackageTally, take_package
from tests.support.builders import a_person
from tests.support.launch_builders import Classroom
from tests.support.settlement_builders import SYSTEM, Market, at


@dataclass(frozen=True, slots=True)
class Box:
    """A confirmed box of the classroom's school, with its private key."""

    code: str
    key: Ed25519PrivateKey
    keeper: Actor
    reviewer: Actor


def pem(key: Ed25519PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def a_box(units: Units, classroom: Classroom, *, confirmed: bool = True) -> Box:
    """Register a box as the school's academic office, and have the bureau confirm it."""
    key = Ed25519PrivateKey.generate()
    with units(SYSTEM) as unit:
        keeper = a_person(unit, classroom.school, [Role.ACADEMIC])
        reviewer = a_person(unit, classroom.market.bureau, [Role.ADMISSION], person_no="S-1")
    with units(keeper) as unit:
        device_id = register_device(unit, name="三年级教室", public_key_pem=pem(key))
        code = unit.session.get_one(ClassroomDevice, device_id).code
    if confirmed:
        with units(reviewer) as unit:
            confirm_device(unit, code)
    return Box(code, key, keeper, reviewer)


def a_packed_launch(
    market: Market,
    *,
    launch_id: UUID | None = None,
    learner: str = "L1",
    kind: str = "learner",
    class_name: str = "",
    session: str = "",
    sku: str = "",
    issued_at: datetime | None = None,
) -> PackedLaunch:
    """Return a launch of the market's resource for its learner L1, at 08:00 on 2 March."""
    return PackedLaunch(
        id=launch_id or new_id(),
        kind=kind,
        learner=learner,
        vendor_code=market.vendor.code,
        sku=sku or market.sku,
        issued_at=(issued_at or at(2, 8)).isoformat(),
        class_name=class_name,
        session=session,
    )


def a_packed_use(
    launch: PackedLaunch, event_id: str = "u1", *, time: datetime | None = None
) -> PackedUse:
    """Return a use of a launch, at 08:10 on 2 March."""
    return PackedUse(id=event_id, launch=launch.id, time=(time or at(2, 8, 10)).isoformat())


def packed(box: Box, launches: Sequence[PackedLaunch], uses: Sequence[PackedUse]) -> bytes:
    return write_package(
        box.key,
        device=box.code,
        made_at=at(5, 17).isoformat(),
        launches=launches,
        uses=uses,
    )


def take(units: Units, content: bytes, *, actor: Actor = SYSTEM) -> PackageTally:
    with units(actor) as unit:
        return take_package(unit, content, name="box.xyc")
