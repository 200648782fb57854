"""Offers: what a use costs from a day on, until the next offer begins; never changed.

Decides which price is in force. Agreements freeze what they were concluded at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from catalog.kinds import ResourceKind
from catalog.listings import refresh_listings
from catalog.models import Admission, Offer, Version
from catalog.plans import Tier, check_plan, is_free, normalised
from catalog.queries import (
    CATALOGUE_RECORDERS,
    latest_versions,
    listed_versions,
    resources_by_key,
    vendors_priced,
)
from catalog.states import AdmissionState
from kernel.clock import FIRST_YEAR, LAST_YEAR
from kernel.errors import AlreadyExists, InvalidInput, NotFound, PriceNeedsReview
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    trail_recording,
)
from kernel.ids import ResourceId, new_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting, rejected
from kernel.unit import Unit

COLUMN_OF: Final = {"unit_price": "unit_price_yuan", "period_cap": "period_cap_yuan"}
"""Where a key of the plan stands in a row, unless it has the same name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferRow:
    """One price plan (see `catalog.plans`); amounts in yuan, exact to four decimals."""

    vendor_code: str
    sku: str
    valid_from: date
    plan: str
    unit_price_yuan: Decimal
    tiers: Sequence[Tier] = ()
    free_allowance: int | None = None
    period_cap_yuan: Decimal | None = None
    learner_cap: int | None = None


def record_offers(unit: Unit, rows: Sequence[OfferRow]) -> list[RowOutcome]:
    """Record offers; return each row's fate, in order.

    Basic resources are free (R1): those whose listed or newest version says so. A vendor changes no
    price of what was admitted by itself, not even while it is suspended: that is reviewed (R14,
    `catalog.proposed_offers`).
    """
    vendors = vendors_priced(unit, {row.vendor_code for row in rows})
    lock_recording(unit)
    resources = resources_by_key(
        unit, {(row.vendor_code, row.sku) for row in rows if row.vendor_code in vendors}
    )
    ids = [resource.id for resource in resources.values()]
    listed = listed_versions(unit, ids)
    basic = {
        version.resource_id
        for versions in (listed, latest_versions(unit, ids))
        for version in versions.values()
        if version.kind == ResourceKind.BASIC
    }
    plans = {
        (offer.resource_id, offer.valid_from): offer.plan
        for offer in unit.session.scalars(select(Offer).where(among(Offer.resource_id, ids)))
    }
    is_vendor = not unit.actor.may(*CATALOGUE_RECORDERS)
    let_in = listed.keys() | _admitted(unit, ids)
    reviewed = {resource_id for resource_id, _ in plans if is_vendor and resource_id in let_in}
    fresh: list[dict[str, Any]] = []
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            resource = resources.get((row.vendor_code, row.sku))
            if resource is None:
                missing = NotFound(what="resource", key=f"{row.vendor_code} {row.sku}")
                raise FieldError(missing, field="sku")
            plan = plan_of(row, is_basic=resource.id in basic)
        except FieldError as error:
            outcomes.append(error.outcome)
            continue
        key = (resource.id, row.valid_from)
        before = plans.get(key)
        if before == plan:
            outcomes.append(DUPLICATE)
        elif before is not None:
            taken = AlreadyExists(what="offer", key=f"{row.sku} {row.valid_from}")
            outcomes.append(conflicting(taken, field="unit_price_yuan"))
        elif resource.id in reviewed:
            outcomes.append(rejected(PriceNeedsReview(key=row.sku), field="unit_price_yuan"))
        else:
            plans[key] = plan
            fresh.append(
                {
                    "id": new_id(),
                    "resource_id": resource.id,
                    "valid_from": row.valid_from,
                    "plan": plan,
                    "recorded_at": unit.clock.now(),
                }
            )
            outcomes.append(ACCEPTED)
    if fresh:
        unit.session.execute(insert(Offer), fresh)
        refresh_listings(unit, {one["resource_id"] for one in fresh})
    trail_recording(unit, "offers", outcomes, resources=len({one["resource_id"] for one in fresh}))
    return outcomes


def _admitted(unit: Unit, resource_ids: Collection[UUID]) -> set[ResourceId]:
    """Return the resources of which a version was admitted once, whatever became of it since."""
    found = unit.session.scalars(
        select(Version.resource_id)
        .join(Admission, Admission.version_id == Version.id)
        .where(among(Version.resource_id, resource_ids), Admission.state == AdmissionState.ADMITTED)
    )
    return {ResourceId(one) for one in found}


def offer_in_force(
    unit: Unit, resource_ids: Collection[UUID], *, day: date
) -> dict[ResourceId, Offer]:
    """Return each resource's offer in force on a day, without those that have none."""
    rows = unit.session.scalars(
        select(Offer)
        .where(among(Offer.resource_id, resource_ids), Offer.valid_from <= day)
        .ext(distinct_on(Offer.resource_id))
        .order_by(Offer.resource_id, Offer.valid_from.desc())
    )
    return {ResourceId(offer.resource_id): offer for offer in rows}


def free_days(unit: Unit, resource_ids: Collection[UUID]) -> dict[ResourceId, list[date]]:
    """Return by resource the days on which a free price of it begins, in their order."""
    found: dict[ResourceId, list[date]] = {}
    for offer in unit.session.scalars(
        select(Offer)
        .where(among(Offer.resource_id, resource_ids))
        .order_by(Offer.resource_id, Offer.valid_from)
    ):
        if is_free(offer.plan):
            found.setdefault(ResourceId(offer.resource_id), []).append(offer.valid_from)
    return found


def plan_of(row: OfferRow, *, is_basic: bool) -> dict[str, Any]:
    """Return the plan as it is stored: words and decimal strings, so that it compares exactly."""
    plan: dict[str, Any] = {"plan": row.plan, "unit_price": f"{row.unit_price_yuan:f}"}
    if row.tiers:
        plan["tiers"] = [
            {"up_to": tier.up_to, "unit_price": f"{tier.unit_price:f}"} for tier in row.tiers
        ]
    if row.free_allowance is not None:
        plan["free_allowance"] = row.free_allowance
    if row.period_cap_yuan is not None:
        plan["period_cap"] = f"{row.period_cap_yuan:f}"
    if row.learner_cap is not None:
        plan["learner_cap"] = row.learner_cap
    try:
        if not FIRST_YEAR <= row.valid_from.year <= LAST_YEAR:
            raise InvalidInput(
                field="valid_from",
                value=row.valid_from,
                expected="a day from {first} to {last}",
                limits={"first": FIRST_YEAR, "last": LAST_YEAR},
            )
        check_plan(plan)
        if is_basic and not is_free(plan):
            expected = "0, since basic resources are free"
            raise InvalidInput(field="unit_price", value=plan["unit_price"], expected=expected)
    except InvalidInput as error:
        key = str(error.facts["field"])
        error.facts["field"] = column = COLUMN_OF.get(key, key)
        raise FieldError(error, field=column) from None
    return normalised(plan)
