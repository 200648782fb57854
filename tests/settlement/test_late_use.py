"""Late use becomes a linked adjustment in the next statement (R37)."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from kernel.actors import Role
from kernel.clock import FixedClock, Month, parse_month
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import close_shard, seal_month, settle
from settlement.exports import export_statements
from settlement.funding_lines import line_balances
from settlement.metering.models import LateUse
from settlement.queries.earnings import earnings_of
from settlement.verify.recompute import verify
from tests.support.builders import a_learner, a_person, a_school
from tests.support.plan_builders import (
    PER_USE,
    a_line_of,
    a_purchase,
    a_teaching_point,
    counted_pupils,
)
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.statement_readings import adds_up, draws_of, lines_by_month

MAY = parse_month("2026-05")
OWN, LATE, LATER = ("2026-03", "2026-03"), ("2026-04", "2026-03"), ("2026-05", "2026-03")


@pytest.fixture
def market(units: Units) -> Market:
    return a_market(units, learners=["L1", "L2", "L3"])


def use(units: Units, market: Market, name: str, count: int, *, month: int = 3, day: int = 2):
    """Deliver uses a minute apart; 0.3333 yuan each."""
    rows = [
        a_use(units, market, f"{name}{n}", at(day, 8 + n // 60, n % 60, month=month))
        for n in range(count)
    ]
    return deliver(units, rows, name=name)


def close(units: Units, market: Market, month: Month) -> None:
    """State, confirm and post a month; the books must be whole after it."""
    settle(units, SYSTEM, month)
    confirm_all(units, market, month)
    settle(units, SYSTEM, month)
    assert verify(units, SYSTEM) == []


def test_late_use_is_a_line_of_its_own_in_the_next_statement(units: Units, market: Market) -> None:
    """R37: quantity, amounts, draws and shares of what came late; March stays as it was stated."""
    use(units, market, "march", 10)
    close(units, market, MARCH)
    with units(SYSTEM) as unit:
        march = export_statements(unit, MARCH)
    assert [one.reason for one in use(units, market, "late", 3, day=9)] == ["late"] * 3
    use(units, market, "april", 4, month=4)
    close(units, market, APRIL)

    lines = lines_by_month(units, market)
    own, late = lines[OWN], lines[LATE]
    assert (own.quantity, own.rated_fen) == (10, 333)
    assert (late.kind, late.month, late.of_month) == ("adjustment", APRIL, MARCH)
    assert (late.quantity, late.rated_fen, late.amount_fen) == (3, 100, 100)
    assert (late.uncovered_fen, late.drawn_fen) == (0, 100)
    assert draws_of(units, late) == [(market.line_id, 100)]
    # 433 fen at once are 389.7 + 21.65 + 21.65; March was 299.7 + 16.65 + 16.65.
    shares = [
        own.vendor_fen + late.vendor_fen,
        own.fee_fen + late.fee_fen,
        own.retention_fen + late.retention_fen,
    ]
    assert shares == [390, 22, 21]
    assert late.explanation["stated"] == {
        "quantity": 10,
        "rated_fen": 333,
        "above_ceiling_fen": 0,
        "amount_fen": 333,
    }
    assert (late.explanation["events"], late.explanation["quantity"]) == (13, 13)
    assert lines["2026-04", "2026-04"].quantity == 4
    with units(SYSTEM) as unit:
        assert export_statements(unit, MARCH).replace(b'"posted"', b"") == march.replace(
            b'"posted"', b""
        )
        balance = line_balances(unit, [market.line_id])[market.line_id]
        assert balance.accrued_fen == 333 + 100 + 133
        earned = earnings_of(unit, market.vendor.id)
        assert earned.payable_fen == 390 + lines["2026-04", "2026-04"].vendor_fen


def test_a_late_use_that_joins_two_chains_gives_back(units: Units, market: Market) -> None:
    """R27, R37: the recount less what was stated, here one use less; accrued is committed again."""
    rows = [a_use(units, market, f"e{s}", at(2, 8, 0, s)) for s in (0, 50)]
    deliver(units, rows, name="march")
    close(units, market, MARCH)
    deliver(units, [a_use(units, market, "between", at(2, 8, 0, 25))], name="late")
    close(units, market, APRIL)

    lines = lines_by_month(units, market)
    late = lines[LATE]
    assert (late.quantity, late.rated_fen, late.amount_fen) == (-1, -34, -34)
    assert draws_of(units, late) == [(market.line_id, -34)]
    assert late.drawn_fen == late.vendor_fen + late.fee_fen + late.retention_fen
    with units(SYSTEM) as unit:
        balance = line_balances(unit, [market.line_id])[market.line_id]
        earned = earnings_of(unit, market.vendor.id)
    assert (balance.committed_fen, balance.accrued_fen) == (9_967, 33)
    assert (earned.payable_fen, earned.retention_fen) == (30, 1)


def test_late_use_that_changes_nothing_gives_a_line_of_zero_that_says_so(
    units: Units, market: Market
) -> None:
    """R37: late use is never ignored."""
    use(units, market, "march", 1)
    close(units, market, MARCH)
    deliver(units, [a_use(units, market, "repeat", at(2, 7, 59, 50))], name="late")
    close(units, market, APRIL)
    late = lines_by_month(units, market)[LATE]
    assert (late.quantity, late.rated_fen, late.amount_fen, late.drawn_fen) == (0, 0, 0, 0)
    assert (late.explanation["events"], late.explanation["repeats"]) == (2, 1)
    assert draws_of(units, late) == []


def test_late_use_under_one_agreement_corrects_another_of_the_same_resource(
    units: Units, market: Market
) -> None:
    """R30, R37: a first use that comes late takes the place of who began later elsewhere."""
    counted_pupils(units, market.school, 1)
    other = a_purchase(units, market)
    deliver(units, [a_use(units, market, "second", at(9), learner="L2")], name="march")
    close(units, market, MARCH)
    deliver(units, [a_use(units, other, "first", at(2), learner="L1")], name="late")
    close(units, market, APRIL)
    assert lines_by_month(units, other)[LATE].quantity == 1
    late = lines_by_month(units, market)[LATE]
    assert (late.quantity, late.amount_fen) == (-1, -33)
    assert late.explanation["excluded"] == {"over-enrolment": {"events": 1, "uses": 1}}


def test_late_use_that_comes_twice_is_settled_twice(units: Units, market: Market) -> None:
    use(units, market, "march", 10)
    close(units, market, MARCH)
    use(units, market, "late", 3, day=9)
    close(units, market, APRIL)
    use(units, market, "later", 2, day=10)
    close(units, market, MAY)
    lines = lines_by_month(units, market)
    assert [lines[key].quantity for key in (OWN, LATE, LATER)] == [10, 3, 2]
    assert sum(lines[key].rated_fen for key in (OWN, LATE, LATER)) == 500
    assert lines[LATER].explanation["stated"]["quantity"] == 13
    with units(SYSTEM) as unit:
        settled = unit.session.query(LateUse.settled_in, LateUse.rows).order_by(LateUse.settled_in)
        assert settled.all() == [(APRIL, 3), (MAY, 2)]


def test_late_use_of_two_months_comes_oldest_first(units: Units, market: Market) -> None:
    use(units, market, "march", 2)
    use(units, market, "april", 2, month=4)
    close(units, market, MARCH)
    close(units, market, APRIL)
    use(units, market, "late april", 1, month=4, day=9)
    use(units, market, "late march", 1, day=9)
    close(units, market, MAY)
    lines = lines_by_month(units, market)
    assert lines[LATER].explanation["ceiling_left_before_fen"] == 10_000 - 134
    assert lines["2026-05", "2026-04"].explanation["ceiling_left_before_fen"] == 10_000 - 167


def test_late_use_above_the_ceiling_is_kept_and_not_paid(units: Units) -> None:
    """R33, R37: the ceiling was reached in between."""
    market = a_market(units, ceiling_fen=400)
    use(units, market, "march", 10)
    close(units, market, MARCH)
    use(units, market, "late", 3, day=9)
    use(units, market, "april", 1, month=4)
    close(units, market, APRIL)
    lines = lines_by_month(units, market)
    late, april = lines[LATE], lines["2026-04", "2026-04"]
    assert (late.rated_fen, late.above_ceiling_fen, late.amount_fen) == (100, 33, 67)
    assert (april.above_ceiling_fen, april.amount_fen) == (33, 0)


def test_what_is_given_back_was_above_the_ceiling_first(units: Units) -> None:
    market = a_market(units, ceiling_fen=50)
    rows = [a_use(units, market, f"e{s}", at(2, 8, 0, s)) for s in (0, 50)]
    deliver(units, rows, name="march")
    close(units, market, MARCH)
    deliver(units, [a_use(units, market, "between", at(2, 8, 0, 25))], name="late")
    close(units, market, APRIL)
    late = lines_by_month(units, market)[LATE]
    assert (late.rated_fen, late.above_ceiling_fen, late.amount_fen) == (-34, -17, -17)


def test_a_ceiling_that_is_given_back_can_be_used_again(units: Units) -> None:
    """An agreement that was exhausted is open again, and April's use is billed from it."""
    market = a_market(units, ceiling_fen=67)
    rows = [a_use(units, market, f"e{s}", at(2, 8, 0, s)) for s in (0, 50)]
    deliver(units, rows, name="march")
    close(units, market, MARCH)
    assert state_of(units, market) == "exhausted"
    deliver(units, [a_use(units, market, "between", at(2, 8, 0, 25))], name="late")
    close(units, market, APRIL)
    assert state_of(units, market) == "open"
    use(units, market, "may", 1, month=5)
    close(units, market, MAY)
    assert lines_by_month(units, market)["2026-05", "2026-05"].amount_fen == 33


def state_of(units: Units, market: Market) -> str | None:
    with units(SYSTEM) as unit:
        return unit.session.scalar(
            text("SELECT state FROM agreement WHERE id = :id"), {"id": market.agreement_id}
        )


def test_late_use_of_a_closed_year_draws_nothing_and_waits_for_a_bureau(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R19, R37: never drawn from the wrong year."""
    use(units, market, "march", 10)
    close(units, market, MARCH)
    clock.at = datetime(2027, 4, 1, 2, tzinfo=UTC)
    use(units, market, "late", 3, day=9)
    close(units, market, APRIL)
    late = lines_by_month(units, market)[LATE]
    assert (late.amount_fen, late.uncovered_fen, late.drawn_fen) == (100, 100, 0)
    assert late.explanation["year_is_closed"] is True
    assert draws_of(units, late) == []
    assert (late.vendor_fen, late.fee_fen, late.retention_fen) == (0, 0, 0)


@pytest.mark.parametrize(
    ("today", "closed"),
    [(datetime(2026, 3, 31, 2, tzinfo=UTC), False), (datetime(2026, 4, 1, 2, tzinfo=UTC), True)],
)
def test_decembers_late_use_is_paid_by_its_own_year_or_by_none(
    units: Units, clock: FixedClock, market: Market, today: datetime, closed: bool
) -> None:
    """R19, R37: settled in January; while the old year's books are open its line pays."""
    with units(SYSTEM) as unit:
        old = a_line_of(unit, market.school, source="surcharge", year=2025, amount_fen=1_000)
        new = a_line_of(unit, market.school, source="surcharge", year=2026, amount_fen=1_000)
    over_new_year = a_purchase(
        units,
        market,
        draws=[Draw(old, 500), Draw(new, 500)],
        starts_on=date(2025, 9, 1),
        ends_on=date(2026, 2, 28),
    )
    clock.at = today
    told = replace(units.settings, fiscal_close="03-31")
    units = Units(units.engine, clock, told, units.dispatcher)
    december, january = parse_month("2025-12"), parse_month("2026-01")
    deliver(units, [a_use(units, over_new_year, "d", at(2, month=12).replace(year=2025))])
    close(units, market, december)
    late = a_use(units, over_new_year, "late", at(9, month=12).replace(year=2025))
    deliver(units, [late], name="late")
    deliver(units, [a_use(units, over_new_year, "j", at(9, month=1))], name="january")
    close(units, market, january)
    lines = lines_by_month(units, over_new_year)
    adjustment = lines["2026-01", "2025-12"]
    assert adjustment.explanation["year_is_closed"] is closed
    assert draws_of(units, adjustment) == ([] if closed else [(old, 34)])
    assert adjustment.uncovered_fen == (34 if closed else 0)
    assert draws_of(units, lines["2026-01", "2026-01"]) == [(new, 33)]


def test_a_payer_without_an_agreement_in_the_next_month_is_settled_for_its_late_use(
    units: Units, market: Market
) -> None:
    with units(SYSTEM) as unit:
        school = a_school(unit)
        finance = a_person(unit, school, [Role.SCHOOL_FINANCE])
        a_learner(unit, school, "S1")
        line_id = a_line_of(unit, school, source="surcharge", amount_fen=1_000)
    payer = replace(market, school=school, finance=finance, line_id=line_id)
    short = a_purchase(units, payer, ceiling_fen=1_000, ends_on=date(2026, 3, 31))
    deliver(units, [a_use(units, short, "march", at(2), learner="S1")], name="march")
    close(units, short, MARCH)
    deliver(units, [a_use(units, short, "late", at(9), learner="S1")], name="late")
    close(units, short, APRIL)
    assert lines_by_month(units, short)[LATE].quantity == 1


def test_use_of_an_agreement_that_had_none_in_time_is_an_adjustment_too(
    units: Units, market: Market
) -> None:
    close(units, market, MARCH)
    use(units, market, "late", 2, day=9)
    close(units, market, APRIL)
    lines = lines_by_month(units, market)
    assert set(lines) == {LATE}
    assert (lines[LATE].quantity, lines[LATE].amount_fen) == (2, 67)
    assert lines[LATE].explanation["stated"]["quantity"] == 0


def test_use_that_comes_while_a_seal_runs_is_late_and_adjusted(
    units: Units, market: Market
) -> None:
    """R37: after the seal and before the count, it is not March's any more."""
    use(units, market, "march", 2)
    payers = seal_month(units, SYSTEM, MARCH)
    assert use(units, market, "late", 1, day=9)[0].reason == "late"
    close_shard(units, SYSTEM, MARCH, payers)
    close(units, market, MARCH)
    close(units, market, APRIL)
    lines = lines_by_month(units, market)
    assert (lines[OWN].quantity, lines[LATE].quantity) == (2, 1)


def test_a_learner_who_first_appears_late_is_judged_by_the_enrolment(
    units: Units, market: Market
) -> None:
    """R30, R37: who had left is outside in the recount; what is learned later changes nothing."""
    with units(SYSTEM) as unit:
        a_learner(unit, market.school, "gone", left_on=date(2026, 3, 5))
    use(units, market, "march", 1)
    close(units, market, MARCH)
    rows = [a_use(units, market, f"gone {day}", at(day), learner="gone") for day in (4, 6)]
    deliver(units, rows, name="late")
    close(units, market, APRIL)
    late = lines_by_month(units, market)[LATE]
    assert late.quantity == 1
    assert late.explanation["excluded"] == {"outside": {"events": 1, "uses": 1}}
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE enrolment SET left_on = '2026-03-02'"))
    assert verify(units, SYSTEM) == []


def test_the_parts_of_schools_end_at_those_of_the_whole(units: Units, market: Market) -> None:
    """R24, R37: a point whose use came late has its part of the adjustment."""
    point = a_teaching_point(units, market, learners=["P1"])
    both = a_purchase(units, market, schools=[market.school, point], terms=PER_USE)
    use(units, both, "march", 2)
    close(units, market, MARCH)
    rows = [a_use(units, both, f"p{n}", at(9, 8, n), learner="P1") for n in range(2)]
    deliver(units, rows, name="late")
    close(units, market, APRIL)
    with units(SYSTEM) as unit:
        parts = unit.session.execute(
            text(
                "SELECT o.code, sum(b.quantity), sum(b.amount_fen) FROM statement_breakdown b "
                "JOIN organisation o ON o.id = b.school_id GROUP BY o.code"
            )
        ).all()
    assert {code: (int(quantity), int(fen)) for code, quantity, fen in parts} == {
        market.school.code: (2, 67),
        point.code: (2, 66),
    }


def test_a_wrong_quantity_on_an_adjustment_is_found(units: Units, market: Market) -> None:
    """R37, R50: what was planted on an adjustment is named."""
    use(units, market, "march", 10)
    close(units, market, MARCH)
    use(units, market, "late", 3, day=9)
    close(units, market, APRIL)
    line = lines_by_month(units, market)[LATE]
    assert adds_up(line.explanation)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE statement_line DISABLE TRIGGER USER"))
        unit.session.execute(
            text("UPDATE statement_line SET quantity = 4 WHERE id = :id"), {"id": line.id}
        )
        unit.session.execute(text("ALTER TABLE statement_line ENABLE TRIGGER USER"))
    found = "\n".join(verify(units, SYSTEM))
    assert "2026-03, agreement 2199000001-A-1: lines with late use say 14" in found
    assert "its usage gives 13" in found
