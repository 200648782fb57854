"""Packages of classroom boxes: what was used without a network comes in later, signed (R31).

Decides who may hand a package in and what becomes of its launches; its uses go the way of every
other, through `ingest`. A package is taken whole or not at all, and again as often as one likes:
what is there already is a duplicate. A launch that can't be made takes its uses with it into
quarantine, for its reason; a use whose launch is in no package yet waits for it. A box speaks for
what it opened itself: a use of a launch that the platform or another box opened is quarantined.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select

from kernel.actors import Role
from kernel.clock import parse_moment
from kernel.errors import DeviceNotReady, InvalidDate, NotFound
from kernel.identity.recording import among
from kernel.identity.visibility import require_visible
from kernel.unit import Unit
from settlement.metering.devices import KEEPERS, REVOKED, WAITING
from settlement.metering.ingest import (
    UsageOutcome,
    UsageRow,
    finish_batch,
    ingest_rows,
    open_batch,
)
from settlement.metering.models import ClassroomDevice, Launch, UsageSource
from settlement.metering.offline import COMPARED, LaunchJudge
from settlement.metering.package_file import (
    Package,
    PackedLaunch,
    read_package,
    require_signed,
)
from settlement.metering.rematch import OTHER_DEVICE

SENDERS: Final = (*KEEPERS, Role.OPERATOR, Role.ADMISSION)
ROWS_AT_ONCE: Final = 5_000
ACCEPTED, DUPLICATE, CONFLICT = "accepted", "duplicate", "launch-conflict"


@dataclass(slots=True)
class PackageTally:
    """What became of a package: of its launches, and of its uses as of every delivery (R32)."""

    device: str
    launches: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    uses: list[UsageOutcome] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the tally as every import prints it, with the launches beside it."""
        fates = Counter(one.outcome for one in self.uses)
        reasons = Counter(one.reason for one in self.uses if one.outcome == "quarantined")
        return {
            "device": self.device,
            "received": len(self.uses),
            "accepted": fates["accepted"],
            "duplicates": fates["duplicate"],
            "conflicts": fates["conflict"],
            "quarantined": dict(sorted(reasons.items())),
            "launches": {
                "received": self.launches.total() + self.refused.total(),
                "accepted": self.launches["accepted"],
                "duplicates": self.launches["duplicate"],
                "refused": dict(sorted(self.refused.items())),
            },
        }


def take_package(unit: Unit, content: bytes, *, name: str) -> PackageTally:
    """Take in a package of a box, whole or not at all; `name` is the file's.

    Raises `InvalidPackage`, `PackageSignatureWrong`, `DeviceNotReady` (not confirmed, or revoked),
    and `NotFound` for a box that is not known or not the actor's to hand in for.
    """
    unit.actor.require("package.import", *SENDERS)
    package = read_package(content, name=name)
    device, source = _device(unit, package)
    require_signed(package, device.public_key)
    tally = PackageTally(device=device.code)
    refused = _take_launches(unit, device, package.launches, tally)
    refused |= _opened_elsewhere(unit, device, {use.launch for use in package.uses} - set(refused))
    batch = open_batch(
        unit,
        source,
        name=name,
        digest=hashlib.sha256(content).digest(),
        channel="package",
        signature=package.signature,
    )
    rows = [_row(use.id, use.launch, use.time, refused) for use in package.uses]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = rows[start : start + ROWS_AT_ONCE]
        tally.uses += ingest_rows(unit, batch, chunk, first_position=start)
    finish_batch(unit, batch)
    return tally


def _device(unit: Unit, package: Package) -> tuple[ClassroomDevice, UsageSource]:
    """Return the box that a package names and its source, if its packages are taken in."""
    code = package.header.device
    unknown = NotFound(what="classroom box", key=code)
    device = unit.session.scalars(
        select(ClassroomDevice).where(ClassroomDevice.code == code).with_for_update()
    ).one_or_none()
    if device is None:
        raise unknown
    try:
        require_visible(unit, device.school_id)
    except NotFound:
        raise unknown from None
    if device.revoked_at is not None:
        raise DeviceNotReady(device=code, state=REVOKED)
    if device.source_id is None:
        raise DeviceNotReady(device=code, state=WAITING)
    return device, unit.session.get_one(UsageSource, device.source_id)


def _row(event_id: str, launch_id: UUID, time: str, refused: dict[UUID, str]) -> UsageRow:
    try:
        occurred_at, error = parse_moment(time), refused.get(launch_id, "")
    except InvalidDate:
        occurred_at, error = None, "unreadable-time"
    return UsageRow(
        event_id=event_id,
        occurred_at=occurred_at,
        learner_hash=b"",
        vendor_code="",
        sku="",
        error=error,
        detail=str(launch_id) if error else "",
        launch_id=launch_id,
    )


def _take_launches(
    unit: Unit, device: ClassroomDevice, launches: Sequence[PackedLaunch], tally: PackageTally
) -> dict[UUID, str]:
    """Record the launches that can be made; return the reasons of those that can't."""
    judge = LaunchJudge(unit, device, launches)
    known = _known(unit, launches)
    new: dict[UUID, dict[str, Any]] = {}
    refused: dict[UUID, str] = {}
    for packed in launches:
        before = known.get(packed.id) or new.get(packed.id)
        if before is not None:
            fate = DUPLICATE if judge.is_same(packed, before) else CONFLICT
        else:
            judged = judge.judged(packed)
            fate = judged if isinstance(judged, str) else ACCEPTED
            if not isinstance(judged, str):
                new[packed.id] = judged
        if fate in {ACCEPTED, DUPLICATE}:
            tally.launches[fate] += 1
        else:
            tally.refused[fate] += 1
            refused[packed.id] = fate
    rows = list(new.values())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        unit.session.execute(insert(Launch), rows[start : start + ROWS_AT_ONCE])
    return refused


def _opened_elsewhere(
    unit: Unit, device: ClassroomDevice, launch_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return those of the school's launches that are not this box's, with the reason."""
    found = unit.session.scalars(
        select(Launch.id).where(
            among(Launch.id, launch_ids),
            Launch.school_id == device.school_id,  # of others the reason is the school
            Launch.device_id.is_distinct_from(device.id),
        )
    )
    return dict.fromkeys(found, OTHER_DEVICE)


def _known(unit: Unit, launches: Sequence[PackedLaunch]) -> dict[UUID, dict[str, Any]]:
    """Return what is recorded under the ids of these launches."""
    columns = (*COMPARED, "learner_id", "resource_id")
    rows = unit.session.execute(
        select(Launch.id, *(getattr(Launch, name) for name in columns)).where(
            among(Launch.id, {packed.id for packed in launches})
        )
    )
    return {row.id: row._asdict() for row in rows}
