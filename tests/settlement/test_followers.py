"""Followers of a contribution: whom they are counted for, and until when (R47, R48)."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from catalog.favourites import drop_favourite, favourites, keep_favourite, unlisted_favourites
from catalog.submissions import withdraw
from catalog.takedowns import Ground, restore, take_down
from kernel.actors import Actor, Role
from kernel.clock import FixedClock, start_of_day
from kernel.settings import Settings
from kernel.unit import Units
from settlement.credit_models import CreditBooking
from settlement.credit_rules import PARTS
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from settlement.verify.recompute import verify
from tests.support.application import an_app
from tests.support.builders import COUNTY, a_listed_version, a_person
from tests.support.credit_builders import SMALL, Contribution, a_contribution, booked, credited
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


def asks_for(units: Units, number: int, day: date) -> None:
    """Record that from a day on so many followers are needed."""
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version=f"{number} from {day}",
            region_code=COUNTY,
            valid_from=day,
            source="测试标准",
            body=SMALL | {"followers_needed": number},
        )


@pytest.mark.parametrize(
    ("needed", "arriving", "earned"),
    [
        pytest.param((4, 2), (3, 0), "with the table", id="fewer asked for than there are"),
        pytest.param((4, 2), (3, 3), "with the table", id="and more come later"),
        pytest.param((4, 2), (1, 1), "later", id="the second comes under the second table"),
        pytest.param((2, 4), (3, 0), "before", id="a higher number takes nothing back"),
        pytest.param((2, 4), (1, 2), "never", id="three are too few for the higher number"),
        pytest.param((2, 4), (1, 3), "later", id="four are enough for it"),
    ],
)
def test_followers_earn_at_the_first_moment_at_which_there_were_enough(
    units: Units,
    clock: FixedClock,
    given: Contribution,
    *,
    needed: tuple[int, int],
    arriving: tuple[int, int],
    earned: str,
) -> None:
    """R47: by the number that was needed then; who stood between two numbers is not left out."""
    first = clock.now().date() + timedelta(days=1)
    then = first + timedelta(days=10)
    asks_for(units, needed[0], first)
    asks_for(units, needed[1], then)
    people = some_people(units, given, sum(arriving), Role.TEACHER)
    clock.advance(timedelta(days=2))
    keep(units, given, *people[: arriving[0]])
    before = clock.now()
    booked(units)
    assert credited(units, given.author) == (3 * PARTS if earned == "before" else 0)
    clock.advance(timedelta(days=18))
    keep(units, given, *people[arriving[0] :])
    booked(units)
    moments = {"before": before, "with the table": start_of_day(then), "later": clock.now()}
    with units(SYSTEM) as unit:
        found = unit.session.execute(select(CreditBooking.kind, CreditBooking.at)).all()
    assert found == ([] if earned == "never" else [("followers", moments[earned])])
    assert credited(units, given.author) == (0 if earned == "never" else 3 * PARTS)
    assert verify(units, SYSTEM) == []


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
