"""Closing a period: what is billed, confirmed, drawn and shared; repeating it (R33–R39)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import EarlierPeriodOpen, NotFound, NothingToSettle, PeriodNotOver, Refused
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import OrganisationId
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.exports import export_statements
from settlement.funding_lines import issue_amount, line_balances, open_line
from settlement.queries.earnings import earnings_of
from settlement.queries.statements import statements_of
from settlement.summaries import period_summary
from settlement.verify.recompute import verify
from tests.support.builders import a_bureau, a_person, a_school, took
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)


def used(units: Units, market: Market, count: int, *, month: int = 3, name: str = "u") -> None:
    rows = [
        a_use(units, market, f"{name}{number}", at(2 + number // 60, 8, number % 60, month=month))
        for number in range(count)
    ]
    deliver(units, rows, name=name)


def test_a_bill_is_drawn_only_after_it_is_confirmed(units: Units) -> None:
    market = a_market(units)
    used(units, market, 31)

    stated = settle(units, SYSTEM, MARCH)
    assert (stated["billed_fen"], stated["drawn_fen"], stated["waiting_fen"]) == (1033, 0, 1033)

    confirm_all(units, market)
    posted = settle(units, SYSTEM, MARCH)
    assert (posted["drawn_fen"], posted["waiting_fen"]) == (1033, 0)
    assert (posted["vendor_fen"], posted["platform_fee_fen"], posted["retention_fen"]) == (
        930,
        52,
        51,
    )
    with units(SYSTEM) as unit:
        balance = line_balances(unit, [market.line_id])[market.line_id]
        earnings = earnings_of(unit, market.vendor.id)
    assert (balance.available_fen, balance.committed_fen, balance.accrued_fen) == (
        90_000,
        8_967,
        1_033,
    )
    assert (earnings.payable_fen, earnings.retention_fen) == (930, 51)
    assert verify(units, SYSTEM) == []


def test_silence_confirms_after_the_set_working_days(units: Units, clock: FixedClock) -> None:
    market = a_market(units)
    used(units, market, 3)
    assert settle(units, SYSTEM, MARCH)["waiting_fen"] == 100
    clock.advance(timedelta(days=6))  # 3 August is a Monday: five working days end on the 10th
    assert settle(units, SYSTEM, MARCH)["waiting_fen"] == 100
    clock.advance(timedelta(days=2))
    assert settle(units, SYSTEM, MARCH)["drawn_fen"] == 100


def test_use_above_the_ceiling_is_kept_but_not_paid(units: Units) -> None:
    market = a_market(units, ceiling_fen=500)
    used(units, market, 31)
    summary = settle(units, SYSTEM, MARCH)
    assert (summary["uses"], summary["rated_fen"]) == (31, 1033)
    assert (summary["billed_fen"], summary["above_ceiling_fen"]) == (500, 533)


def test_a_ceiling_holds_over_all_months_of_an_agreement(units: Units) -> None:
    market = a_market(units, ceiling_fen=1_500)
    used(units, market, 31, name="march")
    used(units, market, 31, month=4, name="april")
    assert settle(units, SYSTEM, MARCH)["billed_fen"] == 1033
    april = settle(units, SYSTEM, APRIL)
    assert (april["billed_fen"], april["above_ceiling_fen"]) == (467, 566)
    assert verify(units, SYSTEM) == []


def test_what_no_line_of_the_year_covers_is_uncovered(units: Units) -> None:
    """An agreement over New Year: January's use finds no line of its year (R19, R35)."""
    market = a_market(units)
    with units(SYSTEM) as unit:
        old = open_line(unit, market.school.id, fiscal_year=2025, source="per_student")
        issue_amount(unit, old, amount_fen=5_000, key="2025", memo="2025")
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=market.resource_id,
            draws=[Draw(old, 5_000)],
            reference="A-0",
            starts_on=date(2025, 9, 1),
            ends_on=date(2026, 2, 28),
        )
    used(units, market, 3, month=1, name="january")
    january = settle(units, SYSTEM, MARCH.replace(month=1))
    assert (january["billed_fen"], january["uncovered_fen"]) == (100, 100)
    confirm_all(units, market, MARCH.replace(month=1))
    posted = settle(units, SYSTEM, MARCH.replace(month=1))
    assert posted["drawn_fen"] == 0
    assert verify(units, SYSTEM) == []


def test_settling_again_changes_nothing(units: Units) -> None:
    market = a_market(units)
    used(units, market, 10)
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    first = settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        before = export_statements(unit, MARCH)
    assert settle(units, SYSTEM, MARCH) == first
    with units(SYSTEM) as unit:
        assert export_statements(unit, MARCH) == before
        assert unit.session.connection().exec_driver_sql("SELECT count(*) FROM leg").scalar() == 10


def test_use_after_the_seal_is_late_and_stays_out_of_the_statement(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    settle(units, SYSTEM, MARCH)
    (outcome,) = deliver(units, [a_use(units, market, "late", at(9))], name="late")
    assert (outcome.outcome, outcome.reason) == ("accepted", "late")
    summary = settle(units, SYSTEM, MARCH)
    assert (summary["uses"], summary["accepted"], summary["late"]) == (3, 4, 1)
    assert verify(units, SYSTEM) == []


def test_a_month_that_lasts_cannot_be_settled(units: Units, clock: FixedClock) -> None:
    market = a_market(units)
    clock.at = at(31, 23, 59, 59)
    with pytest.raises(PeriodNotOver):
        settle(units, SYSTEM, MARCH)
    clock.at = at(1, 0, 0, 0, month=4)
    assert settle(units, SYSTEM, MARCH)["statements"] == 1
    assert market


def test_a_month_waits_for_the_months_before_it(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    with pytest.raises(EarlierPeriodOpen) as refused:
        settle(units, SYSTEM, APRIL)
    assert refused.value.facts["earlier"] == "2026-03"


def test_a_month_without_agreements_or_uses_says_so(units: Units) -> None:
    a_market(units)
    with pytest.raises(NothingToSettle):
        settle(units, SYSTEM, MARCH.replace(year=2025))


def test_a_school_cannot_settle_or_confirm_anothers(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    with pytest.raises(Refused):
        settle(units, market.finance, MARCH)
    with pytest.raises(NotFound), units(market.finance) as unit:
        confirm_lines(unit, OrganisationId(market.bureau.id), MARCH)


def test_a_bureau_sums_its_own_subtree_only(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        neighbour = a_bureau(unit, region_code="990122")
        stranger = a_person(unit, neighbour, [Role.AUDITOR])
        own = a_person(unit, market.bureau, [Role.AUDITOR], person_no="AUD-1")
    with units(own) as unit:
        summary = period_summary(unit, MARCH)
        assert (summary["received"], summary["statements"], summary["uses"]) == (3, 1, 3)
    with units(stranger) as unit:
        summary = period_summary(unit, MARCH)
        assert (summary["received"], summary["statements"], summary["uses"]) == (0, 0, 0)
        assert statements_of(unit) == []
    with pytest.raises(NothingToSettle):
        settle(units, replace(stranger, roles=frozenset({Role.OPERATOR})), MARCH)


def test_statements_are_exported_to_those_who_may_see_them(units: Units) -> None:
    market = a_market(units)
    used(units, market, 3)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        other = a_school(unit)
        stranger = a_person(unit, other, [Role.PRINCIPAL])
        teacher = a_person(unit, market.school, [Role.TEACHER])
    with units(market.finance) as unit:
        assert export_statements(unit, MARCH).count(b"\n") == 1
    with units(stranger) as unit:
        assert export_statements(unit, MARCH) == b""
    with pytest.raises(Refused), units(teacher) as unit:
        export_statements(unit, MARCH)
    with pytest.raises(Refused):
        verify(units, stranger)


def test_only_who_stands_above_all_reads_all_the_books(units: Units) -> None:
    market = a_market(units)
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        neighbour = a_bureau(unit, region_code="990122")
        stranger = a_person(unit, neighbour, [Role.AUDITOR])
        province = a_person(unit, a_bureau(unit, region_code="990000"), [Role.AUDITOR])
    with pytest.raises(Refused):
        verify(units, stranger)
    assert verify(units, province) == []
    assert market
