"""Vendor and bureau agree to use before the funds arrive; what waits is seen and decided (R25)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from tests.support.accounts import PASSWORD
from tests.support.agreement_builders import across, on
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.early_use_builders import allowed, consented, who_agree
from tests.support.server import serve
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    confirm_all,
    deliver,
)

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
JANUARY = parse_month("2027-01")
SignedIn = Callable[[str], Page]


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    with units(SYSTEM) as unit:
        for login, organisation, role in (
            ("vendor", market.vendor, Role.VENDOR_MANAGER),
            ("maker", market.bureau, Role.BUREAU_FINANCE),
            ("checker", market.bureau, Role.BUREAU_FINANCE),
            ("school", market.school, Role.SCHOOL_FINANCE),
        ):
            a_person(unit, organisation, [role], login=login, password=PASSWORD, name=login)
    return market


@pytest.fixture
def signed_in(browser: Browser, settings: Settings, units: Units) -> Iterator[SignedIn]:
    with serve(an_app(settings, units)) as address:
        contexts = []

        def sign_in(login: str) -> Page:
            contexts.append(browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN"))
            page = contexts[-1].new_page()
            page.goto("/sign-in")
            page.get_by_label("账号").fill(login)
            page.get_by_label("密码").fill(PASSWORD)
            page.get_by_role("button", name="登录").click()
            return page

        yield sign_in
        for context in contexts:
            context.close()


def looked_at(page: Page) -> None:
    """Check what every page has to be: free of serious barriers, and no wider than a phone."""
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
    with narrow(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@contextmanager
def narrow(page: Page) -> Iterator[None]:
    page.set_viewport_size(NARROW)
    yield
    page.set_viewport_size(WIDE)


def test_vendor_and_bureau_agree_on_their_pages(market: Market, signed_in: SignedIn) -> None:
    """R25: the vendor consents; one of the bureau proposes a rule, another checks it."""
    vendor = signed_in("vendor")
    vendor.get_by_role("link", name="先用后付").click()
    vendor.get_by_label("每份协议每年度限额（元）").fill("6.00")
    vendor.get_by_role("button", name="登记").click()
    expect(vendor.get_by_role("definition").filter(has_text="6.00")).to_be_visible()
    looked_at(vendor)

    maker = signed_in("maker")
    maker.goto("/bureau/unfunded")
    maker.get_by_role("link", name="先用后付规则").click()
    maker.get_by_label("总限额（元）").fill("100.00")
    maker.get_by_label("每个付款单位限额（元）").fill("200.00")
    maker.locator("[name=origin]").fill("县财教〔2026〕9号")
    maker.get_by_role("button", name="提交复核").click()
    expect(maker.get_by_role("alert")).to_contain_text("200.00")
    maker.get_by_label("每个付款单位限额（元）").fill("20.00")
    maker.get_by_role("button", name="提交复核").click()
    expect(maker.get_by_role("button", name="撤回")).to_be_visible()

    checker = signed_in("checker")
    checker.goto("/bureau/early-use")
    looked_at(checker)
    checker.get_by_role("button", name="复核通过，予以生效").click()
    expect(checker.get_by_role("heading", name="2027 年适用")).to_be_visible()
    looked_at(checker)


def test_what_waits_is_seen_by_all_three_and_after_the_close_written_off(
    units: Units, market: Market, clock: FixedClock, signed_in: SignedIn
) -> None:
    """R25, R35: the queue, and a write-off that the bureau proposes and the vendor agrees to."""
    agreeing = who_agree(units, market)
    consented(units, agreeing, date(2026, 9, 1), cap_fen=600)
    allowed(units, agreeing, date(2026, 9, 1), total_fen=10_000, payer_fen=2_000)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 2, 1)
    uses = [a_use(units, market, f"j{n}", on(2027, 1, n + 1)) for n in range(4)]
    deliver(units, uses)
    settle(units, SYSTEM, JANUARY)
    confirm_all(units, market, JANUARY)
    settle(units, SYSTEM, JANUARY)
    school = signed_in("school")
    school.goto("/school/unfunded")
    expect(school.get_by_text("待经费到位")).to_be_visible()
    looked_at(school)

    clock.at = on(2028, 4, 1)
    bureau = signed_in("maker")
    bureau.goto("/bureau/unfunded")
    looked_at(bureau)
    bureau.get_by_role("link", name="待教育局处理").click()
    bureau.locator("[name=outcome]").select_option("written_off")
    bureau.locator("[name=reason]").fill("财力不足，双方协商")
    looked_at(bureau)
    bureau.get_by_role("button", name="确定处理").click()
    expect(bureau.get_by_text("待提供方答复")).to_be_visible()

    vendor = signed_in("vendor")
    vendor.goto("/vendor/early-use")
    looked_at(vendor)
    vendor.get_by_role("button", name="同意核销", exact=True).click()
    expect(vendor.get_by_role("row").filter(has_text="财力不足")).to_contain_text("已生效")
    bureau.goto("/bureau/unfunded")
    expect(bureau.get_by_role("link", name="待教育局处理")).to_have_count(0)
