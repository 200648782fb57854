"""How deep a review goes, by what a version changes of what was admitted before (R14)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from catalog.admission import decide_admission
from catalog.cases import case
from catalog.criteria import LIGHT_GROUP, Depth, criteria_of
from catalog.models import Offer, Version
from catalog.offers import offer_in_force, record_offers
from catalog.states import AdmissionState
from catalog.submissions import submit, withdraw
from catalog.takedowns import Ground, take_down
from kernel.errors import (
    InvalidInput,
    NothingChanged,
    PriceNeedsReview,
)
from kernel.outcomes import Fate
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.settlement_builders import SYSTEM

REFUSED, RETURNED = AdmissionState.REFUSED, AdmissionState.RETURNED


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def test_a_price_alone_is_reviewed_lightly_and_holds_after_its_admission(desk, clock):
    """R14: two criteria, two reviewers, and no price of a day that is over."""
    listed = desk.listed()
    with desk.units(SYSTEM) as unit:
        resource_id = unit.session.get_one(Version, listed).resource_id
    clock.advance(timedelta(days=30))
    version_id = desk.submitted(offer=desk.offer(price="0.0300", valid_from=date(2026, 8, 1)))
    with desk.units(desk.first) as unit:
        found = case(unit, version_id)
    assert (found.depth, found.changes) == (Depth.LIGHT, ("price",))
    assert {one.criterion for one in found.judged} == LIGHT_GROUP
    desk.decided(version_id)
    today = date(2026, 9, 2)
    with desk.units(SYSTEM) as unit:
        prices = [
            offer_in_force(unit, [resource_id], day=day)[resource_id].plan["unit_price"]
            for day in (today, today + timedelta(days=1))
        ]
        assert len(unit.session.scalars(select(Offer)).all()) == 2
    assert prices == ["0.0200", "0.0300"]
    assert desk.admission(version_id).depth == "light"


def test_a_licence_is_reviewed_lightly_and_content_fully(desk):
    """R14."""
    desk.listed()
    for facts, changes, depth in (
        ({"licence": "CC BY-SA 4.0"}, ("licence",), Depth.LIGHT),
        ({"licence": "CC BY-SA 4.0", "title": "第二版"}, ("content", "licence"), Depth.FULL),
    ):
        version_id = desk.draft(**facts)
        with desk.units(desk.manager) as unit:
            found = case(unit, version_id)
        assert (found.changes, found.depth) == (changes, depth)
        assert len(found.judged) == len(criteria_of(depth))
    assert {one.name for one in found.differences} == {"licence", "title"}


def test_what_changes_nothing_is_not_submitted_again(desk):
    desk.listed()
    version_id = desk.draft()
    with desk.units(desk.manager) as unit, pytest.raises(NothingChanged):
        submit(unit, version_id, a_self_check())


@pytest.mark.parametrize("state", [AdmissionState.RELEASED, AdmissionState.CLAIMED])
def test_a_state_that_is_no_verdict_is_refused_with_its_field(desk, state):
    version_id = desk.proposed(desk.submitted())
    with desk.units(desk.second) as unit, pytest.raises(InvalidInput) as refused:
        decide_admission(unit, [version_id], note="定", verdict=state)
    assert refused.value.facts["field"] == "verdict"


def test_a_row_that_is_not_right_is_refused_with_its_field(desk):
    with pytest.raises(InvalidInput) as refused:
        desk.draft(kind="wrong")
    assert refused.value.facts["field"] == "kind"


@pytest.mark.parametrize("state", ["listed", "suspended", "withdrawn"])
def test_a_vendor_changes_no_price_of_what_was_admitted_by_itself(desk, state):
    """R14: a file of prices is no way round the review; the bureau that brings it in may."""
    version_id = desk.listed("A")
    if state == "suspended":
        with desk.units(desk.first) as unit:
            take_down(unit, version_id, ground=Ground.ERRORS, reason="答案有误")
    if state == "withdrawn":
        with desk.units(desk.manager) as unit:
            withdraw(unit, version_id, note="停售")
    assert desk.state(version_id) == state
    later = desk.offer(price="0.0900", valid_from=date(2026, 12, 1))
    with desk.units(desk.manager) as unit:
        same, dearer = record_offers(unit, [desk.offer(), later])
    assert (same.fate, dearer.fate) == (Fate.DUPLICATE, Fate.REJECTED)
    assert isinstance(dearer.error, PriceNeedsReview)
    with desk.units(SYSTEM) as unit:
        assert record_offers(unit, [later])[0].fate is Fate.ACCEPTED
