"""Admission: a reviewer proposes a submitted version, another of the same bureau decides (R9, R13).

Decides who may do which and what becomes of the version. The bureau that proposed answers for what
it lets in (R10): it and both reviewers stand on the record. Any bureau may take up a version that
none has taken up yet.
"""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, insert, select

from catalog.listings import refresh_listings
from catalog.models import Admission, Resource, Version
from catalog.states import (
    ADMISSION_TRANSITIONS,
    VERSION_TRANSITIONS,
    AdmissionState,
    VersionState,
)
from kernel.actors import OrganisationKind, Role
from kernel.errors import (
    Conflict,
    NoteRequired,
    NotFound,
    OwnInterest,
    Refused,
    VendorInterest,
)
from kernel.identity.models import Organisation, RoleGrant
from kernel.identity.recording import among
from kernel.ids import OrganisationId, PersonId, VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

VERDICTS: dict[AdmissionState, tuple[VersionState, ...]] = {
    AdmissionState.ADMITTED: (VersionState.ADMITTED, VersionState.LISTED),
    AdmissionState.REFUSED: (VersionState.REFUSED,),
    AdmissionState.RETURNED: (VersionState.RETURNED,),
}
"""The states a version goes through when its admission is decided so."""
SHOWN = frozenset({VersionState.LISTED, VersionState.SUSPENDED, VersionState.WITHDRAWN})
"""States into which a version goes when what is listed changes."""


class _Reviewer(NamedTuple):
    person_id: PersonId
    bureau_id: OrganisationId


def awaiting_proposal(unit: Unit, *, vendor_code: str | None = None) -> list[VersionId]:
    """Return the submitted versions that no bureau has taken up, oldest first."""
    unit.actor.require("see what awaits admission", Role.ADMISSION)
    wanted = _of_vendor(select(Version.id), vendor_code).where(
        Version.state == VersionState.SUBMITTED
    )
    return [VersionId(one) for one in unit.session.scalars(wanted.order_by(Version.id))]


def awaiting_decision(unit: Unit, *, vendor_code: str | None = None) -> list[VersionId]:
    """Return the versions proposed by another reviewer of the actor's bureau, oldest first."""
    reviewer = _require_reviewer(unit, "see what awaits a decision")
    wanted = (
        _of_vendor(select(Version.id), vendor_code)
        .join(Admission, Admission.version_id == Version.id)
        .where(
            Admission.state == AdmissionState.PROPOSED,
            Admission.bureau_id == reviewer.bureau_id,
            Admission.proposed_by != reviewer.person_id,
        )
    )
    return [VersionId(one) for one in unit.session.scalars(wanted.order_by(Version.id))]


def propose_admission(unit: Unit, version_ids: Collection[VersionId], *, note: str) -> None:
    """Take up submitted versions for the actor's bureau and propose to admit them.

    Raises `Conflict` for a version that is not submitted any more, `VendorInterest`.
    """
    reviewer = _require_reviewer(unit, "propose an admission")
    versions = _lock_versions(unit, version_ids)
    _refuse_interest(unit, reviewer, versions)
    if not versions:
        return
    _move(unit, versions, VersionState.IN_REVIEW)
    now = unit.clock.now()
    unit.session.execute(
        insert(Admission),
        [
            {
                "id": new_id(),
                "version_id": version.id,
                "bureau_id": reviewer.bureau_id,
                "state": AdmissionState.PROPOSED,
                "claimed_by": reviewer.person_id,
                "proposed_by": reviewer.person_id,
                "proposed_at": now,
                "note": note,
            }
            for version in versions
        ],
    )
    _trail(unit, "admission.proposed", versions, note=note)


def decide_admission(
    unit: Unit,
    version_ids: Collection[VersionId],
    *,
    note: str,
    verdict: AdmissionState = AdmissionState.ADMITTED,
) -> None:
    """Decide what another reviewer of the bureau proposed; what is admitted is listed at once.

    Raises `OwnInterest` for one's own proposal, `NotFound` for another bureau's, `NoteRequired` for
    a refusal or a return without its reason, `Conflict` for what is decided already.
    """
    reviewer = _require_reviewer(unit, "decide an admission")
    if verdict is not AdmissionState.ADMITTED and not note.strip():
        raise NoteRequired
    versions = _lock_versions(unit, version_ids)
    admissions = {
        admission.version_id: admission
        for admission in unit.session.scalars(
            select(Admission)
            .where(
                among(Admission.version_id, [version.id for version in versions]),
                Admission.bureau_id == reviewer.bureau_id,
            )
            .order_by(Admission.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    }
    _refuse_interest(unit, reviewer, versions)
    now = unit.clock.now()
    for version in versions:
        admission = admissions.get(version.id)
        if admission is None:
            raise NotFound(what="proposal", key=version.title)
        if verdict not in ADMISSION_TRANSITIONS[AdmissionState(admission.state)]:
            raise Conflict(
                what="admission", key=version.title, state=admission.state, wanted=verdict
            )
        if admission.proposed_by == reviewer.person_id:
            raise OwnInterest(act="decide an admission", person=unit.actor.name)
        admission.state = verdict
        admission.decided_by = reviewer.person_id
        admission.decided_at = now
        admission.note = note or admission.note
    for state in VERDICTS[verdict]:
        _move(unit, versions, state)
    _trail(unit, f"admission.{verdict}", versions, note=note)


def _require_reviewer(unit: Unit, act: str) -> _Reviewer:
    """Return the reviewer that acts: a person of a bureau, never the system by itself (R10)."""
    actor = unit.actor
    actor.require(act, Role.ADMISSION)
    if (
        actor.person_id is None
        or actor.organisation_id is None
        or actor.organisation_kind is not OrganisationKind.BUREAU
    ):
        raise Refused(act=act, needs="a reviewer of a bureau", actor=actor.name)
    return _Reviewer(actor.person_id, actor.organisation_id)


def _refuse_interest(unit: Unit, reviewer: _Reviewer, versions: list[Version]) -> None:
    """Raise `VendorInterest` if the reviewer holds or has held a role at one of the vendors."""
    vendor = unit.session.scalars(
        select(Organisation.name)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .join(RoleGrant, RoleGrant.organisation_id == Organisation.id)
        .where(
            among(Resource.id, {version.resource_id for version in versions}),
            RoleGrant.person_id == reviewer.person_id,
        )
        .limit(1)
    ).first()
    if vendor is not None:
        raise VendorInterest(act="review", person=unit.actor.name, vendor=vendor)


def _of_vendor(wanted: Select[UUID], vendor_code: str | None) -> Select[UUID]:
    if vendor_code is None:
        return wanted
    return (
        wanted.join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(Organisation.kind == OrganisationKind.VENDOR, Organisation.code == vendor_code)
    )


def _lock_versions(unit: Unit, version_ids: Collection[VersionId]) -> list[Version]:
    """Return the versions, locked in id order; raise `NotFound` if there are fewer."""
    wanted = set(version_ids)
    versions = unit.session.scalars(
        select(Version)
        .where(among(Version.id, wanted))
        .order_by(Version.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    missing = wanted - {version.id for version in versions}
    if missing:
        raise NotFound(what="version", key=min(missing))
    return list(versions)


def _move(unit: Unit, versions: list[Version], state: VersionState) -> None:
    for version in versions:
        if state not in VERSION_TRANSITIONS[VersionState(version.state)]:
            raise Conflict(what="version", key=version.title, state=version.state, wanted=state)
        version.state = state
    unit.session.flush()
    if state in SHOWN:
        refresh_listings(unit, {version.resource_id for version in versions})


def _trail(unit: Unit, act: str, versions: list[Version], *, note: str) -> None:
    for version in versions:
        record(
            unit,
            act,
            subject_kind="version",
            subject_id=version.id,
            resource=version.resource_id,
            number=version.number,
            title=version.title,
            note=note,
        )
    unit.session.flush()
