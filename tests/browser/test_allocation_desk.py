"""Two finance people of a bureau issue a year's lines in the browser, and close the year."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.funding_builders import CountyBuilder, a_county
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    county = a_county(units)
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
