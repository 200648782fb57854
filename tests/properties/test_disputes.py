"""Whatever is disputed, offered and decided, no fen is lost (R36, R38, R41)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select

from kernel.clock import FixedClock
from kernel.settings import Settings
from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
from settlement.credit_notes import credit, credited_shares
from settlement.dispute_models import CreditNote
from settlement.dispute_rules import DisputeOutcome
from settlement.disputes import answer_dispute
from settlement.funding_lines import line_balances
from settlement.models import StatementLine
from settlement.pricing import split
from settlement.queries.earnings import earnings_of
from tests.support.database import fresh_units
from tests.support.dispute_builders import a_quarrel, decided, disputed
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM, a_use, at, deliver

fen = st.integers(0, 10**7)
rates = st.decimals(0, Decimal("0.5"), places=4)


@given(fen, st.lists(st.integers(1, 10**7), max_size=4), st.data())
def test_a_credit_takes_the_uncovered_first_then_the_last_draw(
    uncovered: int, amounts: list[int], data: st.DataObject
) -> None:
    draws = [(UUID(int=n), amount) for n, amount in enumerate(amounts)]
    whole = uncovered + sum(amounts)
    if not whole:
        return
    wanted = data.draw(st.integers(1, whole))
    taken = credit(wanted, uncovered_fen=uncovered, draws=draws)
    assert taken.uncovered_fen == min(wanted, uncovered)
    assert taken.drawn_fen == sum(amount for _, amount in taken.draws)
    assert taken.amount_fen == taken.uncovered_fen + taken.drawn_fen == wanted
    back = dict(taken.draws)
    left = [amount - back.get(line, 0) for line, amount in draws]
    assert min(left, default=0) >= 0
    # an earlier line gives back only when the later ones are empty
    for position, (line, _) in enumerate(draws):
        if line in back:
            assert not any(left[position + 1 :])


@given(rates, rates, rates, st.integers(1, 10**9), st.data())
def test_line_and_credit_are_shared_as_if_the_rest_alone_had_been_billed(
    fee: Decimal, retention: Decimal, school: Decimal, drawn: int, data: st.DataObject
) -> None:
    """R41: a credit reverses at the original rates, to the fen."""
    terms = {"fee_rate": str(fee), "retention_rate": str(retention), "school_rate": str(school)}
    rest = data.draw(st.integers(0, drawn))
    whole, back = split(terms, drawn), credited_shares(terms, split(terms, drawn), rest_fen=rest)
    parts = (back.vendor_fen, back.school_fen, back.fee_fen, back.retention_fen)
    assert sum(parts) == drawn - rest
    assert whole.vendor_fen - back.vendor_fen == split(terms, rest).vendor_fen
    assert whole.fee_fen - back.fee_fen == split(terms, rest).fee_fen


@dataclass(frozen=True)
class Course:
    """How a line fares: claimed and offered in percent, and what is decided, or silence."""

    disputed: bool
    claimed: int
    offered: int | None
    outcome: DisputeOutcome | None
    credited: int


courses = st.builds(
    Course,
    disputed=st.booleans(),
    claimed=st.integers(0, 99),
    offered=st.one_of(st.none(), st.integers(0, 100)),
    outcome=st.one_of(st.none(), st.sampled_from(list(DisputeOutcome))),
    credited=st.integers(1, 100),
)


@profile(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(courses, min_size=2, max_size=2), st.integers(150, 1500))
def test_any_mix_of_disputes_and_decisions_conserves_every_fen(
    server: str, settings: Settings, chosen: Sequence[Course], ceiling_fen: int
) -> None:
    with fresh_units(server, settings) as units:
        quarrel = a_quarrel(units, ceiling_fen=ceiling_fen)
        line_ids = (quarrel.line_id, quarrel.other_line_id)
        vendors = (quarrel.vendor, quarrel.other_vendor)
        opened: list[tuple[UUID, UUID, Course]] = []
        for line_id, vendor, course in zip(line_ids, vendors, chosen, strict=True):
            if not course.disputed:
                continue
            billed = billed_by(units, line_id)
            claimed = billed * course.claimed // 100
            dispute_id = disputed(units, quarrel, line_id=line_id, claimed_fen=claimed)
            opened.append((dispute_id, line_id, course))
            if course.offered is not None:
                with units(vendor) as unit:
                    answer_dispute(
                        unit,
                        dispute_id,
                        answer="答复",
                        offered_fen=(billed - claimed) * course.offered // 100,
                    )
        wait(units, 12)
        settle(units, SYSTEM, MARCH)
        more = [a_use(units, quarrel.market, f"a{n}", at(2, 8, n, month=4)) for n in range(40)]
        deliver(units, more, name="april")
        settle(units, SYSTEM, APRIL)
        for dispute_id, line_id, course in opened:
            state = state_of(units, line_id)
            if course.outcome is not None and state == "disputed":
                upheld = course.outcome is DisputeOutcome.UPHELD
                credit_fen = max(1, billed_by(units, line_id) * course.credited // 100)
                decided(
                    units,
                    quarrel,
                    dispute_id,
                    outcome=course.outcome,
                    credit_fen=credit_fen if upheld else 0,
                )
        wait(units, 30)
        for month in (APRIL, MARCH, APRIL):
            settle(units, SYSTEM, month)
        assert verify(units, SYSTEM) == []
        assert_conserved(units, quarrel)


def wait(units: Units, days: int) -> None:
    assert isinstance(units.clock, FixedClock)
    units.clock.advance(timedelta(days=days))


def billed_by(units: Units, line_id: UUID) -> int:
    with units(SYSTEM) as unit:
        return unit.session.get_one(StatementLine, line_id).amount_fen


def state_of(units: Units, line_id: UUID) -> str:
    with units(SYSTEM) as unit:
        return unit.session.get_one(StatementLine, line_id).state


def assert_conserved(units: Units, quarrel) -> None:
    """What is booked as owed and accrued is what posted lines drew less their credits."""
    with units(SYSTEM) as unit:
        posted = unit.session.scalar(
            select(func.coalesce(func.sum(StatementLine.drawn_fen), 0)).where(
                StatementLine.state == "posted"
            )
        )
        credited = unit.session.scalar(
            select(func.coalesce(func.sum(CreditNote.drawn_fen), 0))
            .join(StatementLine, StatementLine.id == CreditNote.line_id)
            .where(StatementLine.state == "posted")
        )
        waiting = set(
            unit.session.scalars(select(StatementLine.state).where(StatementLine.state != "posted"))
        )
        balance = line_balances(unit, [quarrel.market.line_id])[quarrel.market.line_id]
        owed = [
            earnings_of(unit, actor.organisation_id)
            for actor in (quarrel.vendor, quarrel.other_vendor)
        ]
    assert waiting <= {"disputed"}
    assert balance.accrued_fen == posted - credited
    assert min(balance.available_fen, balance.committed_fen, balance.accrued_fen) >= 0
    shares = sum(one.payable_fen + one.retention_fen for one in owed)
    assert shares <= balance.accrued_fen
