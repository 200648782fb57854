"""What `verify` finds of unfunded use, and that who settles it waits for each other."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

import settlement.adjusting
import settlement.drafting
import settlement.taking_up
from kernel.clock import FixedClock, parse_month
from kernel.errors import Conflict
from kernel.unit import Units
from procurement.funding.year_ends import close_year
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.models import Agreement
from settlement.periods import seal_periods
from settlement.unfunded_decisions import answer_write_off
from settlement.verify.recompute import verify
from tests.support.agreement_builders import a_line_of_2027, on
from tests.support.early_use_builders import Agreeing
from tests.support.settlement_builders import SYSTEM, Market, a_market
from tests.support.unfunded_builders import (
    CLOSED,
    FEBRUARY,
    JULY,
    closed_until_june,
    decided,
    money_of_2027,
    taken_up,
    the_number,
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
        settlement.agreements.lock_agreements(closing, payer_ids=[market.school.id])
        with pytest.raises(OperationalError), units(agreeing.vendor) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            answer_write_off(unit, number, agrees=True)
    with units(SYSTEM) as holding:
        holding.session.execute(select(Agreement.id).with_for_update(key_share=True)).all()
        with pytest.raises(OperationalError), units(SYSTEM) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            settlement.agreements.lock_agreements(unit, payer_ids=[market.school.id])


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
