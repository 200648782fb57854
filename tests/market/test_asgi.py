"""The web application as a whole: probes, static files, signing in and out, who may open what."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Response, get, post
from litestar.testing import TestClient

from kernel.actors import OrganisationKind, Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from kernel.settings import Settings
from kernel.unit import Units
from kernel.web.tables import Column, Filter, Table
from market import asgi
from market.demo.accounts import DemoAccount
from tests.support.accounts import PASSWORD, an_account

PAGE = {"accept": "text/html,*/*;q=0.8"}
DEMO = DemoAccount(
    login="demo-login", password="demo-password", label="学校财务", role="school_finance"
)


@get("/only-schools", opt=only(OrganisationKind.SCHOOL), sync_to_thread=True)
def only_schools(request: AnyRequest, pages: Pages) -> Response[str]:
    with pages.open(request) as page:
        return Response(f"{page.actor.name} {page.actor.via} {page.frame.role}")


@get("/only-auditors", opt=only(Role.AUDITOR), sync_to_thread=True)
def only_auditors(request: AnyRequest, pages: Pages) -> Response[str]:
    with pages.open(request):
        return Response("in")


@get("/forgotten", sync_to_thread=True)
def forgotten(request: AnyRequest, pages: Pages) -> Response[str]:
    with pages.open(request):
        return Response("in")


@post("/change", opt=only(OrganisationKind.SCHOOL), sync_to_thread=True)
def change(request: AnyRequest, pages: Pages) -> Response[str]:
    with pages.open(request):
        return Response("changed")


NAMES = ("a", "b", "a", "b")
COLUMNS: list[Column[str]] = [Column(key="name", title="Schools", value=lambda row: row)]
FILTERS = (Filter(key="name", title="Name"),)


@get("/table", opt=only(OrganisationKind.SCHOOL), sync_to_thread=True)
def table(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        view = page.view(COLUMNS, filters=FILTERS)
        rows = [name for name in NAMES if name == view.filters.get("name", name)]
        shown = Table(caption="经费", columns=COLUMNS, rows=rows, view=view, count=len(rows))
        return page.render_table("public/home.html", shown, file_name="经费")


@pytest.fixture
def client(
    settings: Settings, units: Units, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient[Litestar]]:
    monkeypatch.setattr(
        asgi.school_pages, "HANDLERS", (only_schools, only_auditors, forgotten, change, table)
    )
    app = asgi.create_app(settings, units, accounts=[DEMO])
    with TestClient(app) as client:
        client.headers.update(PAGE)
        yield client


@pytest.fixture
def without_database(settings: Settings) -> Iterator[TestClient[Litestar]]:
    settings = Settings.load(
        {"MARKET_HOME": str(settings.home), "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    )
    with TestClient(asgi.create_app(settings)) as client:
        yield client


def sign_in(client: TestClient[Litestar], login: str = "lihua", **fields: str):
    data = {"login": login, "password": PASSWORD, **fields}
    return client.post("/sign-in", data=data, follow_redirects=False)


def csrf_of(client: TestClient[Litestar]) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    return found[1]


# Probes and files


def test_the_service_is_ready_with_its_database(client):
    assert client.get("/healthz").text == "ok"
    assert client.get("/readyz").status_code == 200


def test_without_its_database_the_service_lives_but_is_not_ready(without_database):
    assert without_database.get("/healthz").status_code == 200
    response = without_database.get("/readyz")
    assert response.status_code == 503
    assert response.json()["code"] == "database-unavailable"


def test_without_its_database_a_visitor_still_gets_the_home_page(without_database):
    response = without_database.get("/", headers=PAGE)
    assert response.status_code == 200
    assert "用户自主选用" in response.text


def test_requests_are_counted_by_route_and_not_by_address(client):
    client.get("/healthz")
    client.get("/static/none-1.css")
    client.get("/no/such/place")
    response = client.get("/metrics")
    assert response.headers["content-type"].count("charset") == 1
    text = response.text
    assert 'requests_total{method="GET",route="/healthz",status="200"} 1.0' in text
    assert 'route="/static/{name}",status="404"' in text
    assert 'route="(none)",status="404"' in text
    assert "no/such" not in text
    assert 'request_seconds_count{method="GET",route="/healthz"} 1.0' in text


def test_the_interface_is_described_in_json_only(client):
    assert client.get("/schema/openapi.json").json()["info"]["title"] == "Xuanyong"
    assert client.get("/schema/swagger").status_code == 404
    assert "<script" not in client.get("/schema/").text


def test_static_files_are_kept_for_good_only_by_their_digest(client):
    address = re.search(r'href="(/static/base\.css\?v=\w+)"', client.get("/").text)
    assert address
    named = client.get(address[1])
    assert named.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in named.headers["cache-control"]
    assert "immutable" not in client.get("/static/base.css?v=old").headers["cache-control"]
    assert client.get("/static/..%2Fassets.py").status_code == 404


def test_every_route_says_who_may_open_it(settings, units):
    app = asgi.create_app(settings, units)
    silent = [
        route.path
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.http_methods != {"OPTIONS"}
        and not (handler.opt.get("public") or handler.opt.get("actors"))
    ]
    assert silent == []


# Language


def test_a_reader_chooses_the_language_and_keeps_the_page(client):
    response = client.post(
        "/language", data={"locale": "en", "next": "/?a=1"}, follow_redirects=False
    )
    assert response.headers["location"] == "/?a=1"
    assert '<html lang="en">' in client.get("/").text


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil", "x"])
def test_nobody_is_sent_elsewhere(client, elsewhere):
    response = client.post(
        "/language", data={"locale": "en", "next": elsewhere}, follow_redirects=False
    )
    assert response.headers["location"] == "/"


def test_the_language_of_a_session_is_chosen_with_its_token(client, units):
    """With a session every form carries its token; the header's has it."""
    an_account(units)
    sign_in(client)
    chosen = {"locale": "en", "next": "/"}
    assert client.post("/language", data=chosen, follow_redirects=False).status_code == 403
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token
    chosen["csrf_token"] = token[1]
    assert client.post("/language", data=chosen, follow_redirects=False).status_code == 303
    assert '<html lang="en">' in client.get("/sign-in").text
    # An error's page does not know the token, and so offers no other language.
    assert 'action="/language"' not in client.get("/nowhere", headers={"accept": "text/html"}).text


# Signing in and out


def test_signing_in_opens_a_session_and_goes_on_to_what_was_wanted(client, units):
    an_account(units)
    response = sign_in(client, next="/only-schools")
    assert response.status_code == 303
    assert response.headers["location"] == "/only-schools"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("xuanyong_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert client.get("/only-schools").text == "lihua testclient 学校财务"


def test_over_https_the_cookie_is_bound_to_the_host(client, units):
    an_account(units)
    client.base_url = "https://testserver.local"
    cookie = sign_in(client).headers["set-cookie"]
    assert cookie.startswith("__Host-xuanyong_session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_a_wrong_password_shows_the_form_again_and_is_counted(client, units):
    an_account(units)
    for _ in range(5):
        response = sign_in(client, password="wrong")
        assert response.status_code == 401
        assert "账号或密码不正确" in response.text
        assert "wrong" not in response.text
    assert sign_in(client).status_code == 429


def test_signing_out_ends_the_session_in_the_database_too(client, units):
    an_account(units)
    sign_in(client)
    stolen = client.cookies["xuanyong_session"]
    response = client.post(
        "/sign-out", data={"csrf_token": csrf_of(client)}, follow_redirects=False
    )
    assert response.headers["location"] == "/"
    client.cookies.set("xuanyong_session", stolen)
    assert client.get("/only-schools", follow_redirects=False).status_code == 303


def test_demo_accounts_are_shown_in_demo_mode_only(client, settings, units):
    assert "demo-login" not in client.get("/sign-in").text
    demo = Settings.load(
        {"MARKET_HOME": str(settings.home), "DATABASE_URL": settings.database_url}
        | {"MARKET_DEMO": "yes"}
    )
    with TestClient(asgi.create_app(demo, units, accounts=[DEMO])) as demo_client:
        assert "demo-login" in demo_client.get("/sign-in", headers=PAGE).text


# Who may open what


def test_a_visitor_is_sent_to_sign_in(client):
    response = client.get("/only-schools?a=1", follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=/only-schools%3Fa%3D1"


def test_another_kind_of_organisation_is_refused_and_told_whose_page_it_is(client, units):
    an_account(units, kind=OrganisationKind.VENDOR, roles=(Role.VENDOR_MANAGER,))
    sign_in(client)
    response = client.get("/only-schools")
    assert response.status_code == 403
    assert "可查看者：学校" in response.text
    assert "李华" in response.text


def test_a_page_can_be_kept_for_a_role(client, units):
    an_account(units, kind=OrganisationKind.BUREAU, roles=(Role.BUREAU_FINANCE,))
    sign_in(client)
    assert client.get("/only-auditors").status_code == 403
    an_account(units, login="wang", kind=OrganisationKind.BUREAU, roles=(Role.AUDITOR,))
    client.cookies.clear()
    sign_in(client, "wang")
    assert client.get("/only-auditors").text == "in"


def test_a_page_that_names_nobody_opens_for_nobody(client, units):
    an_account(units)
    sign_in(client)
    assert client.get("/forgotten").status_code == 403


# Forms


def test_a_form_needs_the_sessions_token(client, units):
    an_account(units)
    sign_in(client)
    assert client.post("/change").status_code == 403
    assert client.post("/change", data={"csrf_token": "guess"}).status_code == 403
    token = csrf_of(client)
    assert client.post("/change", data={"csrf_token": token}).text == "changed"
    assert client.post("/change", headers={"x-csrf-token": token}).text == "changed"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_form_from_elsewhere_is_refused_even_for_visitors(client, units, headers):
    an_account(units)
    response = client.post(
        "/sign-in", data={"login": "lihua", "password": PASSWORD}, headers=headers
    )
    assert response.status_code == 403
    assert "xuanyong_session" not in client.cookies


def test_another_sessions_token_does_not_help(client, units):
    an_account(units)
    an_account(units, login="wang")
    sign_in(client, "wang")
    foreign = csrf_of(client)
    client.cookies.clear()
    sign_in(client)
    assert client.post("/change", data={"csrf_token": foreign}).status_code == 403


def test_the_kits_error_page_stands_in_the_frame_of_the_page_that_met_it(client, units):
    an_account(units, kind=OrganisationKind.VENDOR, roles=(Role.VENDOR_MANAGER,))
    sign_in(client)
    text = client.get("/only-schools").text
    assert "<h1>无权查看</h1>" in text
    assert "page-refused" in text


# Tables as files


def test_a_table_is_exported_as_it_is_filtered(client, units):
    an_account(units)
    sign_in(client)
    response = client.get("/table?name=b&format=csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''%E7%BB%8F%E8%B4%B9.csv"
    )
    assert response.content.decode("utf-8-sig").splitlines() == ["学校", "b", "b"]
    workbook = client.get("/table?format=xlsx")
    assert workbook.headers["content-type"].endswith("spreadsheetml.sheet")
    assert workbook.content.startswith(b"PK")
