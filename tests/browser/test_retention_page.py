"""A vendor looks at its quality retention: what is held, until when, what became of it."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.retention import find_retained_line, forfeit_retention, release_all_due
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.server import serve
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
MAY = parse_month("2026-05")


@pytest.fixture
def market(units: Units) -> Market:
    """Three posted months: March is released, April forfeited, May held."""
    market = a_market(units, terms={"retention_months": 4})
    for month in (MARCH, APRIL, MAY):
        rows = [
            a_use(units, market, f"{month}-{n}", at(2, 8, n, month=month.month))
            for n in range(10 * month.month)
        ]
        deliver(units, rows, name=str(month))
        settle(units, SYSTEM, month)
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)
    release_all_due(units, SYSTEM)
    with units(SYSTEM) as unit:
        finance = a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="F-1")
        a_person(unit, market.vendor, [Role.VENDOR_MANAGER], login="vendor", password=PASSWORD)
        april = find_retained_line(unit, "2199000001-A-1", APRIL)
    with units(finance) as unit:
        forfeit_retention(unit, april, because="资源长期不能打开")
    return market


@pytest.fixture
def page(browser: Browser, settings: Settings, units: Units, market: Market) -> Iterator[Page]:
    with serve(an_app(settings, units)) as address:
        context = browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN")
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("账号").fill("vendor")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        yield page
        context.close()


def cells(page: Page, month: str) -> list[str]:
    row = page.get_by_role("row").filter(has_text=month)
    return [text.strip() for text in row.get_by_role("cell").all_inner_texts()]


def test_a_vendor_sees_what_is_held_until_when_and_what_became_of_it(page: Page) -> None:
    """R63: from the home page's sum to each month's retention, on a wide and a narrow screen."""
    page.get_by_role("definition").filter(has_text="0.83").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("质量保证金")
    assert cells(page, "2026-05")[-4:] == ["0.83", "0.00", "0.00", "扣留中"]
    assert cells(page, "2026-04")[-4:] == ["0.00", "0.00", "0.66", "已扣收"]
    assert cells(page, "2026-03")[-4:] == ["0.00", "0.50", "0.00", "已退还"]
    expect(page.get_by_text("下一笔 2026-10-01 起退还")).to_be_visible()

    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
