"""A collection that was called declined is paid all the same: nobody loses that money."""

import pytest
from alembic import command
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.errors import NotDueAnyMore, PaidTwice, PayeesHeld
from kernel.unit import Units
from market.schema import alembic_config
from settlement.payment_models import GatewayEvent, Payment
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.holds import hold_payee
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.runs import release_run
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.states import RunPurpose
from settlement.payments.stripe_gateway import StripeGateway
from settlement.queries.payments import payment_run
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    FEE_FEN,
    HELD_FEN,
    TOTAL_FEN,
    Payables,
    held_at_gateway,
    payables,
    practice,
    proposed,
    released,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def declined(units: Units, owed: Payables) -> tuple[Sandbox, StripeGateway, str]:
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    sandbox.expect("payment_intents.create", Fault.DECLINED)
    number = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 4}
    sandbox.deliver()
    return sandbox, gateway, number


def paid_after_all(units: Units, sandbox: Sandbox, number: str) -> list[str]:
    """Let the payer pay; return the keys of the transfers that wait for a person then."""
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(
                Payment.kind == "collection", Payment.key.startswith(number)
            )
        ).one()
    sandbox.pay_after_all(str(intent))
    sandbox.deliver()
    with units(SYSTEM) as unit:
        assert "parked" not in unit.session.scalars(select(GatewayEvent.state)).all()
        return list(
            unit.session.scalars(
                select(Payment.key).where(
                    Payment.key.startswith(number),
                    Payment.state == "failed",
                    Payment.failure == "paid-late",
                )
            )
        )


def agrees(units: Units, gateway: StripeGateway) -> None:
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_what_nothing_else_pays_is_passed_on(units: Units, owed: Payables):
    """R38: the run that was released goes on where it stopped."""
    sandbox, gateway, number = declined(units, owed)

    waiting = paid_after_all(units, sandbox, number)

    assert len(waiting) == 2
    with units(owed.maker) as unit:
        assert payment_run(unit, number).standing == "failed"
    for key in waiting:
        with units(SYSTEM) as unit:
            retry_payment(unit, key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 4}
    sandbox.deliver()
    agrees(units, gateway)


def test_what_another_run_pays_goes_back_to_the_payer(units: Units, owed: Payables):
    """R38, R41: it is not passed on a second time."""
    sandbox, gateway, number = declined(units, owed)
    second = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, second) == {"paid": 4}
    sandbox.deliver()

    waiting = paid_after_all(units, sandbox, number)

    assert len(waiting) == 2
    with units(owed.maker) as unit:
        assert payment_run(unit, number).standing == "failed"
    for key in waiting:
        with pytest.raises(PaidTwice), units(SYSTEM) as unit:
            retry_payment(unit, key)
    back = released(units, owed, purpose=RunPurpose.REFUND)
    assert set(pay_run(units, SYSTEM, gateway, back)) == {"paid"}
    sandbox.deliver()
    agrees(units, gateway)


def test_what_was_paid_late_is_not_asked_for_by_a_run_that_was_proposed_before(
    units: Units, owed: Payables
):
    """R38: its payer would pay twice, and two people have signed for another state of things."""
    sandbox, _, number = declined(units, owed)
    second = proposed(units, owed)
    paid_after_all(units, sandbox, number)

    school = owed.market.school.name
    with pytest.raises(NotDueAnyMore, match=school), units(owed.checker) as unit:
        release_run(unit, second)


def test_what_was_paid_late_is_not_passed_on_to_who_is_held_by_then(units: Units, owed: Payables):
    """R38: a hold counts for what is tried again, too."""
    sandbox, gateway, number = declined(units, owed)
    with units(owed.maker) as unit:
        hold_payee(unit, owed.other.code, because="资质复核")
    waiting = paid_after_all(units, sandbox, number)
    (held,) = (key for key in waiting if owed.other.code in key)

    with pytest.raises(PayeesHeld, match=owed.other.name), units(owed.maker) as unit:
        retry_payment(unit, held)

    assert held_at_gateway(units) == gateway.balance_fen() == TOTAL_FEN - HELD_FEN


def test_a_downgrade_names_what_waits_since_it_was_paid_late(units: Units, owed: Payables):
    """The revision before would pass it on without asking whether another run did."""
    sandbox, _, number = declined(units, owed)
    waiting = paid_after_all(units, sandbox, number)

    with pytest.raises(RuntimeError, match=waiting[0]), units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0042")


def test_the_database_lets_no_attempt_grow_while_a_collection_is_paid_late(
    units: Units, owed: Payables
):
    """Only what failed is tried under a new key, and what is paid is not tried."""
    declined(units, owed)
    grown = (
        "UPDATE payment SET state = 'paid', paid_fen = amount_fen, attempt = attempt + 1 "
        "WHERE kind = 'collection'"
    )
    with pytest.raises(DBAPIError, match="new key"), units.engine.begin() as connection:
        connection.execute(text(grown))
