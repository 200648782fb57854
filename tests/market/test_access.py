"""Who may open what: every route for every role, and what lies outside one's own is not there."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.launch_builders import a_pupil
from tests.support.package_builders import pem
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import (
    Site,
    a_site,
    csrf_token,
    sign_in,
)
from tests.support.who_may import EVERYBODY, OWN_CHAIN, PACKAGE_SENDERS, SCHOOL_CHAIN, WHO_MAY

PAGE = {"accept": "text/html"}
A_PUBLIC_KEY = pem(Ed25519PrivateKey.generate())
NOBODYS = "0198c0de-0000-7000-8000-000000000002"
FORMS: dict[str, dict[str, str]] = {
    SCHOOL_CHAIN + "/confirm": {"amount_fen": "90"},
    "/learn/open": {"resource": "nobody/nothing"},
    "/school/devices": {"name": "Box", "public_key": A_PUBLIC_KEY},
    "/catalog/favourites": {"resource": "nobody/nothing", "act": "drop"},
    "/catalog/ratings": {"resource": "nobody/nothing", "stars": "5"},
    "/vendor/early-use/{proposal}/answer": {"agrees": "yes"},
    "/bureau/admission/{version_id}": {"act": "claim"},
    "/vendor/resources/{version_id}": {"act": "appeal"},
    "/bureau/admission/samples": {"act": "draw"},
    "/bureau/standings": {"month": "2026-03"},
}
SCRIPTS: dict[str, dict[str, Any]] = {
    "/api/v1/launches": {"vendor_code": "nobody", "sku": "nothing"},
    "/api/v1/resources": [],
    "/api/v1/selections": {
        "items": [],
        "starts_on": "2026-09-01",
        "ends_on": "2026-12-31",
        "reason": "",
    },
    # Who may look at a selection may try to sign it; whose turn it is, is the service's question.
    "/api/v1/selections/{selection_id}/signature": {"decision": "refuse", "note": " "},
    "/api/v1/admissions/{version_id}/claim": {},
    "/api/v1/admissions/{version_id}/release": {},
    "/api/v1/admissions/{version_id}/findings": {"findings": []},
    "/api/v1/admissions/{version_id}/proposal": {"verdict": "admitted"},
    "/api/v1/admissions/{version_id}/decision": {"verdict": "admitted"},
    "/api/v1/admissions/{version_id}/takedown": {"ground": "other", "reason": ""},
    "/api/v1/admissions/{version_id}/restoring": {},
    "/api/v1/admissions/{version_id}/appeal": {"upheld": True, "note": ""},
    "/api/v1/needs": {"title": "", "description": "", "wanted_by": "2026-12-31"},
    "/api/v1/needs/{need_id}/answers": {"version_id": NOBODYS},
    "/api/v1/needs/{need_id}/closing": {},
    "/api/v1/infringements": {"version_id": NOBODYS, "claimant": "", "work": "", "claim": ""},
    "/api/v1/infringements/{notice_id}/counter": {"statement": "x"},
    "/api/v1/infringements/{notice_id}/decision": {"upheld": True, "note": "x"},
    "/api/v1/versions": {"sku": "", "title": "", "kind": "basic", "tier": "basic"},
    "/api/v1/versions/{version_id}/submission": {"answers": {}, "commitment": "", "commits": False},
    "/api/v1/versions/{version_id}/withdrawal": {},
    "/api/v1/versions/{version_id}/appeal": {},
    "/api/v1/findings": {
        "kind": "platform",
        "finding": "",
        "source": "x",
        "found_on": "2026-03-01",
    },
    "/api/v1/findings/{finding_id}/withdrawal": {"because": "x"},
    "/api/v1/findings/{finding_id}/reply": {"reply": "x"},
    "/api/v1/evaluators/{admission_id}/end": {"because": "x"},
    "/api/v1/evaluators": {"code": "nobody", "region": "990121", "interest": ""},
    "/api/v1/standings/{standing_id}/step": {
        "step": "notice",
        "note": "x",
        "run_id": "00000000-0000-0000-0000-000000000000",
    },
    "/api/v1/standings/{standing_id}/appeal": {"event": 1, "claim": "x"},
    "/api/v1/standings/{standing_id}/return": {"claim": "x"},
    "/api/v1/standings/{standing_id}/return-decision": {"granted": True, "note": "x"},
    "/api/v1/standing-appeals/{appeal_id}/decision": {"upheld": True, "note": "x"},
    "/api/v1/works/{version_id}/decision": {"confirmed": True},
    "/api/v1/samples": {"size": 1},
    "/api/v1/samples/{sample_id}/judgement": {"passed": True, "note": "x"},
}
# Who may act may do so with what is their own, and nobody has these.
OF_NOBODY = {
    path
    for _, path in WHO_MAY
    if any(
        name in path
        for name in (
            *("{launch_id}", "{device}", "{proposal}", "{delegation_id}", "{run}"),
            "{remittance}",
            *("{standing_id}", "{appeal_id}", "{key}", "{year}", "{finding_id}", "{admission_id}"),
            "{draw_id}",
        )
    )
    or path
    in {
        "/learn/open",
        "/rankings/evidence",
        "/api/v1/rankings/evidence",
        "/catalog/ratings",
        "/vendor/payouts/onboarding",
        "/bureau/allocations/new/{code}",
        "/bureau/funding/{line_id}",
        "/bureau/unfunded/{number}/{month}",
        "/api/v1/launches",
        # The site's version is listed: nobody has claimed it.
        "/api/v1/admissions/{version_id}/release",
        "/api/v1/admissions/{version_id}/proposal",
        "/api/v1/needs/{need_id}/answers",
        "/api/v1/needs/{need_id}/closing",
        "/api/v1/infringements/{notice_id}/counter",
        "/api/v1/infringements/{notice_id}/decision",
        "/api/v1/works/{version_id}/decision",
        "/api/v1/samples/{sample_id}/judgement",
    }
    # The site's bureau has bought nothing, and so has no agreement and no statement of its own.
    or path.startswith(("/bureau/agreements/{", "/bureau/bulk/{", "/school/bulk/{", OWN_CHAIN))
}
# Interfaces for machines are opened by an API key, never by a session (see tests/settlement/api).
REPORTERS = frozenset({Role.USAGE_REPORTER, Role.VENDOR_MANAGER})
BY_KEY: dict[tuple[str, str], frozenset[Role] | None] = {
    ("POST", "/api/v1/usage"): REPORTERS,
    ("GET", "/api/v1/usage/batches/{batch_id}"): REPORTERS,
    ("POST", "/api/v1/usage/packages"): PACKAGE_SENDERS,
}
ROLES = [role for role in Role if role not in {Role.SYSTEM, Role.USAGE_REPORTER}]


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units, disputes=True)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with units(SYSTEM) as unit:
        pupil = a_pupil(unit, site.market.school, "P-1", login=Role.LEARNER)
        assert pupil.person_id is not None
        set_password(unit, pupil.person_id, login=Role.LEARNER, password=PASSWORD)
    with TestClient(an_app(settings, units)) as client:
        client.headers.update(PAGE)
        yield client


def routes_of(app: Litestar) -> dict[tuple[str, str], frozenset[Role] | None]:
    """Return what each route of the application says of who may open it."""
    found: dict[tuple[str, str], frozenset[Role] | None] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                actors = handler.opt.get("actors", ())
                assert handler.opt.get("public") or actors, f"{route.path} says nobody"
                found[method, route.path_format] = frozenset(actors) if actors else EVERYBODY
    return found


def address_of(site: Site, path: str) -> str:
    facts = site.addresses | {
        "proposal": "none-2026-001",
        "position": "1",
        "run": "none-P-2026-03-01",
        "remittance": "none-T-2026-03-01",
        "standing_id": NOBODYS,
        "finding_id": NOBODYS,
        "draw_id": NOBODYS,
        "admission_id": NOBODYS,
        "appeal_id": NOBODYS,
        "key": "none-P-2026-03-01:transfer:none:none",
        "person": str(UUID(int=7)),
        "year": "2026",
    }
    if path.endswith("/credit-note"):
        facts["line_id"] = str(site.credited_line_id)
    if "/funding/" in path:
        facts["line_id"] = str(site.market.line_id)
    return path.format(**facts)


def test_every_route_stands_in_the_table_and_admits_whom_the_table_says(
    settings: Settings, units: Units
) -> None:
    assert routes_of(an_app(settings, units)) == WHO_MAY | BY_KEY


def test_a_signed_in_person_opens_no_interface_of_machines(
    client: TestClient[Litestar], site: Site
) -> None:
    for role in ROLES:
        sign_in(client, role)
        for method, path in BY_KEY:
            address = path.format(batch_id=site.line_id)
            response = client.request(method, address, json=[])
            assert response.status_code == 401, f"{role}: {method} {path}"


@pytest.mark.long
def test_each_role_opens_its_own_pages_and_is_refused_at_all_others(
    client: TestClient[Litestar], site: Site
) -> None:
    assert [wrong for role in ROLES for wrong in wrongly_answered(client, site, role)] == []


def wrongly_answered(client: TestClient[Litestar], site: Site, role: Role) -> list[str]:
    """Try every page that is not everybody's as this role; return what the table says otherwise."""
    sign_in(client, role)
    token = csrf_token(client)
    wrong = []
    for (method, path), roles in WHO_MAY.items():
        if roles is EVERYBODY:
            continue
        response = client.request(
            method, address_of(site, path), **sent(method, path, token), follow_redirects=False
        )
        let_in = {200, 303, 409, 422} if method == "POST" else {200, 303}
        if path.endswith("/withdraw"):
            let_in |= {404}  # it is withdrawn by who requested it, and by nobody else
        if path in OF_NOBODY:
            let_in = {404, 422}
        if response.status_code not in (let_in if role in roles else {403}):
            wrong.append(f"{role}: {method} {path}: {response.status_code}")
    return wrong


def sent(method: str, path: str, token: str) -> dict[str, Any]:
    """Return what a request brings: a form with the session's token, or what a script sends."""
    if method == "GET":
        return {}
    if path in SCRIPTS:
        return {"json": SCRIPTS[path], "headers": {"x-csrf-token": token}}
    return {"data": {"csrf_token": token, **FORMS.get(path, {})}}


def test_a_visitor_is_asked_to_sign_in_everywhere(client: TestClient[Litestar], site: Site) -> None:
    for (method, path), roles in WHO_MAY.items():
        if roles is not EVERYBODY and method == "GET":
            response = client.get(address_of(site, path), follow_redirects=False)
            if path.startswith("/api/"):
                assert response.status_code == 401, path
                continue
            assert response.headers["location"].startswith("/sign-in?next="), path


def test_who_may_send_a_form_is_asked_before_it_is_read(
    client: TestClient[Litestar], site: Site
) -> None:
    """A form that nobody can read is no way to learn what a page takes."""
    forms = [
        (path, roles) for (method, path), roles in WHO_MAY.items() if method == "POST" and roles
    ]
    for path, _ in forms:
        answer = client.post(
            address_of(site, path), data={"unreadable": "yes"}, follow_redirects=False
        )
        assert answer.status_code in {303, 401}, f"a visitor at {path}"
    sign_in(client, Role.VENDOR_MANAGER)
    for path, roles in forms:
        answer = client.post(address_of(site, path), data={"unreadable": "yes"})
        assert answer.status_code == 403 or Role.VENDOR_MANAGER in roles, path


# What lies outside one's own (R49)


def chain(base: str, line_id: UUID) -> list[str]:
    line = f"{base}/2026-03/lines/{line_id}"
    return [line, f"{line}/uses", f"{line}/uses/1"]


def all_missing(client: TestClient[Litestar], addresses: list[str]) -> bool:
    return {address: client.get(address).status_code for address in addresses} == dict.fromkeys(
        addresses, 404
    )


def test_another_schools_lines_funding_and_agreements_are_not_there(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, "other-finance")
    assert client.get(f"/school/statements/2026-03/lines/{site.other_line_id}").status_code == 200
    assert all_missing(
        client,
        [
            *chain("/school/statements", site.line_id),
            f"/school/funding/{site.market.line_id}",
            f"/school/agreements/{site.market.school.code}-A-1",
        ],
    )


def test_another_countys_schools_are_not_there(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, "other-auditor")
    school = f"/bureau/schools/{site.market.school.code}"
    assert client.get("/bureau/schools").status_code == 200
    assert site.market.school.name not in client.get("/bureau/schools").text
    assert all_missing(
        client,
        [
            school,
            f"{school}/funding",
            f"{school}/funding/{site.market.line_id}",
            f"{school}/agreements",
            f"{school}/statements",
            f"{school}/statements/2026-03",
            *chain(f"{school}/statements", site.line_id),
            "/bureau/periods/2026-03",
            "/bureau/periods/2026-03/quarantine",
        ],
    )


def test_another_vendors_lines_are_not_there(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, "other-vendor")
    assert client.get(f"/vendor/periods/2026-03/lines/{site.other_line_id}").status_code == 200
    assert all_missing(client, chain("/vendor/periods", site.line_id))


def test_a_line_is_found_only_under_its_school_and_its_month(
    client: TestClient[Litestar], site: Site
) -> None:
    sign_in(client, Role.AUDITOR)
    own, other = site.market.school.code, site.other.school.code
    assert all_missing(
        client,
        [
            *chain(f"/bureau/schools/{other}/statements", site.line_id),
            f"/bureau/schools/{own}/statements/2026-04/lines/{site.line_id}",
            f"/bureau/schools/{other}/funding/{site.market.line_id}",
            f"/bureau/schools/{other}/agreements/{own}-A-1",
        ],
    )
