"""What a version was made from, and what was made from it (R6): 共性教案 and its 个案.

Decides what may be built on: what is listed, under a licence that lets it. A lineage is declared
with the draft and stays; who reads it sees no more versions than elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, literal, select

from catalog.models import Resource, Version
from catalog.queries import ResourceKey, listed_versions, resources_by_key
from catalog.sharing_models import Derivation
from catalog.visibility import visible_versions
from kernel.errors import LicenceForbids, NotFound
from kernel.identity.models import Organisation
from kernel.ids import ResourceId, VersionId
from kernel.unit import Unit

NO_DERIVATIVES: Final = ("-ND", "ARR", "禁止演绎", "保留所有权利")
"""Parts of a licence's name that forbid works made from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kin:
    """A version in a lineage; `distance` 1 is a parent or child, 2 a grandparent …"""

    version_id: UUID
    title: str
    number: int
    sku: str
    vendor_name: str
    vendor_code: str
    distance: int


def declare_parents(unit: Unit, version_id: VersionId, parents: Sequence[ResourceKey]) -> None:
    """Say from which listed resources a draft is made, in place of what was said before.

    Raises `NotFound` for one that is not listed, `LicenceForbids`.
    """
    unit.session.execute(delete(Derivation).where(Derivation.version_id == version_id))
    resources = resources_by_key(unit, parents)
    listed = listed_versions(unit, [resource.id for resource in resources.values()])
    for key in parents:
        resource = resources.get(key)
        parent = listed.get(ResourceId(resource.id)) if resource else None
        if parent is None:
            raise NotFound(what="resource", key=" ".join(key))
        licence = str(parent.metadata_.get("licence", ""))
        if any(part in licence.upper() for part in NO_DERIVATIVES):
            raise LicenceForbids(key=parent.title, licence=licence)
        unit.session.add(Derivation(version_id=version_id, parent_id=parent.id))
    unit.session.flush()


def ancestors(unit: Unit, version_id: UUID) -> list[Kin]:
    """Return what a version was made from, the nearest first."""
    return _walk(unit, version_id, up=True)


def derivatives(unit: Unit, version_id: UUID) -> list[Kin]:
    """Return what was made from a version, the nearest first."""
    return _walk(unit, version_id, up=False)


def _walk(unit: Unit, version_id: UUID, *, up: bool) -> list[Kin]:
    here, there = (
        (Derivation.version_id, Derivation.parent_id)
        if up
        else (Derivation.parent_id, Derivation.version_id)
    )
    found = (
        select(there.label("id"), literal(1).label("distance"))
        .where(here == version_id)
        .cte("kin", recursive=True)
    )
    found = found.union(select(there, found.c.distance + 1).join(found, here == found.c.id))
    visible = visible_versions(unit).with_only_columns(Version.id)
    rows = unit.session.execute(
        select(Version, Resource.sku, Organisation.name, Organisation.code, found.c.distance)
        .join(found, found.c.id == Version.id)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(Version.id.in_(visible))
        .order_by(found.c.distance, Version.id)
    )
    return [
        Kin(
            version_id=row.Version.id,
            title=row.Version.title,
            number=row.Version.number,
            sku=row.sku,
            vendor_name=row.name,
            vendor_code=row.code,
            distance=row.distance,
        )
        for row in rows
    ]
