"""What a run leaves out is kept as it was proposed: who, how much and why."""

import pytest
from sqlalchemy import select

from kernel.unit import Units
from settlement.payment_models import PaymentOmission, PaymentRun
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parties import know_payees
from tests.support.payment_builders import Payables, payables, practice, proposed
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def test_a_run_keeps_whom_it_left_out_and_why(units: Units, owed: Payables):
    """R59: a hold that is lifted later does not change what was proposed."""
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    with units(owed.maker) as unit:
        hold_payee(unit, owed.other.code, because="资质复核")
    number = proposed(units, owed)
    with units(owed.maker) as unit:
        lift_hold(unit, owed.other.code)
        kept = unit.session.scalars(select(PaymentOmission)).one()
        run_id = unit.session.scalars(
            select(PaymentRun.id).where(PaymentRun.number == number)
        ).one()

    due_fen = 800 - 40 - 40  # less fee and retention
    told = (kept.run_id, kept.payer_id, kept.payee_id, kept.because, kept.amount_fen)
    assert told == (run_id, owed.market.school.id, owed.other.id, "held", due_fen)
