"""Payouts to banks: what arrived at a payee's account goes on once, whatever goes wrong."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.errors import GatewayUnavailable, NothingToPay, PayoutNotFailed
from kernel.unit import Units
from settlement.closing import settle
from settlement.payments import bank_payouts
from settlement.payments.bank_payouts import look_again, pay_out, try_payout_again
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parties import know_payees
from settlement.payments.plans import LeftOut, plan_run
from settlement.payments.reconciliation import Differs, reconcile
from settlement.payments.sandbox import Fault
from settlement.payments.sandbox_models import SandboxFault
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.sweeping import meet_payees, pay_out_to_banks
from settlement.payout_models import BankPayout, BankPayoutItem
from settlement.verify.recompute import verify
from tests.support.payment_builders import Payables, dying, paid, payables, practice, released
from tests.support.settlement_builders import APRIL, SYSTEM, a_use, at, confirm_all, deliver

TWICE = """
INSERT INTO bank_payout_item
SELECT o.id, i.payment_id, 1 FROM bank_payout o, bank_payout_item i WHERE i.payout_id <> o.id
"""
CRASHES = ("crash before record", "crash after record")
ELSEWHERE = (Fault.DECLINED, Fault.DELAYED, Fault.COMES_BACK)
WRONG = (*(one for one in Fault if one not in ELSEWHERE), *CRASHES)


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def payouts(units: Units) -> list[BankPayout]:
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(select(BankPayout).order_by(BankPayout.key)))


def states(units: Units) -> dict[str, str]:
    return {one.key: one.state for one in payouts(units)}


def account_of(units: Units, payee_id) -> str:
    with units(SYSTEM) as unit:
        return unit.session.scalar(
            text(
                "SELECT gateway_id FROM gateway_party WHERE role = 'payee' AND "
                "organisation_id = :id"
            ),
            {"id": payee_id},
        )


def test_what_was_passed_on_goes_to_the_banks_and_arrives(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    held = [gateway.held_for_fen(account_of(units, one)) for one in owed.payees]
    assert all(held)

    assert pay_out(units, SYSTEM, gateway) == 2
    assert set(states(units).values()) == {"sent"}
    sandbox.deliver()

    assert set(states(units).values()) == {"paid"}
    assert sorted(one.amount_fen for one in payouts(units)) == sorted(held)
    assert [gateway.held_for_fen(account_of(units, one)) for one in owed.payees] == [0, 0]
    assert pay_out(units, SYSTEM, gateway) == 0
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("messages", [True, False], ids=["told", "asking"])
@pytest.mark.parametrize("fault", WRONG, ids=str)
def test_each_account_is_paid_out_exactly_once(
    units: Units, clock: FixedClock, owed: Payables, fault: str, messages: bool
):
    """R38: time-outs, failures, crashes, messages first, twice and never."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    if fault in CRASHES:
        crash(units, gateway, before=fault == CRASHES[0])
    else:
        sandbox.expect("payouts.create", Fault(fault))
    for _ in range(6):
        pay_out(units, SYSTEM, gateway)
        if messages:
            sandbox.deliver(shuffle=random.Random(1))
        if set(states(units).values()) == {"paid"}:
            break
        clock.advance(PATIENCE + timedelta(seconds=1))

    assert list(states(units).values()) == ["paid", "paid"]
    with units(SYSTEM) as unit:
        assert not any(unit.session.scalars(select(SandboxFault.times)))
    for payee in owed.payees:
        account = account_of(units, payee)
        assert len(list(gateway.payouts_of(account))) == 1
        assert gateway.held_for_fen(account) == 0
    assert reconcile(units, SYSTEM, gateway) == []


def crash(units: Units, gateway, *, before: bool) -> None:
    if before:
        with (
            dying(bank_payouts, "settle_payout", KeyboardInterrupt()),
            pytest.raises(KeyboardInterrupt),
        ):
            pay_out(units, SYSTEM, gateway)
        return
    original = bank_payouts.settle_payout

    def settle_and_die(unit, *args):
        original(unit, *args)
        unit.session.commit()
        raise KeyboardInterrupt

    bank_payouts.settle_payout = settle_and_die
    try:
        with pytest.raises(KeyboardInterrupt):
            pay_out(units, SYSTEM, gateway)
    finally:
        bank_payouts.settle_payout = original


def test_a_late_payout_says_when_it_arrives(units: Units, clock: FixedClock, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    sandbox.expect("payouts.create", Fault.DELAYED, times=2)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()

    assert set(states(units).values()) == {"sent"}
    assert {one.arrives_on for one in payouts(units)} == {
        (clock.at + timedelta(days=2, hours=8)).date()
    }
    assert reconcile(units, SYSTEM, gateway) == []
    clock.advance(timedelta(days=2))
    sandbox.deliver()
    assert set(states(units).values()) == {"paid"}


def test_what_a_bank_sends_back_goes_again_once_somebody_says_so(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    sandbox.expect("payouts.create", Fault.DECLINED)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()
    (failed,) = [one for one in payouts(units) if one.state == "failed"]
    assert failed.failure == "account_closed"
    assert pay_out(units, SYSTEM, gateway) == 0, "nobody saw to the reason yet"
    assert reconcile(units, SYSTEM, gateway) == []

    with units(owed.maker) as unit:
        (sent,) = [one for one in payouts(units) if one.state == "paid"]
        with pytest.raises(PayoutNotFailed):
            try_payout_again(unit, sent.key)
    with units(SYSTEM) as unit:
        try_payout_again(unit, failed.key)
    with pytest.raises(PayoutNotFailed), units(SYSTEM) as unit:
        try_payout_again(unit, failed.key)
    assert pay_out(units, SYSTEM, gateway) == 1
    sandbox.deliver()

    again = next(one for one in payouts(units) if one.number == 2)
    assert (again.state, again.amount_fen) == ("paid", failed.amount_fen)
    assert reconcile(units, SYSTEM, gateway) == []


def test_a_bank_may_send_back_what_had_arrived(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()
    first = payouts(units)[0]

    sandbox.return_payout(first.gateway_id)
    assert [one.kind for one in reconcile(units, SYSTEM, gateway)] == [
        Differs.PAYEE_BALANCE,
        Differs.PAYOUT_AMOUNT,
    ]
    sandbox.deliver()

    assert states(units)[first.key] == "failed"
    assert reconcile(units, SYSTEM, gateway) == []


def test_what_a_bank_sends_back_unsaid_is_seen_by_asking(
    units: Units, clock: FixedClock, owed: Payables
):
    """No message comes, and nobody has to reconcile: the sweep asks for days after the arrival."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()
    first, second = payouts(units)
    sandbox.return_payout(first.gateway_id)

    assert look_again(units, SYSTEM, gateway) == 0, "it was just asked about"
    clock.advance(timedelta(hours=2))
    pay_out_to_banks(units, SYSTEM, gateway)

    assert states(units) == {first.key: "failed", second.key: "paid"}
    assert payouts(units)[0].failure == "account_closed"
    assert reconcile(units, SYSTEM, gateway) == []
    clock.advance(bank_payouts.RETURNS)
    sandbox.return_payout(second.gateway_id)
    assert look_again(units, SYSTEM, gateway) == 0, "after all these days a message alone tells"


def test_an_account_that_the_gateway_pays_out_by_itself_is_taken_off_its_schedule(
    units: Units, owed: Payables
):
    """Accounts opened long ago: until they are, we send nothing of theirs to their bank."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    account = account_of(units, owed.other.id)
    changed = {"settings": {"payouts": {"schedule": {"interval": "daily"}}}}
    gateway.client.v1.accounts.update(account, changed)
    sandbox.deliver()
    assert not gateway.look_at_payee(account).by_hand

    assert pay_out(units, SYSTEM, gateway) == 1, "the first vendor's"
    sandbox.expect("accounts.update", Fault.TIMEOUT_BEFORE)
    meet_payees(units, SYSTEM, gateway)
    assert pay_out(units, SYSTEM, gateway) == 0
    meet_payees(units, SYSTEM, gateway)

    assert gateway.look_at_payee(account).by_hand
    assert pay_out(units, SYSTEM, gateway) == 1
    sandbox.deliver()
    assert reconcile(units, SYSTEM, gateway) == []


def test_one_account_that_does_not_answer_keeps_no_other_waiting(units: Units, owed: Payables):
    """R38: of accounts that nobody looked at yet, those that answer are paid out."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE gateway_party SET by_hand = false"))
    sandbox.expect("accounts.retrieve", Fault.TIMEOUT_BEFORE)
    with pytest.raises(GatewayUnavailable):
        know_payees(units, SYSTEM, gateway)
    assert pay_out(units, SYSTEM, gateway) == 1

    meet_payees(units, SYSTEM, gateway)
    assert pay_out(units, SYSTEM, gateway) == 1
    sandbox.deliver()
    assert reconcile(units, SYSTEM, gateway) == []


def test_who_is_held_keeps_its_money_at_the_gateway(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        hold_payee(unit, owed.other.code, because="资料复核中")
    assert pay_out(units, SYSTEM, gateway) == 1
    with units(SYSTEM) as unit:
        lift_hold(unit, owed.other.code)
    assert pay_out(units, SYSTEM, gateway) == 1


def test_what_is_at_the_bank_is_set_off_and_not_taken_back(units: Units, owed: Payables):
    """R41: a reversal needs money at the gateway; what left it is the payee's debt until then."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()
    deliver(units, [a_use(units, owed.market, "late", at(2, 8, 0, 30))], name="april")
    settle(units, SYSTEM, APRIL)
    confirm_all(units, owed.market, APRIL)
    settle(units, SYSTEM, APRIL)

    with units(owed.maker) as unit:
        plan = plan_run(unit, None, method=PaymentMethod.GATEWAY, purpose=RunPurpose.REFUND)
    assert [one.because for one in plan.omitted] == [LeftOut.PAID_OUT]
    assert {one.kind for one in plan.payments} == {"fee_return", "refund"}


def test_while_something_is_taken_back_nothing_leaves(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    deliver(units, [a_use(units, owed.market, "late", at(2, 8, 0, 30))], name="april")
    settle(units, SYSTEM, APRIL)
    confirm_all(units, owed.market, APRIL)
    settle(units, SYSTEM, APRIL)
    number = released(units, owed, purpose=RunPurpose.REFUND)

    assert pay_out(units, SYSTEM, gateway) == 1, "the other vendor's"
    pay_run(units, SYSTEM, gateway, number)
    assert pay_out(units, SYSTEM, gateway) == 1
    sandbox.deliver()

    first = next(one for one in payouts(units) if one.payee_id == owed.market.vendor.id)
    with units(SYSTEM) as unit:
        parts = unit.session.scalars(
            select(BankPayoutItem.amount_fen)
            .where(BankPayoutItem.payout_id == first.id)
            .order_by(BankPayoutItem.amount_fen)
        ).all()
    assert len(parts) == 2 and parts[0] < 0 < parts[1] and sum(parts) == first.amount_fen
    assert reconcile(units, SYSTEM, gateway) == []
    with pytest.raises(NothingToPay):
        released(units, owed, purpose=RunPurpose.REFUND)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bank_payout SET amount_fen = amount_fen + 1",
        "UPDATE bank_payout SET state = 'ready'",
        "DELETE FROM bank_payout",
        "UPDATE bank_payout_item SET amount_fen = 1",
        "DELETE FROM bank_payout_item",
        TWICE,
        "TRUNCATE bank_payout CASCADE",
        "UPDATE payment_part SET amount_fen = 1",
        "DELETE FROM payment_part",
        "UPDATE bank_account SET number = '12345678'",
    ],
)
def test_the_database_itself_refuses(units: Units, owed: Payables, statement: str):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    pay_out(units, SYSTEM, gateway)
    sandbox.deliver()
    with (
        pytest.raises(DBAPIError, match=r"refused|change|another payout"),
        units(SYSTEM) as unit,
    ):
        unit.session.execute(text(statement))
