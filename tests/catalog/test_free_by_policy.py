"""What is basic is free, as policy says (R1), whatever its vendor offered."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from catalog.offers import OfferRow, offer_in_force, record_offers
from catalog.resources import record_catalogue
from catalog.search import hits_by_key
from kernel.clock import shanghai_day
from tests.support.builders import a_region_tree, a_vendor, took
from tests.support.catalogue_builders import a_row, listed
from tests.support.settlement_builders import SYSTEM

FREE = {"plan": "per_use", "unit_price": "0.0000"}


@pytest.fixture
def firm(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return a_vendor(unit)


def an_offer(firm, sku: str, day: date, price: str) -> OfferRow:
    return OfferRow(
        vendor_code=firm.code,
        sku=sku,
        valid_from=day,
        plan="per_use",
        unit_price_yuan=Decimal(price),
    )


def held(unit, firm, sku: str, day: date) -> dict[str, str] | None:
    resource_id = hits_by_key(unit, [f"{firm.code}/{sku}"])[0].resource_id
    offers = offer_in_force(unit, [resource_id], day=day)
    return dict(offers[resource_id].plan) if offers else None


def test_what_is_basic_is_free_by_policy_from_the_day_that_lists_it(units, firm):
    """R1: nobody has to offer it; and its vendor's own free offer stands where there is one."""
    with units(SYSTEM) as unit:
        rows = [a_row(firm, "JC-1", "基础课", kind="basic"), a_row(firm, "GX-1", "个性课")]
        listed(unit, rows, is_priced=False)
        listed(unit, [a_row(firm, "JC-2", "安全课", kind="basic")])
        today = shanghai_day(unit.clock.now())
        basic, own, priced = hits_by_key(
            unit, [f"{firm.code}/{n}" for n in ("JC-1", "JC-2", "GX-1")]
        )
        assert (basic.plan, basic.unit_price) == ("per_use", 0)
        assert (priced.plan, priced.unit_price) == (None, None)
        ids = [basic.resource_id, own.resource_id, priced.resource_id]
        offers = offer_in_force(unit, ids, day=today)
    assert offers[basic.resource_id].valid_from == today
    assert offers[own.resource_id].valid_from < today
    assert set(offers) == {basic.resource_id, own.resource_id}


def test_what_becomes_basic_is_free_from_the_day_after_its_price(units, firm):
    """Also from the day after each price that was to come."""
    with units(SYSTEM) as unit:
        today = shanghai_day(unit.clock.now())
        later = today + timedelta(days=40)
        listed(unit, [a_row(firm, "P-1", "个性课")])
        took(record_offers(unit, [an_offer(firm, "P-1", later, "0.5")]))
        listed(unit, [a_row(firm, "P-1", "基础课", kind="basic")], is_priced=False)
        assert held(unit, firm, "P-1", today) == {"plan": "per_use", "unit_price": "0.1000"}
        one_day = timedelta(days=1)
        assert held(unit, firm, "P-1", today + one_day) == FREE
        assert held(unit, firm, "P-1", later - one_day) == FREE
        assert held(unit, firm, "P-1", later + one_day) == FREE


def test_a_free_price_that_begins_later_leaves_no_day_without_one(units, firm):
    with units(SYSTEM) as unit:
        today = shanghai_day(unit.clock.now())
        row = a_row(firm, "P-2", "基础课", kind="basic")
        took(record_catalogue(unit, [row]))
        took(record_offers(unit, [an_offer(firm, "P-2", today + timedelta(days=300), "0")]))
        listed(unit, [row], is_priced=False)
        assert held(unit, firm, "P-2", today) == FREE
