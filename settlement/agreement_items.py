"""What may be opened under an agreement: its resource, or the parts of the pack that it is about.

The versions are those that were agreed: a pack's parts are frozen with its version. The one place
that says what an agreement covers; statements in SQL join `ITEMS` laterally to agreements `a`.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute

from catalog.pack_models import PackPart
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.models import Agreement

ITEMS: Final = """
    SELECT a.resource_id, a.version_id, false AS is_part
    UNION ALL
    SELECT part.resource_id, part.version_id, true FROM pack_part part
    WHERE part.pack_id = a.version_id
"""
"""SQL: resource_id and version_id of all that agreements called `a` cover, the pack itself too."""

USED_ITEMS: Final = """
    SELECT a.resource_id, a.version_id, false AS is_part, b.quantity
    UNION ALL
    SELECT part.resource_id, part.version_id, true,
        CAST(b.explanation -> 'parts' ->> CAST(part.resource_id AS text) AS bigint)
    FROM pack_part part WHERE part.pack_id = a.version_id
        AND jsonb_exists(b.explanation -> 'parts', CAST(part.resource_id AS text))
"""
"""SQL: what a school's part `b` of a line of agreement `a` was used of: its resource, and of a pack
the parts that were used, each with how often. Of an adjustment these are its recount's."""

RECOUNTED_AWAY: Final = """EXISTS (
    SELECT FROM statement_line later JOIN statement_breakdown found ON found.line_id = later.id
    WHERE later.agreement_id = l.agreement_id AND later.of_month = l.of_month
        AND later.month > l.month AND later.kind <> 'take_up' AND found.school_id = b.school_id
        AND {known} AND NOT COALESCE(
            jsonb_exists(found.explanation -> 'parts', CAST({part} AS text)), false))"""
"""SQL: whether a recount that is known (a condition on lines `later`) found no use of a part of
which a school's part `b` of line `l` tells some."""

UNDER: Final = f"SELECT i.resource_id FROM agreement a, LATERAL ({ITEMS}) i WHERE a.id = :id"  # noqa: S608 - joined with a constant of ours


def covers(
    agreed: InstrumentedAttribute[UUID], version: InstrumentedAttribute[UUID], resource_id: UUID
) -> ColumnElement[bool]:
    """Return the condition that an agreement's resource and version cover a resource."""
    part = select(PackPart.pack_id).where(
        PackPart.pack_id == version, PackPart.resource_id == resource_id
    )
    return or_(agreed == resource_id, part.exists())


def version_under(unit: Unit, agreement: Agreement, resource_id: UUID) -> UUID:
    """Return the version of a resource that an agreement, which covers it, is about."""
    if agreement.resource_id == resource_id:
        return agreement.version_id
    return unit.session.scalars(
        select(PackPart.version_id).where(
            PackPart.pack_id == agreement.version_id, PackPart.resource_id == resource_id
        )
    ).one()


def parts_by_pack(unit: Unit, version_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    """Return the resources of those of these versions that are packs."""
    found: dict[UUID, tuple[UUID, ...]] = {}
    for pack_id, resource_id in unit.session.execute(
        select(PackPart.pack_id, PackPart.resource_id)
        .where(among(PackPart.pack_id, version_ids))
        .order_by(PackPart.pack_id, PackPart.position)
    ):
        found[pack_id] = (*found.get(pack_id, ()), resource_id)
    return found


def resources_under(unit: Unit, agreement_id: UUID) -> list[UUID]:
    """Return the resources that an agreement covers."""
    return [*unit.session.scalars(text(UNDER), {"id": agreement_id})]
