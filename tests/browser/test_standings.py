"""A vendor in the browser: watched, told, suspended, and restored by its appeal."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from kernel.clock import parse_month
from kernel.unit import Units
from settlement.agreement_ends import end_what_is_over
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.ranking.looks import leave_when_over
from tests.support.browser import NARROW, WIDE, assert_sound, enter
from tests.support.ranking_builders import (
    APRIL,
    Contest,
    closed,
    lived,
    next_look,
    ranked,
    said,
    suspended,
    used,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import liked

pytestmark = pytest.mark.browser

MAY = parse_month("2026-05")


def look(page: Page, name: str) -> None:
    """Check a page, and keep its picture where somebody wants to look at it."""
    assert_sound(page)
    folder = os.environ.get("XUANYONG_PICTURES")
    if not folder:
        return
    for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
        page.set_viewport_size(size)
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size(WIDE)


def of_vendor(page: Page, contest: Contest) -> None:
    """Open the desk's page of the vendor that all schools find bad."""
    page.goto("/bureau/standings")
    page.get_by_role("link", name=contest.sellers[2].organisation.name).click()


def ranks(page: Page, month: str) -> None:
    """Rank a month at the desk."""
    page.goto("/bureau/standings")
    page.get_by_label("月份").select_option(month)
    page.get_by_role("button", name="排名").click()
    expect(page.get_by_text(f"最近一次：{month}")).to_be_visible()


def test_a_vendor_is_told_suspended_appeals_and_is_restored(page: Page, units: Units) -> None:
    """R43, R44, R45, R46."""
    page.set_default_timeout(20_000)
    contest = liked(units)
    said(units, contest, {0: 4}, schools=[3])
    enter(page, "reviewer-0")
    page.goto("/rankings")
    expect(page.get_by_text("还没有排名。")).to_be_visible()
    ranks(page, "2026-04")
    look(page, "standings-desk")
    of_vendor(page, contest)
    expect(page.get_by_text("正常", exact=True).first).to_be_visible()
    said(units, contest, {2: 1})
    wronged(units, contest, APRIL, 2)
    lived(units, contest, MAY)
    enter(page, "reviewer-0")
    ranks(page, "2026-05")
    read_in_public(page, contest)
    told_and_suspended(page, units, contest)
    appealed_and_restored(page, contest)


def test_a_vendor_is_let_go_and_its_schools_finish(page: Page, units: Units) -> None:
    """R44: the gates of an exit are on the page, it is signed, and left once nothing runs."""
    page.set_default_timeout(20_000)
    contest = suspended(units)
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    exit_at = page.locator("#next")
    expect(exit_at.get_by_role("heading", name="下一步：退出")).to_be_visible()
    expect(exit_at.get_by_text("未满足").first).to_be_visible()
    expect(exit_at.get_by_text("都由本局或下级局准入")).to_be_visible()
    expect(page.get_by_role("button", name="下一步")).to_have_count(0)
    look(page, "standing-exit-waits")
    next_look(units, contest)
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    page.get_by_label("原因").fill("整改无效，学期结束后退出")
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="签署：退出").click()
    expect(page.get_by_text("退出中", exact=True).first).to_be_visible()
    look(page, "standing-exiting")
    enter(page, "vendor-2")
    page.goto("/vendor/standing")
    expect(page.get_by_text("退出中").first).to_be_visible()
    page.goto("/rankings")
    expect(page.get_by_text("退出中").first).to_be_visible()
    units.clock.advance(timedelta(days=40))  # all agreements ended with the year
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 1
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    expect(page.get_by_text("已退出", exact=True).first).to_be_visible()
    look(page, "standing-left")


def read_in_public(page: Page, contest: Contest) -> None:
    """Read the ranking as a visitor: places, why, and the rules; no school is named."""
    page.context.clear_cookies()
    page.goto("/rankings")
    best = contest.sellers[0].organisation.name
    expect(page.locator("table.ranking tbody tr").first).to_contain_text(best)
    look(page, "rankings")
    page.get_by_role("link", name=best).click()
    expect(page.get_by_role("heading", name="得分的构成")).to_be_visible()
    expect(page.get_by_text("位有已结算使用的教师评价").first).to_be_visible()
    assert not any(school.name in page.content() for school in contest.schools)
    look(page, "ranking-why")
    page.get_by_role("link", name="怎么算").click()
    expect(page.get_by_text("S = 100 ×")).to_be_visible()
    look(page, "ranking-method")


def told_and_suspended(page: Page, units: Units, contest: Contest) -> None:
    """A reviewer gives notice; after a term without mending another one suspends."""
    enter(page, "reviewer-0")
    of_vendor(page, contest)
    expect(page.get_by_text("关注", exact=True).first).to_be_visible()
    look(page, "standing-watch")
    page.get_by_label("原因").fill("请逐项整改")
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_text("整改期一学期")).to_be_visible()
    page.get_by_role("button", name="签署：整改通知").click()
    expect(page.get_by_role("heading", name="整改通知")).to_be_visible()
    look(page, "standing-probation")
    for month in (parse_month("2026-10"), parse_month("2026-11")):
        lived(units, contest, month, {2: 1})
        ranked(units, month)
    units.clock.advance(timedelta(days=8))
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    page.get_by_label("原因").fill("期满未改善")
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="签署：暂停新增").click()
    expect(page.get_by_text("暂停新增", exact=True).first).to_be_visible()
    look(page, "standing-suspended")
    page.goto("/rankings")
    expect(page.get_by_text("暂停新增").first).to_be_visible()


def appealed_and_restored(page: Page, contest: Contest) -> None:
    """The vendor appeals; a third reviewer strikes the items out, and it is ranked again."""
    enter(page, "vendor-2")
    expect(page.get_by_text("（含当日）前可以申诉")).to_be_visible()
    look(page, "own-home")
    page.get_by_role("link", name="排名 1", exact=True).click()
    look(page, "own-standing")
    page.get_by_role("link", name="整改通知、期限与申诉").click()
    page.get_by_label("申诉理由").fill("这些评价并非使用者所写")
    for box in page.locator("input[name=contested]").all():
        box.check()
    look(page, "own-appeal")
    page.get_by_role("button", name="申诉").click()
    expect(page.get_by_text("待裁决")).to_be_visible()
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    expect(page.get_by_text("须由另一名评审人员办理")).to_be_visible()
    look(page, "standing-signer")
    expect(page.get_by_label("裁决", exact=True)).to_have_count(0)
    enter(page, "reviewer-2")
    expect(page.get_by_text("1 份对等级的申诉待裁决")).to_be_visible()
    look(page, "reviewer-home")
    of_vendor(page, contest)
    look(page, "standing-appeal")
    page.get_by_label("裁决", exact=True).select_option("yes")
    page.get_by_label("裁决理由").fill("核实评价者未实际使用")
    expect(page.get_by_text("被否认").first).to_be_visible()
    for box in page.locator("input[name=struck]").all():
        expect(box).not_to_be_checked()
        box.check()
    page.get_by_role("button", name="下一步").click()
    expect(page.get_by_text("以下证据将被剔除")).to_be_visible()
    look(page, "standing-verdict")
    page.get_by_role("button", name="裁定申诉").click()
    expect(page.get_by_text("申诉成立", exact=True).first).to_be_visible()
    expect(page.get_by_text("已撤销").first).to_be_visible()
    expect(page.get_by_text("正常", exact=True).first).to_be_visible()
    look(page, "standing-restored")
    page.goto("/rankings")
    expect(page.get_by_text("2026-11 第 2 次排名")).to_be_visible()
    page.goto(f"/rankings/vendors/{contest.sellers[2].organisation.code}?month=2026-11&run=1")
    expect(page.get_by_text("本次排名在此之前作出")).to_be_visible()
    look(page, "ranking-before-the-appeal")


def signs(page: Page, step: str, *, note: str) -> None:
    """Sign the next step of the standing that is open: asked once, then done."""
    page.get_by_label("原因").fill(note)
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name=f"签署：{step}").click()


def test_a_vendor_leaves_once_its_schools_finished_their_term(page: Page, units: Units) -> None:
    """R44: an exit after the days to appeal; who uses it goes on to the end, and is billed."""
    page.set_default_timeout(20_000)
    contest = suspended(units)
    enter(page, "reviewer-1")
    of_vendor(page, contest)
    expect(page.get_by_role("heading", name="下一步：退出")).to_be_visible()
    expect(page.get_by_label("原因")).to_have_count(0)  # its gates are not met yet
    next_look(units, contest)
    enter(page, "reviewer-1")  # a month went by
    of_vendor(page, contest)
    signs(page, "退出", note="整改期满仍未改善")
    expect(page.get_by_text("退出中", exact=True).first).to_be_visible()
    look(page, "standing-exiting")
    enter(page, "vendor-2")
    page.goto("/vendor/standing")
    expect(page.get_by_text("退出中", exact=True).first).to_be_visible()
    expect(page.get_by_role("heading", name="若以今日评定")).to_be_visible()
    look(page, "own-exiting")
    page.context.clear_cookies()
    page.goto("/rankings")
    page.get_by_role("link", name=contest.sellers[2].organisation.name).click()
    expect(page.get_by_text("正在执行的协议可用到期满")).to_be_visible()
    schools_finish(page, units, contest)


def schools_finish(page: Page, units: Units, contest: Contest) -> None:
    """Let the term run out: use, bill, a school's own confirmation, and the last step by itself."""
    december = parse_month("2026-12")
    used(units, contest, december)
    closed(units, december)
    enter(page, "head-0")
    page.goto("/school/statements/2026-12")
    expect(page.get_by_text(contest.sellers[2].organisation.name).first).to_be_visible()
    with units(SYSTEM) as unit:
        assert leave_when_over(unit) == 0, "the schools finish their term"
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            confirm_lines(unit, school.id, december)
    settle(units, SYSTEM, december)
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 1
    enter(page, "reviewer-0")
    of_vendor(page, contest)
    expect(page.get_by_text("已退出", exact=True).first).to_be_visible()
    expect(page.get_by_text("学校均已用完").first).to_be_visible()
    look(page, "standing-left")
    page.goto("/bureau/standings?state=left")
    expect(page.get_by_text(contest.sellers[2].organisation.name)).to_be_visible()
