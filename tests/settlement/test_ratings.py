"""Only settled use rates, the latest of a teacher counts, and the storefront shows it (R42)."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from catalog.search import Hit, Sort, Wanted, hits_by_key, search
from kernel.actors import Actor, Role
from kernel.errors import InvalidInput, NotFound, OwnWork, Refused, UseNotSettled
from kernel.identity.models import Learner, Organisation
from kernel.ids import new_learner_id
from kernel.settings import Settings
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.rating_models import Rating
from settlement.ratings import rate, ratings_of
from settlement.signals import publish
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.settlement_builders import MARCH, SYSTEM, Market, a_market, an_agreement, at
from tests.support.settlement_builders import deliver as delivered
from tests.support.site_builders import csrf_token, sign_in
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source


def a_teacher(units: Units, market: Market, login: str) -> tuple[Actor, UUID]:
    """Return a teacher of the market's school with the number that their launches bear."""
    with units(SYSTEM) as unit:
        teacher = a_person(unit, market.school, [Role.TEACHER], login=login, password=PASSWORD)
        number = new_learner_id()
        unit.session.add(Learner(id=number, person_id=teacher.person_id))
        return teacher, number


def taught(units: Units, market: Market, number: UUID, *, day: int) -> None:
    """Have a teacher use the market's resource with a class on a day of March."""
    launch_id = uuid4()
    a_launch(
        units,
        market,
        launch_id=launch_id,
        kind="class",
        class_name="三年级2班",
        learner_id=number,
        issued_at=at(day, 8),
    )
    report = a_report(launch_id, f"use-{launch_id}", occurred_at=at(day, 8, 10), session="s")
    delivered(units, [report], source=TICKETS, name=f"{launch_id}.csv")


def shown(units: Units, market: Market) -> Hit:
    with units(SYSTEM) as unit:
        return hits_by_key(unit, [f"{market.vendor.code}/{market.sku}"])[0]


def key_of(market: Market) -> str:
    return f"{market.vendor.code}/{market.sku}"


def test_only_who_used_it_and_whose_use_was_settled_rates(units: Units) -> None:
    market = a_market(units)
    a_ticketed_source(units, market)
    teacher, number = a_teacher(units, market, "t1")
    idle, _ = a_teacher(units, market, "t2")
    taught(units, market, number, day=2)
    for actor in (teacher, idle):  # used, but not settled; never used
        with units(actor) as unit, pytest.raises(UseNotSettled):
            rate(unit, key_of(market), stars=5)
    settle(units, SYSTEM, MARCH)
    with units(teacher) as unit:
        assert ratings_of(unit, market.resource_id, title="资源").may_rate
        rate(unit, key_of(market), stars=4)
    with units(idle) as unit:
        assert not ratings_of(unit, market.resource_id, title="资源").may_rate
        with pytest.raises(UseNotSettled):
            rate(unit, key_of(market), stars=1)
    hit = shown(units, market)
    assert (hit.ratings, hit.stars) == (1, 4)


def test_the_latest_of_each_teacher_counts_and_none_is_lost(units: Units) -> None:
    market = a_market(units)
    a_ticketed_source(units, market)
    people = [a_teacher(units, market, f"t{n}") for n in range(2)]
    for _, number in people:
        taught(units, market, number, day=3)
    settle(units, SYSTEM, MARCH)
    for (teacher, _), stars in zip([people[0], people[1], people[0]], (1, 5, 4), strict=True):
        units.clock.advance(timedelta(minutes=1))
        with units(teacher) as unit:
            rate(unit, key_of(market), stars=stars)
    hit = shown(units, market)
    assert (hit.ratings, hit.stars) == (2, 9)
    with units(people[0][0]) as unit:
        view = ratings_of(unit, market.resource_id, title="资源")
    assert view.own_stars == 4
    assert dict(view.spread) == {5: 1, 4: 1, 3: 0, 2: 0, 1: 0}
    with units(SYSTEM) as unit:
        assert len(unit.session.scalars(select(Rating)).all()) == 3
    with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
        unit.session.execute(update(Rating).values(stars=5))


def test_nobody_rates_the_work_of_their_own_school(units: Units) -> None:
    """R30: neither sold by a colleague nor made in the school's service."""
    market = a_market(units)
    a_ticketed_source(units, market)
    teacher, number = a_teacher(units, market, "t1")
    taught(units, market, number, day=2)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        facts = {"vendor_kind": "teacher", "school_id": str(market.school.id)}
        vendor = update(Organisation).where(Organisation.id == market.vendor.id)
        unit.session.execute(vendor.values(facts=facts))
    with units(teacher) as unit:
        assert not ratings_of(unit, market.resource_id, title="资源").may_rate
        with pytest.raises(OwnWork):
            rate(unit, key_of(market), stars=5)


def test_what_makes_no_rating_is_refused(units: Units) -> None:
    market = a_market(units)
    teacher, _ = a_teacher(units, market, "t1")
    with units(teacher) as unit:
        for stars in (0, 6):
            with pytest.raises(InvalidInput):
                rate(unit, key_of(market), stars=stars)
        with pytest.raises(NotFound):
            rate(unit, "nobody/nothing", stars=5)
    with units(market.finance) as unit, pytest.raises(Refused):
        rate(unit, key_of(market), stars=5)
    with units(SYSTEM) as unit, pytest.raises(Refused):
        rate(unit, key_of(market), stars=5)


def test_schools_that_use_and_renew_are_published(units: Units) -> None:
    """A renewal is another agreement of the same payer; trials and what is to come don't count."""
    market = a_market(units)
    with units(SYSTEM) as unit:
        publish(unit)
    assert (shown(units, market).schools, shown(units, market).renewals) == (1, 0)
    with units(SYSTEM) as unit:
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=market.resource_id,
            draws=[Draw(market.line_id, 100)],
            reference="A-9",
            starts_on=date(2026, 7, 1),
            ends_on=date(2026, 12, 31),
        )
        publish(unit)
        found = search(unit, Wanted(sort=Sort.RENEWED)).hits
    assert (found[0].sku, found[0].renewals, found[0].schools) == (market.sku, 1, 1)


def test_a_teacher_rates_on_the_resources_page(units: Units, settings: Settings) -> None:
    market = a_market(units)
    a_ticketed_source(units, market)
    _, number = a_teacher(units, market, "t1")
    a_teacher(units, market, "t2")
    taught(units, market, number, day=2)
    settle(units, SYSTEM, MARCH)
    address = f"/catalog/resources/{market.vendor.code}/{market.sku}"
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        assert "提交评分" not in client.get(address).text
        sign_in(client, "t2")
        assert "提交评分" not in client.get(address).text
        form = {"resource": key_of(market), "stars": "5", "csrf_token": csrf_token(client)}
        assert client.post("/catalog/ratings", data=form).status_code == 403
        sign_in(client, "t1")
        assert "提交评分" in client.get(address).text
        form["csrf_token"] = csrf_token(client)
        page = client.post("/catalog/ratings", data=form)
        assert page.status_code == 200 and "5.0/5 分" in page.text and "重新评分" in page.text
