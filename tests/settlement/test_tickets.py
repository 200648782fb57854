"""Tickets and pseudonyms: what a vendor can check by itself, and what it can't find out."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from settlement.metering.launches import Opened, enter, open_launch
from settlement.metering.models import SigningKey
from settlement.metering.pseudonyms import learner_pseudonym, session_pseudonym
from settlement.metering.tickets import published_keys
from tests.support.builders import a_vendor
from tests.support.launch_builders import (
    CLASS,
    ELSEWHERE,
    Classroom,
    a_classroom,
    a_free_agreement,
    a_resource_elsewhere,
)
from tests.support.settlement_builders import SYSTEM, at
from tests.support.worlds import a_world

ISSUER = "http://127.0.0.1:8420"
REQUIRED = ["iss", "aud", "sub", "jti", "iat", "exp"]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(2, 9))


@pytest.fixture
@a_world
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    with units(SYSTEM) as unit:
        resource_id = a_resource_elsewhere(unit, found.market)
        a_free_agreement(unit, found.market, resource_id=resource_id, sku="OUT-1")
    return found


def opened(units: Units, classroom: Classroom, *, class_name: str = "") -> Opened:
    with units(classroom.teacher if class_name else classroom.pupil) as unit:
        return open_launch(
            unit, vendor_code=classroom.market.vendor.code, sku="OUT-1", class_name=class_name
        )


def ticket_of(units: Units, classroom: Classroom, found: Opened) -> str:
    actor = classroom.teacher if found.launch.kind == "class" else classroom.pupil
    with units(actor) as unit:
        address, ticket = enter(unit, found.id)
    assert address == ELSEWHERE
    return ticket.text


def keys(units: Units) -> list[dict[str, str]]:
    with units(SYSTEM) as unit:
        return published_keys(unit)


def read(ticket: str, published: list[dict[str, str]], *, audience: str, **options: bool):
    """Check a ticket as a vendor does: with the published keys and PyJWT, nothing of ours."""
    found = {key.key_id: key for key in jwt.PyJWKSet.from_dict({"keys": published}).keys}
    key = found[jwt.get_unverified_header(ticket)["kid"]]
    # The rehearsed clock stands elsewhere than this machine's.
    verify = {"verify_exp": False, "verify_iat": False, "require": REQUIRED, **options}
    return jwt.decode(
        ticket, key, algorithms=["EdDSA"], audience=audience, issuer=ISSUER, options=verify
    )


def test_a_vendor_checks_a_ticket_with_the_published_keys_alone(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    """R26: the platform signs each launch; R29: it tells a pseudonym and no name."""
    found = opened(units, classroom)
    clock.advance(timedelta(minutes=1))
    ticket = ticket_of(units, classroom, found)
    vendor = classroom.market.vendor
    claims = read(ticket, keys(units), audience=vendor.code)
    assert claims == {
        "iss": ISSUER,
        "aud": vendor.code,
        "sub": found.launch.pseudonym,
        "jti": str(found.id),
        "iat": int(at(2, 9, 1).timestamp()),
        "exp": int(at(2, 9, 6).timestamp()),
        "agreement": f"{classroom.school.code}-B-1",
        "sku": "OUT-1",
        "version": 1,
        "session": claims["session"],
        "kind": "learner",
        "until": int(at(2, 13).timestamp()),
    }
    told = json.dumps(claims, ensure_ascii=False)
    for secret in (found.launch.learner_id.hex, found.launch.session_id, "L3", "学生"):
        assert secret not in told


def test_a_class_is_told_as_a_class_and_not_by_its_name(units: Units, classroom: Classroom) -> None:
    ticket = ticket_of(units, classroom, opened(units, classroom, class_name=CLASS))
    claims = read(ticket, keys(units), audience=classroom.market.vendor.code)
    assert claims["kind"] == "class"
    assert CLASS not in json.dumps(claims, ensure_ascii=False)


def test_a_ticket_is_no_good_for_another_vendor_or_after_five_minutes(
    units: Units, classroom: Classroom
) -> None:
    ticket = ticket_of(units, classroom, opened(units, classroom))
    published = keys(units)
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
    with pytest.raises(jwt.InvalidAudienceError):
        read(ticket, published, audience=other.code)
    with pytest.raises(jwt.ExpiredSignatureError):  # its five minutes of 2 March 2026 are over
        read(ticket, published, audience=classroom.market.vendor.code, verify_exp=True)


def test_a_ticket_never_outlives_its_launch(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    found = opened(units, classroom)
    clock.advance(timedelta(hours=3, minutes=58))
    claims = read(
        ticket_of(units, classroom, found), keys(units), audience=classroom.market.vendor.code
    )
    assert claims["exp"] == claims["until"] == int(at(2, 13).timestamp())


def test_a_changed_or_foreign_ticket_is_found_out(units: Units, classroom: Classroom) -> None:
    ticket = ticket_of(units, classroom, opened(units, classroom))
    vendor = classroom.market.vendor.code
    head, body, signature = ticket.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "x"}).encode()).decode()
    forged = jwt.encode(
        claims,
        Ed25519PrivateKey.generate(),
        algorithm="EdDSA",
        headers={"kid": jwt.get_unverified_header(ticket)["kid"]},
    )
    for wrong in (f"{head}.{changed.rstrip('=')}.{signature}", forged):
        with pytest.raises(jwt.InvalidSignatureError):
            read(wrong, keys(units), audience=vendor)


def test_every_process_signs_with_the_same_key_and_it_is_recorded_once(
    units: Units, classroom: Classroom
) -> None:
    first, second = (ticket_of(units, classroom, opened(units, classroom)) for _ in range(2))
    kids = {jwt.get_unverified_header(one)["kid"] for one in (first, second)}
    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(SigningKey.kid))) == kids
    assert [key["kid"] for key in keys(units)] == list(kids)


def test_after_a_change_of_the_installations_key_old_tickets_can_be_checked_for_a_day(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    old = ticket_of(units, classroom, opened(units, classroom))
    changed = replace(units, settings=replace(units.settings, secret_key="another"))
    clock.advance(timedelta(hours=1))
    new = ticket_of(changed, classroom, opened(changed, classroom))
    audience = classroom.market.vendor.code
    for ticket in (old, new):
        assert read(ticket, keys(changed), audience=audience)["aud"] == audience
    clock.advance(timedelta(hours=24))
    assert [key["kid"] for key in keys(changed)] == [jwt.get_unverified_header(new)["kid"]]
    # Whoever goes back to the first key signs with a key that is published again.
    back = ticket_of(units, classroom, opened(units, classroom))
    assert read(back, keys(units), audience=audience)["aud"] == audience


def test_keys_are_published_with_their_thumbprint(units: Units) -> None:
    (key,) = keys(units)
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "x": key["x"],
        "kid": key["kid"],
    }
    assert len(base64.urlsafe_b64decode(key["x"] + "=")) == 32
    assert len(base64.urlsafe_b64decode(key["kid"] + "=")) == 32


# What a vendor is told instead of the learner (R29)

HERE = Settings.load({"MARKET_SECRET_KEY": "here"})
THERE = Settings.load({"MARKET_SECRET_KEY": "there"})


@given(st.uuids(), st.uuids(), st.uuids())
def test_a_pseudonym_is_stable_for_a_vendor_and_differs_for_every_other(
    learner: UUID, vendor: UUID, other: UUID
) -> None:
    """R29: vendors see pseudonyms that differ per vendor."""
    shown = learner_pseudonym(HERE, learner, vendor_id=vendor)
    assert shown == learner_pseudonym(HERE, learner, vendor_id=vendor)
    assert len(shown) == 26
    assert shown.isalnum()
    assert (shown == learner_pseudonym(HERE, learner, vendor_id=other)) is (vendor == other)
    assert shown != learner_pseudonym(THERE, learner, vendor_id=vendor)


def test_two_vendors_in_one_lesson_can_not_match_it_by_its_session() -> None:
    session, first, second = uuid4().hex, uuid4(), uuid4()
    assert session_pseudonym(HERE, session, vendor_id=first) != session_pseudonym(
        HERE, session, vendor_id=second
    )


def test_a_learner_and_a_session_of_one_number_have_nothing_in_common() -> None:
    number, vendor = uuid4(), uuid4()
    assert learner_pseudonym(HERE, number, vendor_id=vendor) != session_pseudonym(
        HERE, number.bytes.decode("latin-1"), vendor_id=vendor
    )
