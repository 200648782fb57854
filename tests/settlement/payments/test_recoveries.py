"""What a payer owes since its bank took a collection back for good is collected again (R62)."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.errors import NothingToPay
from kernel.unit import Units
from settlement.payment_models import Payment
from settlement.payments.engine import pay_run
from settlement.payments.plans import plan_run
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.states import PaymentMethod
from settlement.payments.stripe_gateway import StripeGateway
from settlement.queries.payments import overdue
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    FEE_FEN,
    Payables,
    collected_again,
    held_at_gateway,
    paid,
    payables,
    practice,
    released,
)
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def lost(units: Units, sandbox: Sandbox, run: str, *, won: bool | None = False) -> int:
    """Have the bank take a run's collection back, for good or not; return how much (fen)."""
    with units(SYSTEM) as unit:
        side = unit.session.scalars(
            select(Payment).where(Payment.kind == "collection", Payment.key.startswith(run))
        ).one()
    dispute = sandbox.dispute(str(side.gateway_id))
    if won is not None:
        sandbox.decide(dispute, won=won)
    sandbox.deliver()
    return side.amount_fen


def agrees(units: Units, gateway: StripeGateway) -> None:
    assert held_at_gateway(units) == gateway.balance_fen()
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_a_lost_disputes_debt_is_collected_by_the_next_run_and_passed_on_to_nobody(
    units: Units, owed: Payables, clock: FixedClock
):
    """R62: what is overdue of it is paid then, and asked for once."""
    sandbox, gateway = practice(units)
    fen = lost(units, sandbox, paid(units, owed, gateway))
    clock.advance(timedelta(days=200))

    number = released(units, owed)
    with pytest.raises(NothingToPay):
        released(units, owed, month=APRIL)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2}
    sandbox.deliver()

    with units(SYSTEM) as unit:
        made = unit.session.execute(
            select(Payment.kind, Payment.paid_fen)
            .where(Payment.key.startswith(number))
            .order_by(Payment.kind)
        ).all()
    assert [tuple(one) for one in made] == [("collection", fen), ("recovery", fen)]
    with units(owed.maker) as unit:
        assert overdue(unit) == []
    assert held_at_gateway(units) == FEE_FEN
    agrees(units, gateway)
    with pytest.raises(NothingToPay):
        released(units, owed)


@pytest.mark.parametrize("won", [True, None], ids=["won", "undecided"])
def test_what_a_bank_gave_again_or_did_not_decide_is_not_asked_for(
    units: Units, owed: Payables, won: bool | None
):
    sandbox, gateway = practice(units)
    lost(units, sandbox, paid(units, owed, gateway), won=won)

    with pytest.raises(NothingToPay):
        released(units, owed)


def test_what_was_declined_or_lost_once_more_is_asked_for_again(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    fen = lost(units, sandbox, paid(units, owed, gateway))
    school = owed.market.school.id

    sandbox.expect("payment_intents.create", Fault.DECLINED)
    declined = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, declined) == {"failed": 2}
    assert collected_again(units, school) == (fen, 0, 0)
    second = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, second) == {"paid": 2}
    lost(units, sandbox, second)
    assert collected_again(units, school) == (fen, fen, fen)
    third = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, third) == {"paid": 2}
    sandbox.deliver()

    assert collected_again(units, school) == (0, 2 * fen, 2 * fen)
    agrees(units, gateway)


def test_a_treasurys_run_collects_no_debt_of_the_gateways(units: Units, owed: Payables):
    """R63: nothing of it passes through the platform."""
    sandbox, gateway = practice(units)
    lost(units, sandbox, paid(units, owed, gateway))

    with units(owed.maker) as unit:
        assert not plan_run(unit, MARCH, method=PaymentMethod.TREASURY).payments
