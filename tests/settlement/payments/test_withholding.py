"""Tax withheld of what teachers earn: by the published table, once over the month (R64)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock, month_of, shanghai_day
from kernel.errors import AlreadyExists, InvalidInput, WithheldForAnotherMonth
from kernel.identity.models import NATION
from kernel.unit import Units
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.runs import release_run
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.treasury import export_orders
from settlement.payout_models import Withholding
from settlement.queries.payments import gone_back, payment_run
from settlement.queries.withholding import filing_of
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind, table_in_force
from settlement.taxation import SHIPPED, EarlierIncome, Taxation, tax_on
from settlement.verify.recompute import verify
from tests.support.payment_builders import (
    FEE_FEN,
    SMALL_TABLE,
    Payables,
    balance,
    held_at_gateway,
    paid,
    payables,
    practice,
    proposed,
    released,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import SYSTEM

EARNED_FEN = 720
"""Of 8.00 yuan after fee and retention."""


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
    return found


@pytest.mark.parametrize(
    ("income_yuan", "tax_yuan"),
    [
        (0, "0"),
        (800, "0"),
        ("800.01", "0"),
        (1_000, "40"),
        (4_000, "640"),
        ("4000.01", "640"),
        (5_000, "800"),
        (25_000, "4000"),
        (30_000, "5200"),
        (62_500, "13000"),
        (100_000, "25000"),
    ],
)
def test_the_published_table_gives_the_published_examples(income_yuan, tax_yuan):
    """Notice 61 of 2018: 800 free, then 800 or a fifth off; 20, 30 and 40 %, quick deduction."""
    income_fen = int(Decimal(income_yuan) * 100)
    assert tax_on(income_fen, SHIPPED).tax_fen == int(Decimal(tax_yuan) * 100)


@given(parts=st.lists(st.integers(1, 5_000_000), min_size=1, max_size=6))
def test_in_however_many_payments_the_months_tax_is_that_of_all(parts: list[int]):
    payee = INSTALLATION
    earlier = EarlierIncome()
    for part in parts:
        taxation = Taxation(version="v", table=SHIPPED, earlier={payee: earlier})
        one = taxation.withheld(payee, part)
        assert one is not None and 0 <= one.tax_fen <= part
        earlier = EarlierIncome(
            income_fen=earlier.income_fen + part, tax_fen=earlier.tax_fen + one.tax_fen
        )
    assert earlier.tax_fen == tax_on(sum(parts), SHIPPED).tax_fen


@given(first=st.integers(0, 20_000_000), more=st.integers(0, 1_000_000))
def test_who_earns_more_keeps_more(first: int, more: int):
    low, high = tax_on(first, SHIPPED).tax_fen, tax_on(first + more, SHIPPED).tax_fen
    assert low <= high <= low + more


def test_a_teacher_gets_the_rest_and_the_tax_office_is_owed_the_tax(units: Units, owed: Payables):
    _, gateway = practice(units)
    number = paid(units, owed, gateway)

    with units(SYSTEM) as unit:
        kept = unit.session.scalars(select(Withholding)).one()
        net = unit.session.scalars(
            select(Payment.amount_fen).where(
                Payment.kind == "transfer", Payment.payee_id == owed.other.id
            )
        ).one()
    month = kept.month
    assert kept.income_fen == EARNED_FEN
    assert kept.tax_fen == tax_of(EARNED_FEN)
    assert net == EARNED_FEN - kept.tax_fen
    assert balance(units, owed.other.id, AccountKind.PAYABLE) == 0
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == kept.tax_fen
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN + kept.tax_fen
    with units(SYSTEM) as unit:
        filing = filing_of(unit, month)
    assert [(one.payee_code, one.income_fen, one.tax_fen, one.withheld_fen) for one in filing] == [
        (owed.other.code, EARNED_FEN, kept.tax_fen, kept.tax_fen)
    ]
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []
    assert number


def tax_of(income_fen: int) -> int:
    """Reckon the small table by hand: a fifth off, then 20 % up to 3.00, 30 % less 0.30 above."""
    taxable = Decimal(income_fen) * 4 / 5
    return int((taxable * 3 / 10 - 30).to_integral_value())


def test_a_firm_has_nothing_withheld(units: Units):
    owed = payables(units)
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Withholding)).all() == []


def test_a_run_is_released_in_the_month_whose_income_it_is(
    units: Units, clock: FixedClock, owed: Payables
):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = proposed(units, owed)
    clock.advance(timedelta(days=31))
    with pytest.raises(WithheldForAnotherMonth), units(owed.checker) as unit:
        release_run(unit, number)


def test_under_treasury_payment_the_payer_orders_the_tax_to_the_tax_office(
    units: Units, owed: Payables
):
    """R63: the platform holds no public money, the tax of a teacher included."""
    number = released(units, owed, method=PaymentMethod.TREASURY)
    with units(owed.maker) as unit:
        lines = export_orders(unit, number).decode("utf-8-sig").splitlines()
    taxes = [line for line in lines if ":withholding:" in line]

    assert len(taxes) == 2, "one of each line"
    assert all("tax-office" in line and owed.other.code in line for line in taxes)
    assert verify(units, SYSTEM) == []


def test_a_reversed_payment_gives_up_the_tax_in_proportion(units: Units, owed: Payables):
    """R41: in the end nothing is held of what was taken back as a whole."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("transfers.create", Fault.DECLINED, times=2)
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 2, "paid": 3}

    back = released(units, owed, purpose=RunPurpose.REFUND)
    with units(SYSTEM) as unit:
        failed = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).all()
    for key in failed:
        with pytest.raises(Exception, match="goes back"), units(SYSTEM) as unit:
            retry_payment(unit, key)
    with units(SYSTEM) as unit:
        assert gone_back(unit, number) == set(failed)
        assert payment_run(unit, number).failed == 0
    assert set(pay_run(units, SYSTEM, gateway, back)) == {"paid"}

    assert balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == 0
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    with units(SYSTEM) as unit:
        assert filing_of(unit, month_of(shanghai_day(unit.clock.now()))) == []
    again = released(units, owed)
    assert set(pay_run(units, SYSTEM, gateway, again)) == {"paid"}
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == tax_of(EARNED_FEN)
    assert balance(units, owed.other.id, AccountKind.PAYABLE) == 0
    assert verify(units, SYSTEM) == []


def test_a_later_version_of_the_table_holds_from_its_day(units: Units, owed: Payables):
    with units(SYSTEM) as unit:
        shipped = table_in_force(unit, RateKind.WITHHOLDING, day=date(2025, 12, 31))
        later = table_in_force(unit, RateKind.WITHHOLDING, day=date(2026, 1, 1))
    assert (shipped.version, later.version) == ("2018-61", "small")
    with pytest.raises(AlreadyExists), units(SYSTEM) as unit:
        sells_as_a_teacher(unit, owed.other)
    with pytest.raises(InvalidInput), units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.WITHHOLDING,
            version="odd",
            region_code=NATION,
            valid_from=date(2026, 1, 1),
            source="x",
            body={**SMALL_TABLE, "brackets": []},
        )


def test_verify_names_a_tax_that_is_not_its_tables(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE withholding DISABLE TRIGGER USER"))
        unit.session.execute(text("UPDATE withholding SET tax_fen = tax_fen - 1"))
    found = verify(units, SYSTEM)
    assert len(found) == 2 and all(owed.other.code in one for one in found)


@pytest.mark.parametrize("table", ["withholding", "rate_table"])
def test_what_was_withheld_and_by_which_table_stays(units: Units, owed: Payables, table: str):
    proposed(units, owed, method=PaymentMethod.TREASURY)
    refused = pytest.raises(DBAPIError, match="append-only")
    with refused, units(SYSTEM) as unit:
        unit.session.execute(text(f"UPDATE {table} SET version = 'x'"))
