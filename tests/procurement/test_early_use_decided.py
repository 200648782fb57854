"""Use that no money came for before its year was closed, and what `verify` finds (R25, R35)."""

from datetime import date
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    Conflict,
    NoCarriedLine,
    ReasonRequired,
    Refused,
    YearStillOpen,
)
from kernel.unit import Units
from procurement.funding.year_end_rules import YearEndRuleRow, record_year_end_rule
from procurement.funding.year_ends import close_year
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_ends import end_what_is_over, release_rests
from settlement.closing import settle
from settlement.early_use_models import UnfundedOutcome
from settlement.queries.unfunded import unfunded
from settlement.unfunded_decisions import (
    answer_write_off,
    decide_unfunded,
    write_offs_of_vendor,
)
from tests.support.agreement_builders import a_line_of_2027, balances, on
from tests.support.early_use_builders import (
    JANUARY,
    Agreeing,
    a_used_january,
    both_agree,
    entries,
    posted,
    stated,
    who_agree,
)
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
)

FEBRUARY, JULY = parse_month("2027-02"), parse_month("2027-07")


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market) -> Agreeing:
    return who_agree(units, market)


def test_money_that_comes_after_the_agreements_end_pays_what_was_used(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R19: over since June, 4.00 of its 8.00 used: 4.00 are committed and paid in July."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    clock.at = on(2027, 7, 5)
    with units(SYSTEM) as unit:
        assert end_what_is_over(unit) >= 1
    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
        assert commit_waiting(unit) == 0
    assert balances(units, [line_id])[0].committed_fen == 400
    clock.at = on(2027, 8, 5)
    for month in range(2, 7):
        settle(units, SYSTEM, parse_month(f"2027-0{month}"))
    with units(SYSTEM) as unit:
        release_rests(unit)
    assert (
        balances(units, [line_id])[0].accrued_fen + balances(units, [line_id])[0].committed_fen
        == 400
    )
    posted(units, market, FEBRUARY)
    assert stated(units, FEBRUARY) == [("2027-01", "take_up", 0, 0, -400, 400)]
    assert verify(units, SYSTEM) == []


# After the year's close


def a_closed_year(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> SimpleNamespace:
    """4.00 of January 2027 for which no money came while the books of 2027 were open."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    number = f"{market.school.code}-X-1"
    with pytest.raises(YearStillOpen), units(agreeing.maker) as unit:
        decide_unfunded(
            unit, number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason="财力不足"
        )
    return SimpleNamespace(number=number)


def test_after_the_close_it_is_written_off_if_the_vendor_agrees(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25: never the next year's money; a bureau proposes with its reason, the vendor agrees."""
    of = a_closed_year(units, market, agreeing, clock)
    clock.at = on(2028, 4, 1)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 0
    with units(agreeing.maker) as unit:
        assert [row.standing for row in unfunded(unit)] == ["bureau_decides"]
        with pytest.raises(ReasonRequired):
            decide_unfunded(
                unit, of.number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason=" "
            )
        with pytest.raises(NoCarriedLine):
            decide_unfunded(
                unit, of.number, JANUARY, outcome=UnfundedOutcome.CARRIED_OVER, reason="有"
            )
        first = decide_unfunded(
            unit, of.number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason="财力不足"
        )
        with pytest.raises(Conflict):
            decide_unfunded(
                unit, of.number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason="再"
            )
    for nobody in (agreeing.maker, market.finance):
        with pytest.raises(Refused), units(nobody) as unit:
            answer_write_off(unit, first, agrees=True)
    with units(agreeing.vendor) as unit:
        answer_write_off(unit, first, agrees=False)
        with pytest.raises(Conflict):
            answer_write_off(unit, first, agrees=True)
    with units(agreeing.maker) as unit:
        assert [row.unfunded_fen for row in unfunded(unit)] == [400]
        second = decide_unfunded(
            unit, of.number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason="双方协商"
        )
    with units(agreeing.vendor) as unit:
        answer_write_off(unit, second, agrees=True)
        assert [one.state for one in write_offs_of_vendor(unit)] == ["in_force", "refused"]
    with units(agreeing.maker) as unit:
        assert unfunded(unit) == []
    assert entries(units)[-1] == ("2027-01", "write_off", -400)
    assert verify(units, SYSTEM) == []


def test_after_the_close_the_same_years_carried_line_pays_if_the_bureau_says_so(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R19: 2027's money comes in March 2028 and is carried over with its commitments.

    So is, by the same rule, the rest of 2026, which would pay for January: it is not drawn from.
    """
    of = a_closed_year(units, market, agreeing, clock)
    clock.at = on(2028, 3, 20)
    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
        record_year_end_rule(
            unit,
            YearEndRuleRow(
                region_code=market.bureau.region_code,
                source="per_student",
                valid_from=date(2026, 1, 1),
                outcome="carry_over",
                carry_until="12-31",
                commitments="carried",
                origin="文件",
            ),
        )
    clock.at = on(2028, 4, 2)
    for month in (2, 3, 4, 5, 6):
        settle(units, SYSTEM, parse_month(f"2027-0{month}"))
    assert stated(units, FEBRUARY) == []
    with units(SYSTEM) as unit:
        close_year(unit, fiscal_year=2027)
    with units(agreeing.maker) as unit:
        decide_unfunded(
            unit, of.number, JANUARY, outcome=UnfundedOutcome.CARRIED_OVER, reason="专款到位"
        )
        assert [row.standing for row in unfunded(unit)] == ["next_close_pays"]
        with pytest.raises(Conflict):
            decide_unfunded(
                unit, of.number, JANUARY, outcome=UnfundedOutcome.WRITTEN_OFF, reason="否"
            )
    posted(units, market, JULY)
    assert stated(units, JULY) == [("2027-01", "take_up", 0, 0, -400, 400)]
    assert balances(units, [line_id])[0].accrued_fen == 400
    with units(agreeing.maker) as unit:
        assert unfunded(unit) == []
    assert verify(units, SYSTEM) == []


# Proof


def test_a_planted_difference_in_a_memorandum_is_named(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R50."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(text("UPDATE memorandum_entry SET amount_fen = 399"))
    (found,) = verify(units, SYSTEM)
    assert found == (
        f"memorandum {market.school.code}-X-1 2027, use 2027-01 of 2027-01: 3.99 entered, its "
        "documents give 4.00"
    )


def test_a_line_that_takes_up_otherwise_is_named(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R35, R50: what is drawn is made once more from what waited and what the funds had."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        commit_waiting(unit)
    clock.at = on(2027, 3, 1)
    settle(units, SYSTEM, FEBRUARY)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text(
                "UPDATE statement_line SET uncovered_fen = -300, drawn_fen = 300, vendor_fen = 300 "
                "WHERE kind = 'take_up'"
            )
        )
    found = verify(units, SYSTEM)
    assert any(
        "take_up of 2027-01: drawn_fen is 3.00, its sources give 4.00" in one for one in found
    )
