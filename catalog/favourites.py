"""Favourites: what a person keeps for later, seen by nobody else (R8, R58).

Decides who may keep what: a signed-in person, listed resources, a bounded number of them. What is
listed no more stays kept until it is dropped, which goes whatever became of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from catalog.listing_models import Favourite, Listing
from catalog.models import Admission, Resource, Version
from catalog.queries import resources_by_key
from catalog.search import Hit, hits_by_key
from catalog.states import OVER, AdmissionState
from kernel.errors import NotFound, Refused, TooManyFavourites
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit

MOST_KEPT: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlisted:
    """What is kept and not listed now, under the title that it had when it was."""

    key: str
    title: str
    vendor_name: str


def keep_favourite(unit: Unit, key: str) -> None:
    """Keep a listed resource for later; raise `NotFound`, `TooManyFavourites`."""
    person_id = _person(unit)
    found = hits_by_key(unit, [key])
    if not found:
        raise NotFound(what="resource", key=key)
    kept = unit.session.scalar(
        select(func.count()).select_from(Favourite).where(Favourite.person_id == person_id)
    )
    if (kept or 0) >= MOST_KEPT:
        raise TooManyFavourites(most=MOST_KEPT)
    unit.session.execute(
        insert(Favourite)
        .values(person_id=person_id, resource_id=found[0].resource_id, at=unit.clock.now())
        .on_conflict_do_nothing()
    )


def drop_favourite(unit: Unit, key: str) -> None:
    """Keep a resource no longer, listed or not; what was not kept is no error."""
    person_id = _person(unit)
    vendor_code, _, sku = key.partition("/")
    ids = [one.id for one in resources_by_key(unit, [(vendor_code, sku)]).values()]
    unit.session.execute(
        delete(Favourite)
        .where(Favourite.person_id == person_id, among(Favourite.resource_id, ids))
        .execution_options(synchronize_session=False)
    )


def favourites(unit: Unit) -> list[Hit]:
    """Return what the actor keeps and is still listed, the latest first."""
    keys = unit.session.execute(
        select(Listing.vendor_code, Listing.sku)
        .join(Favourite, Favourite.resource_id == Listing.resource_id)
        .where(Favourite.person_id == _person(unit))
        .order_by(Favourite.at.desc(), Favourite.resource_id)
    )
    return hits_by_key(unit, [f"{code}/{sku}" for code, sku in keys])


def unlisted_favourites(unit: Unit) -> list[Unlisted]:
    """Return what the actor keeps and is not listed now, the latest first."""
    was_let_in = select(Admission.id).where(
        Admission.version_id == Version.id, Admission.state == AdmissionState.ADMITTED
    )
    title = (
        select(Version.title)
        .where(Version.resource_id == Resource.id, Version.state.in_(OVER), was_let_in.exists())
        .order_by(Version.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(
            Organisation.code,
            Organisation.name,
            Resource.sku,
            func.coalesce(title, Resource.sku).label("title"),
        )
        .join(Resource, Resource.vendor_id == Organisation.id)
        .join(Favourite, Favourite.resource_id == Resource.id)
        .outerjoin(Listing, Listing.resource_id == Resource.id)
        .where(Favourite.person_id == _person(unit), Listing.resource_id.is_(None))
        .order_by(Favourite.at.desc(), Favourite.resource_id)
    )
    return [
        Unlisted(key=f"{row.code}/{row.sku}", title=row.title, vendor_name=row.name) for row in rows
    ]


def kept_among(unit: Unit, resource_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these the actor keeps; a visitor keeps none."""
    if unit.actor.person_id is None or not resource_ids:
        return set()
    return set(
        unit.session.scalars(
            select(Favourite.resource_id).where(
                Favourite.person_id == unit.actor.person_id,
                among(Favourite.resource_id, resource_ids),
            )
        )
    )


def _person(unit: Unit) -> UUID:
    if unit.actor.person_id is None:
        raise Refused(
            act="keep favourites", needs="a person who is signed in", actor=unit.actor.name
        )
    return unit.actor.person_id
