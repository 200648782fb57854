"""What the gateway said of an earlier attempt, recorded late, touches the next one in nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.unit import Units
from settlement.payment_models import Payment
from settlement.payments.bank_payouts import PayoutClaim, carry_on, pay_out
from settlement.payments.claims import PATIENCE, Claim
from settlement.payments.engine import carry_out, pay_run, retry_payment
from settlement.payments.gateway import (
    CallRefused,
    GatewayError,
    Movement,
    NotNow,
    Outcome,
    OutcomeUnknown,
    Stand,
)
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentKind
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payout_models import BankPayout
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    Payables,
    dying,
    paid,
    payables,
    payment_states,
    practice,
    released,
)
from tests.support.settlement_builders import SYSTEM

Answer = Outcome | GatewayError | None
NEWS: tuple[Answer, ...] = (
    CallRefused("balance_insufficient"),
    NotNow("rate_limit"),
    OutcomeUnknown("api_error", answered=True),
    OutcomeUnknown("timeout", answered=False),
    Outcome(gateway_id="", stand=Stand.FAILED, reason="expired"),
    None,
)
NAMES = ["refused", "not now", "it failed", "nobody knows", "came to nothing", "never had it"]


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


class Late:
    """A gateway that has one thing to say of whatever it is asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def __getattr__(self, _name: str) -> Callable[..., Answer]:
        return self.say

    def say(self, *_args: Any) -> Answer:
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", NEWS, ids=NAMES)
def test_a_late_answer_of_an_earlier_attempt_says_nothing_of_the_next(
    units: Units,
    clock: FixedClock,
    owed: Payables,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    """R38: a worker holds an answer while the transfer is refused to another and sent anew."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    with dying(StripeGateway, "transfer", GatewayError("no")), pytest.raises(GatewayError):
        pay_run(units, SYSTEM, gateway, number)
    clock.advance(PATIENCE * 2)
    sandbox.expect("transfers.create", Fault.DECLINED)
    pay_run(units, SYSTEM, gateway, number)
    with units(SYSTEM) as unit:
        failed = unit.session.scalars(select(Payment).where(Payment.state == "failed")).one()
        retry_payment(unit, failed.key)
    call, seen = StripeGateway.transfer, []

    def meanwhile(self: StripeGateway, movement: Movement) -> Outcome:
        if movement.key == failed.key:
            earlier = Claim(failed.id, PaymentKind.TRANSFER, movement, 1, ask=answer is None)
            carry_out(units, SYSTEM, Late(answer), [earlier])
            with units(SYSTEM) as unit:
                now = unit.session.get_one(Payment, failed.id)
                seen.append((now.state, now.attempt, now.failure))
        return call(self, movement)

    with monkeypatch.context() as held:
        held.setattr(StripeGateway, "transfer", meanwhile)
        pay_run(units, SYSTEM, gateway, number)
    sandbox.deliver()

    assert seen == [("claimed", 2, failed.failure)]
    assert set(payment_states(units).values()) == {"paid"}
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("answer", NEWS, ids=NAMES)
def test_a_late_answer_of_a_payouts_earlier_attempt_does_not_fail_it(
    units: Units,
    clock: FixedClock,
    owed: Payables,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    """R38: a payout that is called failed while its bank gets it would be sent a second time."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    sandbox.expect("payouts.create", Fault.FAILURE)
    for _ in range(2):  # it is sent, and after a while asked about: the gateway never had it
        pay_out(units, SYSTEM, gateway)
        clock.advance(PATIENCE * 2)
    call, seen = StripeGateway.pay_out, []

    def meanwhile(self: StripeGateway, movement: Movement) -> Outcome:
        with units(SYSTEM) as unit:
            payout = unit.session.scalars(
                select(BankPayout).where(BankPayout.key == movement.key)
            ).one()
        earlier = PayoutClaim(payout.id, replace(movement, attempt=1), ask=answer is None)
        carry_on(units, SYSTEM, Late(answer), [earlier])
        with units(SYSTEM) as unit:
            now = unit.session.get_one(BankPayout, payout.id)
            seen.append((now.state, now.attempt, now.failure))
        return call(self, movement)

    with monkeypatch.context() as held:
        held.setattr(StripeGateway, "pay_out", meanwhile)
        pay_out(units, SYSTEM, gateway)
    sandbox.deliver()

    assert [(state, attempt) for state, attempt, _ in seen] == [("claimed", 2)]
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(BankPayout.state)).all() == ["paid", "paid"]
    assert reconcile(units, SYSTEM, gateway) == []
