"""What was remitted wrongly, or repaid, is taken back by two people and a reversing entry (R64)."""

from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role
from kernel.clock import month_of, shanghai_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    MoreTaxThanOwed,
    MoreTaxThanRemitted,
    NotFound,
    NotRemitted,
    ReasonRequired,
    Refused,
)
from kernel.unit import Units
from market.schema import alembic_config
from settlement.journal import export_journal
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payments.reconciliation import reconcile
from settlement.payments.remittances import (
    owed_tax_fen,
    propose_taking_back,
    record_remittance,
    remittances,
    return_remittance,
    withdraw_remittance,
)
from settlement.verify.recompute import verify
from tests.settlement.payments.test_remittances import TAX_FEN, proposed
from tests.settlement.payments.test_tax_over_time import another_payers_run
from tests.support.builders import a_person
from tests.support.payment_builders import (
    Payables,
    balance,
    paid,
    payables,
    practice,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    """Build a month of which a teacher's tax was withheld through the gateway."""
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
    _, gateway = practice(units)
    paid(units, found, gateway)
    return found


@pytest.fixture
def remitted(units: Units, owed: Payables) -> str:
    """Build the remittance of all of it, recorded."""
    number = proposed(units, owed)
    recorded(units, owed, number)
    return number


def recorded(units: Units, owed: Payables, number: str) -> None:
    with units(owed.checker) as unit:
        record_remittance(unit, number)


def taken_back(
    units: Units,
    owed: Payables,
    number: str,
    amount_fen: int,
    *,
    reference: str = "T-1",
    because: str = "所属期误登",
    days: int = 0,
    by: Actor | None = None,
) -> str:
    with units(by or owed.maker) as unit:
        return propose_taking_back(
            unit,
            number,
            amount_fen=amount_fen,
            reference=reference,
            paid_on=shanghai_day(unit.clock.now()) + timedelta(days=days),
            because=because,
        )


def owes(units: Units, owed: Payables) -> int:
    with units(owed.maker) as unit:
        return owed_tax_fen(unit, month_of(shanghai_day(unit.clock.now())))


def test_what_was_wrong_is_taken_back_by_two_and_entered_rightly(
    units: Units, owed: Payables, remitted: str
):
    """R64: the books hold both, the tax is owed again, and its receipt may be entered anew."""
    back = taken_back(units, owed, remitted, TAX_FEN)
    assert owes(units, owed) == 0, "nothing is owed again before somebody checked it"
    with pytest.raises(MakerChecks), units(owed.maker) as unit:
        record_remittance(unit, back)
    assert balance(units, INSTALLATION, AccountKind.BANK) == -TAX_FEN

    recorded(units, owed, back)

    assert owes(units, owed) == TAX_FEN
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == TAX_FEN
    assert balance(units, INSTALLATION, AccountKind.BANK) == 0
    again = proposed(units, owed, amount_fen=TAX_FEN - 1)
    recorded(units, owed, again)
    assert owes(units, owed) == 1
    with units(owed.maker) as unit:
        found = {one.number: one for one in remittances(unit)}
    assert [found[one].amount_fen for one in (remitted, back, again)] == [
        TAX_FEN,
        -TAX_FEN,
        TAX_FEN - 1,
    ]
    assert found[back].corrects_id == found[remitted].id and found[back].because == "所属期误登"
    with units(SYSTEM) as unit:
        journal = "".join(export_journal(unit, "hledger"))
    assert f"remitted:{back}" in journal
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, practice(units)[1]) == []


def test_no_more_is_taken_back_than_was_remitted(units: Units, owed: Payables, remitted: str):
    """R64: what waits to be checked counts, and what was returned does not."""
    for fen in (0, -1, TAX_FEN + 1):
        with pytest.raises(MoreTaxThanRemitted):
            taken_back(units, owed, remitted, fen)
    first = taken_back(units, owed, remitted, TAX_FEN - 3)
    with pytest.raises(MoreTaxThanRemitted) as refused:
        taken_back(units, owed, remitted, 4, reference="T-2")
    assert remitted in str(refused.value) and "0.03" in str(refused.value)
    with units(owed.checker) as unit:
        return_remittance(unit, first, note="金额有误")
    recorded(units, owed, taken_back(units, owed, remitted, TAX_FEN - 2))
    with pytest.raises(MoreTaxThanRemitted):
        taken_back(units, owed, remitted, 3, reference="T-2")
    recorded(units, owed, taken_back(units, owed, remitted, 2, reference="T-2"))
    with pytest.raises(MoreTaxThanRemitted):
        taken_back(units, owed, remitted, 1, reference="T-3")
    assert verify(units, SYSTEM) == []


def test_a_receipt_of_which_something_stands_is_not_entered_again(
    units: Units, owed: Payables, remitted: str
):
    recorded(units, owed, taken_back(units, owed, remitted, 2))
    with pytest.raises(AlreadyExists):
        proposed(units, owed, amount_fen=2)
    with pytest.raises(AlreadyExists):
        taken_back(units, owed, remitted, 1)
    with pytest.raises(MoreTaxThanOwed):
        proposed(units, owed, amount_fen=3, reference="R-2")
    recorded(units, owed, proposed(units, owed, amount_fen=2, reference="R-2"))
    assert owes(units, owed) == 0


def test_what_is_wrong_with_it_is_said(units: Units, owed: Payables, remitted: str):
    with pytest.raises(ReasonRequired):
        taken_back(units, owed, remitted, 1, because=" ")
    with pytest.raises(InvalidInput):
        taken_back(units, owed, remitted, 1, reference=" ")
    for days in (1, -1):
        with pytest.raises(InvalidInput):
            taken_back(units, owed, remitted, 1, days=days)
    with pytest.raises(NotFound):
        taken_back(units, owed, "?", 1)
    with pytest.raises(Refused):
        taken_back(units, owed, remitted, 1, by=SYSTEM)
    back = taken_back(units, owed, remitted, 1)
    for number in (back, proposed_again(units, owed, back)):
        with pytest.raises(NotRemitted):
            taken_back(units, owed, number, 1, reference="T-2")


def proposed_again(units: Units, owed: Payables, back: str) -> str:
    recorded(units, owed, back)
    return proposed(units, owed, amount_fen=1, reference="R-2")


def test_another_bureau_takes_nothing_back(units: Units, owed: Payables, remitted: str):
    elsewhere = another_payers_run(units, owed, income_fen=900)
    with units(SYSTEM) as unit:
        clerk = a_person(unit, elsewhere, [Role.BUREAU_FINANCE])
    with pytest.raises(NotFound):
        taken_back(units, owed, remitted, 1, by=clerk)
    back = taken_back(units, owed, remitted, 1)
    with pytest.raises(NotFound), units(clerk) as unit:
        record_remittance(unit, back)
    with units(owed.maker) as unit:
        withdraw_remittance(unit, back)
    assert owes(units, owed) == 0


INSERT = (
    "INSERT INTO tax_remittance SELECT gen_random_uuid(), number || 'x', bureau_id, month{less}, "
    "-1, 'T-9', paid_on, 'proposed', proposed_at, proposed_by, proposed_by_name, NULL, NULL, '', "
    "'', id, 'x', {taken} FROM tax_remittance WHERE "
)


@pytest.mark.parametrize(
    ("statement", "because"),
    [
        ("UPDATE tax_remittance SET taken_back_fen = 1 WHERE amount_fen > 0", "is counted"),
        ("UPDATE tax_remittance SET note = 'x' WHERE amount_fen > 0", "only taken_back_fen"),
        ("UPDATE tax_remittance SET state = 'proposed' WHERE amount_fen > 0", "only taken_back"),
        ("UPDATE tax_remittance SET because = 'x' WHERE amount_fen < 0", "may change"),
        (
            (
                "UPDATE tax_remittance SET state = 'recorded', decided_at = now(), "
                "decided_by = proposed_by WHERE state = 'proposed'"
            ),
            "two_people",
        ),
        (INSERT.format(less="", taken=0) + "state = 'proposed'", "was not remitted"),
        (INSERT.format(less="", taken=0) + "corrects_id IS NOT NULL", "was not remitted"),
        (INSERT.format(less=" - 31", taken=0) + "amount_fen > 0", "was not remitted"),
        (INSERT.format(less="", taken=1) + "amount_fen > 0", "is counted"),
        (
            INSERT.format(less="", taken=0)
            .replace("'proposed', proposed_at", "'recorded', proposed_at")
            .replace("NULL, NULL", "decided_at, decided_by")
            + "amount_fen > 0",
            "begins as proposed",
        ),
    ],
)
def test_the_database_itself_refuses(
    units: Units, owed: Payables, remitted: str, statement: str, because: str
):
    recorded(units, owed, taken_back(units, owed, remitted, 2))
    taken_back(units, owed, remitted, 1, reference="T-2")
    with pytest.raises(DBAPIError, match=because), units(SYSTEM) as unit:
        unit.session.execute(text(statement))


def test_the_database_lets_no_more_be_recorded_than_was_remitted(
    units: Units, owed: Payables, remitted: str
):
    """Two that were proposed past each other: the second one is refused as it is recorded."""
    taken_back(units, owed, remitted, TAX_FEN - 1)
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO tax_remittance SELECT gen_random_uuid(), number || 'x', bureau_id, "
                "month, -2, 'T-9', paid_on, 'proposed', proposed_at, proposed_by, "
                "proposed_by_name, NULL, NULL, '', '', corrects_id, 'x', 0 FROM tax_remittance "
                "WHERE amount_fen < 0"
            )
        )
    with pytest.raises(DBAPIError, match="taken_back"), units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE tax_remittance SET state = 'recorded', decided_at = now(), "
                "decided_by = :who WHERE state = 'proposed'"
            ),
            {"who": owed.checker.person_id},
        )


def test_verify_names_what_takes_back_and_the_books_do_not_know(
    units: Units, owed: Payables, remitted: str
):
    back = taken_back(units, owed, remitted, 2)
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "UPDATE tax_remittance SET state = 'recorded', decided_at = now(), "
                "decided_by = :who WHERE state = 'proposed'"
            ),
            {"who": owed.checker.person_id},
        )
    (found,) = verify(units, SYSTEM)
    assert back in found and "-0.02" in found


def test_a_downgrade_names_the_counter_remittances_that_the_revision_before_cannot_hold(
    units: Units, owed: Payables, remitted: str
):
    back = taken_back(units, owed, remitted, TAX_FEN)
    recorded(units, owed, back)

    with (
        pytest.raises(RuntimeError, match=f"restore a backup of before: {back}"),
        units.engine.begin() as connection,
    ):
        command.downgrade(alembic_config(connection), "0038")
    units.engine.dispose()
    assert owes(units, owed) == TAX_FEN
