"""A change of a ceiling is judged when it is signed, by what has become of the agreement since."""

from datetime import date

import pytest

from kernel.clock import FixedClock, parse_month
from kernel.errors import BelowWhatIsUsed, Conflict
from kernel.unit import Units
from procurement.approvals import sign_all
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_changes import lock_agreement, lower_ceiling, running_fen
from settlement.agreement_ends import end_agreement
from settlement.models import Agreement
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    across,
    asked,
    balances,
    closed,
    on,
    signed,
    the_line,
    used,
)
from tests.support.settlement_builders import MARCH, SYSTEM, Market, a_use, at, deliver

OCTOBER = date(2026, 10, 1)
MONTHS = [parse_month(f"2026-{month:02d}") for month in (3, 4, 5, 6)]


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


def ended_in_october(units: Units, market: Market, of: str) -> None:
    with units(market.finance) as unit:
        end_agreement(unit, of, last_day=OCTOBER, reason="班级撤并")


def test_a_lowering_that_fails_in_its_second_year_frees_nothing_of_the_first(
    units: Units, market: Market
) -> None:
    """R23: signed with others twice, it is left unsigned twice and the line stays as it was."""
    agreement_id = across(units, market, first_fen=500, later_fen=800)
    asked(units, market, {2026: 400, 2027: 100}, of=f"{market.school.code}-X-1")
    with units(SYSTEM) as unit:
        lower_ceiling(
            unit,
            lock_agreement(unit, agreement_id),
            fiscal_year=2027,
            by_fen=500,
            reference="S-0",
            reason="班级撤并",
        )
    before = the_line(units, market)
    for _ in range(2):
        with units(market.finance) as unit:
            summary = sign_all(unit)
        assert summary.signed == 0
        assert [type(error) for _, error in summary.left] == [BelowWhatIsUsed]
    assert the_line(units, market) == before
    assert verify(units, SYSTEM) == []


def test_a_lowering_of_a_year_that_was_given_up_is_not_signed(units: Units, market: Market) -> None:
    """R23: given up on 1 October 2026, the agreement has no 2027 that could be lowered."""
    across(units, market, first_fen=500, later_fen=800)
    of = f"{market.school.code}-X-1"
    lowered = asked(units, market, {2026: 400, 2027: 100}, of=of)
    ended_in_october(units, market, of)
    before = the_line(units, market)
    with pytest.raises(Conflict):
        signed(units, market, lowered)
    assert the_line(units, market) == before
    assert verify(units, SYSTEM) == []


def test_a_raise_of_a_year_that_was_given_up_commits_nothing(units: Units, market: Market) -> None:
    """R19, R23: 2027's money is there, but the agreement ends on 1 October 2026."""
    across(units, market, first_fen=500, later_fen=800)
    of = f"{market.school.code}-X-1"
    line_2027 = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    raised = asked(units, market, {2027: 1_500}, of=of)
    ended_in_october(units, market, of)
    before = balances(units, [line_2027])
    with pytest.raises(Conflict):
        signed(units, market, raised)
    assert balances(units, [line_2027]) == before


@pytest.mark.parametrize("ceiling_fen", [400, 900])
def test_a_change_of_a_year_that_is_over_by_now_is_not_signed(
    units: Units, market: Market, clock: FixedClock, ceiling_fen: int
) -> None:
    """R19, R23: asked for on 30 December 2026, signed on 1 January 2027, the earliest hour."""
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2026, 12, 30)
    change = asked(units, market, {2026: ceiling_fen}, of=f"{market.school.code}-X-1")
    clock.at = on(2027, 1, 1, hour=0)
    before = the_line(units, market)
    with pytest.raises(Conflict):
        signed(units, market, change)
    assert the_line(units, market) == before


def test_a_change_of_the_year_that_goes_on_is_signed_after_the_end_came_nearer(
    units: Units, market: Market
) -> None:
    """R23: 2026 may still be raised up to the agreement's new last day."""
    across(units, market, first_fen=500, later_fen=800)
    of = f"{market.school.code}-X-1"
    raised = asked(units, market, {2026: 900}, of=of)
    ended_in_october(units, market, of)
    before = the_line(units, market).committed_fen
    signed(units, market, raised)
    assert the_line(units, market).committed_fen == before + 400
    assert verify(units, SYSTEM) == []


def test_late_use_runs_once_however_many_months_wait_for_a_statement(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R23: three late uses of March at 1 yuan; April and May are both not stated."""
    used(units, market, 6)
    clock.at = at(20, month=4)
    closed(units, market, MARCH)
    rows = [a_use(units, market, f"late-{n}", at(n, 15, month=3)) for n in (1, 2, 3)]
    deliver(units, rows, name="late.csv")
    clock.at = at(2, month=5)
    with units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, market.agreement_id)
        assert running_fen(unit, agreement, fiscal_year=2026) == 300


def test_late_use_runs_though_every_month_of_the_agreement_is_stated(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R23: the agreement's last month is stated; what came late is in no statement yet."""
    used(units, market, 6)
    clock.at = at(20, month=7)
    closed(units, market, *MONTHS)
    rows = [a_use(units, market, f"late-{n}", at(n, 15, month=3)) for n in (1, 2, 3)]
    deliver(units, rows, name="late.csv")
    with units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, market.agreement_id)
        assert running_fen(unit, agreement, fiscal_year=2026) == 300
