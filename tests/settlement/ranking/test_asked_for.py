"""What an address asks for and can't be shown is said, never replaced without a word."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.rules import SHIPPED, digest_of
from tests.support.application import an_app
from tests.support.ranking_builders import CELL, Contest, on_probation
from tests.support.site_builders import sign_in

REPORTS = "/reports/evaluations"
INSTEAD = "以下为本年度截至今日的数据"


@pytest.fixture
def contest(units: Units) -> Contest:
    return on_probation(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        yield client


def test_a_ranking_that_is_not_there_is_named_above_what_is(client: TestClient[Litestar]) -> None:
    """R45: on the page; a file that could not say it is refused."""
    for query, asked in (
        ("month=2030-01", "2030-01"),
        ("kind=foo", "foo"),
        ("cell=primary/数学/视频", "小学 · 数学 · 视频"),
    ):
        assert f"没有“{asked}”的排名" in client.get(f"/rankings?{query}").text
        assert client.get(f"/rankings?{query}&format=csv").status_code == 404
    for query in ("", f"?month=2026-04&kind=vendor&cell={CELL}", "?month=&kind=&cell="):
        assert "的排名；" not in client.get(f"/rankings{query}").text


def test_an_evaluation_that_cant_be_shown_is_refused_in_words(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R65: a visitor chooses among the ends of months and reads why another day is not shown."""
    page = client.get(REPORTS)
    assert INSTEAD not in page.text
    assert '<option value="2026-04-30">' in page.text
    for query, why in (
        ("as_of=2026-04-15", "2026-04-15 不是月末"),
        ("as_of=soon", "“soon”不是有效的日期"),
        ("span=never", "“never”不是有效的账期"),
    ):
        text = client.get(f"{REPORTS}?{query}").text
        assert (why in text, INSTEAD in text) == (True, True)
        assert client.get(f"{REPORTS}?{query}&format=csv").status_code == 422
        assert client.get(f"{REPORTS}/schools/{contest.schools[0].code}?{query}").status_code == 422
    text = client.get(f"{REPORTS}?as_of=2026-04-30").text
    assert (INSTEAD in text, '<option value="2026-04-30" selected>' in text) == (False, True)
    sign_in(client, "vendor-2")
    text = client.get(f"{REPORTS}?as_of=2026-04-15").text
    assert (INSTEAD in text, 'type="date"' in text) == (False, True)


def test_gates_are_told_in_the_callers_language(client: TestClient[Litestar]) -> None:
    """R44: beside the rule, which is the same for every program."""
    sign_in(client, "vendor-2")
    (standing,) = client.get("/api/v1/standings").json()["items"]
    address = f"/api/v1/standings/{standing['id']}"
    for language, words in (
        ("zh-CN", "没有待裁决的申诉"),
        ("en", "No appeal waits for its decision"),
    ):
        gates = client.get(address, headers={"accept-language": language}).json()["gates"]
        told = {one["rule"]: one["condition"] for one in gates}
        assert told["an appeal waits for its decision and stays it"] == words


def test_the_numbers_are_had_before_the_first_ranking(settings: Settings, units: Units) -> None:
    """R45: as on the page; a month that was not ranked has none."""
    with TestClient(an_app(settings, units)) as client:
        told = client.get("/api/v1/rankings/config")
        assert (told.status_code, told.json()["published_at"]) == (200, None)
        assert told.json()["digest"] == digest_of(told.json()["content"]).hex()
        assert told.json()["version"] == SHIPPED.version
        assert client.get("/api/v1/rankings/config?month=2026-04").status_code == 404
