"""Withheld tax goes to the tax office: recorded by one person, checked by another, then booked."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role
from kernel.clock import Month, month_of, shanghai_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    MoreTaxThanOwed,
    NotFound,
    ProposalDecided,
    Refused,
)
from kernel.identity.models import Region
from kernel.ids import new_id
from kernel.unit import Units
from settlement.journal import export_journal
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment, PaymentRun
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
from tests.settlement.payments.test_tax_over_time import another_payers_run, decide
from tests.settlement.payments.test_withholding import EARNED_FEN, tax_of
from tests.support.builders import a_bureau, a_person
from tests.support.payment_builders import (
    Payables,
    balance,
    paid,
    payables,
    practice,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import MARCH, SYSTEM

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
    months: int = 0,
    by: Actor | None = None,
) -> str:
    with units(by or owed.maker) as unit:
        today = shanghai_day(unit.clock.now())
        return propose_remittance(
            unit,
            month_of(month_of(today) + timedelta(days=31 * months)),
            amount_fen=amount_fen,
            reference=reference,
            paid_on=today + timedelta(days=days),
        )


def test_what_two_people_record_is_owed_no_more_and_the_books_balance(units: Units, owed: Payables):
    """R64: the tax office has it; the journal still balances, and the gateway's books agree."""
    number = proposed(units, owed)
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == TAX_FEN
    with units(SYSTEM) as unit:
        month = month_of(shanghai_day(unit.clock.now()))
        assert owed_tax_fen(unit, month) == 0, "what waits to be checked is not proposed again"

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
    with pytest.raises(InvalidInput):
        proposed(units, owed, amount_fen=1, reference="R-2", months=1)
    with pytest.raises(MoreTaxThanOwed):
        proposed(units, owed, amount_fen=1, reference="R-2", months=-1)
    with pytest.raises(Refused), units(SYSTEM) as unit:
        propose_remittance(
            unit,
            month_of(shanghai_day(unit.clock.now())),
            amount_fen=1,
            reference="R-3",
            paid_on=shanghai_day(unit.clock.now()),
        )


def test_each_bureau_remits_what_its_own_payers_withheld(units: Units, owed: Payables):
    """R64: nobody remits another's tax, nor stands in its way by a proposal left lying."""
    elsewhere = another_payers_run(units, owed, income_fen=900)
    theirs_fen = tax_of(900)
    with units(SYSTEM) as unit:
        clerk = a_person(unit, elsewhere, [Role.BUREAU_FINANCE])
        month = month_of(shanghai_day(unit.clock.now()))
    assert owed_to(units, clerk, month) == theirs_fen
    assert owed_to(units, SYSTEM, month) == TAX_FEN + theirs_fen

    with pytest.raises(MoreTaxThanOwed):
        proposed(units, owed, amount_fen=theirs_fen + 1, by=clerk)
    proposed(units, owed, amount_fen=theirs_fen, by=clerk)

    assert owed_to(units, owed.maker, month) == TAX_FEN
    with pytest.raises(MoreTaxThanOwed):
        proposed(units, owed, amount_fen=TAX_FEN + 1, reference="R-2")
    proposed(units, owed, reference="R-1")  # another tax office may count as this one does
    assert owed_to(units, owed.maker, month) == owed_to(units, SYSTEM, month) == 0


def test_a_bureau_and_the_one_above_it_remit_no_tax_twice(units: Units, owed: Payables):
    """R64: what one of them remits of a payer's tax the other does not."""
    with units(SYSTEM) as unit:
        region = unit.session.get_one(Region, owed.market.bureau.region_code)
        assert region.parent_code is not None
        above = a_bureau(unit, region_code=region.parent_code)
        clerk = a_person(unit, above, [Role.BUREAU_FINANCE])
        month = month_of(shanghai_day(unit.clock.now()))
    assert owed_to(units, clerk, month) == TAX_FEN
    first = proposed(units, owed, amount_fen=TAX_FEN - 1)
    assert owed_to(units, clerk, month) == owed_to(units, owed.maker, month) == 1
    with pytest.raises(AlreadyExists):  # the same receipt once more, entered above
        proposed(units, owed, amount_fen=1, by=clerk)
    with units(owed.maker) as unit:
        withdraw_remittance(unit, first)
    proposed(units, owed, amount_fen=TAX_FEN - 1, by=clerk, reference="R-2")
    assert owed_to(units, owed.maker, month) == 1


def test_tax_that_was_given_back_since_is_not_recorded_as_remitted(units: Units, owed: Payables):
    """R64: the two people sign for what is owed as the second one signs."""
    number = proposed(units, owed)
    with units(SYSTEM) as unit:
        payment = unit.session.scalars(
            select(Payment).where(Payment.kind == "withholding", Payment.paid_fen > 0)
        ).one()
        back = new_id()
        unit.session.execute(
            insert(PaymentRun).values(
                id=back,
                number="back",
                bureau_id=owed.market.bureau.id,
                month=MARCH,
                method="gateway",
                purpose="refund",
                state="proposed",
                proposed_at=unit.clock.now(),
                proposed_by=owed.maker.person_id,
                proposed_by_name="",
                decided_by_name="",
                note="",
            )
        )
        unit.session.execute(
            insert(Payment).values(
                id=new_id(),
                run_id=back,
                payer_id=payment.payer_id,
                payee_id=payment.payee_id,
                kind="withholding_return",
                key="back",
                attempt=1,
                amount_fen=1,
                paid_fen=0,
                state="proposed",
                failure="",
            )
        )
        decide(unit, back, owed.checker.person_id, "released")

    with pytest.raises(MoreTaxThanOwed), units(owed.checker) as unit:
        record_remittance(unit, number)


def owed_to(units: Units, actor: Actor, month: Month) -> int:
    with units(actor) as unit:
        return owed_tax_fen(unit, month)


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
