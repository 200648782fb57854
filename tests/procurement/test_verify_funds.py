"""What `verify` finds when a line tells of other funds, days or closed years than there were."""

import re
from datetime import date

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    across,
    balances,
    closed,
    on,
    used,
)
from tests.support.settlement_builders import MARCH, SYSTEM, Market, a_use, at, deliver

APRIL, JANUARY = parse_month("2026-04"), parse_month("2027-01")
MONTHS = [
    *(parse_month(f"2026-{month:02d}") for month in (3, 4, 5, 6, 9, 10, 11, 12)),
    JANUARY,
]
OF_LINE = re.compile(", (?:use|adjustment) of ")
UNPAID = (
    "UPDATE statement_line SET uncovered_fen = drawn_fen, drawn_fen = 0, vendor_fen = 0, "
    "school_fen = 0, fee_fen = 0, retention_fen = 0"
)


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


@pytest.fixture
def stated(units: Units, clock: FixedClock, market: Market) -> Market:
    """March is stated: 6 uses, 6.00 drawn."""
    used(units, market, 6)
    clock.at = at(1, month=4)
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []
    return market


def plant(units: Units, *statements: str) -> list[str]:
    """Change stored rows although their triggers refuse it; return what verify finds of lines."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            unit.session.execute(text(statement))
    found = verify(units, SYSTEM)
    return [parts[-1] for parts in (OF_LINE.split(one) for one in found) if len(parts) > 1]


def test_use_paid_by_a_year_that_may_not_pay_is_named(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19: January's use was drawn from 2026, although nobody carried that line over."""
    clock.at = on(2026, 12, 1)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 2)
    line_2027 = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    clock.at = on(2027, 1, 31)
    rows = [a_use(units, market, f"january-{day}", on(2027, 1, day)) for day in range(1, 7)]
    deliver(units, rows, name="january.csv")
    clock.at = on(2027, 2, 5)
    wrong = "UPDATE funding_line SET lapses_on = '{}' WHERE fiscal_year = 2026"
    with units(SYSTEM) as unit:
        unit.session.execute(text(wrong.format(date(2027, 12, 31))))
    closed(units, market, *MONTHS)
    assert balances(units, [line_2027])[0].accrued_fen == 100  # of 6.00; 5.00 by 2026
    lapses = "2027-01: the day on which 2026 per_student lapses"
    assert {
        f"{lapses} is 2027-12-31, its sources give 2027-01-01",
        "2027-01: drawn on 2026 per_student is 5.00, its sources give 0.00",
        "2027-01: drawn on 2027 per_student is 1.00, its sources give 6.00",
    } <= set(plant(units, wrong.format(date(2027, 1, 1))))


def test_a_fund_that_a_line_does_not_name_is_named(units: Units, stated: Market) -> None:
    """R33, R50: the line says that there was no money, and drew none."""
    found = plant(
        units,
        "DELETE FROM statement_draw",
        UNPAID + ", explanation = jsonb_set(explanation::jsonb, '{funds}', '[]')",
    )
    assert (
        "2026-03: what was committed on 2026 per_student is not told, its sources give 100.00"
        in found
    )
    assert "2026-03: drawn_fen is 0.00, its sources give 6.00" in found


def test_a_year_that_a_line_calls_closed_while_it_was_open_is_named(
    units: Units, stated: Market
) -> None:
    """R37, R50: stated on 1 April 2026, when the books of 2026 were open."""
    found = plant(
        units,
        "DELETE FROM statement_draw",
        UNPAID + ", explanation = jsonb_set(explanation::jsonb, '{year_is_closed}', 'true')",
    )
    assert "2026-03: whether its year was closed is yes, its sources give no" in found
    assert "2026-03: drawn_fen is 0.00, its sources give 6.00" in found


@pytest.mark.parametrize(
    ("sealed_on", "is_named"), [(date(2027, 3, 31), False), (date(2027, 4, 1), True)]
)
def test_a_correction_stated_on_the_edge_of_the_close_may_say_either(
    units: Units, clock: FixedClock, stated: Market, sealed_on: date, is_named: bool
) -> None:
    """R37: sealed before midnight and stated after it, it was drafted on either side."""
    late = [a_use(units, stated, f"late-{day}", at(day)) for day in (8, 9)]
    deliver(units, late, name="late.csv")
    clock.at = at(1, month=5)
    settle(units, SYSTEM, APRIL)
    found = plant(
        units,
        "UPDATE statement SET stated_at = '2027-04-01 10:00+08' WHERE month = '2026-04-01'",
        f"UPDATE period SET sealed_at = '{sealed_on} 09:00+08' WHERE month = '2026-04-01'",
    )
    assert any("whether its year was closed is no" in one for one in found) == is_named


def test_a_vendors_balance_is_named_by_vendor_and_kind(units: Units, stated: Market) -> None:
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text(
                "INSERT INTO account (id, owner_id, book, kind, unit, balance) "
                "VALUES (gen_random_uuid(), :vendor, 'money', 'payable', 'CNY', 7)"
            ),
            {"vendor": stated.vendor.id},
        )
    (found,) = verify(units, SYSTEM)
    named = f"vendor {stated.vendor.code} {stated.vendor.name}"
    assert found == f"account payable of {named}: balance 0.07, its legs give 0.00"
