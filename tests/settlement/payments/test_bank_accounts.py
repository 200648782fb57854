"""Another bank account of a payee waits before it counts."""

from datetime import timedelta

import pytest

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import AccountsChanged
from kernel.outcomes import Fate
from kernel.unit import Units
from settlement.payments.bank_accounts import (
    LATELY_DAYS,
    WAITS,
    BankAccountRow,
    account_news,
    accounts_of,
    accounts_of_payee,
    changed_lately,
    masked,
    record_bank_accounts,
)
from settlement.payments.runs import release_run, return_run
from settlement.payments.states import PaymentMethod
from tests.support.builders import a_person
from tests.support.payment_builders import Payables, a_bank_account, payables, proposed, released
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


def test_an_account_that_counted_before_counts_again_at_once(
    units: Units, owed: Payables, clock: FixedClock
):
    """A stranger's account that came to count is replaced by the owner's own, and waits anew."""
    record(units, owed, NEW)
    clock.advance(WAITS)
    assert counts(units, owed) == NEW
    for _ in range(2):
        record(units, owed, OLD)
        assert (counts(units, owed), waiting(units, owed)) == (OLD, "")
        clock.advance(WAITS - timedelta(days=1))
        record(units, owed, NEW)
        assert (counts(units, owed), waiting(units, owed)) == (OLD, NEW)
        clock.advance(WAITS - timedelta(days=1))
    clock.advance(timedelta(days=1))
    assert counts(units, owed) == NEW  # nobody looked


def test_what_the_operator_records_with_a_reason_counts_at_once_and_alone_is_believed(
    units: Units, owed: Payables, clock: FixedClock
):
    record(units, owed, NEW)
    with units(SYSTEM) as unit:
        a_bank_account(unit, owed.other, number=NEW, because="电话核实")  # while it waits
    assert (counts(units, owed), waiting(units, owed)) == (NEW, "")
    with units(SYSTEM) as unit:
        a_bank_account(unit, owed.other, number=THIRD, because="账户注销")
    assert (counts(units, owed), waiting(units, owed)) == (THIRD, "")
    record(units, owed, OLD)
    assert (counts(units, owed), waiting(units, owed)) == (THIRD, OLD)


def test_a_vendor_gives_no_reason(units: Units, owed: Payables):
    with units(SYSTEM) as unit:
        manager = a_person(unit, owed.other, [Role.VENDOR_MANAGER])
    row = BankAccountRow(
        kind="vendor",
        code=owed.other.code,
        holder="某人",
        bank="某银行",
        number=NEW,
        because="请立即生效",
    )
    with units(manager) as unit:
        (outcome,) = record_bank_accounts(unit, [row])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, "because")


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


def test_a_run_names_no_account_that_counts_no_more_and_tells_of_new_ones(
    units: Units, owed: Payables, clock: FixedClock
):
    """R38: two people sign for the account that is paid; of a change who pays is told."""
    clock.advance(timedelta(days=1))
    record(units, owed, NEW)
    clock.advance(WAITS)
    number = proposed(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.checker) as unit:
        (told,) = changed_lately(unit, number)
    assert (told.payee_name, told.masked) == (owed.other.name, masked(NEW))

    record(units, owed, OLD)
    with pytest.raises(AccountsChanged, match=owed.other.name), units(owed.checker) as unit:
        release_run(unit, number)
    with units(owed.checker) as unit:
        return_run(unit, number, note="账户已变更")
    clock.advance(timedelta(days=LATELY_DAYS))
    again = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.checker) as unit:
        assert changed_lately(unit, again) == []


def test_a_change_is_news_to_all_who_answer_for_the_payee(
    units: Units, owed: Payables, clock: FixedClock
):
    """Who, when, which account by its last digits, and since when it counts; for some time."""

    def news() -> list[tuple[str, timedelta | None]]:
        with units(SYSTEM) as unit:
            found = account_news(unit, owed.other.id)
            assert {one.recorded_by for one in found} <= {SYSTEM.name}
            return [(one.masked, one.since and one.since - one.recorded_at) for one in found]

    nothing = timedelta(0)
    assert news() == [], "the first account replaces none"
    clock.advance(timedelta(days=1))
    record(units, owed, NEW)
    assert news() == [(masked(NEW), WAITS)]
    clock.advance(timedelta(days=1))
    record(units, owed, THIRD)
    assert news() == [(masked(THIRD), WAITS), (masked(NEW), None)]
    clock.advance(timedelta(days=1))
    record(units, owed, OLD)
    assert news() == [(masked(OLD), nothing), (masked(THIRD), None), (masked(NEW), None)]
    clock.advance(timedelta(days=LATELY_DAYS - 1))
    assert news() == [(masked(OLD), nothing)]
    clock.advance(timedelta(days=1))
    assert news() == []
