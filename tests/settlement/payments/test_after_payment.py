"""Credits after payment: set off against the same payer, or taken back at the original rates."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from kernel.clock import FixedClock
from kernel.errors import Conflict, NothingToPay, TransferUndone
from kernel.unit import Units
from settlement.closing import settle
from settlement.dues import dues, paid_of
from settlement.funding_lines import line_balances
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parked import parked_messages
from settlement.payments.parts import open_dues
from settlement.payments.plans import LeftOut, plan_run
from settlement.payments.reconciliation import reconcile
from settlement.payments.runs import lock_planning
from settlement.payments.sandbox import Fault
from settlement.payments.standings import standing_of_payee
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.retention import release_all_due
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    FEE_FEN,
    Payables,
    balance,
    held_at_gateway,
    paid,
    payables,
    practice,
    released,
)
from tests.support.settlement_builders import APRIL, SYSTEM, a_use, at, confirm_all, deliver

LESS_FEN = 33
"""A late use joins two that were counted: 31 uses become 30, 10.33 yuan 10.00."""


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def credited(units: Units, owed: Payables, *, april_uses: int = 0) -> None:
    """Close April with a late use of March that takes one use off, and some uses of its own."""
    rows = [a_use(units, owed.market, "late", at(2, 8, 0, 30))]
    rows += [a_use(units, owed.market, f"a{n}", at(3, 8, n, month=4)) for n in range(april_uses)]
    deliver(units, rows, name="april")
    settle(units, SYSTEM, APRIL)
    confirm_all(units, owed.market, APRIL)
    settle(units, SYSTEM, APRIL)


def left_of(units: Units, owed: Payables) -> int:
    """Return what the first vendor may still get of the school, below zero if it owes."""
    school = owed.market.school.id
    with units(SYSTEM) as unit:
        left = open_dues(dues(unit, [school]), paid_of(unit, [school]))
    return sum(fen for due, fen in left.items() if due.payee_id == owed.market.vendor.id)


def test_a_credit_after_payment_restores_its_line_and_is_the_payees_debt(
    units: Units, owed: Payables
):
    """R41: within the fiscal year it is money to spend again, though it was paid before."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        before = line_balances(unit, [owed.market.line_id])[owed.market.line_id]

    credited(units, owed)

    with units(SYSTEM) as unit:
        after = line_balances(unit, [owed.market.line_id])[owed.market.line_id]
        standing = standing_of_payee(unit, owed.market.vendor.id)
    assert before.spent_fen - after.spent_fen == LESS_FEN
    assert after.committed_fen - before.committed_fen == LESS_FEN
    assert before.paid_fen - after.paid_fen == LESS_FEN - 1
    assert left_of(units, owed) == -30
    assert (standing.due_fen, standing.carried_fen) == (0, 30)
    assert verify(units, SYSTEM) == []


def test_what_a_payee_owes_is_set_off_against_what_the_same_payer_owes_it_next(
    units: Units, owed: Payables
):
    """R41: nothing is paid until new use exceeds the credit, and then only the rest."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed, april_uses=6)
    assert left_of(units, owed) == 180 - 30

    number = released(units, owed, month=APRIL)
    states = pay_run(units, SYSTEM, gateway, number)

    assert set(states) == {"paid"}
    assert left_of(units, owed) == 0
    assert balance(units, owed.market.vendor.id, AccountKind.PAYABLE) == 0
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_a_refund_takes_back_from_each_payee_what_it_got_too_much(units: Units, owed: Payables):
    """R41: the vendor's part and the platform's fee come back at the rates of the bill."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)

    number = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}

    fee = -balance(units, INSTALLATION, AccountKind.FEE)
    assert held_at_gateway(units) == gateway.balance_fen() == fee == FEE_FEN - 2
    assert balance(units, owed.market.vendor.id, AccountKind.PAYABLE) == 0
    assert left_of(units, owed) == 0
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    with pytest.raises(NothingToPay):
        released(units, owed, purpose=RunPurpose.REFUND)


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "asking"])
def test_a_refund_that_came_back_is_given_anew(
    units: Units, clock: FixedClock, owed: Payables, is_told: bool
):
    """R41: the payer's bank did not take it; tried again, it is another refund, and given once."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    sandbox.expect("refunds.create", Fault.COMES_BACK)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 1, "ready": 1, "sent": 1}
    if is_told:
        sandbox.deliver(shuffle=random.Random(1))
    clock.advance(PATIENCE + timedelta(seconds=1))
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 1, "paid": 1, "ready": 1}

    with units(SYSTEM) as unit:
        failed = unit.session.scalars(select(Payment).where(Payment.state == "failed")).one()
        assert (failed.kind, failed.failure) == ("refund", "declined")
        retry_payment(unit, failed.key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}

    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN - 2
    assert left_of(units, owed) == 0
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    sandbox.deliver()
    with units(SYSTEM) as unit:
        assert parked_messages(unit) == []


def test_retention_is_paid_once_it_is_released(units: Units, clock, owed: Payables):
    """R63: what is held back is nobody's due before its term, and the vendor's after it."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    assert left_of(units, owed) == 0

    clock.at = clock.at.replace(year=2027)
    release_all_due(units, SYSTEM)
    units.settings = replace(units.settings, payout_minimum_fen=0)

    assert left_of(units, owed) == 51
    number = released(units, owed)
    assert set(pay_run(units, SYSTEM, gateway, number)) == {"paid"}
    assert held_at_gateway(units) == FEE_FEN
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == 0
    assert verify(units, SYSTEM) == []


def test_whoever_is_held_waits_until_somebody_lifts_it(units: Units, owed: Payables):
    with units(owed.maker) as unit:
        assert unit.actor.region_code
    with units(SYSTEM) as unit:
        hold_payee(unit, owed.market.vendor.code, because="资料复核中")
        hold_payee(unit, owed.market.vendor.code, because="再次")
        plan = plan_run(unit, APRIL, method=PaymentMethod.TREASURY)
        standing = standing_of_payee(unit, owed.market.vendor.id)
    assert [(one.payee_id, one.because) for one in plan.omitted] == [
        (owed.market.vendor.id, LeftOut.HELD)
    ]
    assert standing.held_because == "资料复核中"

    with units(SYSTEM) as unit:
        lift_hold(unit, owed.market.vendor.code)
        assert plan_run(unit, APRIL, method=PaymentMethod.TREASURY).omitted == []


def test_a_failed_collection_is_not_tried_again_but_proposed_anew(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    number = paid_but_declined(units, owed, sandbox, gateway)

    with pytest.raises(Conflict), units(SYSTEM) as unit:
        retry_payment(unit, f"{number}:collection:{owed.market.school.code}:platform")


def paid_but_declined(units: Units, owed: Payables, sandbox, gateway) -> str:
    sandbox.expect("payment_intents.create", "declined")
    return paid(units, owed, gateway)


def test_a_transfer_that_went_back_stands_in_no_later_refunds_way(units: Units, owed: Payables):
    """R41: its money was paid anew, and what is credited of that is taken back as ever."""
    sandbox, gateway = practice(units)
    sandbox.expect("transfers.create", "declined", times=2)
    failed = paid(units, owed, gateway)
    back = released(units, owed, purpose=RunPurpose.REFUND)
    assert set(pay_run(units, SYSTEM, gateway, back)) == {"paid"}
    again = released(units, owed)
    assert set(pay_run(units, SYSTEM, gateway, again)) == {"paid"}
    credited(units, owed)

    number = released(units, owed, purpose=RunPurpose.REFUND)

    assert set(pay_run(units, SYSTEM, gateway, number)) == {"paid"}
    assert left_of(units, owed) == 0
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    with units(SYSTEM) as unit:
        states = set(
            unit.session.scalars(
                select(Payment.state).where(
                    Payment.kind == "transfer", Payment.key.like(f"{failed}%")
                )
            )
        )
    assert "failed" in states


def test_a_transfer_is_tried_again_only_between_plans(units: Units, owed: Payables):
    """R41: a plan that sends its money back is either not begun or to be seen."""
    sandbox, gateway = practice(units)
    sandbox.expect("transfers.create", "declined")
    number = paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        failed = unit.session.scalars(
            select(Payment.key).where(Payment.key.like(f"{number}:%"), Payment.state == "failed")
        ).one()
    with units(SYSTEM) as planning:
        lock_planning(planning)
        with pytest.raises(DatabaseError, match="lock timeout"), units(SYSTEM) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            retry_payment(unit, failed)
    released(units, owed, purpose=RunPurpose.REFUND)

    with pytest.raises(TransferUndone), units(SYSTEM) as unit:
        retry_payment(unit, failed)
