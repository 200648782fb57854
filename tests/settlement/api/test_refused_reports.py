"""Who may report and how: keys, signatures, bodies, repeated requests and rates."""

import gzip
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from kernel.actors import KEY_ROLES_OF, ROLES_OF, OrganisationKind, Role
from kernel.clock import FixedClock
from kernel.http.idempotency import forget_answers
from kernel.http.models import Idempotency
from kernel.identity.api_keys import revoke_api_key
from kernel.unit import Units
from settlement.metering.models import UsageBatch
from tests.support.api import USAGE, Machine, a_machine, an_event, fates
from tests.support.application import an_app
from tests.support.settlement_builders import SYSTEM, Market
from tests.support.usage_builders import a_launch, an_attested_source


@pytest.fixture
def events(units: Units, market: Market) -> list[dict[str, object]]:
    launch_id = a_launch(units, market)
    return [an_event(launch_id, f"e{n}") for n in range(3)]


def refused(response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def batches(units: Units) -> int:
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.count()).select_from(UsageBatch)) or 0


# Keys and signatures


@pytest.mark.parametrize("key", ["", "xuanyong", "xuanyong.aa.bb", "xuanyong..", "Basic abc"])
def test_an_unknown_key_is_refused(vendor: Machine, events, key: str) -> None:
    answer = replace(vendor, key=key).send(events)
    assert refused(answer) == (401, "api-key-refused")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_key_is_refused(units: Units, vendor: Machine, events) -> None:
    with units(SYSTEM) as unit:
        revoke_api_key(unit, vendor.key_id)
    assert refused(vendor.send(events)) == (401, "api-key-refused")
    assert batches(units) == 0


def test_a_browsers_cookie_opens_nothing(vendor: Machine) -> None:
    headers = {"content-type": "application/json", "cookie": "xuanyong_session=x"}
    answer = vendor.client.post(USAGE, content=b"[]", headers=headers)
    assert refused(answer) == (401, "api-key-refused")


def test_a_body_that_was_changed_on_its_way_is_refused(
    units: Units, vendor: Machine, events
) -> None:
    body = json.dumps(events).encode()
    answer = vendor.client.post(USAGE, content=body + b" ", headers=vendor.headers(body))
    assert refused(answer) == (401, "signature-wrong")
    other = replace(vendor, private_key=Ed25519PrivateKey.generate())
    assert refused(other.send(events)) == (401, "signature-wrong")
    assert batches(units) == 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X_Xuanyong_Signature": ""}, "signature-missing"),
        ({"X_Xuanyong_Signature": "ed25519=%%%"}, "signature-missing"),
        ({"X_Xuanyong_Signature": "ed25519=YWJj"}, "signature-wrong"),
        ({"X_Xuanyong_Timestamp": ""}, "signature-missing"),
        ({"X_Xuanyong_Timestamp": "2026-08-03T10:00:00"}, "signature-missing"),
        ({"X_Xuanyong_Timestamp": "0001-01-01T00:00:00+14:00"}, "signature-missing"),
        ({"X_Xuanyong_Timestamp": "2026-08-03T10:00:01+08:00"}, "signature-wrong"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(
    vendor: Machine, events, headers: dict[str, str], code: str
) -> None:
    assert refused(vendor.send(events, **headers)) == (401, code)


@pytest.mark.parametrize("by", [timedelta(minutes=5, seconds=1), -timedelta(minutes=5, seconds=1)])
def test_an_old_signature_is_refused(
    vendor: Machine, clock: FixedClock, events, by: timedelta
) -> None:
    body = json.dumps(events).encode()
    headers = vendor.headers(body, now=clock.now() + by)
    answer = vendor.client.post(USAGE, content=body, headers=headers)
    assert refused(answer) == (401, "signature-stale")


def test_a_key_without_a_public_key_can_send_nothing(
    client, units: Units, market: Market, events
) -> None:
    machine = a_machine(client, units, market.vendor.id, signs=False)
    assert refused(machine.send(events)) == (403, "no-public-key")


def test_only_a_reporters_and_a_vendor_managers_key_may_report(
    client, units: Units, market: Market, events
) -> None:
    """Every role of every kind of organisation: what is not allowed is refused."""
    found = {}
    of_kind = {
        OrganisationKind.SCHOOL: market.school,
        OrganisationKind.VENDOR: market.vendor,
        OrganisationKind.BUREAU: market.bureau,
    }
    for kind, organisation in of_kind.items():
        for role in ROLES_OF[kind] | KEY_ROLES_OF[kind]:
            machine = a_machine(client, units, organisation.id, scopes=[role])
            state = machine.get(f"{USAGE}/batches/{machine.key_id}")
            found[kind, role] = (machine.send(events).status_code, state.status_code)
    allowed = {
        (OrganisationKind.VENDOR, Role.VENDOR_MANAGER): (200, 404),
        (OrganisationKind.VENDOR, Role.USAGE_REPORTER): (200, 404),
        (OrganisationKind.SCHOOL, Role.USAGE_REPORTER): (404, 404),
    }
    assert found == dict.fromkeys(found, (403, 403)) | allowed


def test_another_vendors_source_is_not_there(client, units: Units, vendor: Machine, events) -> None:
    stranger = [event | {"source": "player"} for event in events]
    assert refused(vendor.send(stranger)) == (404, "not-found")


# Attested sources: what an organisation says about itself


def test_a_school_attests_uses_of_its_own_learners(client, units: Units, market: Market) -> None:
    an_attested_source(units, market, code="school-system", organisation_id=market.school.id)
    school = a_machine(client, units, market.school.id)

    def event(event_id: str, **data: object) -> dict[str, object]:
        known = {"learner": "L1", "vendor_code": market.vendor.code, "sku": "SKU-1"}
        return an_event(None, event_id, source="school-system", subject="", data=known | data)

    rows = [event("1"), event("2", learner="L9"), event("3", sku=""), event("4", learner="")]
    assert fates(school.send(rows)) == [
        ("accepted", ""),
        ("quarantined", "unknown-learner"),
        ("quarantined", "missing-sku"),
        ("quarantined", "missing-learner"),
    ]


def test_nobody_attests_for_others(client, units: Units, market: Market) -> None:
    an_attested_source(units, market, code="own", organisation_id=market.vendor.id)
    machine = a_machine(client, units, market.vendor.id)
    data = {"learner": "L1", "vendor_code": "91990121MA0000000X", "sku": "SKU-1"}
    assert fates(machine.send([an_event(None, source="own", subject="", data=data)])) == [
        ("quarantined", "other-vendor")
    ]


def test_an_outcome_names_the_member_and_the_remedy_in_the_callers_language(
    client, units: Units, market: Market
) -> None:
    an_attested_source(units, market, code="own", organisation_id=market.vendor.id)
    machine = a_machine(client, units, market.vendor.id)
    data = {"learner": "L9", "vendor_code": market.vendor.code, "sku": market.sku}
    events = [an_event(None, source="own", subject="", data=data)]
    client.headers["accept-language"] = "zh-CN"
    (chinese,) = machine.send(events).json()["outcomes"]
    assert (chinese["field"], chinese["reason"]) == ("data.learner", "unknown-learner")
    assert "名册" in chinese["remedy"]
    client.headers["accept-language"] = "en"
    (english,) = machine.send(events).json()["outcomes"]
    assert english["remedy"].startswith("Import the learner with the roster")


# Bodies


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "unreadable-body")),
        (b"{", (400, "unreadable-body")),
        (b"{}", (400, "unreadable-body")),
        (b"[1]", (400, "unreadable-body")),
        (b'["\xff"]', (400, "unreadable-body")),
        (b"[" * 100_000, (400, "unreadable-body")),
        (b"[]", (422, "empty-batch")),
        (b"[" + b",".join([b"{}"] * 5_001) + b"]", (422, "batch-too-large")),
        (b"x" * 10_000_001, (413, "request-entity-too-large")),
    ],
    ids=["none", "cut", "object", "number", "latin", "deep", "empty", "many", "large"],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(
    units: Units, vendor: Machine, body: bytes, expected: tuple[int, str]
) -> None:
    assert refused(vendor.post(body)) == expected
    assert batches(units) == 0


def test_a_full_batch_is_taken(vendor: Machine, events) -> None:
    full = [events[0] | {"id": str(number)} for number in range(5_000)]
    assert vendor.send(full).json()["accepted"] == 5_000


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"Content_Type": "text/plain"}, 415), ({"Content_Encoding": "br"}, 415)],
)
def test_types_and_encodings_that_nobody_reads_are_refused(
    vendor: Machine, events, headers: dict[str, str], code: int
) -> None:
    assert refused(vendor.send(events, **headers)) == (code, "unsupported-body")


def test_a_body_may_be_packed(vendor: Machine, events) -> None:
    packed = gzip.compress(json.dumps(events).encode())
    assert fates(vendor.post(packed, Content_Encoding="gzip")) == [("accepted", "")] * 3


def test_a_small_body_can_not_fill_the_memory(vendor: Machine) -> None:
    bomb = gzip.compress(b" " * 200_000_000, 9)
    assert len(bomb) < 300_000
    answer = vendor.post(bomb, Content_Encoding="gzip")
    assert refused(answer) == (413, "body-too-large")


@pytest.mark.parametrize(
    "change",
    [lambda packed: packed[:-9], lambda packed: packed + b"x", lambda packed: b"no", zlib.compress],
)
def test_a_packed_body_must_be_whole(vendor: Machine, events, change) -> None:
    packed = change(gzip.compress(json.dumps(events).encode()))
    answer = vendor.post(packed, Content_Encoding="gzip")
    assert refused(answer) == (400, "unreadable-body")


# Repeated requests


def test_the_same_key_gets_the_same_answer(units: Units, vendor: Machine, events) -> None:
    first = vendor.send(events, Idempotency_Key="k-1")
    again = vendor.send(events, Idempotency_Key="k-1")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert batches(units) == 1


def test_a_key_is_for_one_request(vendor: Machine, events) -> None:
    vendor.send(events, Idempotency_Key="k-1")
    answer = vendor.send(events[:1], Idempotency_Key="k-1")
    assert refused(answer) == (422, "idempotency-key-reused")
    assert refused(vendor.send(events, Idempotency_Key="x" * 256)) == (422, "invalid-input")


def test_keys_of_two_senders_are_apart(client, units: Units, market, vendor, events) -> None:
    other = a_machine(client, units, market.vendor.id)
    vendor.send(events, Idempotency_Key="k-1")
    assert fates(other.send(events, Idempotency_Key="k-1")) == [("duplicate", "")] * 3


def test_two_requests_with_one_key_at_once_are_one(units: Units, vendor: Machine, events) -> None:
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(vendor.send, events, Idempotency_Key="k-1") for _ in range(4)]
        answers = {one.result().content for one in sent}
    assert len(answers) == 1
    assert batches(units) == 1


def test_an_error_is_not_kept(vendor: Machine, events) -> None:
    vendor.send([event | {"source": "player"} for event in events], Idempotency_Key="k-1")
    assert fates(vendor.send(events, Idempotency_Key="k-1")) == [("accepted", "")] * 3


def test_an_answer_is_forgotten_after_a_day(
    units: Units, clock: FixedClock, vendor: Machine, events
) -> None:
    vendor.send(events, Idempotency_Key="k-1")
    vendor.send(events, Idempotency_Key="k-2")
    clock.advance(timedelta(hours=24))
    assert fates(vendor.send(events, Idempotency_Key="k-1")) == [("duplicate", "")] * 3
    with units(SYSTEM) as unit:
        assert forget_answers(unit) == 1
        assert unit.session.scalars(select(Idempotency.key)).all() == ["k-1"]


# Rates


def test_a_key_may_send_so_many_events_a_minute(
    units: Units, clock: FixedClock, vendor: Machine, events
) -> None:
    units.settings = replace(units.settings, usage_rate=7)
    an_app(units.settings, units)
    first, second = vendor.send(events), vendor.send(events)
    assert first.headers["ratelimit-policy"] == '"events";q=7;w=60'
    assert first.headers["ratelimit"] == '"events";r=4;t=60'
    clock.advance(timedelta(seconds=20))
    third = vendor.send(events)
    assert refused(third) == (429, "rate-exceeded")
    assert third.headers["retry-after"] == "40"
    assert third.headers["ratelimit"] == '"events";r=1;t=40'
    assert second.status_code == 200 and fates(vendor.send(events[:1])) == [("duplicate", "")]
    clock.advance(timedelta(seconds=40))
    assert vendor.send(events).headers["ratelimit"] == '"events";r=4;t=60'
    assert refused(vendor.send([events[0]] * 8)) == (429, "rate-exceeded")


def test_no_limit_is_told_where_there_is_none(units: Units, vendor: Machine, events) -> None:
    units.settings = replace(units.settings, usage_rate=0)
    an_app(units.settings, units)
    assert "ratelimit" not in vendor.send(events).headers


# What is described


def test_the_interface_is_described(vendor: Machine) -> None:
    paths = vendor.client.get("/schema/openapi.json").json()["paths"]
    operation = paths[USAGE]["post"]
    content = operation["requestBody"]["content"]
    item = content["application/cloudevents-batch+json"]["schema"]["items"]
    assert set(item["required"]) == {"id", "source", "type", "time", "data"}
    assert "launch" in item["properties"]["data"]["properties"]
    names = {one["name"] for one in operation["parameters"]}
    assert {"X-Xuanyong-Signature", "X-Xuanyong-Timestamp", "Idempotency-Key"} <= names
    assert f"{USAGE}/batches/{{batch_id}}" in paths
