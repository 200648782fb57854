"""How many pupils schools and teaching points have by their latest counts."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.identity.models import Census
from kernel.identity.recording import among
from kernel.unit import Unit


def pupils_at(unit: Unit, place_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the pupils of places, each by itself; one that was never counted is left out."""
    key = (Census.school_id, Census.stage)
    rows = unit.session.execute(
        select(Census.school_id, Census.pupils)
        .where(among(Census.school_id, place_ids), Census.kind == "enrolled")
        .ext(distinct_on(*key))
        .order_by(*key, Census.as_of.desc())
    )
    counted: dict[UUID, int] = {}
    for place_id, pupils in rows:
        counted[place_id] = counted.get(place_id, 0) + pupils
    return counted
