"""A bureau buys for its schools in the browser, another signs, and a school declines."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.clock import FixedClock, parse_month
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from tests.support.accounts import PASSWORD
from tests.support.agreement_builders import on
from tests.support.application import an_app
from tests.support.bulk_builders import Buyer, a_buyer
from tests.support.funding_builders import COUNTY, VENDOR
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units, schools=5)
    with units(SYSTEM) as unit:
        for login in ("bureau", "checker", f"principal-{buyer.codes[0]}"):
            person = buyer.county.actor(login).person_id
            assert person is not None
            set_password(unit, person, login=login, password=PASSWORD)
    return buyer


@pytest.fixture
def page(browser: Browser, settings: Settings, units: Units, buyer: Buyer) -> Iterator[Page]:
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


def test_a_bureau_buys_for_its_schools_and_one_of_them_declines(
    page: Page, clock: FixedClock, buyer: Buyer
) -> None:
    """R24: preview, request, another's signature, each school's part, its statement, declining."""
    enter(page, "bureau")
    page.get_by_role("link", name="集中采购").first.click()
    page.get_by_role("link", name="为学校采购").click()
    page.get_by_label("资源", exact=True).fill(f"{VENDOR}/maths-1")
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
    page.goto(f"/bureau/bulk/{number}/schools")
    assert_sound(page)
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
    page.get_by_role("button", name="确认退出").click()
    enter(page, "bureau")
    page.goto(f"/bureau/bulk/{number}")
    expect(page.get_by_text("改用自己选用的资源")).to_be_visible()
    assert_sound(page)
