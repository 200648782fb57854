"""What an upheld appeal leaves to read: the runs of a month, what was struck, steps taken back."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.settings import Settings
from kernel.unit import Units
from settlement.queries.standings import standing_view
from settlement.ranking.models import StandingAppeal
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from tests.support.application import an_app
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Contest,
    departed,
    standing_of,
    suspended,
)
from tests.support.site_builders import counted_queries, csrf_token, sign_in
from tests.support.standing_builders import last_event

PAGE = {"accept": "text/html"}
STRUCK = [*range(1, 9)]


@pytest.fixture
def contest(units: Units) -> Contest:
    return suspended(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def appealed(units: Units, contest: Contest) -> None:
    with units(contest.sellers[BAD].manager) as unit:
        appeal_standing(
            unit,
            standing_of(units, contest).id,
            event=last_event(unit, standing_of(units, contest).id),
            claim="评价不是使用者所写",
            contested=[1, 2],
        )


def upheld(units: Units, contest: Contest) -> None:
    appealed(units, contest)
    with units(contest.reviewers[2]) as unit:
        waiting = unit.session.scalars(
            select(StandingAppeal.id).where(StandingAppeal.outcome.is_(None))
        ).one()
        decide_standing_appeal(unit, waiting, upheld=True, note="评价者未实际使用", struck=STRUCK)


def why(client: TestClient[Litestar], contest: Contest, **asked: str) -> Any:
    key = contest.sellers[BAD].organisation.code
    return client.get("/api/v1/rankings/why", params={"key": key, "cell": CELL} | asked)


def test_a_month_ranked_before_an_appeal_says_what_was_struck_out_since(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44, R45: and where the ranking without it is; no school is named."""
    before = why(client, contest, month="2026-10").json()
    assert before["upheld"] == []
    upheld(units, contest)

    september = why(client, contest, month="2026-09").json()["upheld"]
    first = why(client, contest, month="2026-10", run="1").json()
    again = why(client, contest, month="2026-10").json()

    assert [(one["is_in"], one["without"], one["against"]) for one in september] == [
        (True, "2026-10/2", "suspension")
    ]
    assert first["upheld"][0]["struck"] == {"defects": 4, "ratings": 4}
    assert (first["number"], first["place"], first["upheld"][0]["is_in"]) == (
        *(1, before["place"] | {"state": ""}, True),
    )
    assert (again["number"], again["upheld"][0]["is_in"]) == (2, False)
    assert again["place"]["score"] != first["place"]["score"]
    vendor = contest.sellers[BAD].organisation.code
    page = client.get(f"/rankings/vendors/{vendor}?month=2026-09", headers=PAGE).text
    assert "申诉成立" in page and "2026-10 第 2 次排名（已剔除）" in page
    page = client.get(f"/rankings/vendors/{vendor}?month=2026-10&run=1", headers=PAGE).text
    assert "第 1 次</strong>" in page and "run=2" in page
    assert not any(school.name in page for school in contest.schools)
    other = contest.sellers[0].organisation.code
    page = client.get(f"/rankings/vendors/{other}?month=2026-10&run=1", headers=PAGE).text
    assert "申诉成立" not in page


def test_every_run_of_a_month_can_be_read_and_no_other(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R45: on the ranking's page, its file and the interface."""
    upheld(units, contest)
    first, last = (
        client.get(f"/api/v1/rankings?month=2026-10&run={number}").json() for number in ("1", "2")
    )
    assert [one["number"] for one in first["runs"]] == [2, 1]
    assert first["items"] != last["items"]
    assert client.get("/api/v1/rankings?month=2026-10").json() == last
    page = client.get("/rankings?month=2026-10&run=1", headers=PAGE)
    assert "第 1 次</strong>" in page.text
    for address in ("/rankings?month=2026-10&run=3", "/rankings?run=x"):
        assert client.get(address, headers=PAGE).status_code == 404
    assert client.get("/api/v1/rankings?month=2026-10&run=9").status_code == 404
    assert why(client, contest, month="2026-10", run="9").status_code == 404


@pytest.mark.parametrize("login", ["reviewer-1", "vendor-2"])
def test_a_notice_stays_readable_as_told_and_is_said_to_be_taken_back(
    client: TestClient[Litestar], units: Units, contest: Contest, login: str
) -> None:
    """R44: with its items, what was struck out of them, and the steps that no longer stand."""
    place = "/vendor/standing" if login == "vendor-2" else "/bureau/standings"
    address = f"{place}/{standing_of(units, contest).id}"
    sign_in(client, login)
    before = client.get(address, headers=PAGE).text
    assert "通知所列事项" in before and "已撤销" not in before
    upheld(units, contest)
    sign_in(client, login)

    with counted_queries(units.engine) as queries:
        page = client.get(address, headers=PAGE).text

    assert len(queries) <= 12, queries
    told = page[page.index("通知所列事项") :]
    assert all(school.name in told for school in contest.schools)
    assert told.count(">已剔除<") == 8
    assert page.count("已撤销：") == 2, "the notice and the suspension"
    assert "本通知及其整改期限均已撤销" in page
    struck = page[page.index("被否认或剔除的事项") :]
    assert struck.index(contest.schools[0].name) > 0
    assert "run=1" in page and "run=2" in page


def test_what_the_notice_said_is_not_what_a_later_ranking_has(
    units: Units, contest: Contest
) -> None:
    """R44: two months of use then, four by now."""
    with units(contest.reviewers[1]) as unit:
        found = standing_view(unit, standing_of(units, contest).id)
    months = {
        name: {one["what"]["months"] for one in items if one["component"] == "defects"}
        for name, items in (("told", found.told[0].items), ("now", found.items))
    }
    assert months == {"told": {2}, "now": {4}}


def test_who_left_still_reads_which_schools_said_what(settings: Settings, units: Units) -> None:
    """R44: a vendor that is gone has its notice and its exit with the names."""
    contest = departed(units)
    with units(contest.sellers[BAD].manager) as unit:
        found = standing_view(unit, standing_of(units, contest).id)

    for items in (found.items, found.told[0].items):
        assert {one["school_name"] for one in items} == {one.name for one in contest.schools}


def test_a_decision_is_asked_once_and_nothing_is_ticked_beforehand(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: it names what is struck out, and decides nothing until it is confirmed."""
    appealed(units, contest)
    standing = standing_of(units, contest)
    address = f"/bureau/standings/{standing.id}"
    sign_in(client, "reviewer-2")
    page = client.get(address, headers=PAGE).text
    assert page.count('name="struck"') == 8
    assert "checked" not in page and page.count("被否认") == 2
    form = {"upheld": "yes", "note": "评价者未实际使用", "struck": ["1", "3"]}

    def post(**more: object) -> Any:
        sent = form | more | {"csrf_token": csrf_token(client)}
        return client.post(f"{address}/appeal", data=sent, headers=PAGE, follow_redirects=False)

    asked = post()
    assert (asked.status_code, standing_of(units, contest).state) == (200, "no_new_schools")
    shown = asked.text[asked.text.index("以下证据将被剔除") :]
    assert contest.schools[0].name in shown and 'value="yes"' in asked.text
    wrong = post(upheld="no")
    assert wrong.status_code == 422 and "请取消勾选" in wrong.text
    assert wrong.text.count("checked") == 2
    assert post(note=" ").status_code == 422
    dismissal = post(upheld="no", struck=[])
    assert "将驳回" in dismissal.text
    assert standing_of(units, contest).state == "no_new_schools"
    done = post(confirmed="yes")
    assert done.status_code in {302, 303}
    with units(contest.reviewers[1]) as unit:
        decided = standing_view(unit, standing.id).appeals[0]
    assert (decided.outcome, [one["number"] for one in decided.struck]) == ("upheld", [1, 3])
