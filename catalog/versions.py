"""A vendor's own versions, drafts among them, as it lists them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from catalog.models import Resource, Version
from kernel.actors import Role
from kernel.ids import VersionId
from kernel.unit import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnVersion:
    """One version in its vendor's list; `is_newest` of its resource."""

    version_id: VersionId
    sku: str
    number: int
    title: str
    kind: str
    subject: str
    state: str
    created_at: datetime
    is_newest: bool


def own_versions(unit: Unit) -> list[OwnVersion]:
    """Return all versions of the acting manager's vendor, by sku, the newest of each first."""
    unit.actor.require("see a vendor's versions", Role.VENDOR_MANAGER)
    rows = unit.session.execute(
        select(Version, Resource.sku)
        .join(Resource, Resource.id == Version.resource_id)
        .where(Resource.vendor_id == unit.actor.organisation_id)
        .order_by(Resource.sku, Version.number.desc())
    ).all()
    newest: set[str] = set()
    found = []
    for version, sku in rows:
        found.append(
            OwnVersion(
                version_id=VersionId(version.id),
                sku=sku,
                number=version.number,
                title=version.title,
                kind=version.kind,
                subject=version.subject,
                state=version.state,
                created_at=version.created_at,
                is_newest=sku not in newest,
            )
        )
        newest.add(sku)
    return found
