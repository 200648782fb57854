"""Several calls at a time: as many as allowed, recorded in the claims' order, each fate its own."""

import threading
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import event, select

from kernel.clock import FixedClock
from kernel.unit import Units
from settlement.ledger.models import Transfer
from settlement.payment_models import Payment
from settlement.payments import stripe_gateway
from settlement.payments.claims import PATIENCE, claim_payments
from settlement.payments.engine import pay_run
from settlement.payments.gateway import GatewayError, OutcomeUnknown
from settlement.payments.parties import know_payees
from tests.support.payment_builders import (
    Payables,
    dying,
    payables,
    payment_states,
    practice,
    released,
)
from tests.support.settlement_builders import SYSTEM

Gateway = stripe_gateway.StripeGateway


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def collected(units: Units, owed: Payables):
    """Release a run and stop before its transfers; return the gateway and the run's number."""
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    with dying(Gateway, "transfer", GatewayError("not yet")), pytest.raises(GatewayError):
        pay_run(units, SYSTEM, gateway, number)
    units.clock.advance(PATIENCE * 2)
    return gateway, number


@pytest.mark.parametrize("allowed", [1, 2])
def test_no_more_calls_run_than_are_allowed(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch, allowed: int
):
    """Two transfers meet at a barrier where two may run; where one may, they never do."""
    gateway, number = collected(units, owed)
    units.settings = replace(units.settings, gateway_calls=allowed)
    barrier, met = threading.Barrier(2), []
    original = Gateway.transfer

    def meet(self, movement):
        try:
            barrier.wait(timeout=10 if allowed > 1 else 0.2)
            met.append(movement.key)
        except threading.BrokenBarrierError:
            pass
        return original(self, movement)

    monkeypatch.setattr(Gateway, "transfer", meet)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}

    assert len(met) == (2 if allowed > 1 else 0)


def test_the_first_to_answer_is_not_the_first_to_be_booked(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch
):
    gateway, number = collected(units, owed)
    last_is_through, original = threading.Event(), Gateway.transfer
    with units(SYSTEM) as unit:
        claims = [one.movement.key for one in claim_payments(unit, run_id(unit), besides=set())]
        unit.session.rollback()

    def later_first(self, movement):
        if movement.key == claims[0]:
            assert last_is_through.wait(timeout=10)
        outcome = original(self, movement)
        if movement.key == claims[-1]:
            last_is_through.set()
        return outcome

    monkeypatch.setattr(Gateway, "transfer", later_first)
    pay_run(units, SYSTEM, gateway, number)

    with units(SYSTEM) as unit:
        booked = unit.session.scalars(
            select(Transfer.key).where(Transfer.key.like("paid:%:transfer:%")).order_by(Transfer.id)
        ).all()
    assert booked == [f"paid:{key}" for key in claims]


@pytest.mark.parametrize("broken", [0, 1])
def test_one_call_that_breaks_leaves_the_others_recorded(
    units: Units, clock: FixedClock, owed: Payables, monkeypatch: pytest.MonkeyPatch, broken: int
):
    """The one nobody knows of is asked about later, and each payee is paid once."""
    gateway, number = collected(units, owed)
    number_of, original = count(), Gateway.transfer

    def breaking(self, movement):
        outcome = original(self, movement)
        if next(number_of) == broken:
            raise OutcomeUnknown("the line broke", answered=False)
        return outcome

    monkeypatch.setattr(Gateway, "transfer", breaking)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3, "unknown": 1}
    clock.advance(PATIENCE * 2)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}

    assert set(payment_states(units).values()) == {"paid"}
    entries = list(gateway.balance_entries(clock.at - PATIENCE * 20, clock.at + PATIENCE))
    assert [one.kind for one in entries].count("transfer") == 2


def test_a_batch_is_claimed_by_the_same_few_questions(units: Units, owed: Payables):
    """However many payments: what they aim at is asked of all of them at once."""
    collected(units, owed)
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    event.listen(units.engine, "before_cursor_execute", note)
    try:
        with units(SYSTEM) as unit:
            claims = claim_payments(unit, run_id(unit), besides=set())
    finally:
        event.remove(units.engine, "before_cursor_execute", note)

    assert len(claims) == 2
    assert len([one for one in asked if one.startswith("SELECT")]) <= 4


def run_id(unit) -> UUID:
    return unit.session.scalars(select(Payment.run_id).distinct()).one()
