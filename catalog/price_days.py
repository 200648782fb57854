"""From which day a price holds that is proposed with a version (R14): asked, shown and entered.

A first price never holds before the month in which it was admitted, another one never before the
day after; where another price begins on that day, it begins on the next day that is free. One rule
for all three, so that nobody decides on another day than the one from which the price holds.
"""

from collections.abc import Container, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import ProposedOffer
from catalog.models import Offer
from kernel.clock import shanghai_day
from kernel.unit import Unit

DAY: Final = timedelta(days=1)


def first_day(wanted: date, taken: Container[date], *, is_first: bool, today: date) -> date:
    """Return the first day on which a price may begin that is admitted today.

    `taken`: the days on which other prices begin; `is_first`: there is none.
    """
    day = max(wanted, today.replace(day=1) if is_first else today + DAY)
    while day in taken:
        day += DAY
    return day


def shown_day(
    unit: Unit, proposed: ProposedOffer, resource_id: UUID, *, admitted_at: datetime | None
) -> date:
    """Return from which day a price holds, or would if it were admitted today."""
    offers = unit.session.scalars(select(Offer).where(Offer.resource_id == resource_id)).all()
    today = shanghai_day(unit.clock.now())
    return begins_on(proposed, offers, admitted_at=admitted_at, today=today)


def begins_on(
    proposed: ProposedOffer, offers: Sequence[Offer], *, admitted_at: datetime | None, today: date
) -> date:
    """Return the day of the offer that was made of a price; of what isn't admitted, the first day.

    `offers`: all of its resource.
    """
    made = [
        one
        for one in offers
        if admitted_at is not None
        and one.recorded_at >= admitted_at
        and one.valid_from >= proposed.valid_from
        and one.plan == proposed.plan
    ]
    if made:
        return min(made, key=lambda one: (one.recorded_at, one.valid_from)).valid_from
    taken = {one.valid_from for one in offers}
    return first_day(proposed.valid_from, taken, is_first=not taken, today=today)
