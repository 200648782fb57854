"""Agreements given up or over, and the release of what is left (R19, R23, R37)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    Conflict,
    InvalidInput,
    NoAgreement,
    ReasonRequired,
    Refused,
)
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_ends import end_agreement, release_rests
from settlement.closing import settle
from settlement.metering.launches import agreement_in_force
from settlement.queries.agreements import agreement_life
from settlement.tasks import end_agreements
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    a_teacher,
    across,
    asked,
    closed,
    number,
    state,
    the_line,
    used,
)
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_use,
    at,
    deliver,
)

JUNE = parse_month("2026-06")
MONTHS = [parse_month(f"2026-{month:02d}") for month in (3, 4, 5, 6)]


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


def given_up(units: Units, market: Market, day: date) -> None:
    with units(market.finance) as unit:
        end_agreement(unit, number(market), last_day=day, reason="班级撤并")


def test_given_up_it_ends_on_its_day_and_what_is_not_billed_stays_committed_until_then(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R23: released by a balanced transfer once all months to its end are posted, never before."""
    used(units, market, 6)
    clock.at = at(10, month=4)
    given_up(units, market, date(2026, 4, 20))
    assert the_line(units, market).committed_fen == 10_000
    clock.at = at(21, month=4)
    with pytest.raises(NoAgreement), units(SYSTEM) as unit:
        agreement_in_force(
            unit,
            school=market.school,
            resource_id=market.resource_id,
            sku=market.sku,
            day=date(2026, 4, 21),
        )
    end_agreements(units)
    assert (state(units, market), the_line(units, market).committed_fen) == ("terminated", 10_000)

    clock.at = at(1, month=5)
    closed(units, market, MARCH)
    clock.at = at(25, month=5)
    end_agreements(units)  # April is not posted yet
    assert the_line(units, market).committed_fen == 9_400
    closed(units, market, MONTHS[1])
    end_agreements(units)
    line = the_line(units, market)
    assert (line.available_fen, line.committed_fen, line.accrued_fen) == (99_400, 0, 600)
    with units(SYSTEM) as unit:
        assert release_rests(unit) == 0
        life = agreement_life(unit, number(market))
    assert life is not None
    assert [one.kind for one in life.changes] == ["released", "ended"]
    assert verify(units, SYSTEM) == []


def test_over_by_the_calendar_it_keeps_its_rest_for_late_use_for_thirty_days(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R37: late use draws on the commitment while it is kept; what comes later is uncovered."""
    clock.at = at(30, month=6)
    used(units, market, 2, month=6, name="june")
    clock.at = at(1, month=7)
    end_agreements(units)
    assert state(units, market) == "ended"
    closed(units, market, *MONTHS)
    late = [a_use(units, market, "late", at(20, month=6))]
    clock.at = at(25, month=7)
    deliver(units, late, name="late.csv")
    clock.at = at(1, month=8)
    end_agreements(units)  # the days are over, but late use is not settled yet
    assert the_line(units, market).committed_fen == 9_800
    closed(units, market, parse_month("2026-07"))
    end_agreements(units)
    line = the_line(units, market)
    assert (line.available_fen, line.committed_fen, line.accrued_fen) == (99_700, 0, 300)
    deliver(units, [a_use(units, market, "later", at(21, month=6))], name="later.csv")
    clock.at = at(1, month=9)
    summary = settle(units, SYSTEM, parse_month("2026-08"))
    assert (summary["billed_fen"], summary["uncovered_fen"]) == (100, 100)
    assert verify(units, SYSTEM) == []


def test_nothing_is_released_while_a_month_is_being_stated(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """A statement that is being made draws on what it has read."""
    clock.at = at(5, month=8)
    end_agreements(units)
    closed(units, market, *MONTHS)
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO period (payer_id, month, state, sealed_at, sealed_sequence) "
                "VALUES (:payer, '2026-07-01', 'sealing', now(), 0)"
            ),
            {"payer": market.school.id},
        )
    end_agreements(units)
    assert the_line(units, market).committed_fen == 10_000


@pytest.mark.parametrize("day", [date(2026, 3, 14), date(2026, 6, 30)])
def test_it_is_given_up_from_today_on_and_before_its_last_day(
    units: Units, market: Market, day: date
) -> None:
    with pytest.raises(InvalidInput):
        given_up(units, market, day)


def test_only_who_pays_gives_up_and_says_why(
    units: Units, market: Market, clock: FixedClock
) -> None:
    with pytest.raises(Refused), units(a_teacher(units, market)) as unit:
        end_agreement(unit, number(market), last_day=date(2026, 4, 1), reason="x")
    with pytest.raises(ReasonRequired), units(market.finance) as unit:
        end_agreement(unit, number(market), last_day=date(2026, 4, 1), reason=" ")
    given_up(units, market, date(2026, 3, 15))
    clock.advance(timedelta(days=1))
    end_agreements(units)
    with pytest.raises(Conflict):
        given_up(units, market, date(2026, 4, 1))
    with pytest.raises(Conflict):
        asked(units, market, {2026: 20_000})


def test_given_up_in_its_first_year_it_wants_no_money_of_the_next(
    units: Units, market: Market
) -> None:
    """R19."""
    across(units, market, first_fen=500, later_fen=800)
    of = f"{market.school.code}-X-1"
    with units(market.finance) as unit:
        end_agreement(unit, of, last_day=date(2026, 10, 1), reason="班级撤并")
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 0
        life = agreement_life(unit, of)
    assert life is not None
    assert [(one.ceiling_fen, one.waiting_fen) for one in life.years] == [(500, 0), (0, 0)]
