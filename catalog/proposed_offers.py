"""Prices that vendors propose with a version, and what becomes of them when it is listed (R14).

A price of what is listed already is reviewed before it holds, and never holds before the day after
it was admitted: no month's price moves behind the schools that use it.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select

from catalog.admission_models import ProposedOffer
from catalog.kinds import ResourceKind
from catalog.listings import refresh_listings
from catalog.models import Offer, Version
from catalog.offers import OfferRow, plan_of
from catalog.plans import FREE
from kernel.clock import shanghai_day
from kernel.errors import AlreadyExists
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.unit import Unit


def propose_offer(unit: Unit, version: Version, row: OfferRow) -> None:
    """Keep the price that is proposed with a draft, in place of one proposed before."""
    plan = plan_of(row, is_basic=version.kind == "basic")
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


def enter_offers(unit: Unit, versions: Sequence[Version]) -> None:
    """Make offers of the prices proposed with versions that are listed now."""
    resources = {version.id: version.resource_id for version in versions}
    proposed = unit.session.scalars(
        select(ProposedOffer)
        .where(among(ProposedOffer.version_id, list(resources)))
        .order_by(ProposedOffer.version_id)
    ).all()
    if not proposed:
        return
    ids = {resources[one.version_id] for one in proposed}
    rows = unit.session.execute(
        select(Offer.resource_id, func.max(Offer.valid_from).label("day"))
        .where(among(Offer.resource_id, ids))
        .group_by(Offer.resource_id)
    )
    last = {row.resource_id: row.day for row in rows}
    tomorrow = shanghai_day(unit.clock.now()) + timedelta(days=1)
    for one in proposed:
        resource_id = resources[one.version_id]
        day = max(one.valid_from, tomorrow) if resource_id in last else one.valid_from
        if last.get(resource_id) == day:
            raise AlreadyExists(what="offer", key=day)
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


def enter_policy(unit: Unit, versions: Sequence[Version]) -> None:
    """Make basic resources free from today where nobody made an offer: that is policy (R1)."""
    ids = {version.resource_id for version in versions if version.kind == ResourceKind.BASIC}
    offered = set(
        unit.session.scalars(select(Offer.resource_id).where(among(Offer.resource_id, ids)))
    )
    for resource_id in sorted(ids - offered):
        unit.session.add(
            Offer(
                id=new_id(),
                resource_id=resource_id,
                valid_from=shanghai_day(unit.clock.now()),
                plan=dict(FREE),
                recorded_at=unit.clock.now(),
            )
        )
    unit.session.flush()
    refresh_listings(unit, ids - offered)
