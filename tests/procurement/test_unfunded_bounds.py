"""How much unfunded use may be taken up, written off or credited, and that nothing is twice."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from kernel.clock import FixedClock
from kernel.errors import Conflict, NothingToSettle, WriteOffTooHigh
from kernel.unit import Units
from procurement.verification import verify
from settlement.agreement_ends import end_what_is_over, release_rests
from settlement.carrying import left_to_carry
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome
from settlement.early_use_models import UnfundedOutcome
from settlement.unfunded_decisions import answer_write_off
from tests.support.agreement_builders import balances, on
from tests.support.early_use_builders import Agreeing, entries, posted, stated
from tests.support.settlement_builders import SYSTEM, Market, a_market
from tests.support.unfunded_builders import (
    AUGUST,
    CLOSED,
    JULY,
    PAID,
    SEPTEMBER,
    closed_until_june,
    corrected_after_the_decision,
    decided,
    dispute_decided,
    money_of_2027,
    one_use_less,
    queue,
    taken_up,
    two_late_uses,
    who_agreed_and_used,
    written_off,
)


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market, clock: FixedClock) -> Agreeing:
    return who_agreed_and_used(units, market, clock)


# What a decision to pay is of


def test_a_decision_to_pay_from_the_carried_line_is_of_its_amount_and_no_more(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R35: 2.00 that join the queue later wait for a decision of their own."""
    line_id = money_of_2027(units, market, clock)
    closed_until_june(units)
    decided(units, market, agreeing, PAID)
    assert queue(units, agreeing) == [(400, 400, "next_close_pays")]
    two_late_uses(units, market)
    posted(units, market, JULY)
    assert taken_up(units, JULY) == [400]
    dispute_decided(units, agreeing, DisputeOutcome.DISMISSED)
    assert queue(units, agreeing) == [(200, 0, "bureau_decides")]
    with pytest.raises(NothingToSettle):
        settle(units, SYSTEM, AUGUST)
    decided(units, market, agreeing, PAID)
    posted(units, market, AUGUST)
    assert taken_up(units, AUGUST) == [200]
    assert balances(units, [line_id])[0].accrued_fen == 600
    assert verify(units, SYSTEM) == []


def test_nothing_is_left_of_a_decision_once_a_correction_and_the_close_took_all_of_it(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R35, R37: 4.00 decided, 3.00 owed and paid: the rest pays no use that came in later."""
    money_of_2027(units, market, clock)
    corrected_after_the_decision(units, market, agreeing)
    assert queue(units, agreeing) == [(200, 0, "bureau_decides")]
    with pytest.raises(NothingToSettle):
        settle(units, SYSTEM, SEPTEMBER)
    decided(units, market, agreeing, PAID)
    posted(units, market, SEPTEMBER)
    assert taken_up(units, SEPTEMBER) == [200]
    assert verify(units, SYSTEM) == []


@dataclass(frozen=True)
class Made:
    """A decision."""

    number: int
    outcome: str
    amount_fen: int

    @property
    def id(self) -> UUID:
        return UUID(int=self.number)


@pytest.mark.parametrize(
    ("decisions", "gone", "left"),
    [
        ([], [], 0),
        ([Made(1, "carried_over", 400)], [], 400),
        ([Made(1, "carried_over", 400)], [(2, 100)], 300),
        ([Made(2, "carried_over", 400)], [(1, 100)], 400),
        ([Made(1, "carried_over", 400), Made(2, "carried_over", 200)], [(3, 500)], 100),
        ([Made(1, "carried_over", 400), Made(3, "carried_over", 200)], [(2, 500)], 200),
        ([Made(1, "carried_over", 400), Made(3, "written_off", 300)], [(2, 100)], 0),
        (
            [
                Made(1, "carried_over", 400),
                Made(3, "written_off", 300),
                Made(4, "carried_over", 50),
            ],
            [(2, 100), (5, 20)],
            30,
        ),
    ],
)
def test_what_is_left_to_carry(
    decisions: list[Made], gone: list[tuple[int, int]], left: int
) -> None:
    """R25: what was decided less what went since; a write-off ends what was before it."""
    assert left_to_carry(decisions, [(UUID(int=one), fen) for one, fen in gone]) == left


def test_a_line_that_lapsed_meanwhile_pays_nothing(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R19, R25: carried over until June; July's close in July 2028 comes too late."""
    money_of_2027(units, market, clock, carry_until="06-30")
    closed_until_june(units)
    decided(units, market, agreeing, PAID)
    clock.at = on(2028, 7, 1)
    assert queue(units, agreeing) == [(400, 400, "bureau_decides")]
    with pytest.raises(NothingToSettle):
        settle(units, SYSTEM, JULY)
    written_off(units, market, agreeing)
    assert queue(units, agreeing) == []
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("outcome", [PAID, None])
def test_what_a_decision_relies_on_stays_committed(
    units: Units,
    market: Market,
    agreeing: Agreeing,
    clock: FixedClock,
    outcome: UnfundedOutcome | None,
) -> None:
    """R25, R23: decided to be paid or still to be decided; released once all of it is paid."""
    line_id = money_of_2027(units, market, clock)
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
    closed_until_june(units)
    if outcome:
        decided(units, market, agreeing, outcome)
    with units(SYSTEM) as unit:
        release_rests(unit)
    assert balances(units, [line_id])[0].committed_fen == 800
    if not outcome:
        decided(units, market, agreeing, PAID)
    posted(units, market, JULY)
    assert taken_up(units, JULY) == [400]
    with units(SYSTEM) as unit:
        assert release_rests(unit) == 1
    assert balances(units, [line_id])[0].committed_fen == 0
    assert verify(units, SYSTEM) == []


# Nothing is taken off twice


def test_a_write_off_of_more_than_is_unfunded_by_now_is_not_agreed_to(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R37: 4.00 are proposed; then January is corrected to 3.00."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    number = decided(units, market, agreeing)
    one_use_less(units, market)
    settle(units, SYSTEM, JULY)
    with pytest.raises(WriteOffTooHigh) as refused, units(agreeing.vendor) as unit:
        answer_write_off(unit, number, agrees=True)
    assert isinstance(refused.value, Conflict)
    assert refused.value.facts == {"number": number, "amount_yuan": "4.00", "left_yuan": "3.00"}
    with units(agreeing.vendor) as unit:
        answer_write_off(unit, number, agrees=False)
    written_off(units, market, agreeing)
    assert queue(units, agreeing) == []
    assert sum(fen for *_, fen in entries(units)) == 0
    assert verify(units, SYSTEM) == []


def test_a_correction_takes_off_nothing_that_was_written_off(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R37: all 4.00 are written off; that January was 3.00 then changes no bill."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    written_off(units, market, agreeing)
    one_use_less(units, market)
    settle(units, SYSTEM, JULY)
    assert stated(units, JULY) == [("2027-01", "adjustment", -100, 0, 0, 0)]
    assert queue(units, agreeing) == []
    assert verify(units, SYSTEM) == []


def test_a_credit_takes_off_nothing_that_was_written_off(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R41: of January's 6.00 4.00 are written off and one use is corrected: 1.00 is left."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    written_off(units, market, agreeing)
    two_late_uses(units, market)
    settle(units, SYSTEM, JULY)
    one_use_less(units, market)
    settle(units, SYSTEM, AUGUST)
    dispute_decided(units, agreeing, DisputeOutcome.UPHELD, credit_fen=200)
    assert verify(units, SYSTEM) == []
    assert queue(units, agreeing) == []


def test_a_credit_of_a_closed_years_late_use_leaves_the_memorandum_alone(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R37: 2.00 came after the close and never stood there; the 4.00 still wait."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    two_late_uses(units, market)
    settle(units, SYSTEM, JULY)
    dispute_decided(units, agreeing, DisputeOutcome.UPHELD, credit_fen=200)
    assert entries(units) == [("2027-01", "use", 400)]
    assert queue(units, agreeing) == [(400, 0, "bureau_decides")]
    assert verify(units, SYSTEM) == []
