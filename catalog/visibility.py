"""Which versions an actor may see (R4): what is listed is everybody's, the rest somebody's own.

A vendor sees all of its own, a bureau what was submitted anywhere, a school and a visitor what is
listed. What a school once agreed on it sees under its agreement (`settlement.queries.versions`).
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, or_, select, true

from catalog.models import Admission, Resource, Version
from catalog.queries import ResourceKey, resources_by_key
from catalog.states import AdmissionState, VersionState
from kernel.actors import OrganisationKind
from kernel.identity.recording import among
from kernel.unit import Unit


def visible_versions(unit: Unit) -> Select[Version]:
    """Select the versions that the unit's actor may see, with their resources joined."""
    return (
        select(Version).join(Resource, Resource.id == Version.resource_id).where(_is_visible(unit))
    )


def sees(unit: Unit, version: Version) -> bool:
    """Whether the unit's actor may see a version."""
    found = visible_versions(unit).where(Version.id == version.id).with_only_columns(Version.id)
    return unit.session.scalar(found) is not None


def known_resources(unit: Unit, keys: Iterable[ResourceKey]) -> dict[ResourceKey, Resource]:
    """Return the resources of these keys that the unit's actor may know of, for acts that name one.

    What was published once stays known, listed or not: its agreements go on, and who asks for it
    reads why it can't be had. What is still to be admitted is answered like what isn't there.
    """
    found = resources_by_key(unit, keys)
    known = set(
        unit.session.scalars(
            select(Version.resource_id)
            .join(Resource, Resource.id == Version.resource_id)
            .where(
                among(Version.resource_id, [one.id for one in found.values()]),
                or_(_is_visible(unit), _was_published()),
            )
        )
    )
    return {key: resource for key, resource in found.items() if resource.id in known}


def is_no_foreign_draft(unit: Unit) -> ColumnElement[bool]:
    """Return the condition that a version is no draft of somebody else: to others it isn't there.

    Wider than what may be seen: what was published once is claimed against by whoever knows it.
    """
    actor = unit.actor
    if actor.is_system:
        return true()
    submitted = Version.state != VersionState.DRAFT
    if actor.organisation_kind is OrganisationKind.VENDOR:
        own = select(Resource.id).where(Resource.vendor_id == actor.organisation_id)
        return or_(submitted, Version.resource_id.in_(own))
    return submitted


def _is_visible(unit: Unit) -> ColumnElement[bool]:
    actor = unit.actor
    listed = Version.state == VersionState.LISTED
    if actor.is_system:
        return true()
    match actor.organisation_kind:
        case OrganisationKind.VENDOR:
            return or_(listed, Resource.vendor_id == actor.organisation_id)
        case OrganisationKind.BUREAU:
            return Version.state != VersionState.DRAFT
    return listed


def _was_published() -> ColumnElement[bool]:
    return (
        select(Admission.id)
        .where(Admission.version_id == Version.id, Admission.state == AdmissionState.ADMITTED)
        .exists()
    )
