"""Places in the storefront: published down by settlement's ranking, and how newcomers are shown.

Decides nothing of who stands where; what has no place yet comes behind, by its use and renewal. How
often a newcomer's kept place is shown is counted, never by whom, so that its chance can be
measured; it decides nothing, since anybody can look at a page often (R43).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from catalog.listing_models import Listing, NewcomerExposure, ResourcePlace
from catalog.listings import hold_listings
from kernel.arrays import UuidArray
from kernel.clock import month_of, shanghai_day
from kernel.identity.recording import among
from kernel.unit import Unit

AT_ONCE: Final = 5_000
PER_PAGE: Final = 30
"""Places of a page of the storefront."""

PUBLISHED: Final = text(
    """
UPDATE listing l SET place = p.place, is_newcomer = p.is_newcomer, is_slot = p.is_slot
FROM resource_place p WHERE p.resource_id = l.resource_id AND (l.place, l.is_newcomer, l.is_slot)
    IS DISTINCT FROM (p.place, p.is_newcomer, p.is_slot)
"""
)
COUNT_SHOWN: Final = text(
    """
INSERT INTO newcomer_exposure AS e (resource_id, month, shown)
SELECT id, :month, 1 FROM unnest(:ids) AS n(id) ORDER BY id
ON CONFLICT (resource_id, month) DO UPDATE SET shown = e.shown + 1
"""
).bindparams(bindparam("ids"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A resource's place among all that is listed; `is_slot`: kept for it as a newcomer."""

    resource_id: UUID
    place: int
    is_newcomer: bool
    is_slot: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What is listed, as a ranking needs it; `prior` orders what is not ranked."""

    resource_id: UUID
    cell: str
    prior: int


def listed_cells(unit: Unit) -> list[Listed]:
    """Return all that is listed with its cell, `stage/subject/type`."""
    rows = unit.session.execute(
        select(
            Listing.resource_id,
            Listing.stage + "/" + Listing.subject + "/" + Listing.type,
            Listing.prior,
        )
    )
    return [Listed(resource_id=one, cell=cell, prior=prior) for one, cell, prior in rows]


def publish_places(unit: Unit, places: Sequence[Placed]) -> None:
    """Take over the order of the storefront; what is not named keeps what it had."""
    now = unit.clock.now()
    ordered = sorted(places, key=lambda one: one.resource_id)
    for start in range(0, len(ordered), AT_ONCE):
        sent = insert(ResourcePlace)
        unit.session.execute(
            sent.on_conflict_do_update(
                index_elements=["resource_id"],
                set_={c.name: c for c in sent.excluded if c.name != "resource_id"},
            ),
            [
                {
                    "resource_id": one.resource_id,
                    "place": one.place,
                    "is_newcomer": one.is_newcomer,
                    "is_slot": one.is_slot,
                    "published_at": now,
                }
                for one in ordered[start : start + AT_ONCE]
            ],
        )
    hold_listings(unit, [one.resource_id for one in ordered])
    unit.session.execute(PUBLISHED)


def places_of(unit: Unit, resource_ids: Collection[UUID]) -> dict[UUID, ResourcePlace]:
    rows = unit.session.scalars(
        select(ResourcePlace).where(among(ResourcePlace.resource_id, resource_ids))
    )
    return {one.resource_id: one for one in rows}


def note_shown(unit: Unit, resource_ids: Sequence[UUID]) -> None:
    """Count that newcomers were shown on the places that are kept for them."""
    if resource_ids:
        month = month_of(shanghai_day(unit.clock.now()))
        given = {"month": month, "ids": UuidArray.of(sorted(resource_ids))}
        unit.session.execute(COUNT_SHOWN, given)


def exposures(unit: Unit, *, since: date) -> dict[UUID, int]:
    """Return how often each newcomer was shown on a kept place since a month."""
    rows = unit.session.execute(
        select(NewcomerExposure.resource_id, func.sum(NewcomerExposure.shown))
        .where(NewcomerExposure.month >= since)
        .group_by(NewcomerExposure.resource_id)
    )
    return {resource_id: int(shown) for resource_id, shown in rows}
