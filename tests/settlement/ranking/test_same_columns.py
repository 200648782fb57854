"""The file and the interface of a ranking have what its page has."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from tests.support.application import an_app
from tests.support.ranking_builders import (
    APRIL,
    CELL,
    MARCH,
    Contest,
    a_contest,
    lived,
    ranked,
    standing_of,
)
from tests.support.site_builders import sign_in


@pytest.fixture
def contest(units: Units) -> Contest:
    """Three vendors at three schools, one of them rural."""
    contest = a_contest(units, schools=3)
    lived(units, contest, MARCH, {0: 5, 1: 4, 2: 2})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def rows_of(client: TestClient[Litestar], path: str, **asked: str) -> list[dict[str, str]]:
    answer = client.get(path, params={**asked, "format": "csv"})
    return [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]


def answered(client: TestClient[Litestar], kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(
        "/api/v1/rankings", params={"cell": CELL, "kind": kind}
    ).json()["items"]
    return found


@pytest.mark.parametrize("kind", ["vendor", "resource"])
def test_a_file_and_the_interface_have_urban_and_rural_apart(
    client: TestClient[Litestar], kind: str
) -> None:
    """R46, R53: each score with its number of schools; of a single school only that it is there."""
    rows, items = rows_of(client, "/rankings", cell=CELL, kind=kind), answered(client, kind)
    assert len(rows) == len(items) == 3
    for row, item in zip(rows, items, strict=True):
        urban, rural = item["urban"], item["rural"]
        assert (urban["schools"], rural) == (2, {"schools": 1, "score": None, "sd": None})
        assert (row["城镇学校"], row["仅城镇学校得分"]) == ("2", urban["score"])
        assert (row["农村学校"], row["仅农村学校得分"]) == ("1", "")
        assert (row["得分"], item["among"]) == (item["score"], 3)
        assert len(urban["score"].partition(".")[2]) == 4
        assert ("本月在保留位置展示次数" in row) is (kind == "resource")


def test_counts_are_what_means_something_of_all_schools_together(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R45: no sum of the ages of ratings."""
    key = contest.sellers[2].organisation.code
    counts = client.get("/api/v1/rankings/why", params={"key": key}).json()["counts"]
    assert counts == {
        "raters": 6,
        "renewed": 0,
        "ended": 0,
        "defects": 0,
        "months": 6,
        "uses": counts["uses"],
    }
    assert counts["uses"] > 0


def test_the_file_of_the_desk_has_scores_in_full(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R53: on the page in tenths, in the file as they are published."""
    sign_in(client, "reviewer-1")
    told = client.get(f"/api/v1/standings/{standing_of(units, contest).id}").json()
    page = client.get("/bureau/standings", headers={"accept": "text/html"}).text
    rows = {row["资源提供方"]: row for row in rows_of(client, "/bureau/standings")}
    row = rows[told["vendor_name"]]
    assert (row["得分"], row["低于底线的概率"]) == (told["score"], told["p_bad"])
    assert told["score"] not in page
