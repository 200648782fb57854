"""Learners and teachers at their pages: opening, the player, the way to a vendor; the keys."""

import re
from collections.abc import Iterator

import jwt
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine, select

from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.metering.models import Launch, LaunchPresence
from settlement.models import StatementLine
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.catalogue_builders import a_row, submitted
from tests.support.launch_builders import (
    CLASS,
    ELSEWHERE,
    Classroom,
    a_classroom,
    a_free_agreement,
    a_resource_elsewhere,
    events,
)
from tests.support.settlement_builders import MARCH, SYSTEM, at
from tests.support.site_builders import counted_queries, csrf_token, sign_in
from tests.support.worlds import a_world

MOST_QUERIES = 12


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(2, 9))


@pytest.fixture
@a_world
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units, password=PASSWORD)
    with units(SYSTEM) as unit:
        assert found.pupil.person_id is not None
        set_password(unit, found.pupil.person_id, login="pupil", password=PASSWORD)
        resource_id = a_resource_elsewhere(unit, found.market)
        a_free_agreement(unit, found.market, resource_id=resource_id, sku="OUT-1")
    return found


@pytest.fixture
def client(
    settings: Settings, units: Units, classroom: Classroom
) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def opened(client: TestClient[Litestar], classroom: Classroom, **form: str):
    token = csrf_token(client)
    sku = form.pop("sku", "SKU-1")
    data = {"csrf_token": token, "resource": f"{classroom.market.vendor.code}/{sku}", **form}
    return client.post("/learn/open", data=data, follow_redirects=False)


def test_a_pupil_sees_what_the_school_selected_and_opens_it(
    client: TestClient[Litestar], units: Units, classroom: Classroom
) -> None:
    sign_in(client, "pupil")
    assert client.get("/", follow_redirects=False).headers["location"] == "/learn"
    page = client.get("/learn").text
    assert "资源SKU-1" in page
    assert "外部资源OUT-1" in page
    assert 'href="/school' not in page
    answer = opened(client, classroom)
    player = client.get(answer.headers["location"])
    assert player.status_code == 200
    assert "内容由提供方保管" in player.text
    assert len(events(units)) == 1
    client.get(answer.headers["location"])
    assert len(events(units)) == 1  # looking again is not using again
    assert answer.headers["location"] in client.get("/learn").text


def test_a_teacher_opens_with_a_class_and_keeps_the_schools_pages(
    client: TestClient[Litestar], units: Units, classroom: Classroom
) -> None:
    sign_in(client, "teacher")
    page = client.get("/learn").text
    assert f"<option>{CLASS}</option>" in page
    assert 'href="/school/statements"' in page
    assert opened(client, classroom).status_code == 422
    answer = opened(client, classroom, class_name=CLASS)
    assert f"为{CLASS}打开" in client.get(answer.headers["location"]).text
    assert [event.in_class for event in events(units)] == [True]


def test_the_way_out_carries_a_ticket_that_the_published_keys_prove(
    client: TestClient[Litestar], units: Units, classroom: Classroom
) -> None:
    sign_in(client, "pupil")
    player = opened(client, classroom, sku="OUT-1").headers["location"]
    page = client.get(player).text
    assert f'href="{player}/enter"' in page
    assert "ticket" not in page
    location = client.get(f"{player}/enter", follow_redirects=False).headers["location"]
    assert location.startswith(f"{ELSEWHERE}?ticket=")
    published = client.get("/.well-known/jwks.json")
    assert published.headers["cache-control"] == "public, max-age=300"
    ticket = location.partition("ticket=")[2]
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published.json()).keys}
    claims = jwt.decode(
        ticket,
        keys[jwt.get_unverified_header(ticket)["kid"]],
        algorithms=["EdDSA"],
        audience=classroom.market.vendor.code,
        options={"verify_exp": False, "verify_iat": False},
    )
    with units(SYSTEM) as unit:
        assert claims["jti"] == str(unit.session.scalars(select(Launch.id)).one())
    assert events(units) == []


def test_a_script_opens_and_gets_the_ticket(
    client: TestClient[Litestar], units: Units, classroom: Classroom
) -> None:
    sign_in(client, "pupil")
    vendor_code = classroom.market.vendor.code
    wanted = {"vendor_code": vendor_code, "sku": "OUT-1"}
    refused = client.post("/api/v1/launches", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf-refused")
    headers = {"x-csrf-token": csrf_token(client)}
    answer = client.post("/api/v1/launches", json=wanted, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["url"] == f"{ELSEWHERE}?ticket={answer.json()['ticket']}"
    here = client.post("/api/v1/launches", json={**wanted, "sku": "SKU-1"}, headers=headers).json()
    assert here["url"] == f"/learn/play/{here['id']}"
    assert "ticket" not in here
    missing = client.post("/api/v1/launches", json={**wanted, "sku": "none"}, headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")


def test_what_is_to_be_admitted_opens_like_what_is_not_there(
    client: TestClient[Litestar], units: Units, classroom: Classroom
) -> None:
    """R4: its vendor's plans are told to nobody."""
    with units(SYSTEM) as unit:
        submitted(unit, [a_row(classroom.market.vendor, "NEW", "还没有公开")])
    sign_in(client, "pupil")
    headers = {"x-csrf-token": csrf_token(client)}
    there, not_there = (
        client.post(
            "/api/v1/launches",
            json={"vendor_code": classroom.market.vendor.code, "sku": sku},
            headers=headers,
        )
        for sku in ("NEW", "NONE")
    )
    assert there.status_code == not_there.status_code == 404
    assert there.text == not_there.text.replace("NONE", "NEW")


def test_a_refusal_says_what_to_do(
    client: TestClient[Litestar], classroom: Classroom, clock: FixedClock
) -> None:
    sign_in(client, "pupil")
    clock.at = at(1, month=7)
    sign_in(client, "pupil")
    assert "今天没有可以打开的资源" in client.get("/learn").text
    answer = opened(client, classroom)
    assert answer.status_code == 409
    assert "请先由学校选用" in answer.text


def test_a_heartbeat_is_noted_without_javascript(
    client: TestClient[Litestar], units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    sign_in(client, "pupil")
    player = opened(client, classroom).headers["location"]
    clock.at = at(2, 9, 12)
    answer = client.post(f"{player}/heartbeat", data={"csrf_token": csrf_token(client)})
    assert "12 分钟" in answer.text
    clock.at = at(2, 13)
    assert "本次打开已结束" in client.get(player).text
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(LaunchPresence.beats)).one() == 1


def test_another_persons_launch_is_not_there(
    client: TestClient[Litestar], classroom: Classroom
) -> None:
    sign_in(client, "pupil")
    player = opened(client, classroom).headers["location"]
    sign_in(client, "teacher")
    assert client.get(player).status_code == 404
    assert client.get(f"{player}/enter").status_code == 404
    form = {"csrf_token": csrf_token(client)}
    assert client.post(f"{player}/heartbeat", data=form).status_code == 404


def test_a_use_shows_the_launch_that_it_belongs_to(
    client: TestClient[Litestar], units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    """R26: from a stated line down to the ticket that a use rests on."""
    sign_in(client, "teacher")
    player = opened(client, classroom, class_name=CLASS).headers["location"]
    clock.at = at(2, 9, 7)
    client.post(f"{player}/heartbeat", data={"csrf_token": csrf_token(client)})
    clock.at = at(2, month=4)
    settle(units, SYSTEM, MARCH)
    sign_in(client, "teacher")
    with units(SYSTEM) as unit:
        line_id = unit.session.scalars(
            select(StatementLine.id).where(
                StatementLine.agreement_id == classroom.market.agreement_id
            )
        ).one()
    (event,) = events(units)
    page = client.get(f"/school/statements/2026-03/lines/{line_id}/uses/{event.sequence}").text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for shown in (player.rpartition("/")[2], CLASS, "7 分钟", "player-2026-03-02"):
        assert shown in text
    assert "文件摘要" not in text


def test_the_pages_ask_few_questions_of_the_database(
    client: TestClient[Litestar], engine: Engine, classroom: Classroom
) -> None:
    sign_in(client, "teacher")
    player = opened(client, classroom, sku="OUT-1", class_name=CLASS).headers["location"]
    for address in ("/learn", player, f"{player}/enter"):
        with counted_queries(engine) as sent:
            client.get(address, follow_redirects=False)
        assert len(sent) <= MOST_QUERIES, address
