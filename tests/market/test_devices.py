"""Classroom boxes on pages: a school registers one, its bureau confirms it, either revokes it."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.settings import Settings
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.metering.devices import fingerprint
from settlement.metering.models import ClassroomDevice, UsageSource
from tests.support.application import an_app
from tests.support.package_builders import pem
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site, csrf_token, sign_in


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def register(client: TestClient[Litestar], key: str, *, name: str = "三年级教室") -> int:
    form = {"csrf_token": csrf_token(client), "name": name, "public_key": key}
    return client.post("/school/devices", data=form, follow_redirects=False).status_code


def act(client: TestClient[Litestar], address: str) -> int:
    form = {"csrf_token": csrf_token(client)}
    return client.post(address, data=form, follow_redirects=False).status_code


def device(units: Units) -> ClassroomDevice:
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(ClassroomDevice)).one()


def test_a_box_is_registered_by_its_school_and_confirmed_by_its_bureau(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R31: a box delivers once a bureau answers for it, under its own name (R26)."""
    key = Ed25519PrivateKey.generate()
    shown = fingerprint(key.public_key().public_bytes_raw())
    sign_in(client, Role.ACADEMIC)
    assert register(client, pem(key)) == 303
    assert register(client, pem(key)) == 303  # pressed twice: it is one box
    code = device(units).code
    page = client.get(f"/school/devices/{code}").text
    assert "待教育局确认" in page
    assert shown in page
    assert "确认终端" not in page

    sign_in(client, Role.AUDITOR)
    assert "确认终端" not in client.get(f"/bureau/devices/{code}").text
    sign_in(client, Role.ADMISSION)
    assert site.market.school.name in client.get("/bureau/devices").text
    assert shown in client.get(f"/bureau/devices/{code}").text
    assert act(client, f"/bureau/devices/{code}/confirm") == 303
    assert act(client, f"/bureau/devices/{code}/confirm") == 303
    with units(SYSTEM) as unit:
        source = unit.session.scalars(select(UsageSource).where(UsageSource.code == code)).one()
        acts = unit.session.scalars(
            select(TrailRow.act).where(TrailRow.subject_kind == "device").order_by(TrailRow.id)
        ).all()
    assert (source.trust, source.organisation_id, source.admitted_for) == (
        "player",
        site.market.school.id,
        site.market.bureau.id,
    )
    assert acts == ["device.registered", "device.confirmed"]


@pytest.mark.parametrize("role", [Role.PRINCIPAL, Role.ADMISSION])
def test_school_and_bureau_revoke_a_box_for_good(
    client: TestClient[Litestar], units: Units, site: Site, role: Role
) -> None:
    key = pem(Ed25519PrivateKey.generate())
    sign_in(client, Role.ACADEMIC)
    register(client, key)
    code = device(units).code
    base = "/school/devices" if role is Role.PRINCIPAL else "/bureau/devices"
    sign_in(client, role)
    assert act(client, f"{base}/{code}/revoke") == 303
    assert "已吊销" in client.get(f"{base}/{code}").text
    sign_in(client, Role.ADMISSION)
    assert act(client, f"/bureau/devices/{code}/confirm") == 409
    sign_in(client, Role.ACADEMIC)
    assert register(client, key) == 409
    assert register(client, pem(Ed25519PrivateKey.generate())) == 303


def test_what_is_no_key_or_has_no_name_is_said_beside_the_form(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.ACADEMIC)
    for key in ("", "key", pem(generate_private_key(SECP256R1()))):
        assert register(client, key) == 422
    assert register(client, pem(Ed25519PrivateKey.generate()), name=" ") == 422
    assert "尚未登记教室终端" in client.get("/school/devices").text


def test_another_schools_or_countys_box_is_not_there(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    sign_in(client, Role.ACADEMIC)
    register(client, pem(Ed25519PrivateKey.generate()))
    code = device(units).code
    sign_in(client, "other-auditor")
    assert client.get(f"/bureau/devices/{code}").status_code == 404
    assert code not in client.get("/bureau/devices").text
