"""The way back in the browser: a vendor that left applies, is refused once, and begins anew."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from kernel.unit import Units
from settlement.ranking.config import RETURN_DAYS
from tests.browser.test_standings import look, of_vendor
from tests.support.browser import enter
from tests.support.ranking_builders import BAD, Contest, departed, standing_of

pytestmark = pytest.mark.browser


def applies(page: Page, claim: str) -> None:
    """Apply to return on the vendor's own page."""
    enter(page, f"vendor-{BAD}")
    page.goto("/vendor/standing")
    page.locator("main h2 a").first.click()
    page.get_by_label("退出后的改进").fill(claim)
    page.get_by_role("button", name="申请重新加入").click()
    expect(page.get_by_text(claim).first).to_be_visible()
    expect(page.get_by_text("待裁定").first).to_be_visible()


def decides(page: Page, contest: Contest, who: int, answer: str, note: str) -> None:
    """Decide the application on the desk, as one of the reviewers."""
    enter(page, f"reviewer-{who}")
    of_vendor(page, contest)
    page.get_by_label("裁决", exact=True).select_option(answer)
    page.get_by_label("裁决理由").fill(note)
    look(page, f"return-asked-{who}")
    page.get_by_role("button", name="裁定申请").click()


def test_a_vendor_that_left_applies_and_begins_anew(page: Page, units: Units) -> None:
    """R43, R44: not before its day, not by who signed its going, and as a newcomer."""
    page.set_default_timeout(20_000)
    contest = departed(units)
    enter(page, f"vendor-{BAD}")
    page.goto("/vendor/standing")
    page.locator("main h2 a").first.click()
    day = standing_of(units, contest).since + timedelta(days=RETURN_DAYS)
    expect(page.get_by_text(f"自 {day} 起可申请重新加入")).to_be_visible()
    expect(page.get_by_role("button", name="申请重新加入")).to_have_count(0)
    look(page, "return-waits")
    units.clock.advance(timedelta(days=RETURN_DAYS))

    applies(page, "更换了内容团队")
    expect(page.get_by_role("button", name="申请重新加入")).to_have_count(0)  # one at a time
    enter(page, "reviewer-0")  # who signed the notice
    of_vendor(page, contest)
    expect(page.get_by_text("须由另一名评审人员办理")).to_be_visible()
    expect(page.get_by_label("裁决", exact=True)).to_have_count(0)
    look(page, "return-signer")
    decides(page, contest, 2, "no", "整改材料不足")
    expect(page.get_by_text("整改材料不足").first).to_be_visible()
    assert standing_of(units, contest).state == "left"

    applies(page, "补交了整改材料")
    decides(page, contest, 2, "yes", "已核实整改材料")
    expect(page.get_by_text("新入驻", exact=True).first).to_be_visible()
    look(page, "return-granted")
    enter(page, f"vendor-{BAD}")
    page.goto("/vendor/standing")
    expect(page.get_by_text("新入驻", exact=True).first).to_be_visible()
    page.locator("main h2 a").first.click()
    expect(page.get_by_text("已核实整改材料").first).to_be_visible()
    look(page, "own-returned")
