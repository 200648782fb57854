"""Opening resources in a real browser: a pupil, a teacher with a class, and the way to a vendor."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.identity.credentials import set_password
from kernel.settings import Settings
from kernel.unit import Units
from settlement.metering.models import Launch, LaunchPresence
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.launch_builders import (
    CLASS,
    Classroom,
    a_classroom,
    a_free_agreement,
    a_resource_elsewhere,
    events,
)
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM, at

pytestmark = pytest.mark.browser

WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


class Vendor:
    """A vendor's own site on another address, which keeps the tickets that it was brought."""

    def __init__(self) -> None:
        self.tickets: list[str] = []
        self.referrers: list[str] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                vendor.tickets += query.get("ticket", [])
                vendor.referrers.append(self.headers.get("referer", ""))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>vendor</title><h1>vendor</h1>")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/open?lang=zh"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(2, 9))


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    thread = threading.Thread(target=vendor.server.serve_forever, daemon=True)
    thread.start()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()
    thread.join()


@pytest.fixture
def classroom(units: Units, clock: FixedClock, vendor: Vendor) -> Classroom:
    found = a_classroom(units, password=PASSWORD)
    with units(SYSTEM) as unit:
        assert found.pupil.person_id is not None
        set_password(unit, found.pupil.person_id, login="pupil", password=PASSWORD)
        resource_id = a_resource_elsewhere(unit, found.market, address=vendor.address)
        a_free_agreement(unit, found.market, resource_id=resource_id, sku="OUT-1")
    return found


@pytest.fixture
def address(settings: Settings, units: Units, classroom: Classroom) -> Iterator[str]:
    with serve(an_app(settings, units)) as address:
        yield address


def signed_in(browser: Browser, address: str, login: str, *, javascript: bool = True) -> Page:
    context = browser.new_context(
        base_url=address, viewport=WIDE, locale="zh-CN", java_script_enabled=javascript
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("账号").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("我的资源")
    return page


def check(page: Page) -> None:
    """Nothing serious for axe; at 390 px the page does not scroll sideways."""
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size(WIDE)


def test_a_pupil_opens_what_is_played_here(
    browser: Browser, address: str, units: Units, classroom: Classroom
) -> None:
    page = signed_in(browser, address, "pupil")
    check(page)
    page.get_by_role("button", name="打开 资源SKU-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("资源SKU-1")
    expect(page.get_by_role("alert")).to_contain_text("本次使用已记录")
    check(page)
    page.get_by_role("button", name="仍在使用").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("资源SKU-1")
    assert len(events(units)) == 1
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(LaunchPresence.beats)).all() == [1]
    page.context.close()


def test_a_teacher_opens_at_the_vendor_with_a_class(
    browser: Browser, address: str, units: Units, classroom: Classroom, vendor: Vendor
) -> None:
    page = signed_in(browser, address, "teacher")
    page.get_by_label("班级").select_option(CLASS)
    check(page)
    page.get_by_role("button", name="打开 外部资源OUT-1").click()
    expect(page.get_by_text(f"为{CLASS}打开。")).to_be_visible()
    check(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="进入资源").click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("vendor")
    assert opened.value.url.startswith(vendor.address + "&ticket=")
    assert len(vendor.tickets) == 1
    assert "/learn" not in "".join(vendor.referrers)
    assert events(units) == []
    page.context.close()


def test_a_page_that_is_looked_at_beats_by_itself(
    browser: Browser, address: str, units: Units, classroom: Classroom
) -> None:
    page = signed_in(browser, address, "pupil")
    page.clock.install()
    page.get_by_role("button", name="打开 资源SKU-1").click()
    expect(page.get_by_role("button", name="仍在使用")).to_be_visible()
    page.wait_for_load_state("networkidle")  # the module has run, and counts the seconds
    with page.expect_request("**/heartbeat") as sent:
        page.clock.fast_forward(61_000)
    answer = sent.value.response()
    assert answer is not None
    assert answer.status == 303
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(LaunchPresence.beats)).all() == [1]
    page.context.close()


def test_opening_works_without_javascript(
    browser: Browser, address: str, units: Units, classroom: Classroom
) -> None:
    page = signed_in(browser, address, "teacher", javascript=False)
    page.get_by_label("班级").select_option(CLASS)
    page.get_by_role("button", name="打开 资源SKU-1").click()
    page.get_by_role("button", name="仍在使用").click()
    expect(page.get_by_text(f"为{CLASS}打开。")).to_be_visible()
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Launch.class_name)).all() == [CLASS]
    page.context.close()
