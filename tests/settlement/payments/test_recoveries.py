"""What a payer owes since its bank took a collection back for good is collected again (R62)."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from kernel.clock import FixedClock
from kernel.errors import NotDueAnyMore, NothingToPay
from kernel.money import yuan
from kernel.unit import Units
from settlement.payment_models import GatewayEvent, Payment
from settlement.payments.engine import pay_run
from settlement.payments.plans import plan_run
from settlement.payments.reconciliation import Differs, reconcile
from settlement.payments.runs import release_run
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.states import LeftOut, PaymentMethod, RunPurpose
from settlement.payments.stripe_gateway import StripeGateway
from settlement.queries.payments import overdue
from settlement.queries.unsettled import paid_besides
from settlement.verify.recompute import verify
from tests.settlement.payments.test_after_payment import credited
from tests.support.payment_builders import (
    FEE_FEN,
    Payables,
    collected_again,
    held_at_gateway,
    paid,
    payables,
    practice,
    proposed,
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


def dispute_of(units: Units, run: str) -> str:
    """Return the dispute by which a bank took a run's collection back."""
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(GatewayEvent.body["id"].astext)
            .join(Payment, Payment.gateway_id == GatewayEvent.body["payment_intent"].astext)
            .where(GatewayEvent.kind == "charge.dispute.created", Payment.key.startswith(run))
        ).one()


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


def late(units: Units, sandbox: Sandbox, run: str) -> None:
    """Let the payer pay a run's collection that the gateway had called declined."""
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(
                Payment.kind == "collection", Payment.key.startswith(run)
            )
        ).one()
    sandbox.pay_after_all(str(intent))
    sandbox.deliver()


def named(units: Units, gateway: StripeGateway, *, lost_fen: int, asked_fen: int) -> None:
    """Of whom too much is collected both looks at the books name."""
    (told,) = verify(units, SYSTEM)
    assert f"{yuan(asked_fen)} are collected again, its bank took {yuan(lost_fen)} back" in told
    (found,) = reconcile(units, SYSTEM, gateway)
    assert (found.kind, found.ours_fen, found.theirs_fen) == (
        Differs.COLLECTED_TWICE,
        lost_fen,
        asked_fen,
    )


def taken_back(units: Units, owed: Payables, sandbox: Sandbox, gateway: StripeGateway) -> int:
    """Take back what there is; return what its payer got of it (fen)."""
    back = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, back) == {"paid": 2}
    sandbox.deliver()
    with units(SYSTEM) as unit:
        made = unit.session.execute(
            select(Payment.kind, Payment.paid_fen)
            .where(Payment.key.startswith(back))
            .order_by(Payment.kind.desc())
        ).all()
    (returned, refund) = made[1], made[0]
    assert (refund.kind, returned.kind) == ("refund", "recovery_return")
    assert refund.paid_fen == returned.paid_fen
    with pytest.raises(NothingToPay):
        released(units, owed, purpose=RunPurpose.REFUND)
    return int(refund.paid_fen)


def test_a_debt_that_is_paid_late_besides_its_second_collection_goes_back(
    units: Units, owed: Payables
):
    """R62: nothing of a payer's money stays with the platform; the lost collection gives none."""
    sandbox, gateway = practice(units)
    fen = lost(units, sandbox, paid(units, owed, gateway))
    sandbox.expect("payment_intents.create", Fault.DECLINED)
    first = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, first) == {"failed": 2}
    sandbox.deliver()
    second = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, second) == {"paid": 2}

    late(units, sandbox, first)

    named(units, gateway, lost_fen=fen, asked_fen=2 * fen)
    with units(SYSTEM) as unit:
        assert paid_besides(unit, [owed.market.school.id]) == {owed.market.school.id: 2 * fen}
    assert taken_back(units, owed, sandbox, gateway) == fen
    assert held_at_gateway(units) == FEE_FEN
    agrees(units, gateway)


def test_a_dispute_that_is_won_after_its_debt_was_paid_gives_it_back(units: Units, owed: Payables):
    """R62: the bank gave the money again, so the payer owed nothing."""
    sandbox, gateway = practice(units)
    fen = lost(units, sandbox, run := paid(units, owed, gateway))
    assert pay_run(units, SYSTEM, gateway, released(units, owed)) == {"paid": 2}
    sandbox.deliver()

    sandbox.decide(dispute_of(units, run), won=True)
    sandbox.deliver()

    named(units, gateway, lost_fen=0, asked_fen=fen)
    assert taken_back(units, owed, sandbox, gateway) == fen
    assert held_at_gateway(units) == FEE_FEN
    agrees(units, gateway)


def test_a_debt_that_is_not_owed_any_more_is_not_released(units: Units, owed: Payables):
    """R38: two people sign for what is still owed."""
    sandbox, gateway = practice(units)
    lost(units, sandbox, run := paid(units, owed, gateway))
    number = proposed(units, owed)
    sandbox.decide(dispute_of(units, run), won=True)
    sandbox.deliver()

    school = owed.market.school.name
    with pytest.raises(NotDueAnyMore, match=school), units(owed.checker) as unit:
        release_run(unit, number)


def test_a_debt_that_was_raised_in_the_books_is_named(units: Units, owed: Payables):
    """R38: what is collected beyond what was lost is not believed."""
    sandbox, gateway = practice(units)
    fen = lost(units, sandbox, paid(units, owed, gateway))
    number = released(units, owed)
    with units(SYSTEM) as unit:
        for raised in (
            "ALTER TABLE payment DISABLE TRIGGER USER",
            f"UPDATE payment SET amount_fen = amount_fen + 100000 WHERE key LIKE '{number}%'",
            "ALTER TABLE payment ENABLE TRIGGER USER",
        ):
            unit.session.execute(text(raised))
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2}
    sandbox.deliver()

    named(units, gateway, lost_fen=fen, asked_fen=fen + 100_000)


def test_what_credits_took_off_waits_while_the_bank_has_its_collection(
    units: Units, owed: Payables
):
    """R41: a refund aims at what can be refunded; the payee gives nothing back before."""
    sandbox, gateway = practice(units)
    run = paid(units, owed, gateway)
    credited(units, owed)
    lost(units, sandbox, run)

    with units(owed.maker) as unit:
        plan = plan_run(unit, None, method=PaymentMethod.GATEWAY, purpose=RunPurpose.REFUND)
    assert not plan.payments
    assert {one.because for one in plan.omitted} == {LeftOut.CHARGED_BACK}
    assert set(pay_run(units, SYSTEM, gateway, released(units, owed))) == {"paid"}
    sandbox.deliver()
    back = released(units, owed, purpose=RunPurpose.REFUND)
    assert set(pay_run(units, SYSTEM, gateway, back)) == {"paid"}
    sandbox.deliver()
    assert held_at_gateway(units) == gateway.balance_fen()
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []
