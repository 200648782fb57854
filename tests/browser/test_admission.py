"""A resource from its vendor's draft to the catalogue, and down again, in the browser."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from kernel.unit import Units
from tests.support.admission_builders import Desk, a_desk
from tests.support.browser import NARROW, WIDE, assert_sound, enter

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


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
    page.set_default_timeout(10_000)
    desk.submitted("B", title="汉字的演变")
    enter(page, "manager")
    page.get_by_role("link", name="资源", exact=True).click()
    look(page, "vendor-resources")
    page.get_by_role("link", name="起草资源").click()
    page.get_by_label("资源编号").fill("A")
    page.locator("input[name=title]").fill("分数的意义")
    page.locator("input[name=subject]").fill("数学")
    page.locator("input[name=licence]").fill("CC BY 4.0")
    page.get_by_label("每次使用价格（元）").fill("0.02")
    page.get_by_label("价格生效日").fill("2026-08-10")
    look(page, "vendor-draft")
    page.get_by_role("button", name="保存草稿").click()
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
    page.get_by_role("button", name="领取审核").click()
    for evidence in page.locator("textarea[name=evidence]").all():
        evidence.fill("抽查第1、3、5页")
    page.locator("input[name=conditions]").fill("投影即可")
    look(page, "case-judging")
    page.get_by_role("button", name="提出审核建议").click()
    expect(page.get_by_text("审核中").first).to_be_visible()

    enter(page, "second")
    page.get_by_role("link", name="准入").first.click()
    page.get_by_role("link", name="分数的意义").click()
    look(page, "case-deciding")
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
    page.get_by_role("button", name="申诉").click()

    enter(page, "third")
    page.get_by_role("link", name="准入").first.click()
    expect(page.get_by_role("row").filter(has_text="分数的意义")).to_contain_text("有申诉")
    page.get_by_role("link", name="分数的意义").click()
    look(page, "case-appealed")
    page.locator("#field-appeal-note").fill("出处无误")
    page.get_by_role("button", name="裁定申诉").click()
    page.goto("/bureau/admission?standing=listed")
    expect(page.get_by_role("link", name="分数的意义")).to_be_visible()
