"""What is shown of a score in tenths: points that add up to it, and bounds that hold."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.dimensions import adding_up
from settlement.web.rankings import TENTH, tenth, tenth_up
from tests.support.application import an_app
from tests.support.ranking_builders import CELL, Contest, on_probation

PAGE = {"accept": "text/html"}
FIGURE = re.compile(r'data-label="分值"><span><span class="figure">([\d.]+)</span>')
TOTAL = re.compile(r'data-label="分值"><span class="figure">([\d.]+)</span></td></tr></tfoot>')
places = st.decimals(min_value=0, max_value=40, places=4)


@pytest.fixture
def contest(units: Units) -> Contest:
    return on_probation(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


@given(st.lists(places, min_size=1, max_size=6), st.integers(-2, 2))
def test_parts_add_up_to_the_total_and_none_is_off_by_a_unit(
    parts: list[Decimal], last_digit: int
) -> None:
    whole = sum(parts, start=Decimal(0)) + last_digit * Decimal("0.0001")
    total = tenth(whole)
    shown = adding_up(parts, total, unit=TENTH)
    assert sum(shown) == total
    assert all(abs(one - part) <= TENTH for one, part in zip(shown, parts, strict=True))


@given(places)
def test_a_bound_is_never_said_to_be_less_than_it_is(bound: Decimal) -> None:
    assert bound <= tenth_up(bound) < bound + TENTH


def test_the_points_of_a_page_add_up_and_its_bound_holds(client: TestClient[Litestar]) -> None:
    """R45: for each of a cell, whatever its digits are."""
    for row in client.get("/api/v1/rankings", params={"cell": CELL}).json()["items"]:
        asked = {"cell": CELL}
        page = client.get(f"/rankings/vendors/{row['key']}", params=asked, headers=PAGE).text
        told = client.get("/api/v1/rankings/why", params={"key": row["key"], **asked}).json()
        points = [Decimal(one) for one in FIGURE.findall(page)]
        (total,) = TOTAL.findall(page)
        assert len(points) == 4
        assert sum(points) == Decimal(total) == tenth(Decimal(row["score"]))
        (most,) = re.findall(r"任何一所学校对得分的影响都不超过 ([\d.]+) 分", page)
        assert Decimal(most) >= Decimal(told["most_by_one_school"]) > Decimal(most) - TENTH
