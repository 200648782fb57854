"""Disputes on pages: raised, answered, decided; what each side may see; printing."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openpyxl import load_workbook

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.queries.disputes import disputes_of
from tests.market.test_pages import texts
from tests.support.application import an_app
from tests.support.settlement_builders import MARCH, SYSTEM
from tests.support.site_builders import Site, a_site, csrf_token, sign_in


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units, disputes=True)


@pytest.fixture
def client(settings: Settings, units: Units, site: Site) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        yield client


def post(client: TestClient[Litestar], address: str, **fields: object):
    data = {"csrf_token": csrf_token(client), **fields}
    return client.post(address, data=data, follow_redirects=False)


def test_a_dispute_goes_from_the_line_to_its_credit_note(
    client: TestClient[Litestar], units: Units, clock: FixedClock, site: Site
) -> None:
    line = f"/school/statements/2026-03/lines/{site.line_id}"
    sign_in(client, Role.PRINCIPAL)
    assert f'href="{line}/dispute"' in client.get(line).text
    raised = post(
        client,
        f"{line}/dispute",
        reason="quantity-wrong",
        claimed="0.60",
        claim="有一次不是我校使用",
        evidence="当天停课\n门卫记录",
        uses="first",
    )
    assert raised.headers["location"] == f"{line}#dispute"
    text = texts(client.get(line).text)
    for shown in (
        "待提供方答复",
        "有一次不是我校使用",
        "当天停课",
        "0.90 → 0.60",
        "须在 2026-08-10",
    ):
        assert shown in text

    sign_in(client, Role.VENDOR_MANAGER)
    (row,) = [one for one in all_disputes(units) if one.line_id == site.line_id]
    inbox = f"/vendor/disputes/{row.id}"
    assert f'href="{inbox}"' in client.get("/vendor").text
    assert post(client, f"{inbox}/answer", answer="只认一分", offered="0.01").status_code == 303
    assert "只认一分" in client.get(inbox).text

    sign_in(client, Role.BUREAU_FINANCE)
    desk = f"/bureau/disputes/{row.id}"
    decision = {"outcome": "upheld", "credit": "0.20", "note": "部分成立"}
    asked = texts(post(client, f"{desk}/decision", **decision).text)
    assert "应付金额 0.90 − 已退减 0.20" in asked
    assert post(client, f"{desk}/decision", **decision, confirmed="yes").status_code == 303
    again = post(client, f"{desk}/decision", **decision, confirmed="yes")
    assert again.status_code == 409

    clock.advance(timedelta(days=10))
    settle(units, SYSTEM, MARCH)
    sign_in(client, Role.SCHOOL_FINANCE)
    note = texts(client.get(f"{line}/credit-note").text)
    for shown in ("2026-03-C2", "贰角整", "只入账一次", "2026 年生均公用经费"):
        assert shown in note
    assert "退减入账" in client.get(f"/school/funding/{site.market.line_id}").text
    sign_in(client, Role.VENDOR_MANAGER)
    vendors = client.get(f"/vendor/periods/2026-03/lines/{site.line_id}/credit-note").text
    assert "2026-03-C2" in vendors
    assert "生均公用经费" not in vendors


def all_disputes(units: Units):
    with units(SYSTEM) as unit:
        return disputes_of(unit)


def named_faults(html: str) -> set[str]:
    """Return what the summary of a form's faults leads to, and requires each to be named."""
    summary = html.split("form-errors", 1)[1].split("</ul>", 1)[0]
    found = re.findall(r'<a href="#field-(\w+)">([^<]+)</a>', summary)
    assert all("：" in words for _, words in found), found
    return {field for field, _ in found}


def test_all_that_is_wrong_is_said_at_once_and_named(
    client: TestClient[Litestar], units: Units, site: Site
) -> None:
    """R36: with what is disputed, with what is answered and with what is decided."""
    sign_in(client, Role.SCHOOL_FINANCE)
    address = f"/school/statements/2026-03/lines/{site.line_id}/dispute"
    faults = {"reason": "", "claimed": "0.90", "claim": " ", "uses": "nobody"}
    answer = post(client, address, **faults)
    assert answer.status_code == 422
    assert named_faults(answer.text) == {"reason", "claimed", "claim", "uses"}
    assert "原因：请选择一项" in answer.text

    sign_in(client, Role.VENDOR_MANAGER)
    inbox = f"/vendor/disputes/{site.dispute_id}"
    answer = post(client, f"{inbox}/answer", answer="", offered="99")
    assert answer.status_code == 422
    assert named_faults(answer.text) == {"answer", "offered"}
    assert post(client, f"{inbox}/answer", answer="不认", offered="0").status_code == 303

    sign_in(client, Role.BUREAU_FINANCE)
    desk = f"/bureau/disputes/{site.dispute_id}"
    answer = post(client, f"{desk}/decision", outcome="upheld", credit="", note="")
    assert (answer.status_code, named_faults(answer.text)) == (422, {"credit", "note"})
    answer = post(client, f"{desk}/decision", outcome="", credit="9", note="")
    assert named_faults(answer.text) == {"outcome", "note"}
    answer = post(client, f"{desk}/decision", outcome="upheld", credit="99.00", note="成立")
    assert named_faults(answer.text) == {"credit"}
    assert [one.outcome for one in all_disputes(units) if one.id == site.dispute_id] == [None]


def test_each_field_that_is_wrong_is_named_beside_it(
    client: TestClient[Litestar], site: Site
) -> None:
    address = f"/school/statements/2026-03/lines/{site.line_id}/dispute"
    sign_in(client, Role.SCHOOL_FINANCE)
    good = {"reason": "other", "claimed": "0.10", "claim": "多算了"}
    for wrong, field in (
        ({"reason": ""}, "reason"),
        ({"reason": "fiscal-year-closed"}, "reason"),
        ({"claimed": ""}, "claimed"),
        ({"claimed": "abc"}, "claimed"),
        ({"claimed": "0.90"}, "claimed"),
        ({"claim": " "}, "claim"),
        ({"uses": "first nobody"}, "uses"),
        ({"claim": "长" * 2_001}, "claim"),
    ):
        answer = post(client, address, **{**good, **wrong})
        assert answer.status_code == 422, wrong
        told = re.search(rf'id="error-{field}"[^>]*>(.*?)</span>', answer.text, re.DOTALL)
        assert told, wrong
        # What is typed is shown as it was; what is said of it is Chinese.
        said = texts(told[1]).replace("nobody", "").replace("abc", "")
        assert not re.search("[A-Za-z]{2,}", said), said
        if "claim" not in wrong:
            assert "多算了" in answer.text  # what was typed is still there


def test_a_decision_without_reason_or_amount_is_asked_again(
    client: TestClient[Litestar], clock: FixedClock, site: Site
) -> None:
    clock.advance(timedelta(days=8))
    sign_in(client, Role.BUREAU_FINANCE)
    desk = f"/bureau/disputes/{site.dispute_id}"
    good = {"outcome": "upheld", "credit": "0.10", "note": "成立"}
    for wrong, field in (
        ({"outcome": ""}, "outcome"),
        ({"credit": ""}, "credit"),
        ({"credit": "9"}, "credit"),
        ({"note": ""}, "note"),
    ):
        answer = post(client, f"{desk}/decision", **{**good, **wrong})
        assert answer.status_code == 422, wrong
        assert f'id="error-{field}"' in answer.text, wrong


def test_another_school_vendor_or_county_finds_no_dispute(
    client: TestClient[Litestar], site: Site
) -> None:
    line = f"statements/2026-03/lines/{site.credited_line_id}"
    for login, addresses in (
        ("other-finance", (f"/school/disputes/{site.dispute_id}", f"/school/{line}/credit-note")),
        ("other-vendor", (f"/vendor/disputes/{site.dispute_id}",)),
        ("other-auditor", (f"/bureau/disputes/{site.dispute_id}",)),
    ):
        sign_in(client, login)
        assert [client.get(one).status_code for one in addresses] == [404] * len(addresses)
    sign_in(client, "other-vendor")
    refused = post(client, f"/vendor/disputes/{site.dispute_id}/answer", answer="冒答", offered="0")
    assert refused.status_code == 404
    sign_in(client, "other-finance")
    refused = post(
        client,
        f"/school/statements/2026-03/lines/{site.line_id}/dispute",
        reason="other",
        claimed="0",
        claim="冒名",
    )
    assert refused.status_code == 404


def test_the_desk_counts_what_waits_and_what_is_overdue(
    client: TestClient[Litestar], clock: FixedClock, site: Site
) -> None:
    sign_in(client, Role.BUREAU_FINANCE)
    assert "等待裁决" not in texts(client.get("/bureau").text)
    clock.advance(timedelta(days=8))
    sign_in(client, Role.BUREAU_FINANCE)
    assert "1 项异议等待裁决 0.30 元" in texts(client.get("/bureau").text)
    clock.advance(timedelta(days=20))
    sign_in(client, Role.BUREAU_FINANCE)
    assert "1 项逾期" in texts(client.get("/bureau").text)
    assert "裁决逾期" in client.get("/bureau/disputes?standing=overdue").text
    assert str(site.credited_line_id) not in client.get("/bureau/disputes?standing=overdue").text


def test_lines_are_confirmed_one_by_one(client: TestClient[Litestar], site: Site) -> None:
    """R36: who ticks nothing confirms nothing."""
    sign_in(client, Role.SCHOOL_FINANCE)
    address = "/school/statements/2026-03/confirm"
    assert post(client, address, amount_fen="90").status_code == 422
    assert post(client, address, amount_fen="90", line_id=str(site.line_id)).status_code == 303
    assert "已确认" in texts(client.get(f"/school/statements/2026-03/lines/{site.line_id}").text)


def test_the_printed_statement_says_all_in_figures_and_words(
    client: TestClient[Litestar], site: Site
) -> None:
    """R62: a statement names the day until which it is due."""
    sign_in(client, Role.SCHOOL_FINANCE)
    html = client.get("/school/statements/2026-03/print").text
    text = texts(html)
    # 0.90 + 0.50 + 0.50 less a credit of 0.30
    for shown in (
        "金额大写 壹元陆角整",
        "付款期限 2026-09-09",
        f"{site.market.school.code}-2026-03-C1",
        "学校（盖章）",
        "另有 1 行存在异议，尚未裁决",
        "http://127.0.0.1:8420/school/statements/2026-03",
    ):
        assert shown in text
    assert re.search(r"<svg[^>]*>\s*<path", html)
    sign_in(client, Role.VENDOR_MANAGER)
    vendors = texts(client.get("/vendor/periods/2026-03/print").text)
    assert "壹元陆角整" in vendors
    assert "生均公用经费" not in vendors
    assert site.other.school.name not in vendors


def test_a_statements_export_ends_with_its_totals(client: TestClient[Litestar], site: Site) -> None:
    sign_in(client, Role.SCHOOL_FINANCE)
    address = "/school/statements/2026-03?format="
    content = client.get(f"{address}csv").content
    assert content.startswith(b"\xef\xbb\xbf")
    *lines, total = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert total["资源"] == "合计"
    for column in (
        *("应付金额（元）", "已退减（元）", "从经费额度支出（元）", "平台服务费（元）"),
        *("提供方所得（元）", "质量保证金（元）", "作者所在学校分成（元）"),
    ):
        assert sum(float(line[column]) for line in lines) == pytest.approx(float(total[column]))
    assert {line["选用协议"][-3:] for line in lines} == {"A-1", "A-3", "A-4"}
    assert {line["行类别"] for line in lines} == {"当月使用"}
    sheet = load_workbook(BytesIO(client.get(f"{address}xlsx").content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert (rows[-1][0], len(rows)) == ("合计", 5)
    assert float(str(rows[-1][rows[0].index("应付金额（元）")])) == pytest.approx(1.90)
    assert site
