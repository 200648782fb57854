"""Auditors read where vendors stand, its notices, signatures and appeals, and act on nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.identity.regions import RegionRow, record_regions
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.standing_appeals import appeal_standing
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import CITY, a_bureau, a_person, took
from tests.support.ranking_builders import BAD, Contest, on_probation, standing_of
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in
from tests.support.standing_builders import last_event

PAGE = {"accept": "text/html"}
DESK = "/bureau/standings"


@pytest.fixture
def contest(units: Units) -> Contest:
    """A vendor on probation that appealed, and an auditor here, above, and elsewhere."""
    contest = on_probation(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        event = last_event(unit, standing.id)
        appeal_standing(unit, standing.id, event=event, claim="请复核第一项", contested=[1])
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="白石县")]))
        bureaus = {
            "here": contest.bureau,
            "above": a_bureau(unit, region_code=CITY),
            "else": a_bureau(unit, region_code="990122"),
        }
        for login, bureau in bureaus.items():
            a_person(unit, bureau, [Role.AUDITOR], login=login, password=PASSWORD)
    return contest


@pytest.fixture
def client(settings: Settings, units: Units, contest: Contest) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def text_of(client: TestClient[Litestar], path: str) -> str:
    answer = client.get(path, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_auditors_read_standings_below_them_and_act_on_none(
    client: TestClient[Litestar], units: Units, contest: Contest, engine: Any
) -> None:
    """R44, R49: the desk, notices, who signed, appeals; no form, no act; of no other bureau's."""
    standing = standing_of(units, contest)
    address, api = f"{DESK}/{standing.id}", f"/api/v1/standings/{standing.id}"
    school = contest.schools[0].name
    for login in ("here", "above"):
        sign_in(client, login)
        assert f'href="{DESK}"' in text_of(client, "/bureau")
        desk = text_of(client, DESK)
        assert address in desk and f'method="post" action="{DESK}"' not in desk
        assert 'href="/bureau/evaluators"' not in desk
        with counted_queries(engine) as sent:
            page = text_of(client, address)
        assert len(sent) <= 12
        for words in ("请按所列事项整改", "教工SR-0", "请复核第一项", school):
            assert words in page
        assert f'action="{address}' not in page
        rows = client.get("/api/v1/standings").json()["items"]
        assert str(standing.id) in {one["id"] for one in rows}
        told = client.get(api).json()
        assert (told["state"], told["may_sign"]) == ("probation", False)
        assert told["appeals"][0]["claim"] == "请复核第一项"
        headers = {"x-csrf-token": csrf_token(client)}
        step = {"step": "suspension", "note": "x", "run_id": told["run_id"]}
        verdict = {"upheld": True, "note": "x", "struck": []}
        decision = f"/api/v1/standing-appeals/{told['appeals'][0]['id']}/decision"
        for path, body in ((f"{api}/step", step), (decision, verdict)):
            assert client.post(path, json=body, headers=headers).status_code == 403
        form = {"csrf_token": csrf_token(client), "step": "suspension", "note": "x"}
        for path in (f"{address}/step", f"{address}/appeal", f"{address}/return", DESK):
            assert client.post(path, data=form, headers=PAGE).status_code == 403
    sign_in(client, "else")
    assert client.get("/api/v1/standings").json() == {"items": []}
    for path in (address, api):
        assert client.get(path, headers=PAGE).status_code == 404


def test_a_reviewer_acts_as_before(
    client: TestClient[Litestar], units: Units, contest: Contest
) -> None:
    address = f"{DESK}/{standing_of(units, contest).id}"
    sign_in(client, "reviewer-1")
    assert f'action="{address}/appeal"' in text_of(client, address)
    assert f'method="post" action="{DESK}"' in text_of(client, DESK)
