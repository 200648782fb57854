"""Forms that were sent in vain: after the session's end, and refused ones one comes back to."""

import pytest
from playwright.sync_api import Page, expect

from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.admission_builders import Desk, a_desk
from tests.support.browser import assert_sound, enter

pytestmark = pytest.mark.browser

NEW = "/vendor/resources/new"
TITLE = "input[name=title]"
FILLED = "已恢复您刚才填写的内容"


@pytest.fixture
def desk(units: Units, page: Page) -> Desk:
    page.set_default_timeout(10_000)
    return a_desk(units)


def sent_too_late(page: Page) -> None:
    """Fill in a draft as the manager and send it when the session has ended."""
    enter(page, "manager")
    page.goto(NEW)
    page.get_by_label("资源编号").fill("A")
    page.locator(TITLE).fill("分数的意义")
    page.locator("select[name=stage]").select_option("primary")
    page.context.clear_cookies()
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_label("密码")).to_be_visible()


def signed_in(page: Page, login: str) -> None:
    page.get_by_label("账号").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.locator("form.panel").get_by_role("button", name="登录").click()
    page.wait_for_url(f"**{NEW}")


def test_what_was_typed_is_there_again_after_signing_in(page: Page, desk: Desk) -> None:
    sent_too_late(page)
    page.get_by_label("账号").fill("manager")
    page.get_by_label("密码").fill("wrong")
    page.locator("form.panel").get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_be_visible()
    signed_in(page, "manager")

    expect(page.locator(TITLE)).to_have_value("分数的意义")
    expect(page.locator("select[name=stage]")).to_have_value("primary")
    expect(page.get_by_text(FILLED)).to_be_visible()
    assert_sound(page)
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("分数的意义")
    page.goto(NEW)
    expect(page.locator(TITLE)).to_have_value("")


def test_nobody_else_sees_what_was_typed(page: Page, desk: Desk) -> None:
    sent_too_late(page)
    signed_in(page, "other_manager")

    expect(page.locator(TITLE)).to_have_value("")
    expect(page.get_by_text(FILLED)).to_have_count(0)
    assert page.evaluate("sessionStorage.length") == 0


def test_a_refused_form_is_come_back_to_and_loaded_again(page: Page, desk: Desk) -> None:
    """The address is that of the page it was sent from, be its own one to send to alone."""
    enter(page, "manager")
    page.goto(f"{NEW}?again=1")
    page.get_by_label("资源编号").fill("A/../B")
    page.locator(TITLE).fill("分数的意义")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.url.endswith(f"{NEW}?again=1")

    page.get_by_role("navigation", name="主导航").get_by_role("link", name="首页").click()
    page.go_back()
    expect(page.locator(TITLE)).to_be_visible()
    page.reload()
    expect(page.locator(TITLE)).to_have_value("")
    assert page.evaluate("sessionStorage.length") == 0
