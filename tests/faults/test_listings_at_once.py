"""Who writes listings holds their resources first: nobody waits for another in a circle (R8)."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select, text

from catalog.listing_models import Listing
from catalog.listings import hold_listings, refresh_listings
from catalog.places import Placed, publish_places
from catalog.submissions import withdraw
from kernel.unit import Unit, Units
from tests.faults.test_agreements_at_once import wait_for_a_lock
from tests.support.builders import a_region_tree, a_vendor
from tests.support.catalogue_builders import a_row, listed
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.faults


def withdrawn(unit: Unit, shown: list[Listing]) -> None:
    withdraw(unit, shown[0].version_id, note="不再维护")


def placed(unit: Unit, shown: list[Listing]) -> None:
    publish_places(
        unit,
        [
            Placed(resource_id=one.resource_id, place=place, is_newcomer=False, is_slot=False)
            for place, one in enumerate(shown, start=1)
        ],
    )


@pytest.mark.parametrize("act", [withdrawn, placed])
def test_a_refresh_and_who_changes_the_same_listings_both_come_through(
    units: Units, act: Callable[[Unit, list[Listing]], None]
) -> None:
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        firm = a_vendor(unit)
        listed(unit, [a_row(firm, "A-1", "小数乘法"), a_row(firm, "A-2", "荷花")])
        by_place = select(Listing).order_by(text("listing.ctid"))
        shown = list(unit.session.scalars(by_place))
        unit.session.expunge_all()
    first, last = (one.resource_id for one in shown)
    failures: list[BaseException] = []

    def acting() -> None:
        try:
            with units(SYSTEM) as unit:
                act(unit, shown)
        except BaseException as failure:  # noqa: BLE001 (told to the test)
            failures.append(failure)

    other = threading.Thread(target=acting)
    with units(SYSTEM) as unit:
        hold_listings(unit, [first, last])
        refresh_listings(unit, [last])
        other.start()
        wait_for_a_lock(units, other)
        refresh_listings(unit, [first])
    other.join(timeout=60)
    assert not failures
    with units(SYSTEM) as unit:
        places = {one.resource_id: one.place for one in unit.session.scalars(select(Listing))}
    assert places == ({first: 1, last: 2} if act is placed else {last: places[last]})
