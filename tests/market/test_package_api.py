"""Packages over HTTP: by the key of the school, with what became of them as the answer."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import InvalidInput
from kernel.identity.api_keys import create_api_key
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.api import a_machine, an_event
from tests.support.application import an_app
from tests.support.builders import a_school
from tests.support.launch_builders import Classroom, a_classroom, events
from tests.support.package_builders import Box, a_box, a_packed_launch, a_packed_use, packed
from tests.support.settlement_builders import SYSTEM, a_use, at, deliver

ADDRESS = "/api/v1/usage/packages"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(1, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    clock.at = at(6, 9)
    return found


@pytest.fixture
def box(units: Units, classroom: Classroom) -> Box:
    return a_box(units, classroom)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def a_key(units: Units, organisation_id, role: Role) -> dict[str, str]:
    with units(SYSTEM) as unit:
        key = create_api_key(unit, organisation_id, label="box", scopes=[role]).key
    return {"authorization": f"Bearer {key}"}


def test_a_schools_machine_hands_a_package_in_and_learns_what_became_of_it(
    client: TestClient[Litestar], units: Units, classroom: Classroom, box: Box
) -> None:
    """R31: signed by the box, brought by the school's key; again, it is all duplicates."""
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    key = a_key(units, classroom.school.id, Role.ACADEMIC)
    answers = [client.post(ADDRESS, content=content, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert first == {
        "device": box.code,
        "received": 1,
        "accepted": 1,
        "duplicates": 0,
        "conflicts": 0,
        "quarantined": {},
        "launches": {"received": 1, "accepted": 1, "duplicates": 0, "refused": {}},
    }
    assert (second["duplicates"], second["launches"]["duplicates"]) == (1, 1)
    assert len(events(units)) == 1


def test_a_key_and_a_signature_are_both_needed(
    client: TestClient[Litestar], units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    with units(SYSTEM) as unit:
        other = a_school(unit)
    key = a_key(units, classroom.school.id, Role.ACADEMIC)
    assert client.post(ADDRESS, content=content).status_code == 401
    stranger = a_key(units, other.id, Role.PRINCIPAL)
    assert client.post(ADDRESS, content=content, headers=stranger).status_code == 404
    teacher = a_key(units, classroom.school.id, Role.TEACHER)
    assert client.post(ADDRESS, content=content, headers=teacher).status_code == 403
    changed = client.post(ADDRESS, content=content.replace(b"u1", b"u2"), headers=key)
    assert (changed.status_code, changed.json()["code"]) == (422, "package-signature-wrong")
    assert events(units) == []


def test_nothing_but_a_signed_package_comes_in_as_a_boxs_word(
    client: TestClient[Litestar], units: Units, classroom: Classroom, box: Box
) -> None:
    """R26: a school's key, or a file, can't pass off its own list as what a box has seen."""
    machine = a_machine(client, units, classroom.school.id)
    facts = {"learner": "L1", "vendor_code": classroom.market.vendor.code, "sku": "SKU-1"}
    event = an_event(None, source=box.code, time=at(5).isoformat(), data=facts) | {"subject": ""}
    assert machine.send([event]).status_code == 404
    with pytest.raises(InvalidInput):
        deliver(units, [a_use(units, classroom.market, "e1", at(5))], source=box.code)
    assert events(units) == []


def test_a_package_beyond_the_rate_is_refused_before_any_work(
    settings: Settings, units: Units, classroom: Classroom, box: Box
) -> None:
    """Its signature is wrong, which only the work would find; what was spent stays spent."""
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    key = a_key(units, classroom.school.id, Role.ACADEMIC)
    units.settings = replace(settings, usage_rate=1)
    with TestClient(an_app(units.settings, units)) as client:
        taken = client.post(ADDRESS, content=content, headers=key)
        beyond = client.post(ADDRESS, content=content.replace(b"u1", b"u2"), headers=key)
    assert (taken.status_code, beyond.status_code) == (200, 429)
    assert beyond.json()["code"] == "rate-exceeded"
    assert beyond.headers["RateLimit"].startswith('"packages";r=0')
