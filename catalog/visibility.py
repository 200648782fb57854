"""Which versions an actor may see (R4): what is listed is everybody's, the rest somebody's own.

A vendor sees all of its own, a bureau what was submitted anywhere, a school and a visitor what is
listed. What a school once agreed on it sees under its agreement (`settlement.queries.versions`).
"""

from sqlalchemy import ColumnElement, Select, or_, select, true

from catalog.models import Resource, Version
from catalog.states import VersionState
from kernel.actors import OrganisationKind
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
