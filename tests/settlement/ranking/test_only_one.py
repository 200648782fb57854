"""What a page of the rankings says where there is nobody to compare with, or nothing to show."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.web.rankings import RANKINGS
from tests.support.application import an_app
from tests.support.ranking_builders import APRIL, CELL, MARCH, Contest, a_contest, lived, ranked
from tests.support.site_builders import sign_in

PAGE = {"accept": "text/html"}


@pytest.fixture
def contest(units: Units) -> Contest:
    """One vendor at three schools, one of them rural."""
    contest = a_contest(units, schools=3, sellers=1)
    lived(units, contest, MARCH, {0: 5})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update(PAGE)
        yield client


def test_the_only_one_of_a_cell_is_said_to_be_the_only_one(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R42: a first place among one is no victory; in the list of cells each number says what it
    is."""
    key = contest.sellers[0].organisation.code
    why = client.get(f"{RANKINGS}/vendors/{key}").text
    ranking = client.get(RANKINGS, params={"cell": CELL}).text
    sign_in(client, "vendor-0")
    own = client.get("/vendor/standing").text
    for page in (why, ranking, own):
        assert "此格仅此一家参加排名" in page
        assert "名次基本确定" not in page
    assert "已排名 1，新入驻 0" in ranking


def test_a_score_that_is_not_shown_is_told_from_one_that_is_not_there(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R46: of a single rural school the score is not shown, and that there is one is said."""
    key = contest.sellers[0].organisation.code
    (row,) = client.get("/api/v1/rankings", params={"cell": CELL}).json()["items"]
    for path in (f"{RANKINGS}/vendors/{key}", RANKINGS):
        page = client.get(path, params={"cell": CELL}).text
        assert "1 所，不显示" in page and "无学校" not in page
    assert row["schools"] == 3
