"""Looking up resources and their versions, a few statements however many are asked for."""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from catalog.models import Resource, Version
from catalog.states import VersionState
from kernel.actors import OrganisationKind, Role
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import ResourceId
from kernel.unit import Unit

ResourceKey = tuple[str, str]
"""A vendor's code and its sku: the key that people and files use."""

CATALOGUE_RECORDERS = (Role.OPERATOR, Role.ADMISSION)


def resources_by_key(unit: Unit, keys: Iterable[ResourceKey]) -> dict[ResourceKey, Resource]:
    """Return the resources of these keys, without those that don't exist."""
    wanted = set(keys)
    rows = unit.session.execute(
        select(Organisation.code, Resource)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .where(
            Organisation.kind == OrganisationKind.VENDOR,
            among(Organisation.code, {vendor_code for vendor_code, _ in wanted}),
            among(Resource.sku, {sku for _, sku in wanted}),
        )
    )
    found = {(vendor_code, resource.sku): resource for vendor_code, resource in rows}
    return {key: found[key] for key in wanted if key in found}


def listed_versions(unit: Unit, resource_ids: Collection[UUID]) -> dict[ResourceId, Version]:
    """Return each resource's newest listed version, without those that have none."""
    rows = unit.session.scalars(
        select(Version)
        .where(among(Version.resource_id, resource_ids), Version.state == VersionState.LISTED)
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
    )
    return {ResourceId(version.resource_id): version for version in rows}


def latest_versions(unit: Unit, resource_ids: Collection[UUID]) -> dict[ResourceId, Version]:
    """Return each resource's newest version, whatever its state."""
    rows = unit.session.scalars(
        select(Version)
        .where(among(Version.resource_id, resource_ids))
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
    )
    return {ResourceId(version.resource_id): version for version in rows}


def vendors_served(unit: Unit, codes: Collection[str]) -> dict[str, Organisation]:
    """Return the vendors, by code, whose catalogue the actor may record.

    A vendor its own; a bureau any vendor's: firms sell far from where they are registered, and the
    bureau that brings a resource in answers for it (R10).
    """
    actor = unit.actor
    wanted = select(Organisation).where(
        Organisation.kind == OrganisationKind.VENDOR, among(Organisation.code, codes)
    )
    if not actor.may(*CATALOGUE_RECORDERS):
        actor.require("record a catalogue", Role.VENDOR_MANAGER)
        wanted = wanted.where(Organisation.id == actor.organisation_id)
    return {vendor.code: vendor for vendor in unit.session.scalars(wanted)}


def vendors_priced(unit: Unit, codes: Collection[str]) -> dict[str, Organisation]:
    """Return the vendors, by code, whose offers the actor may record.

    A vendor its own; a bureau those of its own regions: a price binds every school that selects.
    """
    unit.actor.require("record offers", *CATALOGUE_RECORDERS, Role.VENDOR_MANAGER)
    wanted = visible_organisations(unit, OrganisationKind.VENDOR).where(
        among(Organisation.code, codes)
    )
    return {vendor.code: vendor for vendor in unit.session.scalars(wanted)}
