"""A school is warned in time: its home and its agreements by the running estimate (R33)."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from settlement.tasks import estimate_running
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.plan_builders import a_purchase
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, at, deliver

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
STOP = {"plan": "per_use", "unit_price": "0.1000", "stop_at_ceiling": True}


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    """In March one agreement has used nine tenths of its ceiling, one all, one next to nothing."""
    clock.at = at(20)
    market = a_market(units)
    nearly = a_purchase(units, market, sku="NEARLY", terms=STOP, ceiling_fen=100)
    wholly = a_purchase(units, market, sku="WHOLLY", terms=STOP, ceiling_fen=50)
    for one, count in ((market, 2), (nearly, 9), (wholly, 6)):
        rows = [a_use(units, one, f"{one.sku}-{n}", at(2, 8, n)) for n in range(count)]
        deliver(units, rows, name=one.sku)
    estimate_running(units)
    with units(SYSTEM) as unit:
        a_person(unit, market.school, [Role.PRINCIPAL], login="head", password=PASSWORD)
    return market


@pytest.fixture
def page(browser: Browser, settings: Settings, units: Units, market: Market) -> Iterator[Page]:
    with serve(an_app(settings, units)) as address:
        context = browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN")
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("账号").fill("head")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        yield page
        context.close()


def looks_well(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size(WIDE)


def test_a_school_sees_which_ceilings_are_nearly_used_and_what_follows(page: Page) -> None:
    """R33: from the home to the agreement, with the estimate and its time."""
    waiting = page.get_by_role("listitem").filter(has_text="上限")
    expect(waiting).to_have_count(2)
    looks_well(page)
    page.get_by_role("link", name="《资源NEARLY》的上限").click()
    expect(page.get_by_text("按滚动估算，上限已用八成以上。")).to_be_visible()
    expect(page.get_by_role("row", name="尚未出账部分的估算")).to_contain_text("0.90")
    expect(page.get_by_role("row", name="按估算剩余")).to_contain_text("0.10")
    expect(page.get_by_text("截至 2026-03-20 08:00")).to_be_visible()
    looks_well(page)
    page.goto("/school/agreements")
    row = page.get_by_role("row").filter(has_text="资源WHOLLY")
    expect(row).to_contain_text("上限已用完")
    looks_well(page)
    row.get_by_role("link", name="资源WHOLLY").click()
    expect(page.get_by_role("alert")).to_contain_text("本协议下不再打开资源")
