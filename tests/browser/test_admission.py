"""A resource from its vendor's draft to the catalogue, and down again, in the browser."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog.drafts import save_draft
from catalog.lineage import declare_parents
from catalog.submissions import submit
from kernel.actors import Role
from kernel.ids import VersionId
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk, a_self_check
from tests.support.browser import NARROW, WIDE, assert_sound, enter, press
from tests.support.builders import a_person, a_school, a_selling_teacher
from tests.support.file_builders import PNG, PROGRAM
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(units: Units, page: Page) -> Desk:
    page.set_default_timeout(10_000)
    return a_desk(units)


def listed_last_month(desk: Desk, sku: str, *, title: str) -> VersionId:
    """Return a version that can be drawn: samples are of what was there before the month."""
    version_id = desk.listed(sku, title=title)
    desk.units.clock.advance(timedelta(days=30))
    return version_id


def look(page: Page, name: str) -> None:
    """Check a page, and keep its picture where somebody wants to look at it."""
    assert_sound(page)
    folder = os.environ.get("XUANYONG_PICTURES")
    if not folder:
        return
    for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
        page.set_viewport_size(size)
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size(WIDE)


def test_a_vendor_submits_two_reviewers_admit_and_one_takes_down(page: Page, desk: Desk) -> None:
    """R4, R11, R12, R13, R14."""
    desk.submitted("B", title="汉字的演变")
    enter(page, "manager")
    page.get_by_role("link", name="资源", exact=True).click()
    look(page, "vendor-resources")
    page.get_by_role("link", name="起草资源").click()
    page.get_by_label("资源编号").fill("A")
    page.locator("input[name=title]").fill("分数的意义")
    page.locator("input[name=subject]").fill("数学")
    page.locator("input[name=licence]").fill("CC BY 4.0")
    page.get_by_label("单价（元）").fill("0.02")
    page.get_by_label("价格生效日").fill("2026-08-10")
    look(page, "vendor-draft")
    page.get_by_role("button", name="保存草稿").click()
    for content, said in ((PROGRAM, "程序"), (PNG, "样图.png")):
        file = {"name": "样图.png", "mimeType": "image/png", "buffer": content}
        page.locator("input[type=file]").set_input_files(file)
        page.locator("select[name=purpose]").select_option("preview")
        page.get_by_role("button", name="上传文件").click()
        expect(page.locator("main")).to_contain_text(said)
    expect(page.get_by_role("link", name="样图.png")).to_be_visible()
    for answer in page.locator("textarea[name=answer]").all():
        answer.fill("已逐页自查，见附件")
    page.get_by_label("小学").check()
    page.locator("input[name=commits]").check()
    look(page, "vendor-version")
    page.get_by_role("button", name="提交准入审核").click()
    expect(page.get_by_text("已提交").first).to_be_visible()
    look(page, "vendor-submitted")
    admitted_on_pages(page)
    taken_down_and_appealed(page)


def admitted_on_pages(page: Page) -> None:
    """Have one reviewer judge and propose, and another decide."""
    enter(page, "first")
    page.get_by_role("link", name="准入").first.click()
    look(page, "desk")
    page.get_by_role("link", name="分数的意义").click()
    press(page, "领取审核")
    for evidence in page.locator("textarea[name=evidence]").all():
        evidence.fill("抽查第1、3、5页")
    for finding in page.locator("select[name=finding]").all():
        finding.select_option("meets")
    page.locator("select[name=verdict]").select_option("admitted")
    page.locator("input[name=conditions]").fill("投影即可")
    look(page, "case-judging")
    press(page, "提出审核建议")
    expect(page.get_by_text("审核中").first).to_be_visible()

    enter(page, "second")
    page.get_by_role("link", name="准入").first.click()
    page.get_by_role("link", name="分数的意义").click()
    look(page, "case-deciding")
    page.locator("#field-decision").select_option("admitted")
    page.get_by_role("button", name="作出决定").click()
    expect(page.get_by_text("已上架").first).to_be_visible()


def taken_down_and_appealed(page: Page) -> None:
    """Take it down as the second reviewer, appeal as its vendor, and list it again as a third."""
    page.locator("#field-takedown-note").fill("第3页有误")
    page.get_by_role("button", name="立即下架").click()
    expect(page.get_by_text("已暂停").first).to_be_visible()

    enter(page, "manager")
    page.goto("/vendor/resources")
    page.get_by_role("link", name="分数的意义").click()
    page.locator("#field-appeal-reason").fill("第3页无误，附出处")
    look(page, "vendor-appeal")
    press(page, "申诉")

    enter(page, "third")
    page.get_by_role("link", name="准入").first.click()
    expect(page.get_by_role("row").filter(has_text="分数的意义")).to_contain_text("有申诉")
    page.get_by_role("link", name="分数的意义").click()
    look(page, "case-appealed")
    page.locator("#field-appeal-note").fill("出处无误")
    press(page, "裁定申诉")
    page.goto("/bureau/admission?standing=listed")
    expect(page.get_by_role("link", name="分数的意义")).to_be_visible()


def expect_drawn_once(page: Page) -> None:
    expect(page.get_by_text("待复核")).to_be_visible()
    expect(page.get_by_text("2026-09 的样本已抽取，2026-10-01 起可以再次抽取。")).to_be_visible()
    expect(page.get_by_role("button", name="抽取", exact=True)).to_have_count(0)


def test_needs_works_samples_and_the_chain_are_pages(page: Page, desk: Desk) -> None:
    """R6, R10, R61: what stands around admission, for each who has a part in it."""
    version_id = listed_last_month(desk, "L", title="汉字的演变")
    with desk.units(SYSTEM) as unit:
        school = a_school(unit)
        a_person(unit, school, [Role.PRINCIPAL], login="principal", password=PASSWORD)
        vendor = a_selling_teacher(unit, school)
        teacher = a_person(unit, vendor, [Role.VENDOR_MANAGER], login="teacher", password=PASSWORD)
    row = desk.row("T", vendor_code=vendor.code, kind="school_based", title="古诗二首教案")
    with desk.units(teacher) as unit:
        work = save_draft(unit, row, offer=None)
        declare_parents(unit, work, [(desk.firm.code, "L")])
        submit(unit, work, a_self_check())

    enter(page, "principal")
    page.get_by_role("link", name="资源需求").click()
    page.locator("#field-title").fill("藏汉双语数学练习")
    page.locator("#field-description").fill("四年级，配套教材")
    page.locator("#field-wanted_by").fill("2026-10-01")
    page.get_by_role("button", name="发布").click()
    look(page, "school-needs")
    page.goto("/school/works")
    look(page, "school-works")
    page.get_by_role("button", name="确认", exact=True).click()
    expect(page.get_by_text("已确认")).to_be_visible()

    enter(page, "manager")
    page.get_by_role("link", name="学校需求").click()
    page.get_by_role("button", name="提供").click()
    look(page, "vendor-needs")

    enter(page, "first")
    page.goto(f"/bureau/admission/{version_id}")
    page.locator("#field-claimant").fill("某出版社")
    page.locator("#field-work").fill("《汉字史话》")
    page.locator("#field-claim").fill("插图相同")
    press(page, "登记通知")
    look(page, "case-claimed")
    page.goto("/bureau/admission/samples")
    page.get_by_role("button", name="抽取", exact=True).click()
    expect_drawn_once(page)
    look(page, "desk-samples")
    page.goto("/bureau/admission/needs")
    look(page, "desk-needs")

    enter(page, "manager")
    page.goto(f"/vendor/resources/{version_id}")
    page.locator("#field-counter-1").fill("插图为自绘")
    look(page, "vendor-claimed")
    page.get_by_role("button", name="提交反通知").click()
    expect(page.get_by_text("已反通知")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"/responsibility/{desk.firm.code}/L")
    expect(page.get_by_text("青禾县教育局").first).to_be_visible()
    look(page, "responsibility")
