"""Two finance people of a bureau change who signs what, and record a budget, in the browser."""

from collections.abc import Iterator
from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.funding_builders import CountyBuilder, a_county, a_selection
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    county = a_county(units)
    county.school("3299010002", staff=())
    county.select(a_selection(ceiling_fen=600_000))
    with units(SYSTEM) as unit:
        for login in ("bureau", "checker"):
            person = county.actor(login).person_id
            assert person is not None
            set_password(unit, person, login=login, password=PASSWORD)
    return county


@pytest.fixture
def page(
    browser: Browser, settings: Settings, units: Units, county: CountyBuilder
) -> Iterator[Page]:
    with serve(an_app(settings, units)) as address:
        context = browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN")
        yield context.new_page()
        context.close()


def enter(page: Page, login: str) -> None:
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_label("账号").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()


def assert_sound(page: Page) -> None:
    """Nothing serious by axe, and no sideways scrolling on a narrow screen."""
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size(WIDE)


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
