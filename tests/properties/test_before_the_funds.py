"""Whatever is used, credited and issued in whatever order, use before the funds adds up (R25, R35).

Of each fiscal year what is billed is what its lines paid and what still waits, no line of another
year pays anything, the memorandum stays within its cap, and the order in which uses are delivered
changes no byte.
"""

from dataclasses import dataclass
from datetime import date
from random import Random

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select

from kernel.clock import FixedClock, parse_month
from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.dispute_models import CreditNote
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.early_use_models import Memorandum, MemorandumEntry
from settlement.exports import export_statements
from settlement.models import FundingLine, StatementDraw, StatementLine
from settlement.queries.unfunded import unfunded
from tests.properties.test_settlement_order import fresh_units
from tests.support.agreement_builders import a_line_of_2027, across, on
from tests.support.early_use_builders import Agreeing, allowed, consented, who_agree
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    confirm_all,
    deliver,
)

MONTHS = [parse_month(f"2027-0{month}") for month in (1, 2, 3)]
CEILING, FIRST = 1_000, date(2026, 9, 1)
TERMS = {"unit_price": "0.3333", "fee_rate": "0.0333", "retention_rate": "0.1250"}


@dataclass(frozen=True)
class Course:
    """Uses in time and late, by month; the close before which the money comes; a credit."""

    in_time: list[int]
    late: list[int]
    money_at: int
    credited_at: int
    cap_fen: int


courses = st.builds(
    Course,
    in_time=st.lists(st.integers(0, 9), min_size=3, max_size=3),
    late=st.lists(st.integers(0, 4), min_size=2, max_size=2),
    money_at=st.integers(0, 3),
    credited_at=st.integers(0, 2),
    cap_fen=st.integers(1, CEILING),
)


def play(units: Units, course: Course, *, order: Random | None) -> bytes:
    """Live through the three months and return their statements."""
    clock = units.clock
    assert isinstance(clock, FixedClock)
    clock.at = on(2026, 9, 1)
    market = a_market(units)
    agreeing = who_agree(units, market)
    consented(units, agreeing, FIRST, cap_fen=course.cap_fen)
    allowed(units, agreeing, FIRST, total_fen=100_000, payer_fen=100_000)
    across(units, market, first_fen=500, later_fen=CEILING, **TERMS)
    for number, month in enumerate(MONTHS):
        if number == course.money_at:
            a_line_of_2027(units, market, fen=CEILING + 300)
            with units(SYSTEM) as unit:
                commit_waiting(unit)
        rows = [
            a_use(units, market, f"{number}-{day}", on(2027, month.month, day + 1))
            for day in range(course.in_time[number])
        ]
        if number:
            rows += [
                a_use(units, market, f"late-{number}-{day}", on(2027, month.month - 1, day + 15))
                for day in range(course.late[number - 1])
            ]
        if order is not None:
            order.shuffle(rows)
        clock.at = on(2027, month.month + 1, 1)
        deliver(units, rows, name=str(number), batch_size=3 if order else 5_000)
        settle(units, SYSTEM, month)
        if number == course.credited_at:
            credited(units, market, agreeing, number)
        confirm_all(units, market, month)
        settle(units, SYSTEM, month)
        check(units, course)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        return b"".join(export_statements(unit, month) for month in MONTHS)


def credited(units: Units, market: Market, agreeing: Agreeing, number: int) -> None:
    """Credit half of a month's own line, if it has billed more than a fen."""
    with units(SYSTEM) as unit:
        line = unit.session.scalars(
            select(StatementLine).where(
                StatementLine.month == MONTHS[number], StatementLine.kind == "use"
            )
        ).one_or_none()
        if line is None or line.amount_fen < 2:
            return
        line_id, half = line.id, line.amount_fen // 2
        amount = line.amount_fen
    with units(market.finance) as unit:
        dispute = dispute_line(
            unit,
            line_id,
            reason=DisputeReason.QUANTITY_WRONG,
            claim="少用",
            claimed_fen=amount - half,
        )
    clock = units.clock
    assert isinstance(clock, FixedClock)
    before = clock.at
    clock.at = on(2027, MONTHS[number].month + 1, 25)
    with units(agreeing.maker) as unit:
        decide_dispute(unit, dispute, outcome=DisputeOutcome.UPHELD, credit_fen=half, note="属实")
    clock.at = before


def check(units: Units, course: Course) -> None:
    line = StatementLine
    with units(SYSTEM) as unit:
        billed, uncovered, drawn = unit.session.execute(
            select(
                func.coalesce(
                    func.sum(line.amount_fen - func.coalesce(CreditNote.amount_fen, 0)), 0
                ),
                func.coalesce(
                    func.sum(line.uncovered_fen - func.coalesce(CreditNote.uncovered_fen, 0)), 0
                ),
                func.coalesce(func.sum(line.drawn_fen - func.coalesce(CreditNote.drawn_fen, 0)), 0),
            ).outerjoin(CreditNote, CreditNote.line_id == line.id)
        ).one()
        years = set(
            unit.session.scalars(
                select(FundingLine.fiscal_year).join(
                    StatementDraw, StatementDraw.funding_line_id == FundingLine.id
                )
            )
        )
        standing = unit.session.scalar(
            select(func.coalesce(func.sum(MemorandumEntry.amount_fen), 0))
        )
        cap_fen = unit.session.scalars(select(Memorandum.cap_fen)).one()
        waits = sum(row.unfunded_fen for row in unfunded(unit))
    assert billed == drawn + uncovered <= CEILING
    assert years <= {2027}
    assert waits == uncovered
    assert cap_fen == course.cap_fen
    assert 0 <= standing <= min(cap_fen, uncovered)


@given(course=courses, seed=st.integers(0, 2**16))
@profile(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_use_before_the_funds_adds_up_in_any_order_of_deliveries(
    server: str, settings: Settings, course: Course, seed: int
) -> None:
    """R25, R35, R39."""
    with fresh_units(server, settings) as units:
        plain = play(units, course, order=None)
    with fresh_units(server, settings) as units:
        assert play(units, course, order=Random(seed)) == plain
