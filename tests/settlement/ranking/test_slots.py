"""The storefront's order: the best first, and some places kept for newcomers, who take turns."""

from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from sqlalchemy import select

from catalog.listing_models import Listing, NewcomerExposure
from catalog.places import Listed
from catalog.search import Sort, Wanted, Why, search
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.config import SHIPPED
from settlement.ranking.slots import arranged, interleaved, publish_order
from tests.support.application import an_app
from tests.support.builders import a_resource, a_vendor
from tests.support.ranking_builders import APRIL, MARCH, a_contest, lived, ranked
from tests.support.settlement_builders import SYSTEM

SHARE = SHIPPED.newcomers.share
SIZES = st.integers(0, 60)


def ids(first: int, count: int) -> list[UUID]:
    return [UUID(int=first + n) for n in range(count)]


@given(SIZES, SIZES)
def test_each_stands_once_and_kept_places_are_a_tenth_to_a_fifth(best: int, new: int) -> None:
    """R43."""
    spots = list(interleaved(ids(1, best), ids(1000, new), share=SHARE))

    assert [one.position for one in spots] == [*range(1, best + new + 1)]
    assert {one.resource_id for one in spots} == {*ids(1, best), *ids(1000, new)}
    assert [one.resource_id for one in spots if not one.is_newcomer] == ids(1, best)
    # As long as there are both, of each beginning at least so many are newcomers, and no more.
    both = [one for one in spots if one.is_slot or not one.is_newcomer]
    for length in range(20, len(both) + 1):
        kept = sum(one.is_slot for one in both[:length])
        assert kept <= length / 5
        if sum(one.is_slot for one in spots) < new - 1:
            assert kept >= length / 10


@given(st.dictionaries(st.sampled_from(ids(1, 9)), st.integers(0, 50)), st.text(max_size=10))
def test_who_was_shown_least_is_shown_first(shown: dict[UUID, int], turn: str) -> None:
    """R43."""
    listed = [Listed(resource_id=one, cell="c", prior=0) for one in ids(1, 9)]

    order = arranged(listed, {}, shown=shown, share=Decimal("0.15"), turn=turn)

    counts = [shown.get(one.resource_id, 0) for one in order]
    assert counts == sorted(counts)
    assert [one.place for one in order] == [*range(1, 10)]


def test_the_storefront_shows_the_ranking_and_counts_kept_places(
    units: Units, settings: Settings
) -> None:
    """R42, R43: the kept place is labelled, and how often it was shown is known."""
    contest = a_contest(units, sellers=7)
    with units(SYSTEM) as unit:
        newcomer = a_resource(unit, a_vendor(unit), "NEW")
    lived(units, contest, MARCH, {0: 2, 1: 5, 2: 3, 3: 3, 4: 3, 5: 3, 6: 1})
    lived(units, contest, APRIL)
    ranked(units, APRIL)

    with units(SYSTEM) as unit:
        hits = search(unit, Wanted(sort=Sort.RANKED)).hits
        again = publish_order(unit)
        listing = unit.session.get_one(Listing, newcomer)
    assert (again, len(hits)) == (8, 8)
    assert hits[0].resource_id == contest.sellers[1].resource_id
    assert hits[-1].resource_id == contest.sellers[6].resource_id
    assert [hit.is_slot for hit in hits].index(True) == 6
    assert hits[6].resource_id == newcomer
    assert (listing.is_slot, hits[6].why[0]) == (True, Why.KEPT_FOR_NEWCOMERS)
    with TestClient(an_app(settings, units)) as client:
        for _ in range(2):
            page = client.get("/catalog", headers={"accept": "text/html"}).text
        assert page.count("为新入驻保留的位置") == 1
        client.get("/catalog?sort=newest", headers={"accept": "text/html"})
    with units(SYSTEM) as unit:
        shown = unit.session.scalars(select(NewcomerExposure)).one()
    assert (shown.resource_id, shown.shown) == (newcomer, 2)
