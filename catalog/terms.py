"""What a version changes of its resource's price: what held before, what holds from which day on.

Prices belong to the resource and begin on days of their own; a version changes one only if a price
was proposed with it. So two versions differ in their terms by the prices proposed with the later
one and with what was admitted between them, and by nothing else that changed meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import or_, select

from catalog.admission_models import ProposedOffer
from catalog.models import Admission, Offer, Version
from catalog.price_days import DAY, begins_on
from catalog.states import AdmissionState
from kernel.clock import shanghai_day
from kernel.unit import Unit

Terms = dict[str, Any]
"""`plan`, `valid_from` and `until` (the last day, absent while none is known); empty: no price."""


@dataclass(frozen=True, slots=True)
class _Price:
    """A price proposed with a version, from the day on which it began or is to begin."""

    version: Version
    plan: dict[str, Any]
    begins: date
    is_admitted: bool


def terms_between(unit: Unit, old: Version, new: Version) -> tuple[Terms, Terms]:
    """Return the terms of two versions of a resource, both empty where they are the same."""
    earlier, later = sorted((old, new), key=lambda one: one.number)
    offers = unit.session.scalars(
        select(Offer).where(Offer.resource_id == later.resource_id).order_by(Offer.valid_from)
    ).all()
    prices = _proposed(unit, earlier, later, offers)
    changed = [
        one
        for one in prices
        if one.version.number > earlier.number
        and (one.is_admitted or one.version.number == later.number)
    ]
    own = next((one for one in prices if one.version.number == earlier.number), None)
    before: Terms = {}
    after: Terms = {}
    if changed:
        last = changed[-1]
        after = _told(last.plan, last.begins, offers)
        held = [one for one in offers if one.valid_from < changed[0].begins]
        if held:
            before = _told(held[-1].plan, held[-1].valid_from, offers, next_begins=last.begins)
        elif own is not None:
            before = _told(own.plan, own.begins, offers)
    elif own is not None and not own.is_admitted and earlier is not later:
        before = _told(own.plan, own.begins, offers)
    return (before, after) if earlier is old else (after, before)


def _proposed(
    unit: Unit, earlier: Version, later: Version, offers: Sequence[Offer]
) -> list[_Price]:
    """Return the prices proposed with the two versions and those between, by number."""
    rows = unit.session.execute(
        select(Version, ProposedOffer, Admission.decided_at)
        .join(ProposedOffer, ProposedOffer.version_id == Version.id)
        .outerjoin(
            Admission,
            (Admission.version_id == Version.id) & (Admission.state == AdmissionState.ADMITTED),
        )
        .where(
            Version.resource_id == later.resource_id,
            Version.number.between(earlier.number, later.number),
            or_(Admission.id.is_not(None), Version.id.in_([earlier.id, later.id])),
        )
        .order_by(Version.number)
    )
    today = shanghai_day(unit.clock.now())
    return [
        _Price(
            version,
            proposed.plan,
            begins_on(proposed, offers, admitted_at=decided_at, today=today),
            decided_at is not None,
        )
        for version, proposed, decided_at in rows
    ]


def _told(
    plan: dict[str, Any], begins: date, offers: Sequence[Offer], *, next_begins: date | None = None
) -> Terms:
    following = [one.valid_from for one in offers if one.valid_from > begins]
    if next_begins is not None and next_begins > begins:
        following.append(next_begins)
    until = {"until": min(following) - DAY} if following else {}
    return {"plan": plan, "valid_from": begins, **until}
