"""Every call of a payment run goes wrong in every way: each payee is paid once, the books agree."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.errors import Conflict, GatewayUnavailable
from kernel.unit import Units
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import GatewayEvent, Payment
from settlement.payments import engine, parties
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run
from settlement.payments.gateway import Gateway, GatewayError
from settlement.payments.parties import know_payees
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.sandbox_models import SandboxFault, SandboxObject
from settlement.payments.sweeping import catch_up, meet_payees
from tests.support.payment_builders import (
    FEE_FEN,
    HELD_FEN,
    Payables,
    balance,
    dying,
    held_at_gateway,
    payables,
    payment_states,
    practice,
    released,
)
from tests.support.settlement_builders import SYSTEM

CALLS = ("payment_intents.create", "transfers.create")
CRASHES = ("crash before record", "crash after record")
FAULTS = (
    *(one for one in Fault if one not in (Fault.DECLINED, Fault.DELAYED, Fault.COMES_BACK)),
    *CRASHES,
)
QUESTIONS = ("payment_intents.list", "transfers.list")


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def until_paid(
    units: Units,
    clock: FixedClock,
    sandbox: Sandbox,
    gateway: Gateway,
    number: str,
    *,
    messages: bool = True,
) -> None:
    """Sweep as the worker does, until nothing is left to do; without messages by asking alone."""
    for _ in range(8):
        pay_run(units, SYSTEM, gateway, number)
        if messages:
            sandbox.deliver()
            catch_up(units, SYSTEM, gateway)
        if set(payment_states(units).values()) == {"paid"}:
            with units(SYSTEM) as unit:
                left = unit.session.scalars(select(SandboxFault.times)).all()
            assert not any(left), "a fault that never happened proves nothing"
            return
        clock.advance(PATIENCE + timedelta(seconds=1))
    raise AssertionError(payment_states(units))


def assert_each_was_paid_once(units: Units, owed: Payables, gateway: Gateway) -> None:
    first, second = owed.payees
    moved = {"payment": 1, "transfer": 2}
    entries = list(gateway.balance_entries(*whole_time(units)))
    kinds = [one.kind for one in entries]

    assert {kind: kinds.count(kind) for kind in set(kinds)} == moved
    assert len({one.key for one in entries}) == len(entries)
    assert balance(units, first, AccountKind.PAYABLE) == 0
    assert balance(units, second, AccountKind.PAYABLE) == 0
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == HELD_FEN
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
    assert balance(units, INSTALLATION, AccountKind.FEE) == -FEE_FEN


def whole_time(units: Units):
    now = units.clock.now()
    return now - timedelta(days=400), now + timedelta(days=1)


@pytest.mark.parametrize("messages", [True, False], ids=["told", "asking"])
@pytest.mark.parametrize("wrong", [*itertools.product(CALLS, FAULTS)], ids=" ".join)
def test_each_payee_is_paid_exactly_once(
    units: Units, clock: FixedClock, owed: Payables, wrong: tuple[str, str], messages: bool
):
    """R38: whatever goes wrong with whichever call, and the books equal the gateway's."""
    call, fault = wrong
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    if fault in CRASHES:
        crash(units, gateway, number, call=call, before=fault == CRASHES[0])
    else:
        sandbox.expect(call, Fault(fault))

    until_paid(units, clock, sandbox, gateway, number, messages=messages)

    assert_each_was_paid_once(units, owed, gateway)


def crash(units: Units, gateway: Gateway, number: str, *, call: str, before: bool) -> None:
    """Let the process die at the record of a call, the first of its kind."""
    if call == "transfers.create":
        with (
            dying(type(gateway), "transfer", GatewayError("not yet")),
            pytest.raises(GatewayError),
        ):
            pay_run(units, SYSTEM, gateway, number)
        units.clock.advance(PATIENCE + timedelta(seconds=1))
    if before:
        with dying(engine, "settle_payment", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
            pay_run(units, SYSTEM, gateway, number)
            pay_run(units, SYSTEM, gateway, number)
        return
    original = engine.settle_payment

    def settle_and_die(*args, **kwargs):
        unit = args[0]
        original(*args, **kwargs)
        unit.session.commit()
        raise KeyboardInterrupt

    engine.settle_payment = settle_and_die
    try:
        with pytest.raises(KeyboardInterrupt):
            pay_run(units, SYSTEM, gateway, number)
            pay_run(units, SYSTEM, gateway, number)
    finally:
        engine.settle_payment = original


@pytest.mark.parametrize("call", QUESTIONS)
@pytest.mark.parametrize(
    "fault", [Fault.TIMEOUT_BEFORE, Fault.FAILURE, Fault.RATE_LIMITED, Fault.TIMEOUT_AFTER]
)
def test_a_question_that_fails_is_asked_again(
    units: Units, clock: FixedClock, owed: Payables, call: str, fault: Fault
):
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect(call.replace("list", "create"), Fault.TIMEOUT_AFTER)
    sandbox.expect(call, fault)

    until_paid(units, clock, sandbox, gateway, number, messages=False)

    assert_each_was_paid_once(units, owed, gateway)


OPENINGS = (
    *itertools.product(["accounts.create"], FAULTS),
    *itertools.product(
        ["customers.create"], [one for one in FAULTS if not one.startswith("message")]
    ),  # of a customer the gateway sends no message
)


@pytest.mark.parametrize("wrong", OPENINGS, ids=" ".join)
def test_a_party_is_opened_once_however_often_it_is_asked_for(
    units: Units, clock: FixedClock, owed: Payables, wrong: tuple[str, str]
):
    """R38: calls that move nothing are made twice as little as those that do."""
    call, fault = wrong
    sandbox, gateway = practice(units)
    if fault not in CRASHES:
        sandbox.expect(call, Fault(fault))
    open_often(
        partial(meet_payees, units, SYSTEM, gateway), dies=call == "accounts.create" and fault
    )
    number = released(units, owed)
    open_often(
        partial(pay_run, units, SYSTEM, gateway, number), dies=call == "customers.create" and fault
    )

    until_paid(units, clock, sandbox, gateway, number)

    assert_each_was_paid_once(units, owed, gateway)
    with units(SYSTEM) as unit:
        opened = Counter(unit.session.scalars(select(SandboxObject.kind)))
    assert (opened["customer"], opened["account"]) == (1, len(owed.payees))


def open_often(opening: Callable[[], object], *, dies: str | bool) -> None:
    """Open parties again and again; the first process dies before or after it writes them."""
    if dies in CRASHES:
        step = "insert" if dies == CRASHES[0] else "_answered"
        with dying(parties, step, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
            opening()
    for _ in range(3):
        with suppress(GatewayUnavailable):
            opening()


@pytest.mark.parametrize("seed", range(4))
def test_messages_in_any_order_twice_and_before_the_record_change_nothing(
    units: Units, clock: FixedClock, owed: Payables, seed: int
):
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("payment_intents.create", Fault.DELAYED)
    sandbox.expect("transfers.create", Fault.MESSAGE_TWICE)
    sandbox.expect("transfers.create", Fault.MESSAGE_FIRST)
    pay_run(units, SYSTEM, gateway, number)
    assert sandbox.settle_delayed() == 1
    sandbox.deliver(shuffle=random.Random(seed))
    sandbox.deliver(shuffle=random.Random(seed))

    until_paid(units, clock, sandbox, gateway, number)
    sandbox.deliver()

    assert_each_was_paid_once(units, owed, gateway)
    with units(SYSTEM) as unit:
        states = set(unit.session.scalars(select(GatewayEvent.state)))
        attempts = set(unit.session.scalars(select(Payment.attempt)))
    assert states == {"applied", "ignored"}
    assert attempts == {1}


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.FAILURE, Fault.TIMEOUT_BEFORE])
def test_what_may_have_been_paid_is_asked_about_and_never_tried_again(
    units: Units, clock: FixedClock, owed: Payables, fault: Fault
):
    """R38: nobody, in a hurry, pays a payee twice."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("transfers.create", fault)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3, "unknown": 1}
    with units(SYSTEM) as unit:
        doubted = unit.session.scalars(select(Payment.key).where(Payment.state == "unknown")).one()
        keys = unit.session.scalars(select(Payment.key)).all()

    for key in keys:
        with pytest.raises(Conflict), units(SYSTEM) as unit:
            engine.retry_payment(unit, key)
    with pytest.raises(DBAPIError, match="new key"), units(SYSTEM) as unit:
        unit.session.execute(
            text("UPDATE payment SET state = 'ready', attempt = attempt + 1 WHERE key = :key"),
            {"key": doubted},
        )
    until_paid(units, clock, sandbox, gateway, number, messages=False)

    assert_each_was_paid_once(units, owed, gateway)


def test_money_that_comes_late_is_passed_on_when_it_is_there(
    units: Units, clock: FixedClock, owed: Payables
):
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("payment_intents.create", Fault.DELAYED)

    assert pay_run(units, SYSTEM, gateway, number) == {"ready": 3, "sent": 1}
    clock.advance(timedelta(days=2))
    assert pay_run(units, SYSTEM, gateway, number) == {"ready": 3, "sent": 1}
    sandbox.settle_delayed()
    until_paid(units, clock, sandbox, gateway, number)

    assert_each_was_paid_once(units, owed, gateway)


def test_a_refused_transfer_is_tried_again_under_its_next_attempt(
    units: Units, clock: FixedClock, owed: Payables
):
    """The payer has paid, so what is due to the payee stays claimed, and nobody pays it again."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("transfers.create", Fault.DECLINED)

    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 1, "paid": 3}
    with units(SYSTEM) as unit:
        failed = unit.session.scalars(select(Payment).where(Payment.state == "failed")).one()
        assert failed.failure == "balance_insufficient"
        engine.retry_payment(unit, failed.key)
    until_paid(units, clock, sandbox, gateway, number)

    assert_each_was_paid_once(units, owed, gateway)
