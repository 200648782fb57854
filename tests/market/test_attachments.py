"""Files over HTTP: they come as a stream, are refused with reasons, and never run."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.attachments.vault import open_vault
from catalog.models import Version
from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.ids import ResourceId
from kernel.settings import Settings
from kernel.unit import Units
from settlement.metering.launches import open_launch
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk
from tests.support.application import an_app
from tests.support.file_builders import (
    PDF,
    PNG,
    PROGRAM,
    a_bomb,
    a_document,
    a_drawing,
    a_listed_version_with,
)
from tests.support.launch_builders import a_classroom, a_free_agreement
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM, at
from tests.support.site_builders import csrf_token, sign_in


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(2, 9))


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(replace(settings, attachment_mb=1), units)) as client:
        yield client


def send(
    client: TestClient[Litestar],
    version_id: UUID,
    name: str,
    content: bytes,
    *,
    who: str = "manager",
    purpose: str = "content",
) -> Any:
    sign_in(client, who)
    return client.post(
        f"/api/v1/versions/{version_id}/attachments",
        files={"file": (name, content)},
        data={"purpose": purpose},
        headers={"x-csrf-token": csrf_token(client)},
    )


def test_a_file_is_attached_and_comes_back_as_it_was(client, desk):
    draft = desk.draft()
    answer = send(client, draft, "课件 一.pdf", PDF, purpose="preview")

    assert answer.status_code == 201, answer.text
    (file,) = answer.json()["files"]
    assert (file["name"], file["media_type"]) == ("课件 一.pdf", "application/pdf")
    for address in ("/catalog/files", "/api/v1/attachments"):
        back = client.get(f"{address}/{file['id']}")
        assert back.content == PDF
        assert back.headers["content-type"] == "application/pdf"
        assert back.headers["content-disposition"].startswith("attachment;")
        assert back.headers["content-length"] == str(len(PDF))
        assert back.headers["x-content-type-options"] == "nosniff"
        assert back.headers["content-security-policy"].startswith("sandbox;")
        assert "default-src 'self'" not in back.headers["content-security-policy"]
    again = client.get(
        f"/catalog/files/{file['id']}", headers={"if-none-match": back.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, PDF[:4]),
        ("bytes=5-", 206, PDF[5:]),
        ("bytes=0-999999", 206, PDF),
        (f"bytes={len(PDF)}-", 416, b""),
        ("bytes=9-3", 416, b""),
        ("lines=1-2", 200, PDF),
    ],
)
def test_a_piece_of_a_file_is_answered_where_one_is_asked_for(client, desk, asked, status, content):
    draft = desk.draft()
    (file,) = send(client, draft, "课件.pdf", PDF).json()["files"]
    back = client.get(f"/catalog/files/{file['id']}", headers={"range": asked})

    assert (back.status_code, back.content) == (status, content)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("课件.pdf", PROGRAM, "attachment-executable"),
        ("图.svg", a_drawing("<script>alert(1)</script>"), "attachment-active"),
        ("资料.zip", a_bomb(), "attachment-bomb"),
        ("教案.docx", a_document(macros=True), "attachment-macros"),
        ("空.pdf", b"", "attachment-empty"),
        ("图.png", PDF, "attachment-misnamed"),
        ("", PDF, "attachment-missing"),
    ],
)
def test_a_refusal_names_the_file_the_reason_and_the_remedy(client, desk, name, content, code):
    draft = desk.draft()
    answer = send(client, draft, name, content)

    problem = answer.json()
    assert answer.status_code == 422, answer.text
    assert problem["code"] == code
    assert name in problem["detail"]
    assert problem["detail"].count("。") >= 2, "what is wrong, and what to do"
    sign_in(client, "manager")
    assert client.get(f"/api/v1/versions/{draft}").json()["files"] == []


def test_what_grows_too_large_while_it_comes_is_refused(client, desk):
    answer = send(client, desk.draft(), "大.pdf", PDF + b"\0" * 1_000_001)

    assert (answer.status_code, answer.json()["code"]) == (413, "attachment-too-large")
    assert "大.pdf" in answer.json()["detail"]


def test_two_gigabytes_are_refused_by_their_declared_length_before_they_come(settings, units, desk):
    """The head of the form is all that is read: it names the file."""
    draft = desk.draft()
    app = an_app(replace(settings, attachment_mb=1), units)
    with TestClient(app) as client:
        sign_in(client, "manager")
        token = csrf_token(client)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    part = (
        '--x\r\nContent-Disposition: form-data; name="file"; filename="全套.zip"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    ).encode()
    with serve(app) as address:
        host, port = address.removeprefix("http://").split(":")
        head = (
            f"POST /api/v1/versions/{draft}/attachments HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\nAccept: application/json\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2000000000\r\n\r\n"
        ).encode()
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + part + b"PK\x03\x04" + b"\0" * 1_000)
            answered = b""
            while b"}" not in answered and (piece := connection.recv(65_536)):
                answered += piece
    answered = answered.decode()

    assert answered.startswith("HTTP/1.1 413")
    assert "全套.zip" in answered and "attachment-too-large" in answered


@pytest.mark.parametrize("presents", ["", "Authorization: Bearer xy_nobodys\r\n"])
def test_nothing_is_taken_from_a_stranger(settings, units, desk, presents):
    """Who sends is asked before the file: the answer comes while nothing but the head has."""
    app = an_app(settings, units)
    with serve(app) as address:
        host, port = address.removeprefix("http://").split(":")
        head = (
            f"POST /api/v1/versions/{desk.draft()}/attachments HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"{presents}Accept: application/json\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 150000000\r\n\r\n"
        ).encode()
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 401")


def test_nothing_is_taken_from_another_site_or_without_the_token(client, desk):
    draft = desk.draft()
    sign_in(client, "manager")
    path = f"/api/v1/versions/{draft}/attachments"
    files = {"file": ("课件.pdf", PDF)}
    assert client.post(path, files=files).status_code == 403
    elsewhere = {"origin": "https://elsewhere.example", "x-csrf-token": csrf_token(client)}
    assert client.post(path, files=files, headers=elsewhere).status_code == 403
    assert client.post(path, data={"a": "b"}).status_code in (403, 422)


def test_another_vendors_draft_is_not_there_by_any_way(client, desk):
    """The actor × endpoint matrix by ids: file, version, comparison, removal."""
    draft = desk.draft()
    (file,) = send(client, draft, "课件.pdf", PDF).json()["files"]
    assert send(client, draft, "别人.pdf", PDF, who="other_manager").status_code == 404
    for address in (
        f"/catalog/files/{file['id']}",
        f"/api/v1/attachments/{file['id']}",
        f"/catalog/differences/{desk.firm.code}/A",
        f"/api/v1/differences?vendor={desk.firm.code}&sku=A",
    ):
        assert client.get(address).status_code == 404, address
    removal = f"/api/v1/versions/{draft}/attachments/{file['id']}/removal"
    token = {"x-csrf-token": csrf_token(client)}
    assert client.post(removal, headers=token).status_code == 404
    sign_in(client, "manager")
    assert client.post(removal, headers={"x-csrf-token": csrf_token(client)}).json()["files"] == []


def test_the_page_attaches_and_says_what_it_refuses(client, desk):
    draft = desk.draft()
    sign_in(client, "manager")
    client.headers.update({"accept": "text/html"})
    address = f"/vendor/resources/{draft}"
    form = {"csrf_token": csrf_token(client), "purpose": "preview"}
    done = client.post(
        f"{address}/files", data=form, files={"file": ("样图.png", PNG)}, follow_redirects=False
    )
    assert (done.status_code, done.headers["location"]) == (303, f"{address}#files")
    assert "样图.png" in client.get(address).text
    refused = client.post(f"{address}/files", data=form, files={"file": ("样图.pdf", PROGRAM)})
    assert refused.status_code == 200
    assert "样图.pdf" in refused.text and "程序" in refused.text
    too_large = client.post(
        f"{address}/files", data=form, files={"file": ("大.pdf", PDF + b"\0" * 1_100_000)}
    )
    assert too_large.status_code == 413 and "大.pdf" in too_large.text


def test_the_player_opens_what_is_attached_for_as_long_as_it_is_open(
    settings: Settings, units: Units, clock: FixedClock
):
    """R26, R33: content is read through a launch, by the one who opened it."""
    classroom = a_classroom(units, password=PASSWORD)
    content = {"课件.png": PNG, "课件.pdf": PDF}
    with units(SYSTEM) as unit:
        assert classroom.pupil.person_id is not None
        set_password(unit, classroom.pupil.person_id, login="pupil", password=PASSWORD)
        version_id = a_listed_version_with(
            unit, classroom.market.vendor, content, vault=open_vault(settings)
        )
        resource_id = ResourceId(unit.session.get_one(Version, version_id).resource_id)
        a_free_agreement(unit, classroom.market, resource_id=resource_id, sku="FILES")
    with units(classroom.pupil) as unit:
        launch = open_launch(unit, vendor_code=classroom.market.vendor.code, sku="FILES")
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        sign_in(client, "pupil")
        page = client.get(f"/learn/play/{launch.id}").text
        links = sorted(set(re.findall(r'"(/learn/play/[^"]+/files/[^"]+)"', page)))
        assert sorted(client.get(link).content for link in links) == sorted(content.values())
        assert f'<img src="{links[0]}"' in page or f'<img src="{links[1]}"' in page
        public = [f"/catalog/files/{link.rpartition('/')[2]}" for link in links]
        assert {client.get(one).status_code for one in public} == {404}
        sign_in(client, "teacher")
        assert {client.get(link).status_code for link in links} == {404}
        clock.advance(timedelta(hours=5))
        sign_in(client, "pupil")
        assert {client.get(link).status_code for link in links} == {409}
