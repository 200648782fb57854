"""Two finance people of a bureau change who signs what, and record a budget, in the browser."""

from datetime import date

import pytest
from playwright.sync_api import Page, expect

from kernel.unit import Units
from tests.support.accounts import let_sign_in
from tests.support.browser import assert_sound, enter
from tests.support.funding_builders import CountyBuilder, a_county, a_selection

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("county")]


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    county = a_county(units)
    county.school("3299010002", staff=())
    county.select(a_selection(ceiling_fen=600_000))
    let_sign_in(units, "bureau", "checker")
    return county


def test_one_proposes_a_table_and_another_checks_what_it_would_mean(page: Page) -> None:
    """R22: from the tables in force to the new one, by two people."""
    enter(page, "bureau")
    page.goto("/bureau/approvals/rules")
    assert_sound(page)
    page.get_by_role("link", name="拟订审批程序").click()
    page.get_by_label("开始").fill(date(2026, 9, 1).isoformat())
    page.get_by_label("文件依据或理由").fill("青石教财〔2026〕12号")
    page.get_by_label("金额起点（元）").nth(2).fill("1000.00")
    page.get_by_role("button", name="查看影响").click()
    expect(page.get_by_text("适用于 2 所学校。")).to_be_visible()
    assert_sound(page)
    page.get_by_role("button", name="提交复核").click()
    expect(page.get_by_text("待复核")).to_be_visible()
    expect(page.get_by_role("button", name="登记审批程序")).to_have_count(0)

    enter(page, "checker")
    page.get_by_role("link", name="审批程序 329901-S-001 待复核").click()
    assert_sound(page)
    page.get_by_role("button", name="登记审批程序").click()
    expect(page.get_by_text("已登记").first).to_be_visible()
    page.goto("/bureau/approvals/rules")
    expect(page.get_by_text("依据：青石教财〔2026〕12号。")).to_be_visible()


def test_one_proposes_a_budget_and_another_records_it(page: Page) -> None:
    """R20: what waits is shown apart from what was approved."""
    enter(page, "bureau")
    page.goto("/bureau/budgets")
    page.get_by_label("金额（元）").fill("8000.00")
    page.get_by_label("文号").fill("青财预〔2026〕7号")
    page.get_by_role("button", name="提交复核").click()
    expect(page.get_by_role("heading", name="待复核")).to_be_visible()
    assert_sound(page)

    enter(page, "checker")
    page.get_by_role("link", name="待复核").click()
    assert_sound(page)
    page.get_by_role("button", name="登记 8,000.00 元").click()
    expect(page.get_by_text("已登记").first).to_be_visible()
