"""A month is paid in the browser: one proposes, another releases, and the vendor sees it arrive."""

import pytest
from playwright.sync_api import Page, expect

from kernel.actors import Role
from kernel.unit import Units
from market.bootstrap import TASKS
from settlement.payments.parties import know_payees
from tests.support.accounts import PASSWORD
from tests.support.browser import assert_sound, enter
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import Payables, payables, practice
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.browser


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, role, organisation in (
            ("maker", Role.BUREAU_FINANCE, found.market.bureau),
            ("checker", Role.BUREAU_FINANCE, found.market.bureau),
            ("vendor", Role.VENDOR_MANAGER, found.market.vendor),
        ):
            a_person(unit, organisation, [role], login=login, password=PASSWORD)
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    return found


def test_one_proposes_another_releases_and_the_vendor_sees_its_money(
    page: Page, units: Units, owed: Payables
) -> None:
    """R38: from what is due, by two people, to what came through."""
    enter(page, "maker")
    page.goto("/bureau/payments")
    expect(page.get_by_text("下一批次将付").first).to_be_visible()
    assert_sound(page)
    page.get_by_label("付至哪个账期的对账单").fill("2026-03")
    page.get_by_role("button", name="编制付款批次").click()
    expect(page.get_by_text("待放行").first).to_be_visible()
    expect(page.get_by_role("button", name="放行 17.42 元")).to_have_count(0)
    assert_sound(page)

    enter(page, "checker")
    page.get_by_role("link", name="付款批次 990121-P-2026-03-01 待放行").click()
    assert_sound(page)
    page.get_by_role("button", name="放行 17.42 元").click()
    expect(page.get_by_text("付款中").first).to_be_visible()
    TASKS["settlement.sweep_payments"](units)
    page.reload()
    expect(page.get_by_text("已付清").first).to_be_visible()
    assert_sound(page)

    enter(page, "vendor")
    page.get_by_role("link", name="收款", exact=True).click()
    expect(page.get_by_text("9.30").first).to_be_visible()
    assert_sound(page)
