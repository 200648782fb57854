"""A draft is nobody's but its vendor's: whoever posts with its id reads nothing of it."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.infringements import give_notice
from catalog.needs import answer_need, post_need
from kernel.actors import Role
from kernel.errors import NotFound
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk
from tests.support.application import an_app
from tests.support.builders import a_person, a_school
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

SECRET = "SECRET-7"
VENDORS_ACTS = {
    "submission": {"answers": {}, "commitment": "", "commits": False},
    "withdrawal": {"reason": "停"},
    "appeal": {"reason": "不服"},
}
REVIEWERS_ACTS = {
    "claim": {},
    "release": {"note": "退"},
    "findings": {"findings": [{"criterion": "safety", "finding": "meets", "evidence": "见"}]},
    "proposal": {"verdict": "admitted", "note": "可"},
    "decision": {"verdict": "admitted", "note": "可"},
    "takedown": {"ground": "errors", "reason": "错"},
    "restoring": {"note": "复"},
    "appeal": {"upheld": True, "note": "成立"},
}
ACTS = [
    *(("other_manager", f"versions/{{}}/{act}", body) for act, body in VENDORS_ACTS.items()),
    *(("first", f"admissions/{{}}/{act}", body) for act, body in REVIEWERS_ACTS.items()),
]


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


@pytest.fixture
def draft(desk: Desk) -> UUID:
    return desk.draft(SECRET, title=f"还没有公开的{SECRET}")


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


@pytest.mark.parametrize(("who", "path", "body"), ACTS)
def test_no_act_on_anothers_draft_tells_of_it(client, draft, who, path, body):
    sign_in(client, who)
    answer = client.post(
        "/api/v1/" + path.format(draft), json=body, headers={"x-csrf-token": csrf_token(client)}
    )

    assert answer.status_code == 404, answer.text
    assert str(draft) in answer.text and SECRET not in answer.text


@pytest.mark.parametrize("state", ["draft", "submitted"])
def test_nobody_who_asks_for_an_article_learns_that_it_is_to_come(client, desk, state):
    """R4: it is answered like what isn't there."""
    getattr(desk, state)("A", title="还没有公开")
    with desk.units(SYSTEM) as unit:
        school = a_school(unit)
        a_person(unit, school, [Role.TEACHER], login="teacher", password=PASSWORD)
    sign_in(client, "teacher")
    headers = {"x-csrf-token": csrf_token(client)}
    there, not_there = (
        client.post(
            "/api/v1/selections",
            json={
                "items": [{"vendor_code": desk.firm.code, "sku": sku, "ceiling_fen": 1000}],
                "starts_on": "2026-12-01",
                "ends_on": "2026-12-31",
                "reason": "课堂使用",
            },
            headers=headers,
        )
        for sku in ("A", "NONE")
    )
    assert there.status_code == not_there.status_code == 404
    assert there.text == not_there.text.replace("NONE", "A")


def test_no_answer_to_a_need_tells_of_anothers_version(desk, draft):
    with desk.units(SYSTEM) as unit:
        academic = a_person(unit, a_school(unit), [Role.ACADEMIC])
    with desk.units(academic) as unit:
        need = post_need(
            unit,
            title="缺实验",
            stage="primary",
            subject="科学",
            description="实验",
            wanted_by=date(2030, 1, 1),
        )
    for version_id in (draft, desk.submitted("SECRET-8")):
        with desk.units(desk.other_manager) as unit, pytest.raises(NotFound) as refused:
            answer_need(unit, need, version_id=version_id, note="")
        assert refused.value.facts["key"] == version_id


def test_no_claim_of_infringement_tells_of_what_was_not_published(desk):
    version_id = desk.submitted(SECRET)
    with desk.units(desk.other_manager) as unit, pytest.raises(NotFound) as refused:
        give_notice(unit, version_id, claimant="某", contact="", work="某书", claim="相同")

    assert refused.value.facts["key"] == version_id
