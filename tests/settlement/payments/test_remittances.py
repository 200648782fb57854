"""Withheld tax goes to the tax office: recorded by one person, checked by another, then booked."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.clock import month_of, shanghai_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    MoreTaxThanOwed,
    NotFound,
    ProposalDecided,
    Refused,
)
from kernel.unit import Units
from settlement.journal import export_journal
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payments.reconciliation import reconcile
from settlement.payments.remittances import (
    owed_tax_fen,
    propose_remittance,
    record_remittance,
    remittances,
    return_remittance,
    withdraw_remittance,
)
from settlement.payout_models import TaxRemittance
from settlement.verify.recompute import verify
from tests.settlement.payments.test_withholding import EARNED_FEN, tax_of
from tests.support.payment_builders import (
    Payables,
    balance,
    paid,
    payables,
    practice,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import SYSTEM

TAX_FEN = tax_of(EARNED_FEN)


@pytest.fixture
def owed(units: Units) -> Payables:
    """Build a month of which a teacher's tax was withheld through the gateway."""
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
    _, gateway = practice(units)
    paid(units, found, gateway)
    return found


def proposed(
    units: Units,
    owed: Payables,
    *,
    amount_fen: int = TAX_FEN,
    reference: str = "R-1",
    days: int = 0,
) -> str:
    with units(owed.maker) as unit:
        today = shanghai_day(unit.clock.now())
        return propose_remittance(
            unit,
            month_of(today),
            amount_fen=amount_fen,
            reference=reference,
            paid_on=today + timedelta(days=days),
        )


def test_what_two_people_record_is_owed_no_more_and_the_books_balance(units: Units, owed: Payables):
    """R64: the tax office has it; the journal still balances, and the gateway's books agree."""
    number = proposed(units, owed)
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == TAX_FEN
    with units(SYSTEM) as unit:
        assert owed_tax_fen(unit) == 0, "what waits to be checked is not proposed again"

    with units(owed.checker) as unit:
        record_remittance(unit, number)

    assert balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == 0
    assert balance(units, INSTALLATION, AccountKind.BANK) == -TAX_FEN
    with units(owed.maker) as unit:
        assert [(one.number, one.state) for one in remittances(unit)] == [(number, "recorded")]
    with units(SYSTEM) as unit:
        journal = "".join(export_journal(unit, "hledger"))
    assert f"remitted:{number}" in journal
    _, gateway = practice(units)
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_nobody_checks_their_own_and_nothing_is_decided_twice(units: Units, owed: Payables):
    number = proposed(units, owed)
    with pytest.raises(MakerChecks), units(owed.maker) as unit:
        record_remittance(unit, number)
    with pytest.raises(Refused), units(owed.checker) as unit:
        withdraw_remittance(unit, number)
    with units(owed.checker) as unit:
        return_remittance(unit, number, note="凭证号有误")
    with pytest.raises(ProposalDecided), units(owed.checker) as unit:
        record_remittance(unit, number)
    again = proposed(units, owed)
    with units(owed.maker) as unit:
        withdraw_remittance(unit, again)
    with pytest.raises(NotFound), units(owed.checker) as unit:
        record_remittance(unit, "?")
    assert balance(units, INSTALLATION, AccountKind.BANK) == 0
    assert len({number, again}) == 2


def test_no_more_is_remitted_than_is_owed_and_no_receipt_twice(units: Units, owed: Payables):
    proposed(units, owed, amount_fen=TAX_FEN - 1)
    with pytest.raises(AlreadyExists):
        proposed(units, owed, amount_fen=1)
    for fen in (0, 2):
        with pytest.raises(MoreTaxThanOwed):
            proposed(units, owed, amount_fen=fen, reference="R-2")
    with pytest.raises(InvalidInput):
        proposed(units, owed, amount_fen=1, reference=" ")
    with pytest.raises(InvalidInput):
        proposed(units, owed, amount_fen=1, reference="R-2", days=1)
    with pytest.raises(Refused), units(SYSTEM) as unit:
        propose_remittance(
            unit,
            month_of(shanghai_day(unit.clock.now())),
            amount_fen=1,
            reference="R-3",
            paid_on=shanghai_day(unit.clock.now()),
        )


def test_verify_names_a_remittance_that_the_books_do_not_know(units: Units, owed: Payables):
    number = proposed(units, owed)
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE tax_remittance "
                "SET state = 'recorded', decided_at = now(), decided_by = :who"
            ),
            {"who": owed.checker.person_id},
        )
    (found,) = verify(units, SYSTEM)
    assert number in found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tax_remittance SET amount_fen = 1",
        (
            "UPDATE tax_remittance SET state = 'recorded', decided_at = now(), "
            "decided_by = proposed_by"
        ),
        "DELETE FROM tax_remittance",
        "TRUNCATE tax_remittance",
    ],
)
def test_the_database_itself_refuses(units: Units, owed: Payables, statement: str):
    proposed(units, owed)
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        unit.session.execute(text(statement))
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(TaxRemittance.state)).all() == ["proposed"]
