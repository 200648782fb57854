"""Emergency takedown and restoring (R14): at once, logged, and opened again only by another.

Decides who may: a reviewer of the bureau that admitted, or of one above it. A takedown suspends
every listed version of the resource, so that none of it is opened any more; restoring lists the
same ones. Red-line content is a person's decision, never a score's.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import Takedown
from catalog.life_cycle import move
from catalog.models import Admission, Version
from catalog.reviewers import answered_for, lock_versions, require_reviewer
from catalog.states import AdmissionState, VersionState
from kernel.errors import Conflict, NotFound, ReasonRequired, TookPart
from kernel.ids import VersionId, new_id
from kernel.unit import Unit


class Ground(StrEnum):
    RED_LINE = "red_line"
    HARMS_MINORS = "harms_minors"
    PERSONAL_DATA = "personal_data"
    INFRINGEMENT = "infringement"
    ERRORS = "errors"
    OTHER = "other"


GROUNDS: Final = frozenset(Ground)


def take_down(unit: Unit, version_id: VersionId, *, ground: Ground, reason: str) -> UUID:
    """Suspend all listed versions of the version's resource at once; return the takedown.

    Raises `ReasonRequired` without a reason, `NotFound` where another bureau answers for it,
    `Conflict` for what is not listed.
    """
    reviewer = require_reviewer(unit, "take down a resource")
    if not reason.strip():
        raise ReasonRequired
    versions = _lock_listed(unit, version_id)
    _require_answerable(unit, versions[0])
    takedown = Takedown(
        id=new_id(),
        resource_id=versions[0].resource_id,
        versions=[str(version.id) for version in versions],
        ground=ground,
        reason=reason.strip(),
        bureau_id=reviewer.bureau_id,
        taken_by=reviewer.person_id,
        taken_at=unit.clock.now(),
        note="",
    )
    unit.session.add(takedown)
    unit.session.flush()
    move(unit, versions, VersionState.SUSPENDED, note=reason, ground=ground)
    return takedown.id


def restore(unit: Unit, version_id: VersionId, *, note: str) -> None:
    """List again what a takedown suspended, as another reviewer than who took it down.

    Raises `TookPart`, `ReasonRequired`, `NotFound`; `Conflict` if nothing is taken down.
    """
    reviewer = require_reviewer(unit, "restore a resource")
    if not note.strip():
        raise ReasonRequired
    (version,) = lock_versions(unit, [version_id])
    _require_answerable(unit, version)
    takedown = open_takedown(unit, version)
    if takedown is None:
        raise Conflict(
            what="version", key=version.title, state=version.state, wanted=VersionState.LISTED
        )
    if takedown.bureau_id not in set(unit.session.scalars(answered_for(unit))):
        raise NotFound(what="version", key=version.title)  # what is above took it down
    if takedown.taken_by == reviewer.person_id:
        raise TookPart(person=unit.actor.name, key=version.title)
    takedown.restored_by = reviewer.person_id
    takedown.restored_at = unit.clock.now()
    takedown.note = note.strip()
    unit.session.flush()
    versions = lock_versions(unit, [VersionId(UUID(one)) for one in takedown.versions])
    suspended = [one for one in versions if one.state == VersionState.SUSPENDED]
    move(unit, suspended, VersionState.LISTED, note=note)


def open_takedown(unit: Unit, version: Version) -> Takedown | None:
    """Return the takedown that a version is under, locked; None if it is under none."""
    return unit.session.scalars(
        select(Takedown)
        .where(
            Takedown.resource_id == version.resource_id,
            Takedown.versions.contains([str(version.id)]),
            Takedown.restored_at.is_(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def _lock_listed(unit: Unit, version_id: VersionId) -> Sequence[Version]:
    (named,) = lock_versions(unit, [version_id])
    ids = unit.session.scalars(
        select(Version.id).where(
            Version.resource_id == named.resource_id, Version.state == VersionState.LISTED
        )
    ).all()
    versions = [
        version
        for version in lock_versions(unit, [VersionId(one) for one in ids])
        if version.state == VersionState.LISTED
    ]
    if not versions:
        raise Conflict(
            what="version", key=named.title, state=named.state, wanted=VersionState.SUSPENDED
        )
    return versions


def _require_answerable(unit: Unit, version: Version) -> None:
    """Raise `NotFound` unless the actor's bureau, or one below it, admitted the resource."""
    found = unit.session.scalar(
        select(Admission.id)
        .join(Version, Version.id == Admission.version_id)
        .where(
            Version.resource_id == version.resource_id,
            Admission.state == AdmissionState.ADMITTED,
            Admission.bureau_id.in_(answered_for(unit)),
        )
        .limit(1)
    )
    if found is None:
        raise NotFound(what="version", key=version.title)
