"""Disputes: what waits, who may act and when, and where the money ends (R36, R41)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from kernel.actors import Actor
from kernel.clock import FixedClock
from kernel.db import Base
from kernel.errors import (
    AnswerAwaited,
    Conflict,
    DeadlinePassed,
    InvalidInput,
    MissingValue,
    NotDisputable,
    NoteRequired,
    NotFound,
    Refused,
    VendorInterest,
)
from kernel.ids import new_id
from kernel.unit import Units
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.dispute_models import Dispute
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.funding_lines import line_balances
from settlement.models import Period, Statement, StatementLine
from settlement.queries.earnings import earnings_of
from settlement.verify.recompute import verify
from tests.support.dispute_builders import Quarrel, a_quarrel, decided, disputed, line_states
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM, a_use, at, confirm_all, deliver

UPHELD, DISMISSED = DisputeOutcome.UPHELD, DisputeOutcome.DISMISSED


def test_a_disputed_line_waits_alone_and_the_others_go_on(units: Units) -> None:
    """R36: line by line; silence never decides a dispute."""
    quarrel = a_quarrel(units)
    disputed(units, quarrel)
    confirm_all(units, quarrel.market)
    summary = settle(units, SYSTEM, MARCH)
    assert summary["states"] == {"stated": 1}
    assert (summary["drawn_fen"], summary["waiting_fen"]) == (200, 1033)
    assert line_states(units, quarrel) == ("disputed", "posted")
    assert verify(units, SYSTEM) == []


def test_silence_confirms_the_rest_and_leaves_the_disputed_line(
    units: Units, clock: FixedClock
) -> None:
    """R36: silence for the set days confirms a line, never a disputed one."""
    quarrel = a_quarrel(units)
    disputed(units, quarrel)
    clock.advance(timedelta(days=200))
    settle(units, SYSTEM, MARCH)
    assert line_states(units, quarrel) == ("disputed", "posted")


def test_a_line_can_be_disputed_until_its_last_day(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units)
    clock.advance(timedelta(days=7))  # 10 August, the fifth working day
    clock.advance(timedelta(hours=14))  # 24:00 in Shanghai: the day after
    with pytest.raises(DeadlinePassed):
        disputed(units, quarrel)
    clock.advance(-timedelta(seconds=1))
    disputed(units, quarrel)


def test_what_is_claimed_has_to_make_sense(units: Units) -> None:
    quarrel = a_quarrel(units)
    for claimed_fen in (-1, 1033, 5000):
        with pytest.raises(InvalidInput):
            disputed(units, quarrel, claimed_fen=claimed_fen)
    with pytest.raises(MissingValue):
        disputed(units, quarrel, claim=" ")
    with pytest.raises(InvalidInput, match="nobody"):
        disputed(units, quarrel, uses=["u1", "nobody"])
    with pytest.raises(InvalidInput, match="n1"):
        disputed(units, quarrel, uses=["n1"])  # a use of the other line
    with pytest.raises(Refused):
        disputed(units, quarrel, reason=DisputeReason.FISCAL_YEAR_CLOSED)


def test_only_the_payers_finance_and_head_dispute_and_only_once(units: Units) -> None:
    quarrel = a_quarrel(units)
    for stranger in (quarrel.teacher, quarrel.vendor, quarrel.bureau, SYSTEM):
        with pytest.raises((Refused, NotFound)):
            disputed(units, quarrel, who=stranger)
    with pytest.raises(NotFound):
        disputed(units, quarrel, who=quarrel.neighbour)
    disputed(units, quarrel, who=quarrel.principal)
    with pytest.raises(Conflict):
        disputed(units, quarrel)


def test_a_confirmed_line_can_not_be_disputed_any_more(units: Units) -> None:
    quarrel = a_quarrel(units)
    with units(quarrel.market.finance) as unit:
        confirm_lines(unit, quarrel.market.school.id, MARCH, line_ids=[quarrel.line_id])
    with pytest.raises(Conflict):
        disputed(units, quarrel)


def test_a_line_that_costs_nothing_can_not_be_disputed(units: Units) -> None:
    quarrel = a_quarrel(units, unit_price="0.0000")
    with pytest.raises(NotDisputable):
        disputed(units, quarrel)


def test_the_vendor_answers_its_own_lines_once_until_its_last_day(
    units: Units, clock: FixedClock
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    with pytest.raises(NotFound), units(quarrel.other_vendor) as unit:
        answer_dispute(unit, dispute_id, answer="与我无关", offered_fen=0)
    with pytest.raises(InvalidInput), units(quarrel.vendor) as unit:
        answer_dispute(unit, dispute_id, answer="全退还不够", offered_fen=534)
    with units(quarrel.vendor) as unit:
        answer_dispute(unit, dispute_id, answer="只认一部分", offered_fen=100)
    with pytest.raises(Conflict), units(quarrel.vendor) as unit:
        answer_dispute(unit, dispute_id, answer="再答一次", offered_fen=100)
    assert line_states(units, quarrel)[0] == "disputed"


def test_a_vendor_that_is_late_can_not_answer_and_the_bureau_may_decide(
    units: Units, clock: FixedClock
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    with pytest.raises(AnswerAwaited):
        decided(units, quarrel, dispute_id)
    clock.advance(timedelta(days=8))
    with pytest.raises(DeadlinePassed), units(quarrel.vendor) as unit:
        answer_dispute(unit, dispute_id, answer="迟了", offered_fen=0)
    decided(units, quarrel, dispute_id)


def test_a_vendor_that_offers_the_whole_difference_settles_it_at_once(units: Units) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel, claimed_fen=500)
    with units(quarrel.vendor) as unit:
        dispute = answer_dispute(unit, dispute_id, answer="核实无误，同意退", offered_fen=533)
        assert (dispute.outcome, dispute.credit_fen) == ("upheld", 533)
    settle(units, SYSTEM, MARCH)
    confirm_all(units, quarrel.market)
    assert settle(units, SYSTEM, MARCH)["states"] == {"posted": 1}
    assert_credited(units, quarrel, 533)


def test_a_dismissed_line_stands_and_is_posted(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    decided(units, quarrel, dispute_id, outcome=DISMISSED, credit_fen=0)
    confirm_all(units, quarrel.market)
    summary = settle(units, SYSTEM, MARCH)
    assert (summary["drawn_fen"], summary["waiting_fen"]) == (1233, 0)
    assert verify(units, SYSTEM) == []


def test_an_upheld_line_is_posted_with_its_credit_note(units: Units, clock: FixedClock) -> None:
    """R41: the note reverses the line at its own rates, and the money is free again."""
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    decided(units, quarrel, dispute_id, credit_fen=333)
    assert line_states(units, quarrel)[0] == "upheld"
    settle(units, SYSTEM, MARCH)
    assert line_states(units, quarrel) == ("posted", "posted")
    assert_credited(units, quarrel, 333)


def assert_credited(units: Units, quarrel: Quarrel, credit_fen: int) -> None:
    """The first line bills 1,033 of 10,000 and is credited; the second bills 200 of 5,000."""
    market = quarrel.market
    with units(SYSTEM) as unit:
        balance = line_balances(unit, [market.line_id])[market.line_id]
        earnings = earnings_of(unit, market.vendor.id)
        line = unit.session.get_one(StatementLine, quarrel.line_id)
    assert balance.accrued_fen == 1033 - credit_fen + 200
    assert balance.committed_fen == 15_000 - balance.accrued_fen
    # 90 % and 5 % of what is left, by largest remainder
    assert {533: (450, 25), 333: (630, 35)}[credit_fen] == (
        earnings.payable_fen,
        earnings.retention_fen,
    )
    assert line.drawn_fen == 1033  # the line itself stays as it was stated
    assert verify(units, SYSTEM) == []


def test_what_is_credited_is_free_again_under_the_ceiling(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units, ceiling_fen=1033)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    decided(units, quarrel, dispute_id, credit_fen=333)
    more = [a_use(units, quarrel.market, f"a{n}", at(2, 8, n, month=4)) for n in range(30)]
    deliver(units, more, name="april")
    april = settle(units, SYSTEM, APRIL)  # before March is posted
    assert (april["billed_fen"], april["above_ceiling_fen"]) == (333, 667)
    clock.advance(timedelta(days=10))
    settle(units, SYSTEM, APRIL)
    assert settle(units, SYSTEM, MARCH)["states"] == {"posted": 1}
    assert verify(units, SYSTEM) == []


def test_a_decision_needs_its_reason_and_an_amount_that_fits(
    units: Units, clock: FixedClock
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    with pytest.raises(NoteRequired):
        decided(units, quarrel, dispute_id, note=" ")
    for outcome, credit_fen in ((UPHELD, 0), (UPHELD, 1034), (DISMISSED, 1)):
        with pytest.raises(InvalidInput):
            decided(units, quarrel, dispute_id, outcome=outcome, credit_fen=credit_fen)
    decided(units, quarrel, dispute_id)
    with pytest.raises(Conflict):
        decided(units, quarrel, dispute_id)


def test_who_decides_stands_above_the_payer_and_has_no_part_in_the_matter(
    units: Units, clock: FixedClock
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    others: tuple[tuple[Actor, type[Exception]], ...] = (
        (quarrel.market.finance, Refused),
        (quarrel.vendor, Refused),
        (quarrel.auditor, Refused),
        (SYSTEM, Refused),
        (quarrel.other_bureau, NotFound),
        (quarrel.biased, VendorInterest),
    )
    for actor, refusal in others:
        with pytest.raises(refusal):
            decided(units, quarrel, dispute_id, who=actor)
    assert line_states(units, quarrel)[0] == "disputed"


def test_a_bureau_that_pays_is_judged_by_the_one_above_it(units: Units, clock: FixedClock) -> None:
    quarrel = a_quarrel(units)
    line_id = a_line_that_the_bureau_pays(units, quarrel)
    dispute_id = disputed(units, quarrel, who=quarrel.bureau, line_id=line_id)
    clock.advance(timedelta(days=8))
    with pytest.raises(Refused):
        decided(units, quarrel, dispute_id)
    decided(units, quarrel, dispute_id, who=quarrel.superior, outcome=DISMISSED, credit_fen=0)


def a_line_that_the_bureau_pays(units: Units, quarrel: Quarrel) -> UUID:
    """Write a statement for the bureau: what a bulk purchase will lead to (R24)."""
    with units(SYSTEM) as unit:
        line = unit.session.get_one(StatementLine, quarrel.line_id)
        old = unit.session.get_one(Statement, line.statement_id)
        payer_id = quarrel.market.bureau.id
        statement = a_copy(old, id=new_id(), payer_id=payer_id, number="990121-2026-03")
        unit.session.add_all(
            [statement, Period(payer_id=payer_id, month=MARCH, state="stated", sealed_sequence=99)]
        )
        unit.session.flush()
        own = a_copy(line, id=new_id(), statement_id=statement.id, payer_id=payer_id)
        unit.session.add(own)
    return own.id


def a_copy(row: Base, **changes: object) -> Any:
    columns = {one.key: getattr(row, one.key) for one in row.__table__.columns}
    return type(row)(**columns | changes)


def test_the_evidence_names_uses_of_the_line(units: Units) -> None:
    quarrel = a_quarrel(units)
    with units(quarrel.market.finance) as unit:
        dispute_line(
            unit,
            quarrel.line_id,
            reason=DisputeReason.NOT_OUR_LEARNERS,
            claim="这两次不是我校学生",
            claimed_fen=967,
            evidence=["3 月 2 日机房停电"],
            uses=["u0", "u1"],
        )
    assert [one["event_id"] for one in evidence_of(units, quarrel.line_id)["uses"]] == ["u0", "u1"]


def evidence_of(units: Units, line_id: UUID) -> dict[str, list[dict[str, str]]]:
    from_line = Dispute.line_id == line_id
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(Dispute.evidence).where(from_line)).one()


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(
    units: Units, clock: FixedClock
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))

    def decide(credit_fen: int) -> Exception | None:
        try:
            decided(units, quarrel, dispute_id, credit_fen=credit_fen)
        except Conflict as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(decide, (100, 200)))
    assert [type(one) for one in outcomes if one] == [Conflict]
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE credit_draw SET amount_fen = amount_fen + 1", "given back"),
        ("UPDATE credit_note SET amount_fen = amount_fen + 1", "noted"),
        ("UPDATE dispute SET credit_fen = credit_fen + 1", "decided"),
        ("UPDATE credit_note SET drawn_fen = drawn_fen - 1", "credit:"),
    ],
)
def test_verify_names_a_wrong_figure_of_a_credit(
    units: Units, clock: FixedClock, change: str, said: str
) -> None:
    quarrel = a_quarrel(units)
    dispute_id = disputed(units, quarrel)
    clock.advance(timedelta(days=8))
    decided(units, quarrel, dispute_id)
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        for table in ("credit_draw", "credit_note", "dispute"):
            unit.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for check in ("billed", "conserved"):
            name = f"ck_credit_note_{check}"
            unit.session.execute(text(f"ALTER TABLE credit_note DROP CONSTRAINT {name}"))
        unit.session.execute(text(change))
    assert any(said in finding for finding in verify(units, SYSTEM))
