"""What a run leaves out is kept as it was proposed: who, how much and why."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.unit import Units
from settlement.closing import settle
from settlement.dispute_rules import DisputeReason
from settlement.disputes import dispute_line
from settlement.models import StatementLine
from settlement.payment_models import PaymentOmission, PaymentRun
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.parties import know_payees
from settlement.payments.plans import plan_run
from settlement.payments.states import LeftOut, PaymentMethod
from tests.support.builders import a_person
from tests.support.payment_builders import Payables, paid, payables, practice, proposed
from tests.support.settlement_builders import APRIL, MARCH, SYSTEM, a_use, at, deliver


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


def a_disputed_april(units: Units, owed: Payables) -> int:
    """State an April of 8 uses that the school disputes; return its vendor's part of it, in fen."""
    rows = [a_use(units, owed.market, f"a{n}", at(3, 8, n, month=4)) for n in range(8)]
    deliver(units, rows, name="april")
    settle(units, SYSTEM, APRIL)
    with units(SYSTEM) as unit:
        finance = a_person(unit, owed.market.school, [Role.SCHOOL_FINANCE])
        line = unit.session.scalars(select(StatementLine).where(StatementLine.month == APRIL)).one()
    with units(finance) as unit:
        dispute_line(
            unit, line.id, reason=DisputeReason.QUANTITY_WRONG, claim="多计了", claimed_fen=0
        )
    return line.vendor_fen


@pytest.mark.parametrize("method", list(PaymentMethod))
def test_what_is_disputed_is_left_out_and_said(units: Units, owed: Payables, method: PaymentMethod):
    """R36: a disputed line waits, the others go on; of an earlier month it says nothing."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    vendor_fen = a_disputed_april(units, owed)

    with units(owed.maker) as unit:
        april, march = (plan_run(unit, month, method=method) for month in (APRIL, MARCH))
        whenever = plan_run(unit, None, method=method)

    expected = (owed.market.school.id, owed.market.vendor.id, vendor_fen, LeftOut.DISPUTED)
    for plan in (april, whenever):
        (one,) = (one for one in plan.omitted if one.because is LeftOut.DISPUTED)
        assert (one.payer_id, one.payee_id, one.amount_fen, one.because) == expected
        assert plan.names[owed.market.vendor.id] == owed.market.vendor.name
    assert LeftOut.DISPUTED not in {one.because for one in march.omitted}


@pytest.mark.parametrize(
    "change", ["UPDATE payment_omission SET amount_fen = 0", "DELETE FROM payment_omission"]
)
def test_what_was_left_out_stays_on_record(units: Units, owed: Payables, change: str):
    with units(owed.maker) as unit:
        hold_payee(unit, owed.other.code, because="资质复核")
    proposed(units, owed, method=PaymentMethod.TREASURY)
    with pytest.raises(DBAPIError), units.engine.begin() as connection:
        connection.execute(text(change))
