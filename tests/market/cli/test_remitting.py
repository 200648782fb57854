"""`market payments remit-tax`, `take-back-tax`, `record-tax` and `give-up`, by whom and when."""

import pytest
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import show_month
from kernel.money import yuan
from kernel.unit import Units
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.engine import pay_run
from settlement.payments.sandbox import Fault
from settlement.payments.states import RunPurpose
from settlement.payout_models import Withholding
from tests.market.cli.conftest import Market
from tests.settlement.payments.test_after_payment import credited
from tests.support.builders import a_person
from tests.support.payment_builders import (
    Payables,
    balance,
    paid,
    payables,
    practice,
    released,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
        for login in ("maker", "checker"):
            a_person(unit, found.market.bureau, [Role.BUREAU_FINANCE], login=login)
        a_person(unit, found.market.bureau, [Role.AUDITOR], login="auditor")
    _, gateway = practice(units)
    paid(units, found, gateway)
    return found


@pytest.fixture
def withheld(units: Units, owed: Payables) -> tuple[str, int, tuple[str, ...]]:
    """Return the month's name, the tax of it in fen, and the options of a receipt of its day."""
    with units(SYSTEM) as unit:
        month, fen = unit.session.execute(select(Withholding.month, Withholding.tax_fen)).one()
    return show_month(month), fen, ("--paid-on", month.isoformat())


def test_tax_is_remitted_by_two_commands_of_two_people(
    market: Market, units: Units, withheld: tuple[str, int, tuple[str, ...]]
):
    """R64: and what was recorded wrongly is taken back the same way."""
    month, fen, on = withheld
    remit = ("payments", "remit-tax", month, yuan(fen), *on, "--reference", "R-1")
    made = market(*remit, "--as", "maker", "--json")
    assert made.status == 0
    number = made.json["number"]
    assert market("payments", "record-tax", number, "--as", "checker").status == 0
    assert balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == 0

    back = ("payments", "take-back-tax", number, yuan(fen), *on, "--reference", "T-1")
    told = market(*back, "--because", "登记有误", "--as", "maker", "--json")
    assert told.status == 0
    assert market("payments", "record-tax", told.json["number"], "--as", "checker").status == 0
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == fen
    assert market(*remit, "--as", "maker").status == 0, "its receipt stands for nothing now"
    assert market("verify").status == 0


def test_what_is_wrong_with_a_remittance_is_said_in_one_line(
    market: Market, withheld: tuple[str, int, tuple[str, ...]]
):
    month, fen, on = withheld
    remit = ("payments", "remit-tax", month)
    assert market(*remit, "x", *on, "--reference", "R-1", "--as", "maker").status == 2
    assert market(*remit, yuan(fen), *on, "--as", "maker").status == 2, "without a receipt"
    more = market(*remit, yuan(fen + 1), *on, "--reference", "R-1", "--as", "maker")
    assert (more.status, f"{yuan(fen)} yuan of tax" in more.err) == (1, True)
    early = market(*remit, "0.01", "--paid-on", "2099-01-01", "--reference", "R-1", "--as", "maker")
    assert (early.status, "at latest" in early.err) == (1, True)
    unknown = market("payments", "record-tax", "none-T-2026-03-01", "--as", "checker")
    assert (unknown.status, "none-T-2026-03-01" in unknown.err) == (1, True)


def test_only_finance_people_remit_and_nobody_checks_their_own(
    market: Market, units: Units, withheld: tuple[str, int, tuple[str, ...]]
):
    month, fen, on = withheld
    remit = ("payments", "remit-tax", month, yuan(fen), *on, "--reference", "R-1")
    assert market(*remit, "--as", "auditor").status == 1
    assert market(*remit).status == 1, "the one at the machine is no finance person"
    number = market(*remit, "--as", "maker", "--json").json["number"]
    for who in ("auditor", "maker"):
        refused = market("payments", "record-tax", number, "--as", who)
        assert refused.status == 1, who
    assert balance(units, INSTALLATION, AccountKind.BANK) == 0
    early = ("payments", "take-back-tax", number, "0.01", *on, "--reference", "T-1")
    told = market(*early, "--because", "x", "--as", "maker")
    assert (told.status, "is no recorded remittance" in told.err) == (1, True)


def test_a_reversal_that_failed_is_given_up_by_who_may_pay(
    market: Market, units: Units, owed: Payables
):
    """R41: nothing else is given up, and by nobody else."""
    sandbox, gateway = practice(units)
    credited(units, owed)
    sandbox.expect("reversals.create", Fault.DECLINED)
    run = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, run)["failed"] == 1
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).one()
        other = unit.session.scalars(select(Payment.key).where(Payment.kind == "refund")).one()

    assert market("payments", "give-up", key, "--as", "auditor").status == 1
    unknown = market("payments", "give-up", "none:key", "--as", "maker")
    assert (unknown.status, "none:key" in unknown.err) == (1, True)
    wrong = market("payments", "give-up", other, "--as", "maker")
    assert (wrong.status, other in wrong.err) == (1, True)
    given_up = market("payments", "give-up", key, "--as", "maker")
    assert (given_up.status, f"{key} is given up" in given_up.out) == (0, True)
    assert market("payments", "give-up", key, "--as", "maker").status == 1, "once"
    assert market("verify").status == 0
