"""The proof of payments: verify and reconcile name what was planted; invoices, overdue, books."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from kernel.clock import FixedClock
from kernel.errors import Refused
from kernel.outcomes import Fate
from kernel.unit import Units
from settlement.journal import export_journal
from settlement.models import Statement
from settlement.payment_models import Payment
from settlement.payments.fapiao import FapiaoRow, record_fapiao
from settlement.payments.reconciliation import Differs, reconcile
from settlement.payments.sandbox_store import Store
from settlement.queries.payments import fapiao_of, overdue
from settlement.queries.payouts import payouts_of
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    HELD_FEN,
    TOTAL_FEN,
    Payables,
    paid,
    payables,
    practice,
)
from tests.support.settlement_builders import MARCH, SYSTEM

BILLED_FEN = 1_033


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def test_after_a_run_nothing_differs_and_what_is_planted_is_named(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    assert reconcile(units, SYSTEM, gateway, MARCH) == []

    with units(SYSTEM) as unit:
        stray = Store(unit).add("charge", metadata={}, payment_intent=None)
        Store(unit).book("payment", 12_345, stray["id"])
    found = reconcile(units, SYSTEM, gateway, MARCH)

    assert [one.kind for one in found] == [Differs.NOT_OURS, Differs.BALANCE]
    assert found[0].theirs_fen == 12_345
    with pytest.raises(Refused):
        reconcile(units, owed.market.finance, gateway, MARCH)


def test_what_the_gateway_booked_of_no_object_is_named(units: Units, owed: Payables):
    """Such as a fee of the gateway's own: its entry has no source."""
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        own = Store(unit).book("stripe_fee", -3, None)["id"]

    stray, whole = reconcile(units, SYSTEM, gateway, MARCH)

    assert (stray.kind, stray.key, stray.theirs_fen) == (Differs.NOT_OURS, own, -3)
    assert whole.kind is Differs.BALANCE


def test_a_movement_that_only_one_side_has_is_named(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "DELETE FROM sandbox_object WHERE kind = 'balance_transaction' "
                "AND body->>'type' = 'transfer' AND sequence = (SELECT max(sequence) "
                "FROM sandbox_object WHERE kind = 'balance_transaction' AND account IS NULL)"
            )
        )

    found = reconcile(units, SYSTEM, gateway, MARCH)

    assert [one.kind for one in found] == [Differs.MISSING_THERE, Differs.BALANCE]


def test_verify_names_a_payment_that_was_never_made(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    assert verify(units, SYSTEM) == []

    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE payment DISABLE TRIGGER USER"))
        unit.session.execute(
            text(
                "UPDATE payment SET amount_fen = amount_fen + 1, paid_fen = paid_fen + 1 "
                "WHERE kind = 'transfer' AND payee_id = :payee"
            ),
            {"payee": owed.other.id},
        )
    found = "\n".join(verify(units, SYSTEM))

    assert "its parts make" in found
    assert "moved in the books" in found
    assert f"payee {owed.other.code}" in found


def test_verify_names_a_line_that_did_not_pay_what_it_says(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        for command in (
            "ALTER TABLE account DISABLE TRIGGER USER",
            "UPDATE account SET balance = balance + 5 WHERE kind = 'paid' AND balance > 500",
            "UPDATE account SET balance = balance - 5 WHERE kind = 'accrued' AND balance > 50",
        ):
            unit.session.execute(text(command))

    assert any("its payments make" in one for one in verify(units, SYSTEM))


def test_what_is_not_paid_after_its_day_is_overdue(units: Units, clock: FixedClock, owed: Payables):
    """R62: thirty days after the last day for confirming, oldest first, less what was paid."""
    with units(SYSTEM) as unit:
        confirm_by = unit.session.scalars(select(Statement.confirm_by)).one()
        assert overdue(unit) == []
    clock.advance(timedelta(days=40))
    with units(owed.maker) as unit:
        (late,) = overdue(unit)
    assert (late.due_fen, late.open_fen) == (TOTAL_FEN - HELD_FEN,) * 2
    assert late.due_on == confirm_by + timedelta(days=30)

    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(owed.maker) as unit:
        assert overdue(unit) == []


def test_fapiao_are_many_per_statement_and_never_more_than_it(units: Units, owed: Payables):
    """R64: twenty digits, and a red-letter one takes back of the one that it names."""
    with units(SYSTEM) as unit:
        statement = unit.session.scalars(select(Statement.number)).one()

    def row(last: int, fen: int, **more: str) -> FapiaoRow:
        return FapiaoRow(
            number=f"2611700000000000{last:04d}",
            vendor_code=owed.market.vendor.code,
            statement=statement,
            amount_fen=fen,
            issued_on=date(2026, 4, 10),
            **more,
        )

    rows = [
        row(1, 1_000),
        row(2, 33),
        row(3, 1),
        row(1, 1_000),
        row(4, 10, corrects=row(2, 33).number),
        row(5, 24, corrects=row(2, 33).number),
        row(6, 10),
    ]
    with units(SYSTEM) as unit:
        fates = [one.fate for one in record_fapiao(unit, rows)]
        listed = fapiao_of(unit, owed.market.vendor.id)
    accepted, refused = Fate.ACCEPTED, Fate.REJECTED

    assert fates == [accepted, accepted, refused, Fate.DUPLICATE, accepted, refused, accepted]
    assert sum(one.amount_fen for one in listed) == BILLED_FEN
    with units(SYSTEM) as unit:
        first = row(1, 1_000)
        (short, conflict, early) = record_fapiao(
            unit,
            [
                replace(row(7, 1), number="123"),
                replace(first, issued_on=date(2026, 4, 11)),
                replace(row(8, 1, corrects=first.number), issued_on=date(2026, 4, 9)),
            ],
        )
    assert [short.field, conflict.field, early.field] == ["number", "number", "issued_on"]
    assert conflict.fate is Fate.CONFLICT
    assert "2026-04-10" in str(early.error)


def test_a_vendor_sees_its_payouts_and_nobody_elses(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)

    with units(SYSTEM) as unit:
        own = payouts_of(unit, owed.market.vendor.id)
        keys = unit.session.scalars(
            select(Payment.key).where(Payment.payee_id == owed.market.vendor.id)
        ).all()
    assert [one.key for one in own] == list(keys)
    assert [(one.amount_fen, one.state) for one in own] == [(930, "paid")]


def test_the_journal_of_a_bureau_holds_its_payers_payments(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)

    with units(owed.maker) as unit:
        journal = "".join(export_journal(unit, "hledger"))
    assert journal.count("of payment run") == 3
    assert "assets:gateway:platform" in journal
