"""How much unfunded use may be taken up, written off or credited, and that nothing is twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

import settlement.adjusting
import settlement.drafting
import settlement.taking_up
from kernel.clock import FixedClock, Month, parse_month
from kernel.errors import Conflict, NothingToSettle, WriteOffTooHigh
from kernel.ids import FundingLineId
from kernel.unit import Units
from procurement.funding.year_end_rules import YearEndRuleRow, record_year_end_rule
from procurement.funding.year_ends import close_year
from procurement.waiting_years import commit_waiting
from settlement.agreement_ends import end_what_is_over, release_rests
from settlement.carrying import left_to_carry
from settlement.closing import settle
from settlement.dispute_models import Dispute
from settlement.dispute_rules import DisputeOutcome
from settlement.disputes import decide_dispute
from settlement.models import Agreement
from settlement.periods import seal_periods
from settlement.queries.unfunded import unfunded
from settlement.unfunded_decisions import UnfundedOutcome, answer_write_off, decide_unfunded
from settlement.verify.recompute import verify
from tests.support.agreement_builders import a_line_of_2027, across, balances, on
from tests.support.early_use_builders import (
    JANUARY,
    Agreeing,
    both_agree,
    entries,
    posted,
    stated,
    who_agree,
)
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, deliver

FEBRUARY, JULY, AUGUST = (parse_month(f"2027-{month}") for month in ("02", "07", "08"))
PAID, WRITTEN_OFF = UnfundedOutcome.CARRIED_OVER, UnfundedOutcome.WRITTEN_OFF
NEAR, CLOSED = on(2027, 1, 5), on(2028, 4, 2)
"""When two uses are near each other; a day on which the books of 2027 are closed."""


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market, clock: FixedClock) -> Agreeing:
    """Both agree; a January of 4.00 of which nothing was covered, posted.

    Two of its uses lie 40 s apart.
    """
    agreeing = who_agree(units, market)
    both_agree(units, agreeing)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 31)
    late(
        units, market, [on(2027, 1, 2), on(2027, 1, 3), NEAR, NEAR + timedelta(seconds=40)], "uses"
    )
    clock.at = on(2027, 2, 1)
    posted(units, market, JANUARY)
    return agreeing


def the_number(market: Market) -> str:
    return f"{market.school.code}-X-1"


def money_of_2027(
    units: Units, market: Market, clock: FixedClock, *, carry_until: str = "12-31"
) -> FundingLineId:
    """2027's line comes in June and is carried over with its commitments; 2027 is closed."""
    clock.at = on(2027, 6, 20)
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
                carry_until=carry_until,
                commitments="carried",
                origin="文件",
            ),
        )
    clock.at = CLOSED
    return line_id


def closed_until_june(units: Units, *, ends_year: bool = True) -> None:
    for month in range(2, 7):
        settle(units, SYSTEM, parse_month(f"2027-0{month}"))
    if ends_year:
        with units(SYSTEM) as unit:
            close_year(unit, fiscal_year=2027)


def decided(
    units: Units, market: Market, agreeing: Agreeing, outcome: UnfundedOutcome = WRITTEN_OFF
) -> str:
    with units(agreeing.maker) as unit:
        return decide_unfunded(
            unit, the_number(market), JANUARY, outcome=outcome, reason="双方协商"
        )


def written_off(units: Units, market: Market, agreeing: Agreeing) -> None:
    number = decided(units, market, agreeing)
    with units(agreeing.vendor) as unit:
        answer_write_off(unit, number, agrees=True)


def late(units: Units, market: Market, times: Sequence[datetime], name: str = "late") -> None:
    deliver(
        units,
        [a_use(units, market, f"{name}-{at.isoformat()}", at) for at in times],
        name=name,
    )


def two_late_uses(units: Units, market: Market) -> None:
    late(units, market, [on(2027, 1, 20), on(2027, 1, 21)])


def the_dispute(units: Units) -> UUID:
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(Dispute.id)).one()


def dispute_decided(
    units: Units, agreeing: Agreeing, outcome: DisputeOutcome, *, credit_fen: int = 0
) -> None:
    dispute_id = the_dispute(units)
    with units(agreeing.checker) as unit:
        decide_dispute(unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note="核实")


def queue(units: Units, agreeing: Agreeing) -> list[tuple[int, int, str]]:
    """Return (unfunded, of it to be paid from the carried line, standing) of each month."""
    with units(agreeing.maker) as unit:
        return [(row.unfunded_fen, row.carried_fen, row.standing) for row in unfunded(unit)]


def taken_up(units: Units, month: Month) -> list[int]:
    return [line[5] for line in stated(units, month) if line[1] == "take_up"]


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
    ("decisions", "taken", "left"),
    [
        ([], [], 0),
        ([Made(1, "carried_over", 400)], [], 400),
        ([Made(1, "carried_over", 400)], [(2, 100)], 300),
        ([Made(2, "carried_over", 400)], [(1, 100)], 400),
        ([Made(1, "carried_over", 400), Made(2, "carried_over", 200)], [(3, 500)], 100),
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
    decisions: list[Made], taken: list[tuple[int, int]], left: int
) -> None:
    """R25: what was decided less what was taken up since; a write-off ends what was before it."""
    assert left_to_carry(decisions, [(UUID(int=one), fen) for one, fen in taken]) == left


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


def one_use_less(units: Units, market: Market) -> None:
    """A use between the two that lie 40 s apart: all three count as one."""
    late(units, market, [NEAR + timedelta(seconds=20)])


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


# Proof


def test_verify_names_what_was_taken_up_after_the_close_without_a_decision(
    units: Units,
    market: Market,
    agreeing: Agreeing,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R35, R50: what a line says it could take up is not believed."""
    money_of_2027(units, market, clock)
    with units(SYSTEM) as unit:
        close_year(unit, fiscal_year=2027)
    with monkeypatch.context() as broken:
        broken.setattr(settlement.taking_up, "are_books_closed", lambda *_: False)
        settle(units, SYSTEM, FEBRUARY)
    assert taken_up(units, FEBRUARY) == [400]
    found = verify(units, SYSTEM)
    assert found[0].endswith(
        "take_up of 2027-01: what could be taken up is 4.00, its sources give 0.00"
    )


def test_verify_names_what_was_taken_up_although_it_was_written_off(
    units: Units,
    market: Market,
    agreeing: Agreeing,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R25, R50: the take-up, and that more was taken off than was uncovered."""
    money_of_2027(units, market, clock)
    with units(SYSTEM) as unit:
        close_year(unit, fiscal_year=2027)
    written_off(units, market, agreeing)
    with monkeypatch.context() as broken:
        broken.setattr(settlement.taking_up, "are_books_closed", lambda *_: False)
        broken.setattr(settlement.taking_up, "written_off_fen", lambda *_, **__: 0)
        broken.setattr(settlement.adjusting, "written_off_fen", lambda *_, **__: 0)
        settle(units, SYSTEM, FEBRUARY)
    assert taken_up(units, FEBRUARY) == [400]
    found = "\n".join(verify(units, SYSTEM))
    assert "what could be taken up is 4.00, its sources give 0.00" in found
    assert "what no line covers is -4.00, its sources give at least 0.00" in found


def test_verify_names_a_statement_that_takes_up_nothing_although_money_was_there(
    units: Units,
    market: Market,
    agreeing: Agreeing,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R35, R50: once, at the first close that missed it."""
    clock.at = on(2027, 3, 20)
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    clock.at = on(2027, 5, 1)
    with monkeypatch.context() as broken:
        broken.setattr(settlement.drafting, "waiting_for_money", lambda *_, **__: {})
        settle(units, SYSTEM, FEBRUARY)
        settle(units, SYSTEM, parse_month("2027-03"))
    (found,) = verify(units, SYSTEM)
    assert found == (
        f"statement {market.school.code}-2027-02, agreement {the_number(market)}, take_up of "
        "2027-01: drawn_fen is 0.00, its sources give 4.00"
    )
    settle(units, SYSTEM, parse_month("2027-04"))
    assert taken_up(units, parse_month("2027-04")) == [400]
    assert verify(units, SYSTEM) == [found]


# One at a time


def test_a_close_waits_for_who_answers_a_write_off(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25: a statement reads what waits only once it holds the agreement; so does an answer."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    number = decided(units, market, agreeing)
    with units(SYSTEM) as closing:
        settlement.taking_up.lock_unfunded(closing, payer_ids=[market.school.id])
        with pytest.raises(OperationalError), units(agreeing.vendor) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            answer_write_off(unit, number, agrees=True)
    with units(SYSTEM) as holding:
        holding.session.execute(select(Agreement.id).with_for_update(key_share=True)).all()
        with pytest.raises(OperationalError), units(SYSTEM) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            settlement.taking_up.lock_unfunded(unit, payer_ids=[market.school.id])


def test_nothing_is_decided_while_a_statement_is_made(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25: what it takes up was read already, or will be."""
    clock.at = CLOSED
    closed_until_june(units, ends_year=False)
    two_late_uses(units, market)
    with units(SYSTEM) as unit:
        assert seal_periods(unit, JULY, payer_ids=[market.school.id]) == 1
    with pytest.raises(Conflict) as refused:
        decided(units, market, agreeing)
    assert refused.value.facts["state"] == "being billed"
