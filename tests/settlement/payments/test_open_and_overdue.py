"""What is open of a month and what is overdue, whatever was paid of other months or taken back."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock, Month
from kernel.errors import NothingToPay
from kernel.unit import Units
from settlement.closing import settle
from settlement.dues import NOBODY, Cell, Due, Paid
from settlement.payment_models import Payment
from settlement.payments.engine import pay_run
from settlement.payments.parts import open_until
from settlement.payments.plans import plan_run
from settlement.payments.states import PaymentKind, PaymentMethod
from settlement.queries.payments import overdue
from settlement.retention import release_all_due
from settlement.verify.recompute import verify
from tests.support.payment_builders import Payables, paid, payables, practice, released
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    a_use,
    at,
    confirm_all,
    deliver,
)


@pytest.fixture
def owed(units: Units) -> Payables:
    units.settings = replace(units.settings, payout_minimum_fen=0)
    return payables(units)


def april(units: Units, owed: Payables) -> None:
    """Post an April of 8 uses."""
    rows = [a_use(units, owed.market, f"a{n}", at(3, 8, n, month=4)) for n in range(8)]
    deliver(units, rows, name="april")
    settle(units, SYSTEM, APRIL)
    confirm_all(units, owed.market, APRIL)
    settle(units, SYSTEM, APRIL)


def left_open(units: Units, owed: Payables) -> list[tuple[date, int]]:
    with units(owed.maker) as unit:
        return [(one.month, one.open_fen) for one in overdue(unit)]


def planned(units: Units, owed: Payables, month: Month) -> tuple[int, int]:
    """Return what a run up to a month would pay, and how much it would leave out."""
    with units(owed.maker) as unit:
        plan = plan_run(unit, month, method=PaymentMethod.GATEWAY)
    return plan.paid_out_fen, sum(one.amount_fen for one in plan.omitted)


def test_what_is_paid_of_retention_does_not_settle_a_later_statement(
    units: Units, owed: Payables, clock: FixedClock
):
    """R62, R63: April stays overdue whole, once March's retention is paid."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    april(units, owed)
    clock.advance(timedelta(days=300))
    before = left_open(units, owed)
    assert [month for month, _ in before] == [APRIL]
    release_all_due(units, SYSTEM)
    assert left_open(units, owed) == before

    number = released(units, owed, month=MARCH)
    pay_run(units, SYSTEM, gateway, number)

    with units(SYSTEM) as unit:
        retention = unit.session.scalars(
            select(Payment.paid_fen).where(
                Payment.kind == PaymentKind.COLLECTION, Payment.key.startswith(number)
            )
        ).one()
    assert retention > 0
    assert left_open(units, owed) == before
    pay_run(units, SYSTEM, gateway, released(units, owed, month=APRIL))
    assert left_open(units, owed) == []
    assert verify(units, SYSTEM) == []


def test_a_plan_up_to_an_earlier_month_knows_what_is_open_of_it(
    units: Units, owed: Payables, clock: FixedClock
):
    """R41, R63: what was paid of April is no credit of March; released retention is due of it."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    april(units, owed)
    pay_run(units, SYSTEM, gateway, released(units, owed, month=APRIL))
    assert planned(units, owed, MARCH) == planned(units, owed, APRIL) == (0, 0)
    with pytest.raises(NothingToPay):
        released(units, owed, month=MARCH)

    clock.advance(timedelta(days=300))
    assert release_all_due(units, SYSTEM)

    of_march, nothing = planned(units, owed, MARCH)
    in_all, _ = planned(units, owed, APRIL)
    assert (of_march, nothing) == (51 + 40, 0)
    assert in_all > of_march
    pay_run(units, SYSTEM, gateway, released(units, owed, month=MARCH))
    assert planned(units, owed, MARCH) == (0, 0)
    assert planned(units, owed, APRIL) == (in_all - of_march, 0)
    assert verify(units, SYSTEM) == []


def test_what_a_bank_took_back_for_good_is_overdue_again(
    units: Units, owed: Payables, clock: FixedClock
):
    """R62: the payer's debt stands where what is overdue is looked for."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent, fen = unit.session.execute(
            select(Payment.gateway_id, Payment.amount_fen).where(
                Payment.kind == PaymentKind.COLLECTION
            )
        ).one()
    clock.advance(timedelta(days=200))
    assert left_open(units, owed) == []

    dispute = sandbox.dispute(intent)
    sandbox.deliver()
    assert left_open(units, owed) == [(MARCH, fen)]
    sandbox.decide(dispute, won=False)
    sandbox.deliver()
    assert left_open(units, owed) == [(MARCH, fen)]


def test_what_a_bank_gave_again_is_not_overdue(units: Units, owed: Payables, clock: FixedClock):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(Payment.kind == PaymentKind.COLLECTION)
        ).one()
    clock.advance(timedelta(days=200))
    sandbox.decide(sandbox.dispute(intent), won=True)
    sandbox.deliver()
    assert left_open(units, owed) == []


ONE = Due(UUID(int=1), UUID(int=2), UUID(int=3))
OLD, NEW = (Cell(ONE, UUID(int=4), month) for month in (MARCH, APRIL))


@pytest.mark.parametrize(
    ("stated", "by_now", "claimed", "paid_fen", "left"),
    [
        ({OLD: 10}, {OLD: 10, NEW: 5}, {}, 0, 10),
        ({OLD: 10}, {OLD: 10, NEW: 5}, {OLD: 10, NEW: 5}, 15, 0),
        ({OLD: 12}, {OLD: 12, NEW: 5}, {OLD: 10, NEW: 5}, 15, 2),
        ({OLD: 10}, {OLD: 7, NEW: 5}, {OLD: 10}, 10, -3),
        ({OLD: 10}, {OLD: 10, NEW: 5}, {NEW: 8}, 8, 7),
        ({OLD: 10}, {OLD: 10, NEW: 5}, {}, 12, 0),
        ({OLD: 10, NEW: 5}, {OLD: 10, NEW: 5}, {}, 12, 3),
        ({OLD: 10, NEW: 5}, {OLD: 10, NEW: 5}, {}, 20, -5),
        ({}, {}, {}, 4, -4),
    ],
    ids=[
        *("nothing paid", "all paid", "released since", "credited since", "credited later"),
        *("of no month", "the rest of all", "too much", "nothing earned any more"),
    ],
)
def test_what_is_open_of_some_months_is_reckoned_by_each(
    stated: dict[Cell, int],
    by_now: dict[Cell, int],
    claimed: dict[Cell, int],
    paid_fen: int,
    left: int,
):
    paid_of = {ONE: Paid(paid_fen, paid_fen)} if paid_fen else {}
    found = open_until(stated, by_now, claimed, paid_of)
    assert found == ({ONE: left} if left else {})


def test_nobodys_part_is_never_open():
    due = ONE._replace(payee_id=NOBODY)
    cell = OLD._replace(due=due)
    assert open_until({cell: 5}, {cell: 5}, {}, {}) == {}
