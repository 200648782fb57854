"""Emergency takedown and restoring (R14): at once, logged, and opened again only by another.

Decides who may: a reviewer of the bureau that admitted, or of one above it. A takedown suspends
every listed version of the resource and stops those that were withdrawn and run out at schools, so
that none of it is opened any more; restoring lists the same ones, and lets the others run out.
While it is open nothing else of the resource is listed (`catalog.opening`, and the database).
Red-line content is a person's decision, never a score's.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import Takedown
from catalog.appeal_ends import end_appeal, open_appeal
from catalog.life_cycle import move
from catalog.models import Admission, Version
from catalog.opening import is_open
from catalog.proposed_offers import enter_policy
from catalog.reviewers import (
    answered_for,
    lock_versions,
    refuse_interest,
    require_reviewer,
)
from catalog.states import AdmissionState, VersionState
from kernel.errors import Conflict, NotFound, ReasonRequired, TookPart
from kernel.ids import VersionId, new_id
from kernel.trail import record
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
    """Stop all versions of the version's resource that are opened, at once; return the takedown.

    Raises `ReasonRequired` without a reason, `NotFound` where another bureau answers for it,
    `Conflict` for what nobody opens.
    """
    reviewer = require_reviewer(unit, "take down a resource")
    if not reason.strip():
        raise ReasonRequired
    versions = _lock_opened(unit, version_id)
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
    listed = [one for one in versions if one.state == VersionState.LISTED]
    move(unit, listed, VersionState.SUSPENDED, note=reason, ground=ground)
    for version in versions:
        if version not in listed:  # withdrawn before: it stays so, and is opened no more
            _trail(unit, "version.taken_down", version, note=reason, ground=ground)
    return takedown.id


def restore(unit: Unit, version_id: VersionId, *, note: str) -> None:
    """List again what a takedown suspended, as another reviewer than who took it down.

    An appeal against it that is still open is upheld by this, whichever version it was made for.
    Raises `TookPart`, `VendorInterest`, `ReasonRequired`, `NotFound`; `Conflict` if nothing is
    taken down.
    """
    reviewer = require_reviewer(unit, "restore a resource")
    if not note.strip():
        raise ReasonRequired
    version = next(one for one in _lock_all(unit, version_id) if one.id == version_id)
    _require_answerable(unit, version)
    refuse_interest(unit, reviewer, [version])
    takedown = open_takedown(unit, version)
    if takedown is None:
        raise Conflict(
            what="version",
            key=version.title,
            state=VersionState(version.state),
            wanted=VersionState.LISTED,
        )
    if takedown.bureau_id not in set(unit.session.scalars(answered_for(unit))):
        raise NotFound(what="version", key=version.title)  # what is above took it down
    if takedown.taken_by == reviewer.person_id:
        raise TookPart(person=unit.actor.name, key=version.title)
    made = open_appeal(unit, takedown.id)
    if made is not None:
        end_appeal(unit, made, reviewer, upheld=True, note=note, by="restoring")
    takedown.restored_by = reviewer.person_id
    takedown.restored_at = unit.clock.now()
    takedown.note = note.strip()
    unit.session.flush()
    versions = lock_versions(unit, [VersionId(UUID(one)) for one in takedown.versions])
    suspended = [one for one in versions if one.state == VersionState.SUSPENDED]
    move(unit, suspended, VersionState.LISTED, note=note)
    enter_policy(unit, {one.resource_id for one in suspended})
    for one in versions:
        if one not in suspended:
            _trail(unit, "version.restored", one, note=note)


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


def _lock_opened(unit: Unit, version_id: VersionId) -> Sequence[Version]:
    """Return the versions of a resource that schools open, locked; the others are locked, too.

    So whoever decides about one of them either has listed it before, or sees the takedown.
    """
    versions = _lock_all(unit, version_id)
    # What was withdrawn or taken down while we waited is not in it.
    ids = unit.session.scalars(
        select(Version.id).where(Version.resource_id == versions[0].resource_id, is_open())
    ).all()
    if not ids:
        named = next(one for one in versions if one.id == version_id)
        raise Conflict(
            what="version",
            key=named.title,
            state=VersionState(named.state),
            wanted=VersionState.SUSPENDED,
        )
    return lock_versions(unit, [VersionId(one) for one in ids])


def _lock_all(unit: Unit, version_id: VersionId) -> Sequence[Version]:
    """Return all versions of a version's resource, locked in id order, its vendor's draft, too.

    Raises `NotFound` for a version that the actor knows nothing of.
    """
    named = unit.session.get(Version, version_id)
    if named is None:
        raise NotFound(what="version", key=version_id)
    versions = unit.session.scalars(
        select(Version)
        .where(Version.resource_id == named.resource_id)
        .order_by(Version.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    lock_versions(unit, [version_id])  # somebody else's draft is not there
    return versions


def _trail(unit: Unit, act: str, version: Version, **facts: Any) -> None:
    record(
        unit,
        act,
        subject_kind="version",
        subject_id=version.id,
        resource=version.resource_id,
        number=version.number,
        title=version.title,
        before=version.state,
        after=version.state,
        **facts,
    )


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
