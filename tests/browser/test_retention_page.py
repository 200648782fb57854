"""A vendor looks at its quality retention: what is held, until when, what became of it."""

import pytest
from playwright.sync_api import Page, expect

from kernel.actors import Role
from kernel.clock import parse_month
from kernel.unit import Units
from settlement.closing import settle
from settlement.retention import find_retained_line, forfeit_retention, release_all_due
from tests.support.accounts import PASSWORD
from tests.support.browser import assert_sound, enter
from tests.support.builders import a_person
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("market")]

MAY = parse_month("2026-05")


@pytest.fixture
def market(units: Units) -> Market:
    """Three posted months: March is released, April forfeited, May held."""
    market = a_market(units, terms={"retention_months": 4})
    for month in (MARCH, APRIL, MAY):
        rows = [
            a_use(units, market, f"{month}-{n}", at(2, 8, n, month=month.month))
            for n in range(10 * month.month)
        ]
        deliver(units, rows, name=str(month))
        settle(units, SYSTEM, month)
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)
    release_all_due(units, SYSTEM)
    with units(SYSTEM) as unit:
        finance = a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="F-1")
        a_person(unit, market.vendor, [Role.VENDOR_MANAGER], login="vendor", password=PASSWORD)
        april = find_retained_line(unit, "2199000001-A-1", APRIL)
    with units(finance) as unit:
        forfeit_retention(unit, april, because="资源长期不能打开")
    return market


def cells(page: Page, month: str) -> list[str]:
    row = page.get_by_role("row").filter(has_text=month)
    return [text.strip() for text in row.get_by_role("cell").all_inner_texts()]


def test_a_vendor_sees_what_is_held_until_when_and_what_became_of_it(page: Page) -> None:
    """R63: from the home page's sum to each month's retention, on a wide and a narrow screen."""
    enter(page, "vendor")
    page.get_by_role("definition").filter(has_text="0.83").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("质量保证金")
    assert cells(page, "2026-05")[-4:] == ["0.83", "0.00", "0.00", "扣留中"]
    assert cells(page, "2026-04")[-4:] == ["0.00", "0.00", "0.66", "已扣收"]
    assert cells(page, "2026-03")[-4:] == ["0.00", "0.50", "0.00", "已退还"]
    expect(page.get_by_text("下一笔 2026-10-01 起退还")).to_be_visible()
    assert_sound(page)
