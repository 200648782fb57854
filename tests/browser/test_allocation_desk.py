"""Two finance people of a bureau issue a year's lines in the browser, and close the year."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from kernel.clock import FixedClock
from kernel.unit import Units
from tests.support.accounts import let_sign_in
from tests.support.browser import assert_sound, enter
from tests.support.funding_builders import CountyBuilder, a_county

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("county")]


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    county = a_county(units)
    let_sign_in(units, "bureau", "checker")
    return county


def test_one_proposes_another_issues_and_the_year_is_closed(page: Page, clock: FixedClock) -> None:
    """R19, R20: from the desk's button to the treasury, by two people."""
    enter(page, "bureau")
    page.get_by_role("link", name="经费下达").click()
    page.get_by_role("link", name="核定 2026 年额度").click()
    assert_sound(page)
    page.get_by_role("link", name="6,500.00").first.click()
    expect(page.get_by_text("200 人 × 650.00 元 = 130,000.00 元").first).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="编制方案，交他人复核").click()
    expect(page.get_by_text("待复核")).to_be_visible()
    expect(page.get_by_role("button", name="下达")).to_have_count(0)

    enter(page, "checker")
    page.get_by_role("link", name="待复核").click()
    assert_sound(page)
    page.get_by_role("button", name="下达 6,500.00 元").click()
    expect(page.get_by_text("已下达").first).to_be_visible()
    page.goto("/bureau/lines")
    assert_sound(page)

    clock.at = datetime(2027, 3, 31, 16, tzinfo=UTC)
    enter(page, "checker")
    page.goto("/bureau/year-end")
    expect(page.get_by_role("heading", level=1)).to_have_text("2026 年末结转")
    assert_sound(page)
    page.get_by_role("button", name="办理 2026 年结转").click()
    expect(page.get_by_text("没有随本年度到期的结余。")).to_be_visible()
    page.goto("/bureau/budgets")
    budgets = page.get_by_role("table").first
    row = budgets.get_by_role("row").filter(has_text="生均公用经费").filter(has_text="2026")
    expect(row.get_by_role("cell").last).to_have_text("6,500.00")
