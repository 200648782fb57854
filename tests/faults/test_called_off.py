"""What was given up is closed at the gateway, whatever goes wrong; who paid first loses nothing."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.payment_models import Payment, PaymentClosing
from settlement.payments import calling_off
from settlement.payments.calling_off import OFTEN_FOR, call_off
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.gateway import CallRefused, Movement
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.sandbox_calls import succeed
from settlement.payments.sandbox_models import SandboxFault
from settlement.payments.sandbox_store import Store
from settlement.payments.stripe_gateway import StripeGateway
from settlement.tasks import reconcile_daily, sweep_payments
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    FEE_FEN,
    Payables,
    dying,
    held_at_gateway,
    payables,
    practice,
    released,
)
from tests.support.settlement_builders import SYSTEM

CALLS = ("payment_intents.list", "payment_intents.cancel", "payment_intents.retrieve")
LINES = (Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.FAILURE, Fault.RATE_LIMITED)
MESSAGES = (Fault.MESSAGE_FIRST, Fault.MESSAGE_TWICE, Fault.MESSAGE_NEVER)
FAULTS = (
    *itertools.product(CALLS, LINES),
    *(("payment_intents.cancel", one) for one in MESSAGES),
)


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


@pytest.fixture
def gateway_of(units: Units, owed: Payables) -> tuple[Sandbox, StripeGateway, str, str]:
    """A run whose payer's bank declined: the sandbox, the gateway, its number, its intent."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    sandbox.expect("payment_intents.create", Fault.DECLINED)
    number = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 4}
    sandbox.deliver()
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(Payment.kind == "collection")
        ).one()
    return sandbox, gateway, number, str(intent)


def closings(units: Units) -> list[str]:
    """Return what is on record as closed; the trail must say each once."""
    with units(SYSTEM) as unit:
        found = unit.session.scalars(select(PaymentClosing.gateway_id)).all()
        told = select(func.count()).where(TrailRow.act == "payment.called_off")
        assert unit.session.scalar(told) == len(found)
        return list(found)


def states(units: Units, number: str) -> set[tuple[str, str]]:
    with units(SYSTEM) as unit:
        rows = select(Payment.state, Payment.failure).where(Payment.key.startswith(number))
        return {(state, failure) for state, failure in unit.session.execute(rows)}


def status_of(units: Units, intent: str) -> str:
    with units(SYSTEM) as unit:
        return str(Store(unit).get("payment_intent", intent)["status"])


def agrees(units: Units, gateway: StripeGateway) -> None:
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(("call", "fault"), FAULTS)
def test_what_was_declined_is_closed_whatever_goes_wrong(
    units: Units,
    owed: Payables,
    gateway_of: tuple[Sandbox, StripeGateway, str, str],
    call: str,
    fault: Fault,
):
    """R38: its payer can't pay it beside the run that asks for the same again."""
    sandbox, gateway, number, intent = gateway_of
    sandbox.expect(call, fault, times=2)

    for _ in range(3):
        call_off(units, SYSTEM, gateway)
        sandbox.deliver()

    assert closings(units) == [intent]
    assert status_of(units, intent) == "canceled"
    assert not sandbox.pay_after_all(intent)
    again = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, again) == {"paid": 4}
    sandbox.deliver()
    assert {state for state, _ in states(units, number)} == {"failed"}
    agrees(units, gateway)


def test_each_fault_was_met(units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str]):
    """A fault that never happens proves nothing: each call is made, and is made again."""
    sandbox, gateway, _, intent = gateway_of
    for call in CALLS:
        sandbox.expect(call, Fault.TIMEOUT_BEFORE)

    for known in ([], [], [], [intent]):
        call_off(units, SYSTEM, gateway)
        assert closings(units) == known

    with units(SYSTEM) as unit:
        assert not any(unit.session.scalars(select(SandboxFault.times)))


@pytest.mark.parametrize("name", ["lock_group", "record"])
def test_who_dies_before_the_record_leaves_it_to_the_next(
    units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str], name: str
):
    """It is closed there already, and is asked for and written once more."""
    _, gateway, _, intent = gateway_of
    with dying(calling_off, name, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        call_off(units, SYSTEM, gateway)
    assert status_of(units, intent) == "canceled"
    assert closings(units) == []

    call_off(units, SYSTEM, gateway)
    call_off(units, SYSTEM, gateway)

    assert closings(units) == [intent]


def test_many_at_once_close_it_once(
    units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str]
):
    _, gateway, _, intent = gateway_of

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(call_off, units, SYSTEM, gateway) for _ in range(4)]:
            one.result()

    assert closings(units) == [intent]


@pytest.mark.parametrize("between", [False, True], ids=["before", "between"])
def test_who_pays_first_has_paid_late(
    units: Units,
    gateway_of: tuple[Sandbox, StripeGateway, str, str],
    monkeypatch: pytest.MonkeyPatch,
    between: bool,
):
    """R38: the money is booked, and waits for a person as any that comes late."""
    sandbox, gateway, number, intent = gateway_of
    sandbox.expect("payment_intents.cancel", Fault.MESSAGE_NEVER)
    listed: Callable[..., Any] = StripeGateway._intents

    def pays_now(self: StripeGateway, *asked: Any) -> Any:
        found = listed(self, *asked)
        sandbox.pay_after_all(intent)
        return found

    if between:
        monkeypatch.setattr(StripeGateway, "_intents", pays_now)
    else:
        sandbox.pay_after_all(intent)
    call_off(units, SYSTEM, gateway)

    assert closings(units) == []
    assert states(units, number) == {("paid", ""), ("failed", "paid-late")}
    with units(SYSTEM) as unit:
        keys = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).all()
    for key in keys:
        with units(SYSTEM) as unit:
            retry_payment(unit, key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}
    sandbox.deliver()
    agrees(units, gateway)


def test_money_counts_though_the_gateway_had_closed_it(
    units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str]
):
    """R38: whatever was said before, what moved has moved."""
    sandbox, gateway, number, intent = gateway_of
    call_off(units, SYSTEM, gateway)
    with units(SYSTEM) as unit:
        store = Store(unit)
        succeed(store, store.get("payment_intent", intent))
    sandbox.deliver()

    assert closings(units) == [intent]
    assert states(units, number) == {("paid", ""), ("failed", "paid-late")}
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_what_the_gateway_never_made_has_nothing_to_close(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch
):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)

    def refuse(*_: Any) -> None:
        raise CallRefused("amount_too_large")

    monkeypatch.setattr(StripeGateway, "collect", refuse)
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 4}

    call_off(units, SYSTEM, gateway)

    assert closings(units) == [""]


def test_what_the_gateway_knew_and_does_not_show_is_asked_for_again(
    units: Units,
    gateway_of: tuple[Sandbox, StripeGateway, str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    _, gateway, _, intent = gateway_of
    with monkeypatch.context() as patched:
        patched.setattr(StripeGateway, "_intents", lambda *_: [])
        call_off(units, SYSTEM, gateway)
    assert closings(units) == []

    call_off(units, SYSTEM, gateway)
    assert closings(units) == [intent]


def test_what_is_on_its_way_or_paid_is_left_alone(units: Units, owed: Payables):
    """Nobody gave it up: a bank transfer takes its days."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    sandbox.expect("payment_intents.create", Fault.DELAYED)
    number = released(units, owed)
    pay_run(units, SYSTEM, gateway, number)

    call_off(units, SYSTEM, gateway)

    assert closings(units) == []
    assert sandbox.settle_delayed() == 1
    sandbox.deliver()
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}
    call_off(units, SYSTEM, gateway)
    assert closings(units) == []


def test_the_sweep_closes_what_was_given_up(
    units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str]
):
    *_, intent = gateway_of
    sweep_payments(units)
    assert closings(units) == [intent]


def test_what_failed_long_ago_is_asked_for_once_a_day(
    units: Units,
    clock: FixedClock,
    gateway_of: tuple[Sandbox, StripeGateway, str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    """No sweep lists for ever what the gateway may never show; what shows in the end is closed."""
    *_, intent = gateway_of
    asked: list[str] = []

    def show_nothing(_: StripeGateway, movement: Movement) -> None:
        asked.append(movement.key)

    clock.advance(OFTEN_FOR)
    with monkeypatch.context() as patched:
        patched.setattr(StripeGateway, "call_off", show_nothing)
        sweep_payments(units)
        assert len(asked) == 1
        clock.advance(timedelta(seconds=1))
        sweep_payments(units)
        assert len(asked) == 1
        reconcile_daily(units)
        assert len(asked) == 2
    sweep_payments(units)
    assert closings(units) == []
    reconcile_daily(units)
    assert closings(units) == [intent]


@pytest.mark.parametrize(
    "change", ["UPDATE payment_closing SET gateway_id = ''", "DELETE FROM payment_closing"]
)
def test_what_was_closed_stays_on_record(
    units: Units, gateway_of: tuple[Sandbox, StripeGateway, str, str], change: str
):
    _, gateway, _, _ = gateway_of
    call_off(units, SYSTEM, gateway)
    with pytest.raises(DBAPIError), units.engine.begin() as connection:
        connection.execute(text(change))
