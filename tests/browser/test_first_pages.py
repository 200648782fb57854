"""The first pages in a real browser: the ways people go, on a wide screen and on a narrow one.

Whatever is opened stays on its host, scrolls only downwards, and axe finds nothing serious on it.
"""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from kernel.actors import Role
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.server import serve
from tests.support.site_builders import Site, a_site

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


@pytest.fixture
def site(units: Units) -> Site:
    return a_site(units)


@pytest.fixture
def address(settings: Settings, units: Units) -> Iterator[str]:
    with serve(an_app(settings, units)) as address:
        yield address


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A fresh Chinese browser window; every request that it sends stays on the host."""
    context = browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN")
    requested: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    yield context
    context.close()
    assert [url for url in requested if not url.startswith((address, "data:"))] == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def sign_in(page: Page, login: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("账号").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()


def check(page: Page) -> None:
    """Nothing serious for axe; at 390 px the page does not scroll sideways."""
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size(WIDE)


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def crumb(page: Page, text: str) -> None:
    page.get_by_role("navigation", name="当前位置").get_by_role("link", name=text).click()


def cell(page: Page, row: str, label: str):
    """Return a cell of the row that has this text, by the title of its column."""
    return page.get_by_role("row").filter(has_text=row).locator(f'td[data-label="{label}"]')


def test_a_finance_person_goes_from_the_total_to_one_use_and_back(page: Page, site: Site) -> None:
    sign_in(page, Role.SCHOOL_FINANCE)
    heading(page, "首页")
    check(page)

    cell(page, "2026-03", "应付金额").get_by_role("link", name="0.90").click()
    heading(page, "2026-03 对账单")
    check(page)

    cell(page, "资源", "应付金额").get_by_role("link", name="0.90").first.click()
    heading(page, "资源 · 2026-03")
    check(page)

    page.get_by_role("row", name="计入的记录").get_by_role("link", name="3").click()
    heading(page, "“资源”2026-03 使用记录")
    expect(page.get_by_text("第 1–3 条，共 3 条")).to_be_visible()
    check(page)

    page.get_by_role("link", name="first").click()
    heading(page, "“资源”的一次使用")
    expect(page.get_by_text("march.csv")).to_be_visible()
    check(page)

    crumb(page, "使用记录")
    crumb(page, "资源")
    crumb(page, "2026-03")
    crumb(page, "对账单")
    heading(page, "对账单")
    check(page)
    crumb(page, "首页")
    heading(page, "首页")


def test_a_finance_person_confirms_a_statement_once(page: Page, site: Site) -> None:
    sign_in(page, Role.SCHOOL_FINANCE)
    page.get_by_role("link", name="确认 2026-03 对账单").click()
    page.get_by_role("link", name="确认对账").click()
    expect(page.get_by_text("待确认 1 行，合计 0.90 元。")).to_be_visible()
    check(page)

    page.get_by_role("button", name="确认勾选的行").click()
    heading(page, "2026-03 对账单")
    expect(page.get_by_label("办理进度")).to_contain_text("已确认")
    expect(page.get_by_role("link", name="确认对账")).to_have_count(0)


def test_a_schools_money_opens_where_it_stands(page: Page, site: Site) -> None:
    sign_in(page, Role.PRINCIPAL)
    cell(page, "2026 年生均公用经费", "已占用").get_by_role("link", name="0.90").click()
    heading(page, "2026 年生均公用经费")
    check(page)
    page.get_by_role("link", name="资源", exact=True).click()
    heading(page, "资源")
    check(page)
    for entry, title in (("我的选用", "选用协议"), ("经费", "经费额度")):
        page.get_by_role("navigation", name="主导航").get_by_role("link", name=entry).click()
        heading(page, title)
        check(page)


def test_a_bureau_goes_from_its_table_of_schools_to_one_use(page: Page, site: Site) -> None:
    school = site.market.school.name
    sign_in(page, Role.AUDITOR)
    check(page)
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="学校").click()
    expect(page.get_by_label("财政年度")).to_have_value("2026")
    check(page)

    cell(page, school, "应付金额").get_by_role("link").click()
    cell(page, "2026-03", "应付金额").get_by_role("link").click()
    cell(page, "资源", "应付金额").get_by_role("link").first.click()
    page.get_by_role("row", name="30 秒内重复").get_by_role("link", name="1").click()
    page.get_by_role("link", name="repeat").click()
    heading(page, "“资源”的一次使用")
    expect(page.get_by_text("不计入")).to_be_visible()
    check(page)

    crumb(page, school)
    heading(page, school)
    check(page)
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="账期结算").click()
    check(page)
    page.get_by_role("link", name="2026-03").click()
    heading(page, "2026-03 账期")
    check(page)


def test_a_vendor_sees_its_earnings_down_to_a_use(page: Page, site: Site) -> None:
    sign_in(page, Role.VENDOR_MANAGER)
    check(page)
    cell(page, "2026-03", "提供方所得").get_by_role("link").click()
    heading(page, "2026-03 收入")
    check(page)

    cell(page, site.market.school.name, "提供方所得").get_by_role("link").click()
    check(page)
    page.get_by_role("row", name="收到的记录").get_by_role("link", name="5").click()
    expect(page.get_by_text("第 1–5 条，共 5 条")).to_be_visible()
    page.get_by_role("link", name="gone").click()
    expect(page.get_by_text("不计费")).to_be_visible()
    check(page)


def test_the_pages_work_without_javascript_and_in_english(
    browser: Browser, address: str, site: Site
) -> None:
    context = browser.new_context(
        base_url=address, viewport=NARROW, locale="en-GB", java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/sign-in?next=/bureau/schools")
    page.get_by_label("Account").fill(Role.AUDITOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    heading(page, "Schools")
    page.get_by_role("button", name="Filter").click()
    cell(page, site.market.school.name, "Billed").get_by_role("link").click()
    heading(page, "Statements")
    context.close()
