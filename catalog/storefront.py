"""What everybody may know of a listed resource, and of those who offer it (R4, R10).

Decides what is public: listed versions, every price from the first on, and which bureau admitted
what on which day; who reviewed it is told to those who are signed in. Nothing of what is not listed
is here, whoever asks.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from catalog.listing_models import Listing
from catalog.models import Admission, Offer, Version
from catalog.offers import offer_in_force
from catalog.search import Hit, hits_by_key
from catalog.states import VersionState
from catalog.web_addresses import is_web_address
from kernel.clock import shanghai_day
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate, Region
from kernel.identity.recording import among
from kernel.unit import Unit

MOST_COMPARED: Final = 4


class OfferTime(StrEnum):
    IN_FORCE = "in_force"
    SCHEDULED = "scheduled"
    FORMER = "former"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicOffer:
    """A price from a day on; `until` is the day before the next begins, None if none does."""

    valid_from: date
    until: date | None
    time: OfferTime
    plan: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicVersion:
    """A listed version with those who answer for it; names only for who is signed in."""

    number: int
    title: str
    created_at: datetime
    digest: str
    bureau: str
    admitted_at: datetime | None
    proposed_by: str
    decided_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """One listed resource whole; `details` are its metadata as the version holds them.

    Without an address that is no web address: it was admitted before these were checked.
    """

    hit: Hit
    details: Mapping[str, Any]
    offers: Sequence[PublicOffer]
    versions: Sequence[PublicVersion]

    @property
    def plan(self) -> Mapping[str, Any] | None:
        return next((one.plan for one in self.offers if one.time is OfferTime.IN_FORCE), None)

    def offer_on(self, day: date) -> PublicOffer | None:
        """Return the offer that was, is or will be in force on a day, as far as it is known now."""
        return next((one for one in self.offers if one.valid_from <= day), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class VendorProfile:
    """Who offers, and what of theirs is listed, by subject and by type."""

    code: str
    name: str
    vendor_kind: str
    region: str
    listed: int
    subjects: Sequence[tuple[str, int]]
    types: Sequence[tuple[str, int]]
    schools: int
    renewals: int


def resource_detail(unit: Unit, key: str) -> Detail:
    """Return a listed resource by `vendor/sku`; raise `NotFound` for what is not listed."""
    found = resource_details(unit, [key])
    if not found:
        raise NotFound(what="resource", key=key)
    return found[0]


def resource_details(unit: Unit, keys: Sequence[str]) -> list[Detail]:
    """Return the listed resources of these keys in their order, without the others."""
    hits = hits_by_key(unit, keys)
    ids = [hit.resource_id for hit in hits]
    versions, metadata = _versions(unit, ids)
    offers = _offers(unit, ids)
    return [
        Detail(
            hit=hit,
            details=metadata[hit.version_id],
            offers=offers.get(hit.resource_id, []),
            versions=versions.get(hit.resource_id, []),
        )
        for hit in hits
    ]


def plans_today(unit: Unit, resource_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """Return the price plan of today of each resource, without those that have none."""
    today = shanghai_day(unit.clock.now())
    offers = offer_in_force(unit, resource_ids, day=today)
    return {resource_id: offer.plan for resource_id, offer in offers.items()}


def vendor_profile(unit: Unit, code: str) -> VendorProfile:
    """Return who offers; raise `NotFound` for one of whom nothing is listed."""
    rows = unit.session.execute(
        select(Listing.subject, Listing.type, Listing.schools, Listing.renewals).where(
            Listing.vendor_code == code
        )
    ).all()
    if not rows:
        raise NotFound(what="vendor", key=code)
    name, facts, region = unit.session.execute(
        select(Organisation.name, Organisation.facts, Region.name)
        .join(Listing, Listing.vendor_id == Organisation.id)
        .join(Region, Region.code == Organisation.region_code)
        .where(Listing.vendor_code == code)
        .limit(1)
    ).one()
    return VendorProfile(
        code=code,
        name=name,
        vendor_kind=str(facts.get("vendor_kind", "firm")),
        region=region,
        listed=len(rows),
        subjects=Counter(row.subject for row in rows if row.subject).most_common(),
        types=Counter(row.type for row in rows if row.type).most_common(),
        schools=sum(row.schools for row in rows),
        renewals=sum(row.renewals for row in rows),
    )


def _offers(unit: Unit, ids: Collection[UUID]) -> dict[UUID, list[PublicOffer]]:
    """Return the offers of each resource, the latest first."""
    today = shanghai_day(unit.clock.now())
    found: dict[UUID, list[Offer]] = {}
    for offer in unit.session.scalars(
        select(Offer)
        .where(among(Offer.resource_id, ids))
        .order_by(Offer.resource_id, Offer.valid_from.desc())
    ):
        found.setdefault(offer.resource_id, []).append(offer)
    return {resource_id: _in_time(offers, today) for resource_id, offers in found.items()}


def _in_time(offers: Sequence[Offer], today: date) -> list[PublicOffer]:
    """Say of each offer, the latest first, when it holds."""
    shown: list[PublicOffer] = []
    follower: date | None = None
    for offer in offers:
        if offer.valid_from > today:
            time = OfferTime.SCHEDULED
        elif follower is None or follower > today:
            time = OfferTime.IN_FORCE
        else:
            time = OfferTime.FORMER
        until = date.fromordinal(follower.toordinal() - 1) if follower else None
        shown.append(
            PublicOffer(valid_from=offer.valid_from, until=until, time=time, plan=offer.plan)
        )
        follower = offer.valid_from
    return shown


def _versions(
    unit: Unit, ids: Collection[UUID]
) -> tuple[dict[UUID, list[PublicVersion]], dict[UUID, dict[str, Any]]]:
    """Return the listed versions of each resource, the newest first, and the metadata of each."""
    proposer, decider = aliased(PersonPrivate), aliased(PersonPrivate)
    rows = unit.session.execute(
        select(Version, Admission.decided_at, Organisation.name, proposer.name, decider.name)
        .outerjoin(Admission, Admission.version_id == Version.id)
        .outerjoin(Organisation, Organisation.id == Admission.bureau_id)
        .outerjoin(proposer, proposer.person_id == Admission.proposed_by)
        .outerjoin(decider, decider.person_id == Admission.decided_by)
        .where(among(Version.resource_id, ids), Version.state == VersionState.LISTED)
        .order_by(Version.resource_id, Version.number.desc())
    )
    told = unit.actor.person_id is not None
    found: dict[UUID, list[PublicVersion]] = {}
    metadata: dict[UUID, dict[str, Any]] = {}
    for version, admitted_at, bureau, proposed_by, decided_by in rows:
        shown = PublicVersion(
            number=version.number,
            title=version.title,
            created_at=version.created_at,
            digest=version.digest.hex(),
            bureau=bureau or "",
            admitted_at=admitted_at,
            proposed_by=(proposed_by or "") if told else "",
            decided_by=(decided_by or "") if told else "",
        )
        found.setdefault(version.resource_id, []).append(shown)
        metadata[version.id] = _told(version.metadata_)
    return found, metadata


def _told(metadata: dict[str, Any]) -> dict[str, Any]:
    if is_web_address(str(metadata.get("address", ""))):
        return metadata
    return {name: value for name, value in metadata.items() if name != "address"}
