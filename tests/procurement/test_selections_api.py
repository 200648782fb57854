"""`/api/v1/selections` and `/api/v1/agreements`: people with their session, machines with keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.identity.api_keys import create_api_key
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.application import an_app
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site, csrf_token, sign_in

SELECTIONS, AGREEMENTS = "/api/v1/selections", "/api/v1/agreements"


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def a_basket(site: Site, **facts: object) -> dict[str, Any]:
    item = {"vendor_code": site.market.vendor.code, "sku": site.market.sku, "ceiling_fen": 3_000}
    return {
        "items": [item],
        "starts_on": "2026-09-01",
        "ends_on": "2026-12-31",
        "reason": "新学期",
        **facts,
    }


def send(
    client: TestClient[Litestar], login: str, path: str, body: dict[str, Any], *, key: str = ""
) -> Any:
    sign_in(client, login)
    headers = {"x-csrf-token": csrf_token(client), "accept-language": "en"}
    if key:
        headers["idempotency-key"] = key
    return client.post(path, json=body, headers=headers)


def test_a_selection_is_requested_and_signed_by_people(
    client: TestClient[Litestar], site: Site
) -> None:
    """R21, R22: requested by a teacher, signed in order; the answer says where it stands."""
    answer = send(client, Role.TEACHER, SELECTIONS, a_basket(site))
    assert answer.status_code == 201
    (one,) = answer.json()["items"]
    assert (one["state"], one["reference"], one["ceiling_fen"]) == ("requested", "2026-0002", 3_000)
    signature = f"{SELECTIONS}/{one['id']}/signature"
    refused = send(client, Role.PRINCIPAL, signature, {"decision": "sign"})
    assert (refused.status_code, refused.json()["code"]) == (403, "refused")
    for role in (Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL):
        signed = send(client, role, signature, {"decision": "sign", "note": "同意"})
        assert signed.status_code == 200, signed.text
    done = signed.json()
    assert (done["state"], done["agreement"]) == (
        "approved",
        f"{site.market.school.code}-2026-0002",
    )
    assert {step["state"] for step in done["steps"]} == {"approved"}
    agreement = client.get(f"{AGREEMENTS}/{done['agreement']}").json()
    assert (agreement["ceiling_fen"], agreement["committed_fen"]) == (3_000, 3_000)
    again = send(client, Role.PRINCIPAL, signature, {"decision": "sign"})
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")


def test_the_same_key_requests_once(client: TestClient[Litestar], site: Site) -> None:
    first = send(client, Role.TEACHER, SELECTIONS, a_basket(site), key="k-1")
    again = send(client, Role.TEACHER, SELECTIONS, a_basket(site), key="k-1")
    other = send(client, Role.TEACHER, SELECTIONS, a_basket(site, reason="x"), key="k-1")
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(client.get(SELECTIONS).json()["items"]) == 2  # the site's own, and this one


def test_what_is_wrong_is_named(client: TestClient[Litestar], site: Site) -> None:
    """A refusal or return without its reason, a field that is not known, a day that is none."""
    signature = f"{SELECTIONS}/{site.selection_id}/signature"
    for body in ({"decision": "refuse"}, {"decision": "return", "note": " "}):
        answer = send(client, Role.RESEARCH_LEAD, signature, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "note-required")
    for body in (a_basket(site, starts_on="soon"), a_basket(site, more=1), {}):
        answer = send(client, Role.TEACHER, SELECTIONS, body)
        assert answer.status_code in {400, 422}, answer.text
    empty = send(client, Role.TEACHER, SELECTIONS, a_basket(site, items=[]))
    assert (empty.status_code, empty.json()["code"]) == (422, "missing-value")
    crossing = send(client, Role.TEACHER, SELECTIONS, a_basket(site, ends_on="2027-06-30"))
    assert (crossing.json()["code"], crossing.json()["item"]) == ("crosses-fiscal-year", 1)


def test_lists_go_on_from_their_cursor(client: TestClient[Litestar], site: Site) -> None:
    for _ in range(3):
        send(client, Role.TEACHER, SELECTIONS, a_basket(site))
    seen: list[str] = []
    after = ""
    while True:
        page = client.get(SELECTIONS, params={"limit": 3, **({"after": after} if after else {})})
        seen += [one["reference"] for one in page.json()["items"]]
        after = page.json()["next"]
        if not after:
            break
    assert seen == ["2026-0001", "2026-0002", "2026-0003", "2026-0004"]
    assert client.get(SELECTIONS, params={"state": "approved"}).json()["items"] == []
    assert client.get(SELECTIONS, params={"state": "lost"}).status_code == 422
    numbers = [one["number"] for one in client.get(AGREEMENTS).json()["items"]]
    assert numbers == [f"{site.market.school.code}-A-1"]


def test_a_key_reads_and_never_signs(
    client: TestClient[Litestar], site: Site, units: Units
) -> None:
    """A signature is a person's; another school's selections are not there."""
    with units(SYSTEM) as unit:
        key = create_api_key(
            unit, site.market.school.id, label="oa", scopes=[Role.RESEARCH_LEAD]
        ).key
        other = create_api_key(
            unit, site.other.school.id, label="oa", scopes=[Role.RESEARCH_LEAD]
        ).key
    client.cookies.clear()
    headers = {"authorization": f"Bearer {key}"}
    listed = client.get(SELECTIONS, headers=headers).json()["items"]
    assert [one["id"] for one in listed] == [str(site.selection_id)]
    one = f"{SELECTIONS}/{site.selection_id}"
    signed = client.post(f"{one}/signature", json={"decision": "sign"}, headers=headers)
    assert (signed.status_code, signed.json()["code"]) == (403, "refused")
    requested = client.post(SELECTIONS, json=a_basket(site), headers=headers)
    assert requested.status_code == 403
    foreign = {"authorization": f"Bearer {other}"}
    assert client.get(SELECTIONS, headers=foreign).json()["items"] == []
    assert client.get(one, headers=foreign).status_code == 404
    assert client.get(
        f"{AGREEMENTS}/{site.market.school.code}-A-1", headers=foreign
    ).status_code == (404)
    assert client.get(SELECTIONS).status_code == 401
    assert client.get(SELECTIONS, headers={"authorization": "Bearer x"}).status_code == 401


def test_a_session_changes_nothing_without_its_token(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.TEACHER)
    answer = client.post(SELECTIONS, json=a_basket(site))
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf-refused")
