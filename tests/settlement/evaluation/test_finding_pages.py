"""Third parties on pages: let in and ended, findings filed by hand and as a file, answered."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.evaluation.admissions import admissions
from settlement.evaluation.finding_views import findings
from settlement.evaluation.outside import file_finding
from tests.support.application import an_app
from tests.support.builders import COUNTY, a_vendor
from tests.support.evaluation_builders import FOUND, Scene, let_in
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in


@pytest.fixture
def client(settings: Settings, units: Units, scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        yield client


def send(client: TestClient[Litestar], login: str, path: str, **fields: str) -> str:
    """Send a form as somebody; return the page that follows."""
    sign_in(client, login)
    form = {"csrf_token": csrf_token(client), **fields}
    answer = client.post(path, data=form, follow_redirects=True)
    assert answer.status_code in {200, 422}, (path, answer.status_code)
    return answer.text


def upload(client: TestClient[Litestar], name: str, *lines: str) -> str:
    """Send a file as the evaluator; return the page that follows."""
    sign_in(client, "judge")
    answer = client.post(
        "/evaluator/findings/import",
        data={"csrf_token": csrf_token(client)},
        files={"file": (name, "\n".join(lines).encode(), "text/csv")},
    )
    assert answer.status_code in {200, 422}
    return answer.text


def test_an_evaluator_is_let_in_and_ended_on_pages(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: with the interests and the reason that everybody reads."""
    sign_in(client, "judge")
    assert "还没有教育局准入" in client.get("/evaluator/findings").text
    desk, asked = "/bureau/evaluators", {"code": scene.evaluator.code, "region": COUNTY}
    assert "field-interest" in send(client, "operator", desk, **asked, interest="")
    assert "nobody" in send(client, "operator", desk, code="nobody", region=COUNTY, interest="无")
    page = send(client, "operator", desk, **asked, interest="与任何一方无利益关系")
    assert "与任何一方无利益关系" in page
    assert "有效" in page
    with units(scene.person) as unit:
        file_finding(unit, "vendor", scene.market.vendor.code, **FOUND)
    with units(scene.operator) as unit:
        (known,) = admissions(unit)
    ending = f"{desk}/{known.id}/end"
    assert "将不能再提交" in send(client, "operator", ending, because="合同到期")
    page = send(client, "operator", ending, because="合同到期", confirmed="yes")
    assert "已终止" in page
    sign_in(client, "judge")
    page = client.get("/evaluator/findings").text
    assert "合同到期" in page
    assert "上传评价意见文件" not in page
    client.cookies.clear()
    public = client.get("/reports/evaluations").text
    assert "准入已于" in public
    assert "合同到期" in public


def test_a_finding_is_filed_answered_and_withdrawn_on_pages(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: what can't be undone is asked once."""
    let_in(units, scene)
    filed = {**FOUND, "found_on": "2026-03-20", "kind": "vendor", "key": scene.market.vendor.code}
    own = "/evaluator/findings"
    assert "“昨天”不是有效的日期" in send(client, "judge", own, **{**filed, "found_on": "昨天"})
    wrong = send(client, "judge", own, **{**filed, "key": "nobody"})
    assert "nobody" in wrong
    assert FOUND["finding"] in wrong, "what was written is still there"
    page = send(client, "judge", own, **filed)
    assert FOUND["finding"] in page
    with units(SYSTEM) as unit:
        (finding,) = findings(unit)
    address = f"/reports/findings/{finding.id}"
    assert "作为被评价方答复" in send(client, "vendor", f"{address}/reply", text="")
    assert "只能答复一次" in send(client, "vendor", f"{address}/reply", text="已改进")
    page = send(client, "vendor", f"{address}/reply", text="已改进", confirmed="yes")
    assert "已改进" in page
    assert "作为被评价方答复" not in page
    assert "不能恢复" in send(client, "judge", f"{address}/withdrawal", text="样本有误")
    page = send(client, "judge", f"{address}/withdrawal", text="样本有误", confirmed="yes")
    assert "撤回：样本有误" in page


def test_a_vendor_reads_beside_its_standing_what_was_found_about_it(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: of itself and of its resources, with the way to its reply; nothing about others."""
    let_in(units, scene)
    market = scene.market
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
    with units(scene.person) as unit:
        file_finding(unit, "vendor", market.vendor.code, **FOUND)
        of_resource = file_finding(
            unit,
            "resource",
            f"{market.vendor.code}/{market.sku}",
            **FOUND | {"finding": "字幕有错字"},
        )
        file_finding(unit, "vendor", other.code, **FOUND | {"finding": "别家的评价"})
    sign_in(client, "vendor")
    page = client.get("/vendor/standing").text
    assert FOUND["finding"] in page
    assert "字幕有错字" in page
    assert f'href="/reports/findings/{of_resource}"' in page
    assert "别家的评价" not in page


def test_a_file_of_findings_is_filed_whole_or_its_rows_are_named(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: each row that can't be taken by its number, its field and what to do."""
    let_in(units, scene)
    vendor, school = scene.market.vendor.code, scene.market.school.code
    head = "kind,key,finding,source,found_on"
    good = f"学校,{school},课堂使用规范,走访,2026-03-21"
    bad = f"resource,{vendor}/none,x,y,2026-03-21"
    page = upload(client, "评价.csv", head, good, bad, "platform,,好,走访,2999-01-01")
    assert "3 行中有 2 行不能接收" in page
    assert f"{vendor}/none" in page
    assert "found_on" in page
    with units(SYSTEM) as unit:
        assert findings(unit) == [], "nothing of it is kept"
    assert "已提交 1 条，0 条此前已提交" in upload(client, "评价.csv", head, good)
    again = upload(client, "评价.csv", head, good, f"vendor,{vendor},播放流畅,报告,2026-03-20")
    assert "已提交 1 条，1 条此前已提交" in again
    assert 'href="/evaluator/findings?sort=found_on"' in again
    assert "/evaluator/findings/import?" not in again, "what sorts or exports is no upload"
    assert "a.pdf" in upload(client, "a.pdf", "%PDF-1.4")


def test_what_is_wrong_with_a_file_is_said_for_whoever_sent_it_from_a_page(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: every fault of a row, in the reader's words; no command's options."""
    let_in(units, scene)
    head, columns = "kind,key,finding,source,found_on", "首行须写明列名"
    for name, lines in (("空.csv", ("",)), ("短.csv", ("kind,key",))):
        page = upload(client, name, *lines)
        assert columns in page
        assert "market import" not in page
        assert "--map" not in page
    page = upload(client, "两处.csv", head, f"foo,{scene.market.vendor.code},,报告,昨天", 'x,"y')
    assert "2 行中有 2 行不能接收" in page
    for fault in ("“foo”无效", "“评价意见”为空。该项必填。", "“昨天”不是有效的日期"):
        assert fault in page
    assert "该行无法读取。" in page
    assert "unexpected" not in page


def test_all_that_is_wrong_with_a_finding_is_said_at_once(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: beside each field; a file that can't be read is named once."""
    let_in(units, scene)
    page = send(client, "judge", "/evaluator/findings", found_on="昨天")
    for field in ("kind", "finding", "source", "found_on"):
        assert f'href="#field-{field}"' in page
    page = send(client, "judge", "/evaluator/findings", kind="vendor", key="none", found_on="昨天")
    for field in ("key", "finding", "source", "found_on"):
        assert f'href="#field-{field}"' in page
    well_written = {"finding": "好", "source": "走访", "kind": "vendor", "key": "none"}
    page = send(client, "judge", "/evaluator/findings", found_on="1999-01-01", **well_written)
    for field in ("key", "found_on"):
        assert f'href="#field-{field}"' in page
    assert upload(client, "空.csv", "").count("空.csv") == 1
    row = f"vendor,{scene.market.vendor.code},x,{'长' * 501},1999-01-01"
    page = upload(client, "两处.csv", "kind,key,finding,source,found_on", row)
    for fault in ("最多 500 个字符", "1999-01-01"):
        assert fault in page, "of a row, too"


def test_what_was_done_already_is_said_in_words(
    units: Units, client: TestClient[Litestar], scene: Scene
) -> None:
    """R65: the same finding, the same admission, an end or a withdrawal once more."""
    let_in(units, scene)
    code, desk = scene.market.vendor.code, "/bureau/evaluators"
    filed = {**FOUND, "found_on": "2026-03-20", "kind": "vendor", "key": code}
    send(client, "judge", "/evaluator/findings", **filed)
    page = send(client, "judge", "/evaluator/findings", **filed)
    assert f"关于“{code}”的同一评价意见此前已提交" in page
    asked = {"code": scene.evaluator.code, "region": COUNTY, "interest": "无"}
    assert "在该区域已经准入" in send(client, "operator", desk, **asked)
    with units(scene.operator) as unit:
        (known,) = admissions(unit)
    with units(SYSTEM) as unit:
        (finding,) = findings(unit)
    undone = f"/reports/findings/{finding.id}/withdrawal"
    ended = f"{desk}/{known.id}/end"
    said = {"confirmed": "yes", "text": "样本有误"}
    send(client, "judge", undone, **said)
    assert "评价意见已撤回。" in send(client, "judge", undone, **said)
    said = {"confirmed": "yes", "because": "合同到期"}
    send(client, "operator", ended, **said)
    assert "该机构的准入已终止。" in send(client, "operator", ended, **said)
