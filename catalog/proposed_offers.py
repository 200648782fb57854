"""Prices that vendors propose with a version, and what becomes of them when it is listed (R14).

No month's price moves behind the schools that use it (`catalog.price_days`). A day to come on which
another price begins is refused while it is a draft; where one was given that day since, or the day
is over, it begins on the next day that is free, so that it keeps no other decision waiting.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import ProposedOffer
from catalog.kinds import ResourceKind
from catalog.listings import refresh_listings
from catalog.models import Offer, Version
from catalog.offers import OfferRow, offer_in_force, plan_of
from catalog.plans import FREE, is_free
from catalog.price_days import first_day
from catalog.queries import listed_versions
from kernel.clock import shanghai_day
from kernel.errors import PriceDayMoved, PriceDayTaken
from kernel.identity.recording import FieldError, among, lock_recording
from kernel.ids import ResourceId, VersionId, new_id
from kernel.unit import Unit


def propose_offer(unit: Unit, version: Version, row: OfferRow) -> None:
    """Keep the price that is proposed with a draft, in place of one proposed before.

    What holds from that day on in any case is no other price, and proposes none. Raises
    `FieldError`: for what is no price, for a day to come on which another begins.
    """
    plan = plan_of(row, is_basic=version.kind == "basic")
    today = shanghai_day(unit.clock.now())
    day = max(row.valid_from, today)
    held = offer_in_force(unit, [version.resource_id], day=day).get(ResourceId(version.resource_id))
    if held is not None and held.plan == plan:
        drop_offer(unit, version)
        return
    days = _days_taken(unit, [version.resource_id])[version.resource_id]
    if row.valid_from > today and row.valid_from in days:
        taken = PriceDayTaken(field="valid_from", key=row.sku, day=row.valid_from)
        raise FieldError(taken, field="valid_from")
    known = unit.session.get(ProposedOffer, version.id)
    if known is None:
        unit.session.add(ProposedOffer(version_id=version.id, valid_from=row.valid_from, plan=plan))
    else:
        known.valid_from, known.plan = row.valid_from, plan
    unit.session.flush()


def drop_offer(unit: Unit, version: Version) -> None:
    """Propose no price with a draft any more."""
    known = unit.session.get(ProposedOffer, version.id)
    if known is not None:
        unit.session.delete(known)
        unit.session.flush()


def hold_prices(unit: Unit, version_ids: Collection[VersionId]) -> None:
    """Wait for files of prices, if a price was proposed with one of these submitted versions.

    Before anything else is locked: who records holds this and then the resources.
    """
    wanted = select(ProposedOffer.version_id).where(among(ProposedOffer.version_id, version_ids))
    if unit.session.scalars(wanted.limit(1)).first() is not None:
        lock_recording(unit)


def enter_offers(unit: Unit, versions: Collection[Version], *, shown: date | None = None) -> None:
    """Make offers of the prices proposed with versions that are listed now.

    Raises `PriceDayMoved` if one begins on another day than the one `shown` to who decides.
    """
    resources = {version.id: version.resource_id for version in versions}
    proposed = unit.session.scalars(
        select(ProposedOffer)
        .where(among(ProposedOffer.version_id, list(resources)))
        .order_by(ProposedOffer.version_id)
    ).all()
    if not proposed:
        return
    ids = {resources[one.version_id] for one in proposed}
    days = _days_taken(unit, ids)
    today = shanghai_day(unit.clock.now())
    for one in proposed:
        resource_id = resources[one.version_id]
        taken = days[resource_id]
        day = first_day(one.valid_from, taken, is_first=not taken, today=today)
        if shown is not None and day != shown:
            raise PriceDayMoved(day=day, shown=shown)
        taken.add(day)
        unit.session.add(
            Offer(
                id=new_id(),
                resource_id=resource_id,
                valid_from=day,
                plan=one.plan,
                recorded_at=unit.clock.now(),
            )
        )
    unit.session.flush()
    refresh_listings(unit, ids)


def enter_policy(unit: Unit, resource_ids: Collection[UUID]) -> None:
    """Make what is listed as basic free, as policy says (R1), whatever prices it was given.

    From today where none holds; the day after a price that holds today or begins later.
    """
    basic = sorted(
        one
        for one, version in listed_versions(unit, resource_ids).items()
        if version.kind == ResourceKind.BASIC
    )
    begin: dict[UUID, dict[date, bool]] = {one: {} for one in basic}
    for offer in unit.session.scalars(select(Offer).where(among(Offer.resource_id, basic))):
        begin[offer.resource_id][offer.valid_from] = is_free(offer.plan)
    today = shanghai_day(unit.clock.now())
    fresh = [(one, day) for one in basic for day in _days_to_free(begin[one], today)]
    unit.session.add_all(
        Offer(
            id=new_id(),
            resource_id=resource_id,
            valid_from=day,
            plan=dict(FREE),
            recorded_at=unit.clock.now(),
        )
        for resource_id, day in fresh
    )
    unit.session.flush()
    refresh_listings(unit, {resource_id for resource_id, _ in fresh})


def _days_to_free(begin: Mapping[date, bool], today: date) -> Iterator[date]:
    """Return on which days a free price has to begin; `begin`: days of prices, and which are."""
    held = max((day for day in begin if day <= today), default=None)
    if held is None:
        yield today
    for day, free in begin.items():
        following = max(day, today) + timedelta(days=1)
        if not free and (day > today or day == held) and following not in begin:
            yield following


def _days_taken(unit: Unit, resource_ids: Collection[UUID]) -> dict[UUID, set[date]]:
    """Return the days on which prices of the resources begin."""
    days: dict[UUID, set[date]] = {one: set() for one in resource_ids}
    for resource_id, day in unit.session.execute(
        select(Offer.resource_id, Offer.valid_from).where(among(Offer.resource_id, resource_ids))
    ):
        days[resource_id].add(day)
    return days
