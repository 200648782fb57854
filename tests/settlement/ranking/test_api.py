"""Rankings and standings over the interface: what everybody reads, and due process by calls."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.clock import parse_month
from kernel.settings import Settings
from kernel.unit import Units
from settlement.agreement_ends import end_what_is_over
from settlement.ranking.looks import leave_when_over
from settlement.verify.rankings import check_rankings
from tests.support.application import an_app
from tests.support.ranking_builders import (
    CELL,
    Contest,
    lived,
    on_probation,
    ranked,
    said,
    standing_of,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in

PAGE = {"accept": "text/html"}


@pytest.fixture
def contest(units: Units) -> Contest:
    return on_probation(units)


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def as_person(client: TestClient[Litestar], login: str) -> dict[str, str]:
    """Sign in; return the headers of a call that changes something."""
    sign_in(client, login)
    return {"x-csrf-token": csrf_token(client)}


def own(client: TestClient[Litestar]) -> dict[str, Any]:
    return client.get("/api/v1/standings").json()["items"][0]


def a_step(client: TestClient[Litestar], address: str, step: str, note: str) -> dict[str, Any]:
    """Return a step as who read the standing signs it."""
    return {"step": step, "note": note, "run_id": client.get(address).json()["run_id"]}


def test_everybody_reads_the_ranking_and_why_and_no_school_is_named(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R42, R45, R46: bands and intervals, the configuration, counts of schools and never which."""
    answer = client.get("/api/v1/rankings", params={"cell": CELL})
    ranking = answer.json()
    assert (ranking["month"], ranking["kind"], ranking["cell"]) == ("2026-04", "vendor", CELL)
    assert [one["place"] for one in ranking["items"]] == [1, 2, 3]
    assert ranking["items"][0]["key"] == contest.sellers[0].organisation.code
    best = ranking["items"][0]
    assert best["place_low"] <= best["place"] <= best["place_high"]
    why = client.get("/api/v1/rankings/why", params={"key": best["key"]})
    told = why.json()
    points = [Decimal(one["points"]) for one in told["components"]]
    assert sum(points) == Decimal(best["score"])
    assert {one.as_tuple().exponent for one in points} == {-4}
    assert [one["dimension"] for one in told["dimensions"]] == [
        *("quality", "effect", "development", "benefit"),
    ]
    assert (told["counts"]["raters"], told["urban_rural"]["rural"]["schools"]) == (8, 2)
    config = client.get("/api/v1/rankings/config").json()
    assert (config["version"], len(config["digest"])) == (ranking["config"], 64)
    assert config["content"]["ranking"]["gates"]["probation"] == "0.7"
    for school in contest.schools:
        assert school.name not in answer.text + why.text
        assert str(school.id) not in answer.text + why.text


def test_what_is_not_there_is_said_with_what_would_be(client: TestClient[Litestar]) -> None:
    for address, status, code in (
        ("/api/v1/rankings?kind=school", 422, "invalid-input"),
        ("/api/v1/rankings?cell=nothing", 404, "not-found"),
        ("/api/v1/rankings?month=2020-01", 404, "not-found"),
        ("/api/v1/rankings?month=May", 422, "invalid-period"),
        ("/api/v1/rankings/why?key=nobody", 404, "not-found"),
    ):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, code)
    for address in ("/rankings?month=never&cell=x&kind=y", "/rankings/method"):
        assert client.get(address, headers=PAGE).status_code == 200
    assert client.get("/rankings/vendors/nobody", headers=PAGE).status_code == 404
    assert client.get("/rankings/resources/nobody/x?month=x", headers=PAGE).status_code == 404


def test_a_vendor_goes_to_exit_by_calls_and_its_schools_finish(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: each call before its gate is refused with the gate; an appeal is decided by another."""
    as_person(client, "vendor-2")
    standing = own(client)
    assert (standing["state"], standing["cell"]) == ("probation", CELL)
    address = f"/api/v1/standings/{standing['id']}"
    headers = as_person(client, "reviewer-1")
    step = a_step(client, address, "suspension", "期满未改善")
    early = client.post(f"{address}/step", json=step, headers=headers)
    assert (early.status_code, early.json()["type"].rpartition(":")[2]) == (409, "step-not-due")
    assert "整改期未满" in early.json()["detail"]
    for month in (parse_month("2026-09"), parse_month("2026-10")):
        lived(units, contest, month, {2: 1})
        ranked(units, month)
    units.clock.advance(timedelta(days=8))
    headers = as_person(client, "reviewer-1") | {"idempotency-key": "suspend-1"}
    step = a_step(client, address, "suspension", "期满未改善")
    done = client.post(f"{address}/step", json=step, headers=headers)
    again = client.post(f"{address}/step", json=step, headers=headers)
    assert (done.status_code, done.json()["state"]) == (200, "no_new_schools")
    assert again.json() == done.json()
    headers = as_person(client, "vendor-2")
    claim = {"event": last_event(client, address), "claim": "请复核"}
    appealed = client.post(f"{address}/appeal", json=claim, headers=headers)
    assert appealed.status_code == 201
    appeal = appealed.json()["appeals"][0]["id"]
    decision = f"/api/v1/standing-appeals/{appeal}/decision"
    verdict = {"upheld": False, "note": "证据确凿"}
    own_case = client.post(decision, json=verdict, headers=as_person(client, "reviewer-1"))
    assert own_case.json()["type"].rpartition(":")[2] == "took-part"
    other = client.post(decision, json=verdict, headers=as_person(client, "reviewer-2"))
    assert other.json()["appeals"][0]["outcome"] == "dismissed"
    november = parse_month("2026-11")
    lived(units, contest, november)
    ranked(units, november)
    headers = as_person(client, "reviewer-1")
    step = a_step(client, address, "exit", "学期结束后退出")
    gone = client.post(f"{address}/step", json=step, headers=headers)
    assert gone.json()["state"] == "exiting"
    public = client.get("/api/v1/rankings").json()["items"]
    assert [one["state"] for one in public] == ["", "", "exiting"]
    assert_each_step_rests(gone.json()["events"], contest)
    assert_no_day_is_told(client, address)
    as_person(client, "reviewer-1")
    units.clock.advance(timedelta(days=40))  # all agreements ended with the year
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        leave_when_over(unit)
    as_person(client, "reviewer-1")
    left = client.get(address).json()
    assert (left["state"], left["events"][0]["because"]) == ("left", "ended")


def assert_no_day_is_told(client: TestClient[Litestar], address: str) -> None:
    """The desk knows the day on which a school's opinion came; its vendor would learn whose."""
    days = {}
    for login in ("reviewer-1", "vendor-2"):
        as_person(client, login)
        steps = {one["because"]: one for one in client.get(address).json()["events"]}
        days[login] = {"on" in one for one in steps["suspension"]["rests_on"]["affected"]}
    assert days == {"reviewer-1": {True}, "vendor-2": {False}}


def assert_each_step_rests(events: list[dict[str, Any]], contest: Contest) -> None:
    """Each step tells its run, digests, line, items and the schools that it reaches."""
    assert [one["because"] for one in events] == ["exit", "suspension", "notice", "look"]
    told = {one["because"]: one["rests_on"] for one in events}
    assert {one["run_id"] is not None for one in told.values()} == {True}
    assert [told[name]["line"] for name in ("look", "notice", "suspension")] == [
        "0.5",
        "0.7",
        "0.7",
    ]
    assert [told[name]["month"] for name in ("notice", "exit")] == ["2026-04", "2026-11"]
    assert {len(one["inputs_digest"]) for one in told.values()} == {64}
    assert [one["number"] for one in told["notice"]["items"]] == [*range(1, 9)]
    assert told["suspension"]["notice_id"] == told["notice"]["notice_id"]
    named = {school.name for school in contest.schools}
    assert {one["school"] for one in told["suspension"]["affected"]} == named
    assert told["look"]["affected"] == []


def test_an_upheld_appeal_is_ranked_again_and_noticed_no_more_by_calls(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44, R45: what is left of the month carries no notice; in the end the vendor stands well."""
    as_person(client, "vendor-2")
    address = f"/api/v1/standings/{own(client)['id']}"
    before = client.get("/api/v1/rankings").json()

    state = upheld(client, address, struck=[1])

    after = client.get("/api/v1/rankings").json()
    assert (before["number"], after["number"], after["month"]) == (1, 2, before["month"])
    assert (state["state"], state["appeals"][0]["outcome"]) == ("watch", "upheld")
    unmet = [one["condition"] for one in state["gates"] if not one["met"]]
    assert (state["may_sign"], len(unmet)) == (True, 2)
    headers = as_person(client, "reviewer-0")
    step = a_step(client, address, "notice", "再次通知")
    again = client.post(f"{address}/step", json=step, headers=headers)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "step-not-due")
    assert "已在申诉中被撤销" in again.json()["detail"]

    for month in (parse_month("2026-05"), parse_month("2026-06")):
        lived(units, contest, month, {2: 1})
        wronged(units, contest, month, 2)
        ranked(units, month)
    headers = as_person(client, "reviewer-0")
    step = a_step(client, address, "notice", "再次通知")
    done = client.post(f"{address}/step", json=step, headers=headers)
    assert done.json()["state"] == "probation"
    items = [one["number"] for one in done.json()["items"]]
    assert upheld(client, address, struck=items)["state"] == "normal"
    public = client.get("/api/v1/rankings").json()
    assert (public["month"], public["number"]) == ("2026-06", 2)
    with units(SYSTEM) as unit:
        assert list(check_rankings(unit)) == []


def test_a_signature_is_of_the_look_that_its_signer_read(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: by call and by page; a look that came since is shown, and may be signed then."""
    for month in (parse_month("2026-09"), parse_month("2026-10")):
        lived(units, contest, month, {2: 1})
        ranked(units, month)
    units.clock.advance(timedelta(days=8))
    headers = as_person(client, "reviewer-1")
    address = f"/api/v1/standings/{own(client)['id']}"
    desk = address.replace("/api/v1", "/bureau")
    step = a_step(client, address, "suspension", "期满未改善")
    form = {"step": "suspension", "note": "期满未改善", "csrf_token": csrf_token(client)}
    assert f'name="run" value="{step["run_id"]}"' in client.get(desk, headers=PAGE).text
    asked = client.post(f"{desk}/step", data=form | {"run": step["run_id"]}, headers=PAGE)
    assert f'name="run" value="{step["run_id"]}"' in asked.text
    said(units, contest, {2: 2}, schools=[1])
    november = parse_month("2026-11")
    lived(units, contest, november)
    ranked(units, november)
    headers = as_person(client, "reviewer-1")

    stale = client.post(f"{address}/step", json=step, headers=headers)
    by_page = {
        run: client.post(
            f"{desk}/step",
            data=form | {"run": run, "confirmed": "yes", "csrf_token": csrf_token(client)},
            headers=PAGE,
        )
        for run in (step["run_id"], "")
    }

    assert (stale.status_code, stale.json()["type"].rpartition(":")[2]) == (409, "another-look")
    for page in by_page.values():
        assert page.status_code == 409
        assert "在您阅读之后又作过评定" in page.text
    assert client.get(address).json()["state"] == "probation"
    step = a_step(client, address, "suspension", "期满未改善")
    done = client.post(f"{address}/step", json=step, headers=headers)
    assert done.json()["state"] == "no_new_schools"


def last_event(client: TestClient[Litestar], address: str) -> int:
    number: int = client.get(address).json()["events"][0]["number"]
    return number


def test_an_appeal_is_against_the_step_that_was_read(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    """R44: on the page it names the step, its day and the ranking on which it rests; read before
    another step, nothing is appealed."""
    standing = standing_of(units, contest)
    address = f"/vendor/standing/{standing.id}"
    sign_in(client, "vendor-2")
    form = client.get(address, headers=PAGE).text
    assert 'name="event" value="2"' in form
    assert "整改通知 · 2026-05-" in form and "month=2026-04" in form and "run=1" in form

    def post(event: int) -> Any:
        sent = {"event": event, "claim": "不服", "csrf_token": csrf_token(client)}
        return client.post(f"{address}/appeal", data=sent, headers=PAGE)

    for number in (1, 0):
        refused = post(number)
        assert refused.status_code == 409 and "在您阅读之后又有了新的处理" in refused.text
    received = post(2).text
    assert "已收到您针对" in received and "待裁决" in received


def upheld(client: TestClient[Litestar], address: str, *, struck: list[int]) -> dict[str, Any]:
    """Appeal as the vendor, have a third reviewer strike these items out; return the standing."""
    headers = as_person(client, "vendor-2")
    event = last_event(client, address)
    claim = {"event": event, "claim": "不是使用者所写", "contested": struck}
    appealed = client.post(f"{address}/appeal", json=claim, headers=headers)
    assert appealed.status_code == 201
    waiting = next(one for one in appealed.json()["appeals"] if not one["outcome"])
    client.post(
        f"/api/v1/standing-appeals/{waiting['id']}/decision",
        json={"upheld": True, "note": "核实", "struck": struck},
        headers=as_person(client, "reviewer-2"),
    )
    found: dict[str, Any] = client.get(address).json()
    return found


def test_another_vendor_and_schools_see_nothing_of_it(
    client: TestClient[Litestar], contest: Contest
) -> None:
    """R44, R49."""
    as_person(client, "vendor-2")
    standing = own(client)["id"]
    as_person(client, "vendor-0")
    assert client.get(f"/api/v1/standings/{standing}").status_code == 404
    assert client.get(f"/vendor/standing/{standing}", headers=PAGE).status_code == 404
    as_person(client, "head-0")
    assert client.get("/api/v1/standings").status_code == 403


def test_the_pages_ask_no_more_queries_than_others(
    client: TestClient[Litestar], units: Units
) -> None:
    sign_in(client, "reviewer-1")
    standing = own(client)["id"]
    for address in (
        *("/rankings", "/rankings?kind=resource", "/rankings/method", "/bureau/standings"),
        f"/bureau/standings/{standing}",
    ):
        asks_few(client, units, address)
    sign_in(client, "vendor-2")
    asks_few(client, units, "/vendor/standing")


def asks_few(client: TestClient[Litestar], units: Units, address: str) -> None:
    with counted_queries(units.engine) as queries:
        assert client.get(address, headers=PAGE).status_code == 200, address
    assert len(queries) <= 12, (address, len(queries))
