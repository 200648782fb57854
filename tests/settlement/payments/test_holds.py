"""Holds: who is held is not paid, by a run that was proposed before the hold either."""

import pytest

from kernel.errors import PayeesHeld
from kernel.unit import Units
from settlement.payments.engine import pay_run
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parties import know_payees
from settlement.payments.runs import release_run, return_run
from settlement.payments.states import PaymentMethod, RunPurpose
from tests.settlement.payments.test_after_payment import credited
from tests.support.payment_builders import (
    Payables,
    paid,
    payables,
    payment_states,
    practice,
    proposed,
)
from tests.support.settlement_builders import APRIL, SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


@pytest.mark.parametrize("method", PaymentMethod)
def test_a_run_is_not_released_while_it_would_pay_somebody_who_is_held(
    units: Units, owed: Payables, method: PaymentMethod
):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = proposed(units, owed, method=method)
    with units(SYSTEM) as unit:
        hold_payee(unit, owed.other.code, because="资料复核")

    with pytest.raises(PayeesHeld, match=owed.other.name), units(owed.checker) as unit:
        release_run(unit, number)

    assert set(payment_states(units).values()) == {"proposed"}
    with units(owed.checker) as unit:
        return_run(unit, number, note="暂缓付款")
    again = proposed(units, owed, method=method)
    with units(owed.checker) as unit:
        release_run(unit, again)
    sent = {key: state for key, state in payment_states(units).items() if state == "ready"}
    assert sent and not any(owed.other.code in key for key in sent)


def test_once_the_hold_is_lifted_the_run_is_released_as_it_was(units: Units, owed: Payables):
    number = proposed(units, owed, method=PaymentMethod.TREASURY)
    with units(SYSTEM) as unit:
        hold_payee(unit, owed.other.code, because="资料复核")
    with units(SYSTEM) as unit:
        lift_hold(unit, owed.other.code)
    with units(owed.checker) as unit:
        release_run(unit, number)
    assert set(payment_states(units).values()) == {"ready"}


def test_what_is_taken_back_of_somebody_who_is_held_is_taken_back(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    number = proposed(units, owed, purpose=RunPurpose.REFUND, month=APRIL)
    with units(SYSTEM) as unit:
        hold_payee(unit, owed.market.vendor.code, because="资料复核")
        hold_payee(unit, owed.other.code, because="资料复核")
    with units(owed.checker) as unit:
        release_run(unit, number)
    pay_run(units, SYSTEM, gateway, number)
    assert set(payment_states(units).values()) == {"paid"}
