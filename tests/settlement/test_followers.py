"""Followers of a contribution: whom they are counted for, and until when (R47, R48)."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.favourites import drop_favourite, favourites, keep_favourite, unlisted_favourites
from catalog.submissions import withdraw
from catalog.takedowns import Ground, restore, take_down
from kernel.actors import Actor, Role
from kernel.settings import Settings
from kernel.unit import Units
from settlement.credit_rules import PARTS
from settlement.verify.recompute import verify
from tests.support.application import an_app
from tests.support.builders import a_listed_version, a_person
from tests.support.credit_builders import Contribution, a_contribution, booked, credited
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def some_people(units: Units, given: Contribution, count: int, role: Role) -> list[Actor]:
    """Let people into the other school, or into the bureau."""
    place = given.market.school if role is Role.TEACHER else given.market.bureau
    with units(SYSTEM) as unit:
        return [a_person(unit, place, [role]) for _ in range(count)]


def key_of(given: Contribution) -> str:
    return f"{given.market.vendor.code}/{given.market.sku}"


def keep(units: Units, given: Contribution, *people: Actor) -> None:
    for one in people:
        with units(one) as unit:
            keep_favourite(unit, key_of(given))


def test_followers_count_while_it_is_listed_and_come_back_with_it(
    units: Units, given: Contribution
) -> None:
    """R47, R48: what is taken down is forwarded to nobody; restored it has its followers again."""
    people = some_people(units, given, 2, Role.TEACHER)
    first, second = some_people(units, given, 2, Role.ADMISSION)
    keep(units, given, *people)
    booked(units)
    assert credited(units, given.author) == 3 * PARTS
    with units(SYSTEM) as unit:
        version_id = a_listed_version(unit, given.market.resource_id)
    with units(first) as unit:
        take_down(unit, version_id, ground=Ground.ERRORS, reason="答案有误")
    assert booked(units) == 1
    assert credited(units, given.author) == 0
    with units(second) as unit:
        restore(unit, version_id, note="已核实")
    assert booked(units) == 1
    assert credited(units, given.author) == 3 * PARTS
    assert verify(units, SYSTEM) == []


def test_what_was_withdrawn_is_followed_by_nobody_and_can_be_dropped(
    units: Units, given: Contribution
) -> None:
    """R8, R47: it stays among what is kept until its people drop it, and earns nothing."""
    people = some_people(units, given, 2, Role.TEACHER)
    keep(units, given, *people)
    booked(units)
    assert credited(units, given.author) == 3 * PARTS
    with units(given.author) as unit:
        withdraw(unit, a_listed_version(unit, given.market.resource_id), note="不再提供")
    booked(units)
    assert credited(units, given.author) == 0
    for one in people:
        with units(one) as unit:
            assert favourites(unit) == []
            assert [kept.key for kept in unlisted_favourites(unit)] == [key_of(given)]
            drop_favourite(unit, key_of(given))
            drop_favourite(unit, "no-such/resource")
            assert unlisted_favourites(unit) == []


@pytest.fixture
def client(settings: Settings, units: Units, given: Contribution) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as found:
        found.headers.update({"accept": "text/html", "accept-language": "en"})
        yield found


def test_the_page_of_what_is_kept_shows_and_drops_what_is_listed_no_more(
    client: TestClient[Litestar], units: Units, given: Contribution
) -> None:
    """R8: with the title it had; its own page is gone, and with it the button there."""
    page = "/catalog/favourites"
    keep(units, given, given.reader)
    sign_in(client, "reader-1")
    assert "Not listed at present" not in client.get(page).text
    with units(given.author) as unit:
        withdraw(unit, a_listed_version(unit, given.market.resource_id), note="不再提供")
    shown = client.get(page).text
    assert "Not listed at present" in shown
    assert f'<th scope="row">资源{given.market.sku}</th>' in shown
    form = {"csrf_token": csrf_token(client), "resource": key_of(given), "act": "drop"}
    dropped = client.post(page, data=form)
    assert dropped.status_code == 200
    assert "Not listed at present" not in dropped.text
    assert "You keep nothing yet" in dropped.text
