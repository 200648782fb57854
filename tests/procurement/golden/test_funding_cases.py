"""Golden cases of a line's year, worked by hand: top-up, December, year's end, money coming back.

The school has 200 primary pupils in spring, 650 yuan each a year, 5 % of it for digital resources:
½ · 200 · 650 + ½ · 200 · 650 = 130,000.00 yuan, · 0.05 = 6,500.00 yuan = 650,000 fen. (The cases of
the formula itself stand beside this file as JSON, each with its arithmetic.)
"""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from kernel.actors import system_actor
from kernel.clock import SHANGHAI, FixedClock
from kernel.identity.models import NATION
from kernel.unit import Units
from procurement.funding.funding_rules import FundingRuleRow, record_funding_rule
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import propose_lines
from procurement.funding.quotas import QuotaRow, record_quotas
from procurement.funding.year_end_rules import (
    Commitments,
    YearEnd,
    YearEndRuleRow,
    record_year_end_rule,
)
from procurement.funding.year_ends import close_year
from procurement.queries import budget_boards
from procurement.verification import verify
from settlement.budget_models import LineEnd
from settlement.budgets import BudgetView, budgets
from settlement.funding_lines import LineBalance
from settlement.models import StatementDraw, StatementLine
from settlement.retention import forfeit_retention
from tests.support.funding_builders import (
    COUNTY,
    SCHOOL,
    CountyBuilder,
    a_county,
    a_selection,
)
from tests.support.worlds import a_world
from tests.support.year_builders import settled, used

SYSTEM = system_actor("test")
BOOKS_CLOSED = datetime(2027, 3, 31, 16, tzinfo=UTC)
"""Midnight after 31 March in Shanghai, the last day on which the books of 2026 are open."""


def at(year: int, month: int, day: int, hour: int = 9) -> datetime:
    return datetime(year, month, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


def balance_of(county: CountyBuilder, *, year: int = 2026) -> LineBalance:
    with county.units(SYSTEM) as unit:
        (board,) = budget_boards(unit, fiscal_year=year)
    return board.total


def budget_of(county: CountyBuilder) -> BudgetView:
    with county.units(SYSTEM) as unit:
        return next(one for one in budgets(unit, fiscal_year=2026) if one.source == "per_student")


def end(county: CountyBuilder, year: int = 2026) -> tuple[int, int, int, int]:
    """Close the year; return how many lines lapsed, were carried, wait, and the fen that lapsed."""
    with county.units(county.actor("bureau")) as unit:
        plan = close_year(unit, fiscal_year=year)
    return plan.lapsed, plan.carried, plan.waiting, plan.total_fen("lapsed_fen")


@pytest.fixture
@a_world
def december(units: Units, clock: FixedClock) -> CountyBuilder:
    """650,000 fen issued, 10,000 of them committed for November and December; 0.50 yuan a use."""
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=200)
    county.listed("maths-1", price="0.5000")
    county.issue()
    county.select(
        a_selection(starts_on=date(2026, 11, 1), ends_on=date(2026, 12, 31), ceiling_fen=10_000)
    )
    county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}")
    assert balance_of(county) == LineBalance(640_000, 10_000)
    clock.at = at(2027, 1, 5)
    used(county, at(2026, 12, 30), at(2026, 12, 30, 10), at(2026, 12, 31, 23))
    return county


def test_a_quota_raised_in_august_for_the_spring_term_is_topped_up(
    units: Units, clock: FixedClock
) -> None:
    """R16, R37: announced on 3 August 2026, in force from 1 March: 720 yuan in place of 650.

    Issued in spring: (½ · 200 · 650 + ½ · 200 · 650) · 0.05 = 6,500.00.
    Worth now:        (½ · 200 · 720 + ½ · 200 · 720) · 0.05 = 7,200.00.
    The top-up is 7,200.00 − 6,500.00 = 700.00 yuan; the row of spring stays as it was.
    """
    clock.at = at(2026, 3, 16)
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=200)
    assert county.issue().amount_fen == 650_000

    clock.at = at(2026, 8, 3)
    with units(SYSTEM) as unit:
        raised = QuotaRow(
            region_code=NATION,
            stage="primary",
            kind="base",
            valid_from=date(2026, 3, 1),
            amount_fen=72_000,
            source="八月公布，自春季学期起执行",
            verified=True,
        )
        record_quotas(unit, [raised])
    summary = county.issue()
    assert (summary.topped_up, summary.amount_fen) == (1, 70_000)
    assert balance_of(county).allocated_fen == 720_000
    assert verify(units, SYSTEM) == []


def test_a_share_that_the_bureau_holds_goes_on_the_bureaus_line(units: Units) -> None:
    """R17: 200 · 650 · 0.05 = 6,500.00 of one school and 60 · 650 · 0.05 = 1,950.00 of another.

    Both on the county bureau's one line, 8,450.00 yuan; nothing on the schools' own.
    """
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.school("3299010002")
    county.counted(pupils=200)
    county.counted("3299010002", pupils=60)
    with units(county.actor("operator")) as unit:
        rule = FundingRuleRow(
            region_code=COUNTY,
            valid_from=date(2026, 1, 1),
            floor_pupils=100,
            short_stage="primary",
            digital_share=Decimal("0.05"),
            share_minimum=Decimal("0.02"),
            share_maximum=Decimal("0.10"),
            holder="bureau",
            origin="青教〔2026〕3号：数字资源经费由县教育局统筹",
        )
        assert record_funding_rule(unit, rule)
    summary = county.issue()
    assert (summary.issued, summary.amount_fen) == (2, 845_000)
    with units(SYSTEM) as unit:
        assert [board.total.allocated_fen for board in budget_boards(unit, fiscal_year=2026)] == [
            0,
            0,
        ]
        held = unit.session.execute(
            text(
                "SELECT o.code, a.balance FROM account a JOIN funding_line f ON f.id = a.owner_id "
                "JOIN organisation o ON o.id = f.payer_id WHERE a.kind = 'available'"
            )
        ).all()
    assert held == [(COUNTY, 845_000)]
    county.counted(pupils=180, as_of=date(2026, 3, 20))
    with units(county.actor("bureau")) as unit:
        number = propose_lines(unit, fiscal_year=2026, takes_back=True)
    with units(county.actor("checker")) as unit:
        taken = issue_proposal(unit, number).amount_fen
    assert taken == -20 * 65_000 * 5 // 100, "a school's share is taken back from the same line"
    assert verify(units, SYSTEM) == []


def test_both_terms_go_by_the_census_of_the_last_autumn_where_the_rule_says_so(
    units: Units,
) -> None:
    """R19: 180 pupils in autumn 2025, 200 in spring 2026.

    By each term's own census: ½ · 200 · 650 + ½ · 200 (spring stands in) · 650, · 0.05 = 6,500.00.
    By last autumn's: 180 · 650 · 0.05 = 5,850.00.
    """
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=180, basis="autumn", as_of=date(2025, 9, 1))
    county.counted(pupils=200)
    with units(county.actor("operator")) as unit:
        rule = FundingRuleRow(
            region_code=COUNTY,
            valid_from=date(2026, 1, 1),
            floor_pupils=100,
            short_stage="primary",
            digital_share=Decimal("0.05"),
            share_minimum=Decimal("0.02"),
            share_maximum=Decimal("0.10"),
            headcount="last_autumn",
            origin="青教〔2026〕3号：按上年秋季学年初报表核定",
        )
        assert record_funding_rule(unit, rule)
    assert county.issue().amount_fen == 585_000


def test_a_december_use_settled_in_january_is_paid_by_its_own_year(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """R19: three uses of December at 0.50 = 1.50 yuan, stated and posted in January 2027.

    The line of 2026: committed 100.00 − 1.50 = 98.50, accrued 1.50, available 6,400.00.
    After 31 March 2027: 98.50 is freed, 6,400.00 + 98.50 = 6,498.50 go back to the treasury.
    """
    settled(december, "2026-12")
    assert balance_of(december) == LineBalance(640_000, 9_850, 150)
    clock.at = BOOKS_CLOSED
    assert end(december) == (1, 0, 0, 649_850)
    assert balance_of(december) == LineBalance(0, 0, 150)
    budget = budget_of(december)
    assert (budget.allocated_fen, budget.treasury_fen) == (150, 649_850)
    assert budget.approved_fen == (
        budget.unallocated_fen + budget.allocated_fen + budget.treasury_fen
    )
    assert end(december) == (0, 0, 0, 0), "safe to repeat"
    assert verify(december.units, SYSTEM) == []


def test_what_is_stated_and_not_posted_stays_committed_when_the_line_lapses(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """1.50 yuan are stated but disputed or unconfirmed when the books close.

    6,400.00 + (100.00 − 1.50) = 6,498.50 lapse, 1.50 stay committed; posted later, they are drawn.
    """
    settled(december, "2026-12", confirmed=False)
    clock.at = BOOKS_CLOSED
    assert end(december) == (1, 0, 0, 649_850)
    assert balance_of(december) == LineBalance(0, 150)
    assert verify(december.units, SYSTEM) == []
    settled(december, "2026-12")
    assert balance_of(december) == LineBalance(0, 0, 150)
    assert end(december) == (0, 0, 0, 0)
    assert verify(december.units, SYSTEM) == []


def test_a_line_waits_until_its_last_month_is_settled(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """Nothing is lost: December's use may still draw, so nothing lapses before it is stated."""
    clock.at = BOOKS_CLOSED
    assert end(december) == (0, 0, 1, 0)
    assert balance_of(december) == LineBalance(640_000, 10_000)
    settled(december, "2026-12")
    assert end(december) == (1, 0, 0, 649_850)
    assert verify(december.units, SYSTEM) == []


def a_rule(county: CountyBuilder, **facts: str) -> None:
    row = YearEndRuleRow(
        region_code=COUNTY,
        source="per_student",
        valid_from=date(2026, 1, 1),
        origin="青财〔2026〕9号",
        **facts,
    )
    with county.units(county.actor("bureau")) as unit:
        assert record_year_end_rule(unit, row)


def test_a_line_is_carried_over_with_its_commitments_and_then_lapses(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """R19: carried until 30 June 2027, commitments with it: 6,400.00 + 98.50 stay on the line.

    The books of 2027, in which it last paid, close on 31 March 2028; then 6,498.50 lapse.
    """
    a_rule(
        december,
        outcome=YearEnd.CARRY_OVER,
        carry_until="06-30",
        commitments=Commitments.CARRIED,
    )
    settled(december, "2026-12")
    clock.at = BOOKS_CLOSED
    assert end(december) == (0, 1, 0, 0)
    assert balance_of(december) == LineBalance(640_000, 9_850, 150)
    with december.units(SYSTEM) as unit:
        (board,) = budget_boards(unit, fiscal_year=2026)
        assert board.lines[0].lapses_on == date(2027, 7, 1)
    assert end(december) == (0, 0, 0, 0), "carried over once"

    clock.at = datetime(2028, 3, 31, 16, tzinfo=UTC)
    assert end(december, 2027) == (1, 0, 0, 649_850)
    with december.units(SYSTEM) as unit:
        ends = unit.session.scalars(select(LineEnd).order_by(LineEnd.position)).all()
        assert [(one.outcome, one.closed_year, one.freed_fen) for one in ends] == [
            ("carried", 2026, 0),
            ("lapsed", 2027, 9_850),
        ]
    assert verify(december.units, SYSTEM) == []


def test_a_line_that_is_carried_over_pays_for_use_within_the_grant_alone(
    units: Units, clock: FixedClock
) -> None:
    """R19: carried until 30 June 2027. May is committed on it, July is not."""
    county = a_county(units)
    county.issue()
    a_rule(
        county, outcome=YearEnd.CARRY_OVER, carry_until="06-30", commitments=Commitments.RELEASED
    )
    clock.at = BOOKS_CLOSED
    assert end(county) == (0, 1, 0, 0)
    within = a_selection("S-1", starts_on=date(2027, 5, 1), ends_on=date(2027, 5, 31))
    beyond = a_selection("S-2", starts_on=date(2027, 6, 1), ends_on=date(2027, 7, 1))
    county.select(within, beyond)
    signed = county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}")
    assert balance_of(county) == LineBalance(600_000, 50_000)
    county.sign_as(f"principal-{SCHOOL}")
    assert balance_of(county) == LineBalance(600_000, 50_000)
    assert signed


def test_money_that_comes_back_in_the_same_year_is_on_its_line_again(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """R41: of the 1.50 posted, 5 % = 0.08 (half to even, by largest remainder) are held back.

    Forfeited while the books are open: accrued 1.50 − 0.08 = 1.42, available 6,400.00 + 0.08.
    """
    settled(december, "2026-12")
    forfeit(december)
    held = 150 - balance_of(december).accrued_fen
    assert held in {7, 8}
    assert balance_of(december) == LineBalance(640_000 + held, 9_850, 150 - held)
    assert verify(december.units, SYSTEM) == []


def test_money_that_comes_back_in_the_next_year_goes_to_the_treasury(
    december: CountyBuilder, clock: FixedClock
) -> None:
    """R41: the same after the line lapsed: what is forfeited then is no longer the school's."""
    settled(december, "2026-12")
    clock.at = BOOKS_CLOSED
    assert end(december) == (1, 0, 0, 649_850)
    forfeit(december)
    held = balance_of(december).available_fen
    assert held in {7, 8}
    assert end(december) == (1, 0, 0, held)
    assert balance_of(december) == LineBalance(0, 0, 150 - held)
    assert budget_of(december).treasury_fen == 649_850 + held
    assert verify(december.units, SYSTEM) == []


def forfeit(county: CountyBuilder) -> None:
    with county.units(SYSTEM) as unit:
        (line_id,) = unit.session.scalars(select(StatementLine.id)).all()
        assert unit.session.scalars(select(StatementDraw.amount_fen)).all() == [150]
    with county.units(county.actor("bureau")) as unit:
        forfeit_retention(unit, line_id, because="资源下架")
