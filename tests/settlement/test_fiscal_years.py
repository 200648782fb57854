"""The close of a fiscal year: periods end, late lines go to the bureau (R35, R37)."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from kernel.clock import FixedClock
from kernel.errors import Refused
from kernel.unit import Units
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome
from settlement.disputes import answer_dispute, decide_dispute, refer_to_bureau
from settlement.fiscal_years import close_periods
from settlement.models import Period, StatementLine
from settlement.queries.disputes import disputes_of
from settlement.queries.unfunded import unfunded
from settlement.tasks import close_years
from settlement.verify.recompute import verify
from settlement.year_ends import are_books_closed, last_open_day
from tests.support.dispute_builders import Quarrel, a_quarrel
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.statement_readings import the_line

UPHELD, DISMISSED = DisputeOutcome.UPHELD, DisputeOutcome.DISMISSED


def test_a_years_periods_close_after_its_last_open_day(units: Units, clock: FixedClock) -> None:
    """R19: the books stay open for December's use until the configured close."""
    quarrel = a_quarrel(units)
    confirm_all(units, quarrel.market)
    assert settle(units, SYSTEM, MARCH)["states"] == {"posted": 1}
    clock.at = at(31, 23, 59, 59, month=3).replace(year=2027)
    with units(SYSTEM) as unit:
        assert last_open_day(unit.settings, 2026) == date(2027, 3, 31)
        assert not are_books_closed(unit, MARCH)
        assert close_periods(unit) == 0
    clock.advance(timedelta(seconds=1))
    close_years(units)
    assert settle(units, SYSTEM, MARCH)["states"] == {"closed": 1}
    with units(SYSTEM) as unit:
        assert close_periods(unit) == 0
    assert verify(units, SYSTEM) == []


def test_only_what_is_posted_closes(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units)
    clock.at = at(1, month=5).replace(year=2027)
    with units(SYSTEM) as unit:
        assert close_periods(unit) == 0
        assert unit.session.scalars(select(Period.state)).all() == ["stated"]
    with pytest.raises(IntegrityError), units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE period SET state = 'closed'"))
    assert quarrel


def test_a_late_line_of_a_closed_year_stands_unfunded_if_the_bureau_lets_it(
    units: Units,
) -> None:
    """R37, R35: never ignored, never drawn from the wrong year; what stands waits for money."""
    quarrel = a_quarrel(units)
    dispute_id = referred(units, quarrel)
    with pytest.raises(Refused), units(quarrel.vendor) as unit:
        answer_dispute(unit, dispute_id, answer="不由我答复", offered_fen=0)
    with units(quarrel.bureau) as unit:
        decide_dispute(unit, dispute_id, outcome=DISMISSED, credit_fen=0, note="确有使用")
        assert [(row.payer_code, row.unfunded_fen) for row in unfunded(unit)] == [
            (quarrel.market.school.code, 1033)
        ]
    confirm_all(units, quarrel.market)
    summary = settle(units, SYSTEM, MARCH)
    assert (summary["states"], summary["drawn_fen"]) == ({"posted": 1}, 200)


def test_a_late_line_of_a_closed_year_is_credited_away_if_the_bureau_upholds_it(
    units: Units,
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = referred(units, quarrel)
    with units(quarrel.bureau) as unit:
        (row,) = disputes_of(unit, only_open=True)
        assert (row.opened_by, row.waits_for_decision) == ("system", True)
        decide_dispute(unit, dispute_id, outcome=UPHELD, credit_fen=1033, note="逾期过久")
        assert unfunded(unit) == []
    with units(quarrel.other_bureau) as unit:
        assert (disputes_of(unit), unfunded(unit)) == ([], [])


def referred(units: Units, quarrel: Quarrel) -> UUID:
    """Make the first line what an adjustment of a closed year is, and refer it."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text(
                "UPDATE statement_line SET uncovered_fen = amount_fen, drawn_fen = 0, "
                "vendor_fen = 0, school_fen = 0, fee_fen = 0, retention_fen = 0 WHERE id = :id"
            ),
            {"id": quarrel.line_id},
        )
        unit.session.execute(
            text("DELETE FROM statement_draw WHERE line_id = :id"), {"id": quarrel.line_id}
        )
    with units(SYSTEM) as unit:
        (dispute_id,) = refer_to_bureau(unit, [quarrel.line_id])
        assert unit.session.get_one(StatementLine, quarrel.line_id).state == "disputed"
        with pytest.raises(ValueError, match="closed year"):
            refer_to_bureau(unit, [quarrel.other_line_id])
    return dispute_id


def test_a_month_that_is_stated_after_its_years_close_draws_on_its_own_year(
    units: Units, clock: FixedClock
) -> None:
    """R19: a line waits for its last month before it ends; only corrections go to the bureau."""
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(10)])
    clock.at = at(1, 10, month=3).replace(year=2027) + timedelta(days=31)
    settle(units, SYSTEM, MARCH)
    line = the_line(units, market, MARCH)
    assert (line.amount_fen, line.drawn_fen, line.uncovered_fen) == (333, 333, 0)
    with units(SYSTEM) as unit:
        assert disputes_of(unit, only_open=True) == []
    assert verify(units, SYSTEM) == []
