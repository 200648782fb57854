"""Drafts with any price plan, in pages and interface; what was in force on a day; differences."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.admission_builders import COMMITMENT, Desk, a_desk, a_self_check
from tests.support.application import an_app
from tests.support.site_builders import csrf_token, sign_in

FORM = {"sku": "A", "title": "分数的意义", "kind": "personalised", "tier": "growth"}
TIERED = {
    "plan": "per_unique_use",
    "tiers": "1000:0.0200\n*:0.0100",
    "free_allowance": "100",
    "period_cap": "300",
    "learner_cap": "20",
    "price_from": "2026-09-01",
}
PLAN = {
    "plan": "per_unique_use",
    "unit_price": "0.0200",
    "tiers": [
        {"up_to": 1000, "unit_price": "0.0200"},
        {"up_to": None, "unit_price": "0.0100"},
    ],
    "free_allowance": 100,
    "period_cap": "300.0000",
    "learner_cap": 20,
}


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "manager")
        yield client


def draft_on_page(client: TestClient[Litestar], **typed: str) -> Any:
    form = {**FORM, **typed, "csrf_token": csrf_token(client)}
    return client.post(
        "/vendor/resources/new",
        data=form,
        headers={"accept": "text/html"},
        follow_redirects=False,
    )


def api(client: TestClient[Litestar], path: str, body: Any, *, status: int = 200) -> Any:
    headers = {"x-csrf-token": csrf_token(client)}
    answer = client.post(f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def admit(client: TestClient[Litestar], desk: Desk, version_id: str) -> None:
    check = a_self_check()
    body = {"answers": dict(check.answers), "commitment": COMMITMENT, "commits": True}
    sign_in(client, "manager")
    api(client, f"/versions/{version_id}/submission", body)
    desk.decided(VersionId(UUID(version_id)))


def test_a_tiered_plan_is_typed_kept_listed_and_read(client, desk):
    done = draft_on_page(client, **TIERED)
    assert done.status_code == 303, done.text
    version_id = done.headers["location"].rpartition("/")[2]
    again = client.get(f"/vendor/resources/new?of={version_id}", headers={"accept": "text/html"})
    for kept in ("1000:0.0200; *:0.0100", 'value="300.0000"', 'value="2026-09-01"'):
        assert kept in again.text
    admit(client, desk, version_id)
    found = client.get(f"/api/v1/resources/{desk.firm.code}/A").json()

    assert [offer["plan"] for offer in found["offers"]] == [PLAN]


def test_the_words_of_the_vocabularies_are_offered_while_typing(client, desk):
    page = client.get("/vendor/resources/new", headers={"accept": "text/html"}).text
    words = {"subject": "数学", "grade": "三年级", "licence": "CC BY 4.0", "devices": "投影"}
    for field, word in words.items():
        assert f'list="list-{field}"' in page
        offered = page.partition(f'<datalist id="list-{field}">')[2].partition("</datalist>")[0]
        assert f'value="{word}"' in offered


def test_the_interface_takes_every_plan(client, desk):
    price = {
        "unit_price_yuan": "0.02",
        "valid_from": "2026-09-01",
        "plan": "per_unique_use",
        "tiers": [
            {"up_to": 1000, "unit_price_yuan": "0.02"},
            {"up_to": None, "unit_price_yuan": "0.01"},
        ],
        "free_allowance": 100,
        "period_cap_yuan": "300",
        "learner_cap": 20,
    }
    saved = api(client, "/versions", {**FORM, "price": price}, status=201)
    admit(client, desk, saved["version_id"])
    found = client.get(f"/api/v1/resources/{desk.firm.code}/A").json()

    assert found["offers"][0]["plan"] == PLAN


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"price": "free"}, "price"),
        ({"price": "0.02", "price_from": ""}, "price_from"),
        ({"price": "0.02", "tiers": "lots"}, "tiers"),
        ({"price": "0.02", "tiers": "100:0.02"}, "tiers"),
        ({"price": "0.05", "tiers": "100:0.02;*:0.01"}, "price"),
        ({"price": "0.02", "free_allowance": "-1"}, "free_allowance"),
        ({"price": "0.02", "period_cap": "0"}, "period_cap"),
        ({"price": "0.02", "learner_cap": "x"}, "learner_cap"),
        ({"plan": "flat", "price": "50", "free_allowance": "3"}, "free_allowance"),
        ({"plan": "per_class", "price": "5", "learner_cap": "3"}, "learner_cap"),
        ({"plan": "monthly", "price": "5"}, "plan"),
        ({"free_allowance": "3"}, "price"),
    ],
)
def test_a_plan_that_makes_no_sense_is_said_beside_its_field(client, desk, typed, field):
    done = draft_on_page(client, **{"price_from": "2026-09-01", **typed})

    assert done.status_code == 200
    assert f'href="#field-{field}"' in done.text
    assert client.get("/api/v1/versions").json()["items"] == []


def test_what_it_costs_on_a_day_is_answered_for_past_and_future(client, desk, clock):
    """R14: a scheduled change is known before it holds, and what held stays known."""
    first = api(
        client,
        "/versions",
        {**FORM, "price": {"unit_price_yuan": "0.02", "valid_from": "2026-08-01"}},
        status=201,
    )
    admit(client, desk, first["version_id"])
    sign_in(client, "manager")
    second = api(
        client,
        "/versions",
        {**FORM, "price": {"unit_price_yuan": "0.05", "valid_from": "2027-01-01"}},
        status=201,
    )
    assert (second["changes"], second["depth"]) == (["price"], "light")
    admit(client, desk, second["version_id"])
    address = f"/api/v1/resources/{desk.firm.code}/A"

    def price(day: str) -> str | None:
        held = client.get(f"{address}?on={day}").json()["in_force"]
        return held["plan"]["unit_price"] if held else None

    days = ("2026-07-31", "2026-08-01", "2026-12-31", "2027-01-01")
    assert [price(day) for day in days] == [None, "0.0200", "0.0200", "0.0500"]
    offers = client.get(address).json()["offers"]
    assert [one["time"] for one in offers] == ["scheduled", "in_force"]
    clock.advance(timedelta(days=365))
    assert [price(day) for day in days] == [None, "0.0200", "0.0200", "0.0500"]
    assert client.get(address).json()["in_force"]["plan"]["unit_price"] == "0.0500"
    client.headers.update({"accept": "text/html"})
    page = client.get(f"/catalog/resources/{desk.firm.code}/A?on=2026-12-31").text
    assert "0.0200" in page.split('role="status"')[1][:200]
    assert 'role="alert"' in client.get(f"/catalog/resources/{desk.firm.code}/A?on=soon").text


def test_differences_and_the_depth_they_need_are_read_before_submission_and_on_the_case(
    client, desk
):
    """R14: light or full, and why, on the vendor's page, at the desk and for the public."""
    first = desk.listed()
    second = desk.draft(title="新题目")
    client.headers.update({"accept": "text/html"})
    before = client.get(f"/vendor/resources/{second}").text
    assert "新题目" in before and "八项标准全部重新审核" in before
    third = client.get(f"/catalog/differences/{desk.firm.code}/A").text
    assert "资源A" in third and "新题目" in third and f"/vendor/resources/{second}" in third
    admit(client, desk, str(second))
    sign_in(client, "first")
    at_desk = client.get(f"/bureau/admission/{second}").text
    assert "八项标准全部重新审核" in at_desk and "/catalog/differences/" in at_desk
    assert "/bureau/admission/" in client.get(f"/catalog/differences/{desk.firm.code}/A").text
    client.cookies.clear()
    public = client.get(f"/catalog/resources/{desk.firm.code}/A").text
    assert f"/catalog/differences/{desk.firm.code}/A" in public
    compared = client.get(f"/catalog/differences/{desk.firm.code}/A?before=1&after=2")
    assert "资源A" in compared.text and "新题目" in compared.text
    answered = client.get(f"/api/v1/differences?vendor={desk.firm.code}&sku=A&before=1&after=2")
    assert [one["name"] for one in answered.json()["differences"]] == ["title"]
    wrong = client.get(f"/api/v1/differences?vendor={desk.firm.code}&sku=A&before=1&after=9")
    assert wrong.status_code == 404 and first


def test_versions_are_answered_whole_or_page_by_page(client, desk):
    """Who asks for no limit gets all, as before there were pages."""
    for sku in ("A", "B", "C"):
        desk.draft(sku)
    whole = client.get("/api/v1/versions").json()
    assert [one["sku"] for one in whole["items"]] == ["A", "B", "C"]
    assert whole["next"] is None

    first = client.get("/api/v1/versions", params={"limit": 2}).json()
    rest = client.get("/api/v1/versions", params={"limit": 2, "after": first["next"]}).json()
    assert first["items"] + rest["items"] == whole["items"]
    assert rest["next"] is None
    for wrong in ({"limit": 0}, {"limit": 201}, {"after": str(UUID(int=1))}, {"after": "x"}):
        assert client.get("/api/v1/versions", params=wrong).status_code in {400, 422}
