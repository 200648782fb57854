"""Listings: what the storefront shows of each listed resource, written with what lists it (R8).

Decides what search reads: the newest listed version, the offer in force, what settlement
published. `refresh_listings` is called by whoever changes what is listed, in the same unit of work.
What leaves the list leaves the storefront by the database itself; `heal_listings` sweeps up what a
day's change of prices, a renamed vendor or an older program left behind.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert

from catalog.conditions import reach_of
from catalog.listing_models import (
    UNPLACED,
    Listing,
    ListingMatch,
    ResourcePlace,
    ResourceSignal,
)
from catalog.models import Offer, Resource, Version
from catalog.queries import listed_versions
from catalog.states import VersionState
from catalog.tokens import DESCRIBED, NAMED, TITLE, weighted
from kernel.clock import shanghai_day
from kernel.i18n import DEFAULT_LOCALE, label
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit

AT_ONCE: Final = 1_000
MANY: Final = 5_000
"""So many new rows that the planner's idea of the table is no more than a guess."""
COPIED: Final = ("title", "kind", "tier", "stage", "subject", "grade", "type")
UNPRICED: Final = Decimal(999_999_999)
WRITTEN_NAMES: Final = [column.name for column in Listing.__table__.columns]
TAKEN: Final = ", ".join(
    f"{name} = excluded.{name}"
    for name in WRITTEN_NAMES
    if name not in {"resource_id", "listed_at"}
)
WRITTEN: Final = text(
    f"""
INSERT INTO listing AS l ({", ".join(WRITTEN_NAMES)})
SELECT {", ".join(WRITTEN_NAMES)}
FROM json_populate_recordset(CAST(NULL AS listing), CAST(:rows AS json))
ON CONFLICT (resource_id) DO UPDATE SET {TAKEN}, listed_at =
    CASE WHEN l.version_id = excluded.version_id THEN l.listed_at ELSE excluded.listed_at END
"""  # noqa: S608 - from texts of this module
)
"""Many rows in one statement, for what the database keeps beside them costs by the statement."""
RENEWAL_WEIGHT, SCHOOL_WEIGHT, RATING_WEIGHT = 5, 2, 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """What is published of a resource: schools that use it, that renewed it, and their ratings."""

    resource_id: UUID
    schools: int = 0
    renewals: int = 0
    ratings: int = 0
    stars: int = 0

    @property
    def prior(self) -> int:
        """What stands first before anything is typed: renewed, used, well rated."""
        liked = self.stars - 3 * self.ratings
        return RENEWAL_WEIGHT * self.renewals + SCHOOL_WEIGHT * self.schools + RATING_WEIGHT * liked


def hold_listings(unit: Unit, resource_ids: Collection[UUID]) -> None:
    """Lock the resources before anything is written of their listings.

    In id order, and all of them first: two that list versions of the same resources, or words that
    nobody had so far, would wait for each other. Whoever writes listings holds them so.
    """
    if resource_ids:
        unit.session.execute(
            select(Resource.id)
            .where(among(Resource.id, resource_ids))
            .order_by(Resource.id)
            .with_for_update(key_share=True)
        )


def refresh_listings(unit: Unit, resource_ids: Collection[UUID]) -> None:
    """Make what is shown of these resources what is listed of them now."""
    wanted = sorted(set(resource_ids))
    hold_listings(unit, wanted)
    wanted.reverse()  # as they are searched, the newest first
    for start in range(0, len(wanted), AT_ONCE):
        _refresh(unit, wanted[start : start + AT_ONCE])
    if len(wanted) >= MANY:
        unit.session.execute(text("ANALYZE listing, listing_match, listing_suited, listing_made"))


def publish_signals(unit: Unit, signals: Sequence[Signal]) -> None:
    """Take over what settlement says of resources; those it says nothing of keep what they had."""
    now = unit.clock.now()
    ordered = sorted(signals, key=lambda one: one.resource_id)
    taken: list[UUID] = []
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        sent = insert(ResourceSignal).values(
            [
                {
                    "resource_id": one.resource_id,
                    "schools": one.schools,
                    "renewals": one.renewals,
                    "ratings": one.ratings,
                    "stars": one.stars,
                    "published_at": now,
                }
                for one in some
            ]
        )
        changed = or_(
            *(
                getattr(ResourceSignal, name) != sent.excluded[name]
                for name in ("schools", "renewals", "ratings", "stars")
            )
        )
        taken += unit.session.scalars(
            sent.on_conflict_do_update(
                index_elements=["resource_id"],
                set_={c.name: c for c in sent.excluded if c.name != "resource_id"},
                where=changed,
            ).returning(ResourceSignal.resource_id)
        )
    refresh_listings(unit, taken)


def heal_listings(unit: Unit, *, at_most: int = 10_000) -> int:
    """Refresh the listings that are behind what is listed; return how many that were."""
    today = shanghai_day(unit.clock.now())
    newest = (
        select(Version.resource_id, Version.id)
        .where(Version.state == VersionState.LISTED)
        .ext(distinct_on(Version.resource_id))
        .order_by(Version.resource_id, Version.number.desc())
        .subquery()
    )
    behind: ColumnElement[bool] = or_(
        Listing.resource_id.is_(None),
        ListingMatch.resource_id.is_(None),
        Listing.version_id != newest.c.id,
        Listing.reprice_on <= today,
        Listing.vendor_name != Organisation.name,
    )
    found = unit.session.scalars(
        select(newest.c.resource_id)
        .join(Resource, Resource.id == newest.c.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Listing, Listing.resource_id == newest.c.resource_id)
        .outerjoin(ListingMatch, ListingMatch.resource_id == newest.c.resource_id)
        .where(behind)
        .limit(at_most)
    ).all()
    refresh_listings(unit, found)
    return len(found)


def _refresh(unit: Unit, resource_ids: Collection[UUID]) -> None:
    listed = listed_versions(unit, resource_ids)
    gone = [one for one in resource_ids if one not in listed]
    if gone:
        unit.session.execute(
            delete(Listing)
            .where(among(Listing.resource_id, gone))
            .execution_options(synchronize_session=False)
        )
    if listed:
        _write(unit, [*listed.values()])


def _write(unit: Unit, versions: Sequence[Version]) -> None:
    ids = [version.resource_id for version in versions]
    now = unit.clock.now()
    vendors = {
        resource_id: (sku, vendor)
        for resource_id, sku, vendor in unit.session.execute(
            select(Resource.id, Resource.sku, Organisation)
            .join(Organisation, Organisation.id == Resource.vendor_id)
            .where(among(Resource.id, ids))
        )
    }
    offers = _offers(unit, ids)
    signals = {
        one.resource_id: Signal(
            resource_id=one.resource_id,
            schools=one.schools,
            renewals=one.renewals,
            ratings=one.ratings,
            stars=one.stars,
        )
        for one in unit.session.scalars(
            select(ResourceSignal).where(among(ResourceSignal.resource_id, ids))
        )
    }
    places = {
        one.resource_id: one
        for one in unit.session.scalars(
            select(ResourcePlace).where(among(ResourcePlace.resource_id, ids))
        )
    }
    rows = [
        _row(
            version,
            *vendors[version.resource_id],
            now=now,
            offers=offers.get(version.resource_id, []),
            signal=signals.get(version.resource_id, Signal(resource_id=version.resource_id)),
            place=places.get(version.resource_id),
        )
        for version in versions
    ]
    unit.session.execute(WRITTEN, {"rows": msgspec.json.encode(rows).decode()})


def _offers(unit: Unit, ids: Collection[UUID]) -> dict[UUID, list[Offer]]:
    """Return the offers of each resource, the earliest first."""
    found: dict[UUID, list[Offer]] = {}
    for offer in unit.session.scalars(
        select(Offer).where(among(Offer.resource_id, ids)).order_by(Offer.valid_from)
    ):
        found.setdefault(offer.resource_id, []).append(offer)
    return found


def _row(
    version: Version,
    sku: str,
    vendor: Organisation,
    *,
    now: datetime,
    offers: Sequence[Offer],
    signal: Signal,
    place: ResourcePlace | None,
) -> dict[str, Any]:
    stated = version.metadata_
    today = shanghai_day(now)
    offer = next((one for one in reversed(offers) if one.valid_from <= today), None)
    language = str(stated.get("language", ""))
    mbps = stated.get("bandwidth_mbps")
    return {
        "resource_id": version.resource_id,
        "version_id": version.id,
        "vendor_id": vendor.id,
        "vendor_code": vendor.code,
        "vendor_name": vendor.name,
        "sku": sku,
        **{name: getattr(version, name) for name in COPIED},
        "edition": str(stated.get("edition", "")),
        "language": language.partition("-")[0],
        "licence": str(stated.get("licence", "")),
        "reach": reach_of(
            bandwidth_mbps=Decimal(mbps) if mbps else None,
            devices=stated.get("devices", ()),
            offline=stated.get("offline", ""),
        ),
        "listed_at": now,
        "plan": offer.plan["plan"] if offer else None,
        "unit_price": Decimal(offer.plan["unit_price"]) if offer else None,
        "price_order": Decimal(offer.plan["unit_price"]) if offer else UNPRICED,
        "reprice_on": next((one.valid_from for one in offers if one.valid_from > today), None),
        "schools": signal.schools,
        "renewals": signal.renewals,
        "ratings": signal.ratings,
        "stars": signal.stars,
        "prior": signal.prior,
        "place": place.place if place else UNPLACED - signal.prior,
        "is_newcomer": place.is_newcomer if place else False,
        "is_slot": place.is_slot if place else False,
        "tokens": _tokens(version, sku, vendor.name),
    }


def _tokens(version: Version, sku: str, vendor_name: str) -> str:
    stated = version.metadata_
    described = [
        *stated.get("keywords", ()),
        version.subject,
        version.grade,
        version.type,
        str(stated.get("edition", "")),
        label(version.stage, DEFAULT_LOCALE, kind="Stage") if version.stage else "",
    ]
    named = [
        vendor_name,
        str(stated.get("author", "")),
        str(stated.get("chapter", "")),
        sku,
    ]
    return weighted(
        [
            (TITLE, version.title, True),
            (DESCRIBED, " ".join(described), True),
            (NAMED, " ".join(named), False),
        ]
    )
