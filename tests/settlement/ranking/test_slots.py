"""The storefront's order: the best first, and some places kept for newcomers, who take turns."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, sqrt
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from sqlalchemy import select

from catalog.admission_models import Takedown
from catalog.listing_models import Listing, NewcomerExposure
from catalog.places import PER_PAGE, Listed
from catalog.search import Sort, Wanted, Why, search
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.config import SHIPPED
from settlement.ranking.slots import SILENT, arranged, interleaved, publish_order
from tests.support.application import an_app
from tests.support.builders import a_resource, a_vendor
from tests.support.ranking_builders import APRIL, MARCH, a_contest, lived, ranked
from tests.support.settlement_builders import SYSTEM

SHARE = SHIPPED.newcomers.share
SIZES = st.integers(0, 60)


def ids(first: int, count: int) -> list[UUID]:
    return [UUID(int=first + n) for n in range(count)]


@given(SIZES, SIZES)
def test_each_stands_once_and_of_each_page_the_share_is_kept_rounded_up(
    best: int, new: int
) -> None:
    """R43: of a page of any length, as `docs/ranking.md` says it."""
    spots = list(interleaved(ids(1, best), ids(1000, new), share=SHARE))

    assert [one.position for one in spots] == [*range(1, best + new + 1)]
    assert {one.resource_id for one in spots} == {*ids(1, best), *ids(1000, new)}
    assert [one.resource_id for one in spots if not one.is_newcomer] == ids(1, best)
    left = new
    for first in range(0, len(spots), PER_PAGE):
        page = spots[first : first + PER_PAGE]
        if all(one.is_newcomer for one in page):
            assert not any(one.is_slot for one in page)
            continue
        least = min(left, ceil(len(page) * Fraction(15, 100)))
        assert sum(one.is_newcomer for one in page) >= least
        assert sum(one.is_slot for one in page) == least
        left -= sum(one.is_newcomer for one in page)


@pytest.mark.parametrize(
    ("ranked", "new", "kept"),
    [
        (1, 1, [2]),
        (2, 1, [3]),
        (6, 4, [5, 10]),
        (8, 30, [6, 12, 18, 24, 30]),
        (40, 5, [6, 12, 18, 24, 30]),
        (24, 1, [6]),
    ],
)
def test_short_lists_keep_places_too_and_the_best_stands_first(
    ranked: int, new: int, kept: list[int]
) -> None:
    """R43: a list of two, of ten, of a page and more; the places are spread over it."""
    spots = list(interleaved(ids(1, ranked), ids(1000, new), share=SHARE))

    assert [one.position for one in spots if one.is_slot] == kept
    assert not spots[0].is_newcomer


def test_where_all_are_new_nothing_is_kept_from_anybody() -> None:
    assert not any(one.is_slot for one in interleaved([], ids(1, 40), share=SHARE))


@pytest.mark.parametrize(("best", "new"), [(8, 4), (8, 30), (40, 12), (200, 5)])
def test_newcomers_take_turns_by_the_day(best: int, new: int) -> None:
    """R43: within a year each has its share of the kept places, and of the first of them, give or
    take four standard deviations of a fair draw."""
    names = [uuid5(NAMESPACE_OID, f"{n}") for n in range(new)]
    listed = [Listed(resource_id=one, cell="c", prior=0) for one in [*ids(1, best), *names]]
    places = {(one, "c"): place for place, one in enumerate(ids(1, best), start=1)}
    kept, first = Counter[UUID](), Counter[UUID]()
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(366)]
    for day in days:
        order = arranged(listed, places, share=SHARE, turn=day.isoformat())
        on_page = [one.resource_id for one in order[:PER_PAGE] if one.is_slot]
        kept.update(on_page)
        first.update(on_page[:1])

    for counted, a_day in ((kept, kept.total() / len(days)), (first, 1)):
        chance = a_day / new
        wide = 4 * sqrt(len(days) * chance * (1 - chance))
        fewest, most = min(counted[one] for one in names), max(counted.values())
        assert len(days) * chance - wide <= fewest <= most <= len(days) * chance + wide


def test_who_is_looked_at_often_keeps_its_turns(settings: Settings, units: Units) -> None:
    """R43: anybody may open a rival newcomer's page all day long; its count moves no place."""
    contest = a_contest(units, sellers=7)
    lived(units, contest, MARCH, dict.fromkeys(range(7), 4))
    lived(units, contest, APRIL)
    with units(SYSTEM) as unit:
        vendors = [a_vendor(unit) for _ in range(4)]
        made = [a_resource(unit, one, f"NEW-{n}") for n, one in enumerate(vendors)]
    ranked(units, APRIL)
    before = order_of(units, made)
    rival = next(n for n, one in enumerate(made) if one == before[0])
    with TestClient(an_app(settings, units)) as client:
        for _ in range(3):
            query = {"sort": "ranked", "vendor": vendors[rival].code}
            client.get("/catalog", params=query, headers={"accept": "text/html"})
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(NewcomerExposure.shown)).all() == [3]
        publish_order(unit)

    assert order_of(units, made) == before
    turns = set()
    for _ in range(20):  # that all twenty are the same is one in 4 to the 19th
        units.clock.advance(timedelta(days=1))
        with units(SYSTEM) as unit:
            publish_order(unit)
        turns.add(order_of(units, made)[0])
    assert len(turns) > 1


def order_of(units: Units, resource_ids: Sequence[UUID]) -> list[UUID]:
    """Return these resources as the storefront has them."""
    with units(SYSTEM) as unit:
        found = unit.session.scalars(
            select(Listing.resource_id)
            .where(Listing.resource_id.in_(resource_ids))
            .order_by(Listing.place)
        )
        return [*found]


def test_of_what_nothing_is_known_for_long_no_place_is_kept() -> None:
    """R43: it comes behind who is ranked and who is new, on the last page or the only one."""
    best, new, silent = ids(1, 8), ids(100, 1), ids(200, 40)
    listed = [Listed(resource_id=one, cell="c", prior=0) for one in [*best, *new, *silent]]
    places = {(one, "c"): place for place, one in enumerate(best, start=1)}

    order = arranged(listed, places, share=SHARE, turn="", silent={*silent})

    assert [one.resource_id for one in order if one.is_slot] == new
    assert {one.resource_id for one in order[:9]} == {*best, *new}
    assert {one.resource_id for one in order[9:]} == {*silent}
    assert [one.place for one in order] == [*range(1, 50)]


def test_what_is_silent_comes_behind_every_cell() -> None:
    """R43: alone in its cell, and however well it is known elsewhere, it stands last of all."""
    best, silent = ids(1, 3), ids(200, 1)
    listed = [Listed(resource_id=one, cell="c", prior=0) for one in best]
    listed += [Listed(resource_id=one, cell="d", prior=9) for one in silent]
    places = {(one, "c"): place for place, one in enumerate(best, start=1)}

    order = arranged(listed, places, share=SHARE, turn="", silent={*silent})

    assert [one.resource_id for one in order] == [*best, *silent]


def test_what_is_ranked_in_another_cell_is_no_newcomer() -> None:
    """R43: it follows those that are ranked here, and stands no better than there."""
    best, moved, alone, new = ids(1, 6), ids(50, 1), ids(60, 1), ids(100, 1)
    listed = [Listed(resource_id=one, cell="c", prior=0) for one in [*best, *moved, *new]]
    listed += [Listed(resource_id=one, cell="d", prior=9) for one in alone]
    places = {(one, "c"): place for place, one in enumerate(best, start=1)}
    places |= {(moved[0], "e"): 1, (alone[0], "e"): 5}

    order = arranged(listed, places, share=SHARE, turn="")

    assert [one.resource_id for one in order if one.is_newcomer] == new
    assert [one.resource_id for one in order if one.is_slot] == new
    assert [one.resource_id for one in order] == [
        *(*best[:3], new[0], alone[0], best[3]),
        *(*best[4:], *moved),
    ]


def test_days_under_a_takedown_are_no_chance(units: Units) -> None:
    """R43: what was suspended for a month is new for a month longer."""
    contest = a_contest(units, sellers=1)
    days = SHIPPED.newcomers.silent_days
    assert isinstance(days, int)
    resource_id = contest.sellers[0].resource_id
    with units(SYSTEM) as unit:
        first = unit.clock.now()
        reviewer = contest.heads[contest.schools[0].id].person_id
        bureau_id = unit.session.scalars(select(Organisation.id).limit(1)).one()
        unit.session.add(
            Takedown(
                id=new_id(),
                resource_id=resource_id,
                versions=[],
                ground="other",
                reason="核查",
                bureau_id=bureau_id,
                taken_by=reviewer,
                taken_at=first + timedelta(days=1),
                restored_by=contest.sellers[0].manager.person_id,
                restored_at=first + timedelta(days=31),
                note="恢复",
            )
        )
    for after, is_silent in ((days + 29, False), (days + 31, True)):
        until = first + timedelta(days=after) - timedelta(days=days)
        with units(SYSTEM) as unit:
            found = {*unit.session.scalars(SILENT, {"run_id": new_id(), "until": until})}
        assert (resource_id in found) is is_silent


def test_a_resource_that_nobody_ever_used_is_new_for_a_year(units: Units) -> None:
    """R43: from when it was first let in; what schools use, or said, waits on as a newcomer."""
    contest = a_contest(units, sellers=4)
    with units(SYSTEM) as unit:
        vendor = a_vendor(unit)
        unused = a_resource(unit, vendor, "OLD")
    lived(units, contest, MARCH, {0: 5, 1: 4, 2: 3, 3: 3})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        assert unit.session.get_one(Listing, unused).is_slot
    days = SHIPPED.newcomers.silent_days
    assert isinstance(days, int)
    units.clock.advance(timedelta(days=days))
    with units(SYSTEM) as unit:
        newcomer = a_resource(unit, vendor, "NEW")
        publish_order(unit)
        hits = search(unit, Wanted(sort=Sort.RANKED)).hits

    assert [one.resource_id for one in hits if one.is_slot] == [newcomer]
    assert hits[-1].resource_id == unused
    assert not {Why.RANKED, Why.KEPT_FOR_NEWCOMERS} & {*hits[-1].why}


def test_who_is_new_where_nobody_is_ranked_says_so(units: Units, settings: Settings) -> None:
    """R43: there no place is kept from anybody; a visitor sees who is new all the same."""
    contest = a_contest(units, sellers=3)
    with units(SYSTEM) as unit:
        newcomer = a_resource(unit, a_vendor(unit), "NEW", subject="数学")
    lived(units, contest, MARCH, {0: 5, 1: 4, 2: 3})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    with units(SYSTEM) as unit:
        publish_order(unit)
        by_rank = {one.resource_id: one for one in search(unit, Wanted(sort=Sort.RANKED)).hits}
        newest = search(unit, Wanted(sort=Sort.NEWEST)).hits
    assert not by_rank[newcomer].is_slot
    assert Why.NOT_RANKED_YET in by_rank[newcomer].why
    assert all(Why.NOT_RANKED_YET not in by_rank[one.resource_id].why for one in contest.sellers)
    assert all(Why.NOT_RANKED_YET not in one.why for one in newest)
    with TestClient(an_app(settings, units)) as client:
        page = client.get("/catalog", headers={"accept": "text/html"}).text
    assert page.count("依据不足，尚未排名") == 1


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
    assert [hit.is_slot for hit in hits].index(True) == 3
    assert hits[3].resource_id == newcomer
    assert (listing.is_slot, hits[3].why[0]) == (True, Why.KEPT_FOR_NEWCOMERS)
    with TestClient(an_app(settings, units)) as client:
        for _ in range(2):
            page = client.get("/catalog", headers={"accept": "text/html"}).text
        assert page.count("为新入驻保留的位置") == 1
        client.get("/catalog?sort=newest", headers={"accept": "text/html"})
    with units(SYSTEM) as unit:
        shown = unit.session.scalars(select(NewcomerExposure)).one()
    assert (shown.resource_id, shown.shown) == (newcomer, 2)
