"""Selections in a real browser: chosen, requested, signed in their order, refused with a reason."""

from datetime import date

import pytest
from playwright.sync_api import Page, expect

from kernel.actors import Role
from kernel.unit import Units
from tests.support.accounts import PASSWORD
from tests.support.browser import assert_sound, enter, press
from tests.support.builders import a_person
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import Site, a_site
from tests.support.worlds import a_world

pytestmark = pytest.mark.browser

TITLE = "资源"


@pytest.fixture
@a_world
def site(units: Units) -> Site:
    """A site whose school has a deputy besides its people."""
    site = a_site(units)
    with units(SYSTEM) as unit:
        a_person(
            unit, site.market.school, [Role.TEACHER], login="deputy", password=PASSWORD, name="副职"
        )
    return site


def requested(page: Page, *, ceiling: str) -> str:
    """Request the resource as the teacher, through the list and the request; return its address."""
    enter(page, Role.TEACHER)
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="选资源").click()
    assert_sound(page)
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="加入申请").click()
    page.get_by_label("首日").fill("2026-09-01")
    page.get_by_label("末日").fill("2026-12-31")
    page.get_by_label("原因").fill("新学期分层作业")
    page.get_by_role("button", name="保存并重新测算").click()  # no year's end in between any more
    page.get_by_label("金额上限（元）").fill(ceiling)
    page.get_by_role("button", name="保存并重新测算").click()
    expect(page.get_by_text("拟占用经费（元）")).to_be_visible()
    assert_sound(page)
    page.get_by_role("button", name="提交审批").click()
    expect(page.get_by_label("办理进度")).to_contain_text("教研组长")
    assert_sound(page)
    return page.url


def signed(page: Page, login: str, *, note: str = "") -> None:
    """Sign what waits first for this person, from their inbox."""
    enter(page, login)
    page.get_by_role("navigation", name="主导航").get_by_role("link", name="审批").click()
    assert_sound(page)
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    if note:
        page.get_by_label("意见").fill(note)
    page.get_by_role("button", name="同意", exact=True).click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_selection_passes_all_four_of_the_school(page: Page, site: Site) -> None:
    """R22: 教研组 → 教务 → 财务 → 校长; the last one opens the agreement."""
    address = f"/school/selections/{site.selection_id}"
    for role in (Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL):
        signed(page, role, note="同意选用" if role is Role.PRINCIPAL else "")
    page.goto(address)
    expect(page.get_by_label("办理进度")).to_contain_text("已通过")
    expect(page.get_by_label("办理进度")).to_contain_text("同意选用")
    assert_sound(page)
    page.get_by_role("link", name="2026-0001").click()
    expect(page.get_by_label("办理进度")).to_contain_text("协议生效")
    assert_sound(page)


def test_one_above_the_threshold_goes_to_the_bureau(page: Page, site: Site) -> None:
    """R22: from 50.00 yuan on; the bureau sees what it signs and opens the agreement."""
    address = requested(page, ceiling="60.00")
    for role in (Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL):
        enter(page, role)
        page.goto(address)
        page.get_by_role("button", name="同意", exact=True).click()
    expect(page.get_by_label("办理进度")).to_contain_text("教育局财务")
    signed(page, Role.BUREAU_FINANCE)
    expect(page.get_by_label("办理进度")).to_contain_text("已通过")
    assert_sound(page)


def test_a_refusal_needs_its_reason_and_shows_it(page: Page, site: Site) -> None:
    """R22: without one nothing happens; with one, who requested reads it."""
    address = f"/school/selections/{site.selection_id}"
    enter(page, Role.RESEARCH_LEAD)
    page.goto(address)
    page.get_by_role("button", name="驳回").click()
    expect(page.get_by_role("alert")).to_contain_text("请选择或填写理由")
    assert_sound(page)
    page.get_by_label("退回或驳回的理由").select_option("与本校已有资源重复。")
    page.get_by_label("意见").fill("请改用现有习题库")
    press(page, "驳回")
    enter(page, Role.TEACHER)
    page.goto(address)
    history = page.get_by_label("办理进度")
    expect(history).to_contain_text("已驳回")
    expect(history).to_contain_text("与本校已有资源重复。请改用现有习题库")


def test_a_delegate_signs_and_both_names_are_shown(page: Page, site: Site, units: Units) -> None:
    """R22: the head of the research group lets the deputy sign for some days."""
    enter(page, Role.RESEARCH_LEAD)
    page.goto("/school/approvals/delegations")
    page.get_by_label("代谁审批、以何身份").select_option(index=1)
    page.get_by_label("代签人").select_option(label="副职")
    today = units.clock.now().date()
    page.get_by_label("首日").fill(date(today.year, today.month, today.day).isoformat())
    page.get_by_label("末日").fill("2026-08-31")
    assert_sound(page)
    page.get_by_role("button", name="确认委托").click()
    expect(page.get_by_role("table")).to_contain_text("副职")
    assert_sound(page)
    signed(page, "deputy")
    expect(page.get_by_label("办理进度")).to_contain_text("副职（代")


def test_what_is_typed_is_kept(page: Page, site: Site) -> None:
    """A draft keeps itself: the page is left without a button, and nothing is lost."""
    enter(page, Role.TEACHER)
    page.goto("/school/resources")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="加入申请").click()
    with page.expect_response("**/school/resources/request/draft"):
        page.get_by_label("原因").fill("写到一半")
    page.goto("/school")
    page.goto("/school/resources/request")
    expect(page.get_by_label("原因")).to_have_value("写到一半")


def test_another_ceiling_another_term_and_giving_up_ask_first(page: Page, site: Site) -> None:
    enter(page, Role.SCHOOL_FINANCE)
    agreement = f"/school/agreements/{site.market.school.code}-A-1"
    for act in ("调整上限", "续用"):
        page.goto(agreement)
        assert_sound(page)
        page.get_by_role("link", name=act, exact=True).click()
        assert_sound(page)
    page.goto("/school/approvals/rules")
    assert_sound(page)
    page.goto("/school/selections")
    assert_sound(page)
