"""Every error leaves as one problem object, or as a page for a browser; nothing inside is told."""

import logging
from typing import Any

import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from litestar.testing import TestClient

from kernel.errors import (
    BudgetExhausted,
    CsrfRefused,
    DatabaseUnavailable,
    NotSignedIn,
    TooManyAttempts,
)
from kernel.http.problems import AnyRequest, Problem, problem_handler
from kernel.http.security import add_security_headers

PAGE = {"accept": "text/html,*/*;q=0.8"}


class Body(msgspec.Struct, forbid_unknown_fields=True):
    amount_fen: int
    name: str


@post("/api/v1/things")
async def things(data: JSONBody[Body]) -> None: ...


@get("/boom/{name:str}", sync_to_thread=False)
def boom(name: FromPath[str]) -> None:
    errors: dict[str, Exception] = {
        "short": BudgetExhausted(
            short_fen=300,
            short_yuan="3.00",
            year=2026,
            source="per_student",
            status="mine",
            line_id={1},
        ),
        "crash": RuntimeError("secret inside"),
        "down": DatabaseUnavailable(reason="host 10.0.0.7"),
        "signed-out": NotSignedIn(),
        "csrf": CsrfRefused(act="x", needs="y", actor=""),
        "rest": TooManyAttempts(minutes=12),
        "gone": NotFoundException(),
    }
    raise errors[name]


@post("/boom/form", sync_to_thread=False)
def form() -> None:
    raise NotSignedIn


def error_page(request: AnyRequest, problem: Problem) -> str:
    return f"<h1>{problem.title}</h1><p>{problem.detail}</p>{problem.incident}"


@pytest.fixture
def client():
    app = Litestar(
        [things, boom, form],
        exception_handlers={Exception: problem_handler(error_page, locale="zh_CN")},
        before_send=[add_security_headers],
        openapi_config=None,
        logging_config=None,
    )
    with TestClient(app) as client:
        yield client


def problem_of(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:xuanyong:problem:{body['code']}"
    return body


def test_an_expected_error_tells_its_code_its_facts_and_the_way_out(client):
    response = client.get("/boom/short", headers={"accept-language": "en"})
    body = problem_of(response)
    assert (response.status_code, body["code"], body["title"]) == (
        409,
        "budget-exhausted",
        "Budget exhausted",
    )
    assert body["detail"] == (
        "The funding lines of 2026 (per_student) are 3.00 yuan short. "
        "Lower the ceiling or have the line topped up."
    )
    assert body["short_fen"] == 300
    assert body["line_id"] == [1]


def test_a_browser_gets_a_page_in_its_language(client):
    response = client.get("/boom/short", headers=PAGE)
    assert response.status_code == 409
    assert response.headers["content-type"].startswith("text/html")
    assert "<h1>经费额度不足</h1>" in response.text


def test_an_unexpected_error_tells_only_its_incident_and_the_log_the_rest(client, caplog):
    with caplog.at_level(logging.ERROR):
        body = problem_of(client.get("/boom/crash"))
    assert (body["status"], body["code"]) == (500, "internal-error")
    assert "secret" not in str(body)
    assert body["incident"] in caplog.text
    assert "secret inside" in caplog.text


def test_a_fault_of_the_surroundings_keeps_its_code_but_not_its_reason(client, caplog):
    response = client.get("/boom/down")
    body = problem_of(response)
    assert (body["status"], body["code"]) == (503, "database-unavailable")
    assert "10.0.0.7" not in response.text
    assert response.headers["retry-after"] == "30"
    assert body["incident"] in caplog.text


def test_whoever_has_to_wait_is_told_how_long(client):
    assert client.get("/boom/rest").headers["retry-after"] == "720"


def test_a_body_of_the_wrong_shape_names_each_field(client):
    response = client.post("/api/v1/things", json={"amount_fen": "x", "name": "a"})
    body = problem_of(response)
    assert (response.status_code, body["code"]) == (422, "invalid-input")
    assert [one["field"] for one in body["errors"]] == ["amount_fen"]


def test_a_body_that_is_no_json_is_a_bad_request(client):
    response = client.post(
        "/api/v1/things", content=b"{", headers={"content-type": "application/json"}
    )
    assert problem_of(response)["code"] == "bad-request"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/boom/gone", 404, "not-found"),
        ("DELETE", "/boom/short", 405, "method-not-allowed"),
    ],
)
def test_what_the_framework_refuses_is_a_problem_like_any_other(client, method, path, status, code):
    response = client.request(method, path)
    assert response.status_code == status
    assert problem_of(response)["code"] == code


def test_interfaces_answer_problems_even_to_a_browser(client):
    assert problem_of(client.post("/api/v1/things", json={}, headers=PAGE))["status"] == 422


def test_a_visitor_is_sent_to_sign_in_and_back_afterwards(client):
    response = client.get("/boom/signed-out?a=b&c=d", headers=PAGE, follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=/boom/signed-out%3Fa%3Db%26c%3Dd"
    assert problem_of(client.get("/boom/signed-out"))["status"] == 401


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("http://testserver.local/desk/7?tab=a", "/sign-in?next=/desk/7%3Ftab%3Da"),
        ("http://elsewhere.example/desk/7", "/sign-in"),
        ("http://[", "/sign-in"),
        ("", "/sign-in"),
    ],
)
def test_who_sent_a_form_too_late_comes_back_to_its_page(client, referer, location):
    headers = {**PAGE, "referer": referer}
    response = client.post("/boom/form", headers=headers, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, location)


def test_every_answer_carries_the_security_headers_errors_too(client):
    for path in ("/nowhere", "/boom/crash"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers


def test_https_alone_gets_hsts(client):
    headers = client.get("https://testserver.local/nowhere").headers
    assert headers["strict-transport-security"].startswith("max-age=31536000")
