"""A bureau buys for its schools in the browser, another signs, and a school declines."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from settlement.closing import settle
from tests.support.accounts import let_sign_in
from tests.support.agreement_builders import on
from tests.support.browser import assert_sound, enter, press
from tests.support.bulk_builders import Buyer, a_buyer
from tests.support.funding_builders import COUNTY
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units, schools=5)
    let_sign_in(units, "bureau", "checker", f"principal-{buyer.codes[0]}")
    return buyer


def test_a_bureau_buys_for_its_schools_and_one_of_them_declines(
    page: Page, clock: FixedClock, buyer: Buyer
) -> None:
    """R24: preview, request, another's signature, each school's part, its statement, declining."""
    enter(page, "bureau")
    page.get_by_role("link", name="集中采购").first.click()
    page.get_by_role("link", name="为学校采购").click()
    assert_sound(page)
    page.get_by_label("名称、学科、提供方").fill("maths")
    page.get_by_role("button", name="筛选").click()
    page.get_by_role("link", name="资源 maths-1").click()
    page.get_by_label("开始").fill("2026-09-01")
    page.get_by_label("截止").fill("2026-12-31")
    page.get_by_label("总上限（元）").fill("150.00")
    page.get_by_role("button", name="查看结果").click()
    expect(page.get_by_text("结果预览")).to_be_visible()
    assert_sound(page)
    page.get_by_label("原因").fill("全县数学练习")
    page.get_by_role("button", name="提交审批").click()
    assert_sound(page)

    enter(page, "checker")
    page.get_by_role("link", name="审批").first.click()
    page.get_by_role("link", name="资源 maths-1").first.click()
    page.locator("button[value=approve]").click()

    clock.at = on(2026, 9, 20)
    buyer.use(dict(zip(buyer.codes, [12, 3, 9, 4, 1], strict=True)))
    clock.at = on(2026, 10, 3)
    settle(buyer.units, SYSTEM, parse_month("2026-09"))
    enter(page, "bureau")
    page.goto("/bureau/bulk")
    assert_sound(page)
    page.get_by_role("link", name="资源 maths-1").click()
    expect(page.get_by_role("row").filter(has_text=buyer.codes[0])).to_contain_text("10.00")
    assert_sound(page)
    number = f"{COUNTY}-2026-0001"
    page.goto("/bureau/statements/2026-09")
    assert_sound(page)
    page.get_by_role("link", name="资源 maths-1").first.click()
    assert_sound(page)
    page.get_by_role("link", name="排序并导出此表").click()
    assert_sound(page)

    enter(page, f"principal-{buyer.codes[0]}")
    page.goto("/school/bulk")
    assert_sound(page)
    page.get_by_role("link", name="退出").click()
    page.get_by_label("原因").fill("改用自己选用的资源")
    assert_sound(page)
    press(page, "确认退出")
    enter(page, "bureau")
    page.goto(f"/bureau/bulk/{number}")
    expect(page.get_by_text("改用自己选用的资源")).to_be_visible()
    assert_sound(page)


def test_another_ceiling_is_proposed_by_one_person_and_checked_by_another(
    page: Page, buyer: Buyer
) -> None:
    """R22, R24: the proposal waits on the other's home, with what it would change."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 1_500))
    enter(page, "bureau")
    page.goto(f"/bureau/bulk/{number}/schools")
    assert_sound(page)
    page.get_by_label("学校及其现有上限").select_option(buyer.codes[0])
    page.get_by_label("新上限（元）").fill("20.00")
    page.get_by_label("原因").fill("用量高")
    page.get_by_role("button", name="提出上限调整").click()
    expect(page.get_by_text("另一名财务人员").first).to_be_visible()
    assert_sound(page)
    enter(page, "checker")
    page.get_by_role("link", name="集中采购学校调整").click()
    assert_sound(page)
    press(page, "复核并登记")
    page.goto(f"/bureau/bulk/{number}")
    expect(page.get_by_text("调高 5.00 元")).to_be_visible()
    assert_sound(page)
