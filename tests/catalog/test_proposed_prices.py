"""Which day a price that is proposed with a version begins on, whatever else begins when (R14)."""

from datetime import date

import pytest
from sqlalchemy import select

from catalog.admission import decide_admission
from catalog.awaiting import awaiting_decision
from catalog.cases import case
from catalog.models import Offer, Version
from catalog.offers import record_offers
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, PriceDayMoved, PriceDayTaken
from tests.support.admission_builders import Desk, a_desk
from tests.support.settlement_builders import SYSTEM

BEFORE_CHRISTMAS, NEW_YEAR, NEXT = date(2026, 12, 20), date(2027, 1, 1), date(2027, 1, 2)


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def prices(desk: Desk, version_id) -> dict[date, str]:
    with desk.units(SYSTEM) as unit:
        resource_id = unit.session.get_one(Version, version_id).resource_id
        return {
            one.valid_from: one.plan["unit_price"]
            for one in unit.session.scalars(select(Offer).where(Offer.resource_id == resource_id))
        }


def at(desk: Desk, day: date, price: str):
    return desk.offer(price=price, valid_from=day)


def test_a_day_on_which_another_price_begins_is_refused_with_the_draft(desk):
    """R14: also where a later price is known."""
    desk.listed()
    for day, price in ((BEFORE_CHRISTMAS, "0.0300"), (NEW_YEAR, "0.0400")):
        desk.decided(desk.submitted(offer=at(desk, day, price)))
    with pytest.raises(PriceDayTaken) as refused:
        desk.draft(offer=at(desk, BEFORE_CHRISTMAS, "0.0350"))
    assert refused.value.facts["field"] == "valid_from"
    between = desk.decided(desk.submitted(offer=at(desk, date(2026, 12, 25), "0.0350")))
    assert list(prices(desk, between).values())[1:] == ["0.0300", "0.0400", "0.0350"]


def test_one_vendors_price_date_keeps_no_other_decision_waiting(desk):
    """R14: the day was given to another price after this one was submitted."""
    desk.listed("A")
    desk.listed("B")
    late = desk.proposed(desk.submitted("A", offer=at(desk, BEFORE_CHRISTMAS, "0.0350")))
    desk.proposed(desk.submitted("B", title="第二版"))
    with desk.units(SYSTEM) as unit:
        days = (at(desk, BEFORE_CHRISTMAS, "0.0300"), at(desk, NEW_YEAR, "0.0400"))
        assert all(one.error is None for one in record_offers(unit, days))
    with desk.units(desk.second) as unit:
        waiting = awaiting_decision(unit)
        assert len(waiting) == 2
        decide_admission(unit, waiting, note="同意")
    assert desk.state(late) == "listed"
    assert prices(desk, late)[date(2026, 12, 21)] == "0.0350"


def test_two_versions_decided_at_once_have_each_its_price(desk):
    first = desk.proposed(desk.submitted(offer=at(desk, NEW_YEAR, "0.0300")))
    second = desk.proposed(desk.submitted(title="第二版", offer=at(desk, NEW_YEAR, "0.0400")))
    with desk.units(desk.second) as unit:
        decide_admission(unit, [first, second], note="同意")
    assert prices(desk, second) == {NEW_YEAR: "0.0300", date(2027, 1, 2): "0.0400"}


def shown(desk: Desk, who, version_id) -> date:
    with desk.units(who) as unit:
        return case(unit, version_id).price_from


def test_who_decides_and_whose_it_is_read_the_day_from_which_a_price_holds(desk):
    """R14: two proposals for one day, decided one after the other."""
    desk.listed()
    first = desk.proposed(desk.submitted(offer=at(desk, NEW_YEAR, "0.0300")))
    second = desk.proposed(desk.submitted(title="第二版", offer=at(desk, NEW_YEAR, "0.0400")))
    read_before = shown(desk, desk.second, second)
    with desk.units(desk.second) as unit:
        decide_admission(unit, [first], note="同意", price_from=NEW_YEAR)

    with pytest.raises(PriceDayMoved) as refused, desk.units(desk.second) as unit:
        decide_admission(unit, [second], note="同意", price_from=read_before)
    assert (refused.value.facts["day"], refused.value.facts["shown"]) == (NEXT, NEW_YEAR)
    assert desk.state(second) == "in_review"

    read_again = shown(desk, desk.second, second)
    with desk.units(desk.second) as unit:
        told = {one.name: one.after for one in case(unit, second).differences}
        decide_admission(unit, [second], note="同意", price_from=read_again)
    assert prices(desk, second)[NEXT] == "0.0400"
    assert read_again == told["valid_from"] == NEXT
    for who in (desk.manager, desk.second):
        assert (shown(desk, who, first), shown(desk, who, second)) == (NEW_YEAR, NEXT)


def test_the_day_of_a_first_price_is_shown_as_it_will_hold(desk, clock):
    month = shanghai_day(clock.now()).replace(day=1)
    version_id = desk.proposed(desk.submitted(offer=at(desk, date(1990, 1, 1), "0.0300")))
    assert shown(desk, desk.second, version_id) == month


def test_a_first_price_holds_from_the_month_of_its_admission_and_no_day_before(desk, clock):
    month = shanghai_day(clock.now()).replace(day=1)
    version_id = desk.decided(desk.submitted(offer=at(desk, date(1990, 1, 1), "0.0300")))
    assert prices(desk, version_id) == {month: "0.0300"}


@pytest.mark.parametrize("day", [date(1, 1, 1), date(2300, 1, 1)])
def test_a_day_that_nobody_means_is_refused_with_its_field(desk, day):
    with pytest.raises(InvalidInput) as refused:
        desk.draft(offer=at(desk, day, "0.0300"))
    assert refused.value.facts["field"] == "valid_from"
    desk.submitted()
    with desk.units(SYSTEM) as unit:
        (outcome,) = record_offers(unit, [at(desk, day, "0.0300")])
    assert outcome.field == "valid_from"


def test_the_price_that_holds_in_any_case_is_no_other(desk):
    """A draft that begins as the version before it does names that version's price."""
    desk.listed()
    draft = desk.draft(title="第二版", offer=desk.offer())
    with desk.units(desk.manager) as unit:
        assert case(unit, draft).changes == ("content",)
