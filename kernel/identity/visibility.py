"""What an actor may see of the organisations: their own, and what lies below it.

A bureau sees its region's subtree (R49), a school itself and its teaching points, a vendor itself,
the system everything, a visitor nothing. What lies outside is answered as if it did not exist.
Protected rows of other packages are joined to `visible_organisations`.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select, true

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation, Region, RegionClosure
from kernel.unit import Unit


def visible_organisations(unit: Unit, kind: OrganisationKind | None = None) -> Select[Organisation]:
    """Select the organisations (of one kind) that the unit's actor may see."""
    wanted = select(Organisation).where(_is_visible(unit))
    return wanted if kind is None else wanted.where(Organisation.kind == kind)


def require_visible(unit: Unit, organisation_id: UUID) -> Organisation:
    """Return the organisation if the unit's actor may see it, else raise `NotFound`."""
    found = unit.session.scalars(
        visible_organisations(unit).where(Organisation.id == organisation_id)
    ).one_or_none()
    if found is None:
        raise NotFound(what="organisation", key=organisation_id)
    return found


def visible_regions(unit: Unit) -> Select[Region]:
    """Select the regions that the actor answers for: a bureau's subtree, all for the system.

    Others answer for none; that a region exists is no secret, this is about what may be done there.
    """
    return select(Region).where(_region_is_visible(unit))


def _region_is_visible(unit: Unit) -> ColumnElement[bool]:
    if unit.actor.is_system:
        return true()
    if unit.actor.organisation_kind is not OrganisationKind.BUREAU:
        return false()
    return Region.code.in_(_subtree(unit.actor.region_code))


def _is_visible(unit: Unit) -> ColumnElement[bool]:
    actor = unit.actor
    if actor.is_system:
        return true()
    match actor.organisation_kind:
        case OrganisationKind.BUREAU:
            return Organisation.region_code.in_(_subtree(actor.region_code))
        case OrganisationKind.SCHOOL:
            return or_(
                Organisation.id == actor.organisation_id,
                Organisation.parent_id == actor.organisation_id,
            )
        case OrganisationKind.VENDOR | OrganisationKind.EVALUATOR:
            return Organisation.id == actor.organisation_id
    return false()


def _subtree(region_code: str) -> Select[str]:
    return select(RegionClosure.region_code).where(RegionClosure.ancestor_code == region_code)
