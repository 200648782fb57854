"""Needs, works and claims over HTTP: what is missing is said, and others' is not there."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.submissions import withdraw
from kernel.actors import Role
from kernel.ids import VersionId, new_id
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk
from tests.support.application import an_app
from tests.support.builders import a_person, a_school
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in
from vendor_portal import needs as vendor_needs


@pytest.fixture
def desk(units: Units) -> Desk:
    desk = a_desk(units)
    with units(SYSTEM) as unit:
        school = a_school(unit)
        for login, role in (("teacher", Role.TEACHER), ("principal", Role.PRINCIPAL)):
            a_person(unit, school, [role], login=login, password=PASSWORD)
    return desk


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def call(client: TestClient[Litestar], who: str, path: str, body: dict[str, Any], *, status=200):
    sign_in(client, who)
    answer = client.post(f"/api/v1{path}", json=body, headers={"x-csrf-token": csrf_token(client)})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_need_is_posted_answered_and_closed_by_the_interface(client, desk):
    """R61."""
    version_id = str(desk.submitted("A"))
    body = {"title": "双语练习", "description": "四年级", "wanted_by": "2026-10-01"}
    (need,) = call(client, "teacher", "/needs", body, status=201)["items"]
    path = f"/needs/{need['id']}"
    call(client, "manager", f"{path}/answers", {"version_id": version_id})
    sign_in(client, "teacher")
    (seen,) = client.get("/api/v1/needs").json()["items"]
    assert seen["offered"] == [], "not listed yet"
    desk.decided(VersionId(UUID(version_id)))
    (closed,) = call(client, "teacher", f"{path}/closing", {"chosen": [version_id]})["items"]
    assert closed["closed_at"]
    assert [one["chosen"] for one in closed["offered"]] == [True]
    wrong = {**body, "stage": "nowhere"}
    call(client, "teacher", "/needs", wrong, status=422)


def test_a_claim_is_given_answered_and_decided_by_the_interface(client, desk):
    """R14."""
    version_id = str(desk.listed("A"))
    body = {"version_id": version_id, "claimant": "某社", "work": "《书》", "claim": "相同"}
    (notice,) = call(client, "teacher", "/infringements", body, status=201)["items"]
    path = f"/infringements/{notice['id']}"
    call(client, "first", f"{path}/decision", {"upheld": True, "note": "一致"}, status=409)
    call(client, "manager", f"{path}/counter", {"statement": "自绘"})
    decided = call(client, "first", f"{path}/decision", {"upheld": True, "note": "一致"})
    assert decided["items"][0]["state"] == "upheld"
    assert desk.state(VersionId(UUID(version_id))) == "suspended"


def send(client: TestClient[Litestar], path: str, **form: Any):
    return client.post(
        path,
        data={"csrf_token": csrf_token(client), **form},
        headers={"accept": "text/html"},
        follow_redirects=False,
    )


def test_a_form_says_what_a_need_lacks(client, desk):
    sign_in(client, "teacher")
    wrong = send(client, "/school/needs", act="post", title="", wanted_by="soon")
    assert wrong.text.count("field__error") == 3
    late = send(
        client, "/school/needs", act="post", title="x", description="x", wanted_by="2020-01-01"
    )
    assert "今后的日期" in late.text
    page = {"accept": "text/html"}
    assert client.get("/school/works", headers=page).status_code == 403


def test_of_many_resources_the_newest_are_offered_and_the_others_by_words(
    client, desk, monkeypatch
):
    """R61: a vendor of 100,000 resources answers a need as one of three does."""
    monkeypatch.setattr(vendor_needs, "MOST_OFFERED", 2)
    body = {"title": "双语练习", "description": "四年级", "wanted_by": "2026-10-01"}
    (need,) = call(client, "teacher", "/needs", body, status=201)["items"]
    ids = {sku: desk.submitted(sku) for sku in ("A1", "A2", "A3")}
    taken_back = desk.submitted("A4")
    sign_in(client, "manager")
    with desk.units(desk.manager) as unit:
        withdraw(unit, taken_back)

    def offered(address: str) -> list[str]:
        text = client.get(address, headers={"accept": "text/html"}).text
        return [sku for sku in ("A1", "A2", "A3", "A4") if f"资源{sku} · {sku} · 1" in text]

    assert offered("/vendor/needs") == ["A1", "A2"], "of one moment, by article number"
    assert offered("/vendor/needs?q=a3") == ["A3"]
    assert offered("/vendor/needs?q=A4") == [], "it is over"
    of_another = {"need": need["id"], "version": str(new_id()), "note": "双语"}
    wrong = send(client, "/vendor/needs?q=a3", **of_another)
    assert "form-errors" in wrong.text and 'value="双语"' in wrong.text
    assert "资源A3 · A3 · 1" in wrong.text, "what was looked for is still looked for"
    done = send(client, "/vendor/needs", need=need["id"], version=str(ids["A3"]))
    assert done.status_code == 303
    assert "资源A3" in client.get("/vendor/needs", headers={"accept": "text/html"}).text


def test_who_answers_is_read_without_signing_in(client, desk):
    """R10."""
    desk.listed("A")
    page = client.get(f"/responsibility/{desk.firm.code}/A", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "初审人" in page.text
    missing = client.get(f"/responsibility/{desk.firm.code}/B", headers={"accept": "text/html"})
    assert missing.status_code == 404
