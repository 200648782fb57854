"""The admission desk over HTTP: a resource's whole story by the API, and its pages."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.criteria import Criterion
from kernel.actors import Role
from kernel.identity.regions import RegionRow, record_regions
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import COMMITMENT, Desk, a_desk
from tests.support.application import an_app
from tests.support.builders import a_bureau, a_person, took
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import counted_queries, csrf_token, sign_in

ANSWERS = {criterion.value: "已自查" for criterion in Criterion}


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


@pytest.fixture
def client(settings: Settings, units: Units, desk: Desk) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        yield client


def call(client: TestClient[Litestar], who: str, path: str, body: dict[str, Any], *, status=200):
    """Post as a person's script; return what is answered."""
    sign_in(client, who)
    answer = client.post(f"/api/v1{path}", json=body, headers={"x-csrf-token": csrf_token(client)})
    assert answer.status_code == status, answer.text
    return answer.json()


def draft(client: TestClient[Litestar], *, status: int = 201, **facts: Any) -> str:
    body = {
        "sku": "A",
        "title": "分数的意义",
        "kind": "personalised",
        "tier": "growth",
        "stage": "primary",
        "subject": "数学",
        "licence": "CC BY 4.0",
        **facts,
    }
    return call(client, "manager", "/versions", body, status=status).get("version_id", "")


def submit(client: TestClient[Litestar], version_id: str, **facts: Any) -> Any:
    body = {"answers": ANSWERS, "commitment": COMMITMENT, "commits": True, **facts}
    return call(client, "manager", f"/versions/{version_id}/submission", body)


def admit(client: TestClient[Litestar], version_id: str, *, asked: int) -> Any:
    """Have it claimed, judged by as many criteria as are asked for, proposed and decided."""
    one = f"/admissions/{version_id}"
    claimed = call(client, "first", f"{one}/claim", {})
    assert len(claimed["criteria"]) == asked
    findings = [
        {"criterion": row["criterion"], "finding": "meets", "evidence": "见附件第1页"}
        for row in claimed["criteria"]
    ]
    call(client, "first", f"{one}/findings", {"findings": findings})
    proposal = {"verdict": "admitted", "note": "建议准入", "stages": ["primary"]}
    call(client, "first", f"{one}/proposal", proposal)
    return call(client, "second", f"{one}/decision", {"verdict": "admitted", "note": "同意"})


def test_a_resource_goes_through_its_whole_life_by_the_interface(client, desk):
    """R4, R11, R13, R14: listed by two, repriced lightly, changed fully, down, appealed, back."""
    first = draft(client, price={"unit_price_yuan": "0.02", "valid_from": "2026-08-01"})
    submit(client, first)
    listed = admit(client, first, asked=8)
    assert (listed["state"], listed["rounds"][0]["decided_by"]) == ("listed", "second")
    repriced = draft(client, price={"unit_price_yuan": "0.03", "valid_from": "2026-09-01"})
    assert submit(client, repriced)["depth"] == "light"
    admit(client, repriced, asked=2)
    changed = draft(client, title="分数的意义（修订）")
    assert submit(client, changed)["changes"] == ["content"]
    admit(client, changed, asked=8)
    one = f"/admissions/{changed}"
    down = call(client, "first", f"{one}/takedown", {"ground": "errors", "reason": "第3页有误"})
    assert down["state"] == "suspended"
    call(client, "manager", f"/versions/{changed}/appeal", {"reason": "已核对无误"})
    call(client, "first", f"{one}/appeal", {"upheld": True, "note": "成立"}, status=403)
    back = call(client, "second", f"{one}/appeal", {"upheld": True, "note": "核实无误"})
    assert back["state"] == "listed"
    gone = call(client, "manager", f"/versions/{first}/withdrawal", {"reason": "停止供应"})
    assert gone["state"] == "withdrawn"


def test_a_decision_rests_on_the_day_that_was_shown(client, desk):
    """R14: the interface and the form say which day of the price they were shown."""
    desk.listed()
    day = date(2030, 1, 1)
    first, second = (
        desk.proposed(desk.submitted(title=title, offer=desk.offer(price=price, valid_from=day)))
        for title, price in (("第一版", "0.03"), ("第二版", "0.04"))
    )
    sign_in(client, "second")
    form = text_of(client, f"/bureau/admission/{second}")
    assert "first · 建议准入 · " in re.sub(r"\s+", " ", form)
    assert 'name="price_from" value="2030-01-01"' in form
    answer = {"verdict": "admitted", "note": "同意", "price_from": "2030-01-01"}
    decided = call(client, "second", f"/admissions/{first}/decision", answer)
    assert decided["price_from"] == "2030-01-01"
    late = call(client, "second", f"/admissions/{second}/decision", answer, status=409)
    assert late["code"] == "price-day-moved"
    page = send(client, f"/bureau/admission/{second}", act="decide", **answer)
    assert "2030-01-02 起执行" in page.text
    assert 'name="price_from" value="2030-01-02"' in page.text


def test_auditors_read_what_was_reviewed_below_them_and_act_on_nothing(client, desk, engine):
    """R10, R49: findings with their evidence, names, acts, appeals; of no other bureau's."""
    with desk.units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="白石县")]))
        elsewhere = a_bureau(unit, region_code="990122")
        for login, bureau in (("here", desk.county), ("above", desk.city), ("else", elsewhere)):
            a_person(unit, bureau, [Role.AUDITOR], login=login, password=PASSWORD)
    version_id = desk.listed()
    takedown = {"ground": "errors", "reason": "第3页有误"}
    call(client, "first", f"/admissions/{version_id}/takedown", takedown)
    call(client, "manager", f"/versions/{version_id}/appeal", {"reason": "已核对无误"})
    waiting = desk.submitted("B")
    address = f"/bureau/admission/{version_id}"
    for login in ("here", "above"):
        sign_in(client, login)
        (row,) = client.get("/api/v1/admissions").json()["items"]
        assert (row["version_id"], row["standing"]) == (str(version_id), "appealed")
        case = client.get(f"/api/v1/admissions/{version_id}").json()
        assert (case["acts"], case["rounds"][0]["decided_by"]) == ([], "second")
        desk_page = text_of(client, "/bureau/admission")
        assert address in desk_page and 'href="/bureau/admission/samples"' not in desk_page
        assert 'href="/bureau/admission"' in text_of(client, "/bureau")
        with counted_queries(engine) as sent:
            page = text_of(client, address)
        assert len(sent) <= 12
        for words in ("safety：见第1页", "first", "second", "第3页有误", "已核对无误", "紧急下架"):
            assert words in page
        assert f'action="{address}"' not in page
        assert client.get(f"/api/v1/admissions/{waiting}").status_code == 404
        call(client, login, f"/admissions/{version_id}/restoring", {"note": "复"}, status=403)
    sign_in(client, "else")
    assert client.get("/api/v1/admissions").json() == {"items": [], "waiting": 0}
    for path in (f"/api/v1/admissions/{version_id}", address):
        assert client.get(path).status_code == 404


def test_a_case_reads_as_words_with_their_units(client, desk):
    version_id = desk.submitted(offline="none", bandwidth_mbps=Decimal(4))
    sign_in(client, "first")
    page = text_of(client, f"/bureau/admission/{version_id}")
    assert "需联网" in page and "每班 4 Mbit/s" in page
    assert "<dd>none</dd>" not in page and "<dd>4</dd>" not in page


def test_an_act_with_one_key_is_done_once(client, desk):
    version_id = draft(client)
    submit(client, version_id)
    sign_in(client, "first")
    headers = {"x-csrf-token": csrf_token(client), "idempotency-key": "claim-1"}
    answers = [
        client.post(f"/api/v1/admissions/{version_id}/claim", json={}, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_the_queue_says_what_orders_it(client, desk):
    submit(client, draft(client))
    sign_in(client, "first")
    answer = client.get("/api/v1/admissions").json()
    (row,) = answer["items"]
    assert answer["waiting"] == 1
    assert client.get("/api/v1/admissions?limit=1").json() == answer
    assert client.get("/api/v1/admissions?standing=waiting&limit=1").json() == answer
    elsewhere = client.get("/api/v1/admissions?standing=with-a-colleague").json()
    assert elsewhere == {"items": [], "waiting": 0}
    for wrong in ("limit=0", "standing=foo"):
        assert client.get(f"/api/v1/admissions?{wrong}").status_code == 422
    assert row["points"] == sum(one["points"] for one in row["factors"])
    assert all(one["points"] <= one["cap"] for one in row["factors"])


def test_what_is_missing_is_a_problem_with_its_facts(client, desk):
    version_id = draft(client)
    problem = call(
        client,
        "manager",
        f"/versions/{version_id}/submission",
        {"answers": {}, "commitment": COMMITMENT, "commits": True},
        status=422,
    )
    assert problem["type"].endswith("self-check-missing")
    assert "政治性" in problem["detail"]
    draft(client, price={"unit_price_yuan": "much", "valid_from": "2026-08-01"}, status=422)
    draft(client, sku="长" * 6_000, status=422)


def test_what_is_no_stage_is_not_proposed(client, desk):
    """What a resource suits is read by everybody."""
    version_id = desk.claimed(desk.submitted())
    proposal = {"verdict": "admitted", "note": "建议", "stages": ["nonsense"]}
    problem = call(client, "first", f"/admissions/{version_id}/proposal", proposal, status=422)

    assert (problem["field"], problem["value"]) == ("stages", "nonsense")


def test_another_vendor_finds_a_draft_by_no_id(client, desk):
    version_id = draft(client)
    sign_in(client, "other_manager")
    assert client.get(f"/api/v1/versions/{version_id}").status_code == 404
    assert client.get("/api/v1/versions").json() == {"items": [], "next": None}
    page = {"accept": "text/html"}
    for path in (f"/vendor/resources/{version_id}", f"/vendor/resources/new?of={version_id}"):
        assert client.get(path, headers=page).status_code == 404
    assert "分数的意义" not in client.get("/vendor/resources", headers=page).text
    sign_in(client, "first")
    assert client.get(f"/api/v1/admissions/{version_id}").status_code == 404


# Pages


def send(client: TestClient[Litestar], path: str, **form: Any):
    return client.post(
        path,
        data={"csrf_token": csrf_token(client), **form},
        headers={"accept": "text/html"},
        follow_redirects=False,
    )


def text_of(client: TestClient[Litestar], path: str) -> str:
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_vendor_drafts_and_submits_on_pages(client, desk):
    """R12: what is missing is said on the form, and nothing typed is lost."""
    sign_in(client, "manager")
    wrong = send(client, "/vendor/resources/new", sku="", title="分数", price="x")
    assert wrong.status_code == 200
    assert wrong.text.count("field__error") == 3
    saved = send(
        client,
        "/vendor/resources/new",
        sku="A",
        title="分数的意义",
        keywords="分数，意义",
        price="0.02",
        price_from="2026-08-01",
    )
    address = saved.headers["location"]
    assert "草稿" in text_of(client, address)
    criteria = [criterion.value for criterion in Criterion]
    answers = ["已自查"] * 7 + [""]
    refused = send(client, address, act="submit", criterion=criteria, answer=answers, commits="yes")
    assert "公益性" in refused.text
    assert refused.text.count("已自查") == 7
    done = send(
        client, address, act="submit", criterion=criteria, answer=["已自查"] * 8, commits="yes"
    )
    assert done.status_code == 303
    assert "已提交" in text_of(client, "/vendor/resources")


def test_no_finding_and_no_verdict_is_chosen_for_a_reviewer(client, desk):
    """Each is somebody's own judgement, written with its evidence."""
    version_id = desk.claimed(desk.submitted())
    sign_in(client, "first")
    address = f"/bureau/admission/{version_id}"
    page = text_of(client, address)
    for select in re.findall(
        r"<select[^>]*name=\"(?:finding|verdict)\".*?</select>", page, re.DOTALL
    ):
        assert "selected" not in select.partition("</option>")[2]
        assert re.search(r'<option value=""', select.partition("</option>")[0])
    answer = send(
        client, address, act="judge", criterion=["safety"], finding=[""], evidence=["见第1页"]
    )
    assert answer.status_code == 200 and "安全性" in answer.text
    assert not desk.admission(version_id).findings


def test_a_conflict_says_its_states_in_one_language(client, desk):
    version_id = desk.draft()
    problem = call(client, "manager", f"/versions/{version_id}/withdrawal", {}, status=409)

    assert "草稿" in problem["detail"] and "draft" not in problem["detail"]


def test_two_reviewers_admit_on_pages(client, desk):
    """R11, R13."""
    version_id = desk.submitted(offer=desk.offer())
    address = f"/bureau/admission/{version_id}"
    sign_in(client, "first")
    queue = text_of(client, "/bureau/admission")
    assert "新提供方 10/10" in queue
    assert send(client, address, act="claim").status_code == 303
    criteria = [criterion.value for criterion in Criterion]
    partly = send(
        client,
        address,
        act="judge",
        criterion=criteria,
        finding=["meets"] * 8,
        evidence=["第1页", *[""] * 7],
    )
    assert partly.status_code == 303
    kept = text_of(client, address)
    assert len(re.findall(r"<textarea name=\"evidence\"[^>]*>第1页", kept)) == 1
    missing = send(
        client,
        address,
        act="propose",
        verdict="admitted",
        criterion=criteria,
        finding=["meets"] * 8,
        evidence=["第1页"] * 7 + [""],
    )
    assert "公益性" in missing.text
    proposed = send(
        client,
        address,
        act="propose",
        verdict="admitted",
        criterion=criteria,
        finding=["meets"] * 8,
        evidence=["第1页"] * 8,
        stage=["primary", "junior"],
        conditions="投影",
    )
    assert proposed.status_code == 303
    sign_in(client, "second")
    assert send(client, address, act="decide", verdict="admitted", note="同意").status_code == 303
    page = text_of(client, address)
    assert "已上架" in page
    assert "初中" in page
    down = send(client, address, act="take_down", ground="errors", note="")
    assert down.status_code == 200
    assert "form-errors" in down.text
    assert send(client, address, act="nothing").status_code == 404


def test_the_desk_is_filtered_and_exported(client, desk):
    desk.claimed(desk.submitted("A"))
    desk.submitted("B", title="汉字的演变")
    sign_in(client, "first")
    mine = text_of(client, "/bureau/admission?standing=mine")
    assert "资源A" in mine
    assert "汉字的演变" not in mine
    table = client.get("/bureau/admission?format=csv&q=汉字").content.decode("utf-8-sig")
    assert len(table.splitlines()) == 2


def test_the_desk_and_a_case_ask_the_database_little(client, desk, engine):
    desk.submitted("B")
    version_id = desk.listed()
    sign_in(client, "first")
    asked = {}
    for path in ("/bureau/admission", f"/bureau/admission/{version_id}"):
        text_of(client, path)
        with counted_queries(engine) as sent:
            text_of(client, path)
        asked[path] = len(sent)
    assert max(asked.values()) <= 12, asked
