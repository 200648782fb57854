"""Exports, suitability, searches in vain, works, audits and packs over HTTP."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openpyxl import load_workbook

from catalog.drafts import save_draft
from catalog.submissions import submit
from kernel.actors import Role
from kernel.identity.grants import actor_of
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.application import an_app
from tests.support.builders import a_person, a_school, a_selling_teacher
from tests.support.catalogue_builders import a_row, listed
from tests.support.pack_builders import a_pack
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

NOT_YET = ("anchor_digest", "seed", "pool", "drawn")
"""What nobody reads of a draw before it is judged."""


@pytest.fixture
def desk(units: Units) -> Desk:
    desk = a_desk(units)
    with units(SYSTEM) as unit:
        school = a_school(unit, stages=("junior",))
        for login, role in (("teacher", Role.TEACHER), ("principal", Role.PRINCIPAL)):
            a_person(unit, school, [role], login=login, password=PASSWORD)
        a_person(unit, desk.county, [Role.AUDITOR], login="auditor", password=PASSWORD)
        seller = a_selling_teacher(unit, school)
        a_person(unit, seller, [Role.VENDOR_MANAGER], login="seller", password=PASSWORD)
    return desk


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def page(client: TestClient[Litestar], path: str) -> str:
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def call(client: TestClient[Litestar], who: str, path: str, body: Any, *, status: int = 200) -> Any:
    sign_in(client, who)
    answer = client.post(f"/api/v1{path}", json=body, headers={"x-csrf-token": csrf_token(client)})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_all_that_is_filtered_is_taken_out_and_nothing_else(client, desk):
    """R8, R53: more than one page of it, in the words of the page, for people and spreadsheets."""
    with desk.units(SYSTEM) as unit:
        rows = [a_row(desk.firm, f"S-{n:03}", f"口算练习{n:03}") for n in range(230)]
        listed(unit, [*rows, a_row(desk.firm, "YW", "荷花", subject="语文")])
    answer = client.get("/catalog?subject=数学&format=csv", headers={"accept": "text/html"})
    found = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))

    assert len(found) == len({row["资源编号"] for row in found}) == 230
    assert {row["学科"] for row in found} == {"数学"}
    assert found[0]["价格（含税）"].startswith("每次 0.1000 元")
    workbook = client.get("/catalog?q=荷花&format=xlsx", headers={"accept": "text/html"})
    sheet = load_workbook(io.BytesIO(workbook.content)).active
    assert [row[0].value for row in sheet.iter_rows()] == ["名称", "荷花"]
    assert "format=csv" in page(client, "/catalog?subject=数学")


def test_for_whom_a_resource_was_assessed_is_seen_while_choosing(client, desk):
    """R60: on the public page, in the school's list and on its page of the resource."""
    desk.listed("A")
    key = f"{desk.firm.code}/A"
    call(
        client,
        "manager",
        "/versions",
        {"sku": "B", "title": "乙", "kind": "basic", "tier": "basic"},
        status=201,
    )
    assert "经评估适用" not in page(client, f"/catalog/resources/{key}"), "nothing was assessed"
    version = desk.submitted("C", title="带评估的资源", offer=desk.offer("C"))
    desk.claimed(version)
    findings = [
        {
            "criterion": one,
            "finding": "on_condition" if one == "suitability" else "meets",
            "evidence": f"{one}见附件",
        }
        for one in a_self_check().answers
    ]
    call(client, "first", f"/admissions/{version}/findings", {"findings": findings})
    proposal = {"verdict": "admitted", "stages": ["primary"], "conditions": "教室有投影"}
    call(client, "first", f"/admissions/{version}/proposal", proposal)
    call(
        client, "second", f"/admissions/{version}/decision", {"verdict": "admitted", "note": "同意"}
    )
    public = page(client, f"/catalog/resources/{desk.firm.code}/C")
    for words in ("经评估适用", "小学", "教室有投影", "suitability见附件"):
        assert words in public
    sign_in(client, "teacher")
    own = page(client, f"/school/resources/{desk.firm.code}/C")
    assert "该资源适用的学段不包括本校学段" in own and "教室有投影" in own
    table = page(client, "/school/resources")
    assert table.count("适用于其他学段") == 1


def test_searches_in_vain_are_read_by_those_who_procure(client, desk):
    """R8, R61."""
    for _ in range(3):
        page(client, "/catalog?q=量子力学")
    page(client, "/catalog?q=藏语听力")
    sign_in(client, "first")
    text = page(client, "/bureau/admission/searches")
    assert text.index("量子力学") < text.index("藏语听力")
    assert "/bureau/admission/searches" in page(client, "/bureau/admission")
    sign_in(client, "auditor")
    assert "量子力学" in page(client, "/bureau/admission/searches")
    found = client.get("/api/v1/searches").json()["items"]
    assert [(one["words"], one["times"]) for one in found] == [("量子力学", 3), ("藏语听力", 1)]


def test_a_work_is_confirmed_by_the_interface(client, desk):
    """R40."""
    with desk.units(SYSTEM) as unit:
        seller = actor_of(unit, login="seller", via="test")
    row = desk.row("T", vendor_code=seller.organisation_code, kind="school_based")
    with desk.units(seller) as unit:
        version_id = save_draft(unit, row, offer=None)
        submit(unit, version_id, a_self_check())
    sign_in(client, "principal")
    (work,) = client.get("/api/v1/works").json()["items"]
    assert (work["version_id"], work["standing"]) == (str(version_id), "waiting")
    path = f"/works/{version_id}/decision"
    call(client, "principal", path, {"confirmed": False}, status=422)
    done = call(client, "principal", path, {"confirmed": True})
    assert done["items"][0]["standing"] == "confirmed"


def published(client):
    """Return the only draw as everybody reads it; the list says the same of it."""
    client.post("/sign-out")
    (listed,) = client.get("/api/v1/draws").json()["items"]
    whole = client.get(f"/api/v1/draws/{listed['id']}").json()
    assert listed == {name: whole[name] for name in listed}
    return whole


def test_a_sample_is_drawn_and_judged_by_the_interface(client, desk, clock):
    """R42: who judges sees no vendor, and had no part in it; anybody can draw again.

    Until it is judged, nobody reads who was drawn, nor what it takes to draw again.
    """
    version_id = desk.listed("A", author="知穗")
    nothing = call(client, "third", "/samples", {"size": 5}, status=409)
    assert nothing["type"].endswith("nothing-to-draw")
    clock.advance(timedelta(days=30))
    chosen = call(client, "third", "/samples", {"seed": "2026-09", "size": 5}, status=422)
    assert "seed" in str(chosen)
    drawn = call(client, "third", "/samples", {"size": 5}, status=201)
    (sample,) = drawn["items"]
    assert sample["standing"] == "waiting" and "知穗" not in str(sample)
    assert (sample["month"], sample["judge_by"]) == ("2026-09", "2026-10-02")
    announced = published(client)
    assert str(version_id) not in str(announced)
    assert [announced[name] for name in NOT_YET] == [None] * 4
    assert (announced["of"], announced["size"], announced["told_from"]) == (1, 5, "2026-10-03")
    path = f"/samples/{sample['id']}/judgement"
    for who in ("first", "second", "third"):
        call(client, who, path, {"passed": True, "note": "符合"}, status=403)
    with desk.units(SYSTEM) as unit:
        a_person(unit, desk.county, [Role.ADMISSION], login="fourth", password=PASSWORD)
    judged = call(client, "fourth", path, {"passed": True, "note": "符合"})
    assert judged["items"][0]["standing"] == "passed"
    whole = published(client)
    assert whole | dict.fromkeys(NOT_YET) == announced
    assert whole["pool"] == whole["drawn"] == [str(version_id)]
    assert whole["pool_digest"] == hashlib.sha256(f"{version_id}\n".encode()).hexdigest()
    words = f"{whole['anchor_digest']}:{whole['bureau']}:{whole['month']}"
    assert whole["seed"] == hashlib.sha256(words.encode()).hexdigest()
    again = call(client, "third", "/samples", {"size": 5}, status=409)
    assert again["type"].endswith("drawn-already")


def test_a_pack_has_a_page_with_its_parts_and_its_parts_lead_to_it(client, desk):
    for sku in ("A", "B"):
        desk.listed(sku)
    with desk.units(SYSTEM) as unit:
        a_pack(unit, desk.firm, ("A", "B"))
    machine = client.get(f"/api/v1/resources/{desk.firm.code}/PACK").json()
    assert [
        one["identifier"].rpartition("/")[2] for one in machine["learning_resource"]["hasPart"]
    ] == [
        "A@1",
        "B@1",
    ]
    pack = page(client, f"/catalog/resources/{desk.firm.code}/PACK")
    assert "资源包所含资源" in pack and f"/catalog/resources/{desk.firm.code}/B" in pack
    assert f"/catalog/resources/{desk.firm.code}/PACK" in page(
        client, f"/catalog/resources/{desk.firm.code}/A"
    )
