"""Another bank account of a payee waits before it counts."""

from datetime import timedelta

import pytest

from kernel.clock import FixedClock
from kernel.unit import Units
from settlement.payments.bank_accounts import WAITS, accounts_of, accounts_of_payee
from tests.support.payment_builders import Payables, a_bank_account, payables
from tests.support.settlement_builders import SYSTEM

OLD, NEW, THIRD = "6222020200001234567", "6222020200009999999", "6222020200008888888"


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def record(units: Units, owed: Payables, number: str) -> None:
    with units(SYSTEM) as unit:
        a_bank_account(unit, owed.other, number=number)


def counts(units: Units, owed: Payables) -> str:
    with units(SYSTEM) as unit:
        return accounts_of(unit, [owed.other.id])[owed.other.id].number


def waiting(units: Units, owed: Payables) -> str:
    with units(SYSTEM) as unit:
        found = accounts_of_payee(unit, owed.other.id).waits
    return found.number if found else ""


def test_another_account_counts_after_three_days(units: Units, owed: Payables, clock: FixedClock):
    """Whoever has one login of a vendor turns no payment to another bank at once."""
    record(units, owed, NEW)
    clock.advance(WAITS - timedelta(seconds=1))
    assert (counts(units, owed), waiting(units, owed)) == (OLD, NEW)
    clock.advance(timedelta(seconds=1))
    assert (counts(units, owed), waiting(units, owed)) == (NEW, "")


def test_what_is_replaced_while_it_waits_never_counts(
    units: Units, owed: Payables, clock: FixedClock
):
    record(units, owed, NEW)
    clock.advance(WAITS - timedelta(days=1))
    record(units, owed, OLD)  # the vendor saw it
    clock.advance(WAITS * 2)
    assert (counts(units, owed), waiting(units, owed)) == (OLD, "")
    record(units, owed, THIRD)
    clock.advance(WAITS)
    assert counts(units, owed) == THIRD
