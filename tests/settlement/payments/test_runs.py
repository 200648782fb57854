"""Payment runs: what is due of whom, proposed by one person and released by another."""

import pytest
from sqlalchemy import update

from kernel.actors import Actor
from kernel.errors import (
    MakerChecks,
    NothingToPay,
    NotReleased,
    ProposalDecided,
    ReasonRequired,
    Refused,
)
from kernel.i18n import translate_error
from kernel.unit import Units
from settlement.dues import NOBODY, Due, dues, paid_of, spread
from settlement.funding_lines import line_balances
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.engine import pay_run
from settlement.payments.parties import know_payees
from settlement.payments.parts import open_dues
from settlement.payments.plans import LeftOut, plan_payments, plan_run
from settlement.payments.runs import propose_run, release_run, return_run, withdraw_run
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentKind, PaymentMethod
from tests.support.payment_builders import (
    FEE_FEN,
    HELD_FEN,
    TOTAL_FEN,
    Payables,
    balance,
    held_at_gateway,
    paid,
    payables,
    payment_states,
    practice,
    proposed,
    released,
)
from tests.support.settlement_builders import MARCH, SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def test_what_a_line_drew_first_pays_the_vendor_and_what_it_drew_last_holds_the_retention():
    assert spread([60, 40], [90, 0, 5, 5]) == [[60, 0, 0, 0], [30, 0, 5, 5]]
    assert spread([-40, -10], [-45, 0, -2, -3]) == [[-40, 0, 0, 0], [-5, 0, -2, -3]]
    assert spread([], [0, 0, 0, 0]) == []


def test_dues_add_up_to_what_the_lines_drew(units: Units, owed: Payables):
    """R38: each fen that schools pay is a vendor's, the platform's or held back, of a line."""
    with units(SYSTEM) as unit:
        earned = dues(unit, [owed.market.school.id])
        drawn = line_balances(unit, [owed.market.line_id, owed.other_line_id])
    by_line = {
        line_id: sum(fen for due, fen in earned.items() if due.line_id == line_id)
        for line_id in drawn
    }

    assert by_line == {line_id: one.accrued_fen for line_id, one in drawn.items()}
    assert sum(earned.values()) == TOTAL_FEN
    school, line = owed.market.school.id, owed.market.line_id
    assert earned[Due(school, owed.other.id, line)] == 300
    assert earned[Due(school, owed.other.id, owed.other_line_id)] == 420
    assert earned[Due(school, NOBODY, line)] == 51
    assert earned[Due(school, NOBODY, owed.other_line_id)] == 40


def test_one_proposes_another_releases_and_each_due_is_claimed_once(units: Units, owed: Payables):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = proposed(units, owed)

    with pytest.raises(NothingToPay), units(owed.checker) as unit:
        propose_run(unit, MARCH, method=PaymentMethod.GATEWAY)
    with pytest.raises(MakerChecks), units(owed.maker) as unit:
        release_run(unit, number)
    with pytest.raises(NotReleased):
        pay_run(units, SYSTEM, gateway, number)
    with units(owed.checker) as unit:
        release_run(unit, number)
    with pytest.raises(ProposalDecided) as refused, units(owed.checker) as unit:
        return_run(unit, number, note="太晚")
    assert "已放行" in translate_error(refused.value, "zh_CN")


def test_a_run_that_is_returned_or_withdrawn_frees_what_it_claimed(units: Units, owed: Payables):
    number = proposed(units, owed, method=PaymentMethod.TREASURY)
    with pytest.raises(ReasonRequired), units(owed.checker) as unit:
        return_run(unit, number, note=" ")
    with units(owed.checker) as unit:
        return_run(unit, number, note="金额待核")
    again = proposed(units, owed, method=PaymentMethod.TREASURY)
    with pytest.raises(Refused), units(owed.checker) as unit:
        withdraw_run(unit, again)
    with units(owed.maker) as unit:
        withdraw_run(unit, again)

    with units(SYSTEM) as unit:
        left = open_dues(
            dues(unit, [owed.market.school.id]), paid_of(unit, [owed.market.school.id])
        )
    assert number.endswith("-P-2026-03-01")
    assert again.endswith("-P-2026-03-02")
    assert sum(left.values()) == TOTAL_FEN - HELD_FEN


def test_only_finance_people_of_a_bureau_propose(units: Units, owed: Payables):
    someone: Actor = owed.market.finance
    with pytest.raises(Refused), units(someone) as unit:
        propose_run(unit, MARCH, method=PaymentMethod.GATEWAY)
    with pytest.raises(Refused), units(SYSTEM) as unit:
        propose_run(unit, MARCH, method=PaymentMethod.GATEWAY)


def test_the_database_itself_lets_nothing_move_that_two_people_did_not_release(
    units: Units, owed: Payables
):
    proposed(units, owed, method=PaymentMethod.TREASURY)

    with pytest.raises(Exception, match="not released"), units(SYSTEM) as unit:
        unit.session.execute(update(Payment).values(state="ready"))
    with pytest.raises(Exception, match="may change"), units(SYSTEM) as unit:
        unit.session.execute(update(Payment).values(amount_fen=1))


def test_a_released_run_pays_everybody_once_and_leaves_the_fee(units: Units, owed: Payables):
    """R38: after the run the platform holds its fee and nothing else."""
    _, gateway = practice(units)
    number = paid(units, owed, gateway)
    again = pay_run(units, SYSTEM, gateway, number)

    assert again == {"paid": 4}
    first, second = owed.payees
    assert balance(units, first, AccountKind.PAYABLE) == 0
    assert balance(units, second, AccountKind.PAYABLE) == 0
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
    assert balance(units, INSTALLATION, AccountKind.FEE) == -FEE_FEN
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == HELD_FEN
    with units(SYSTEM) as unit:
        lines = line_balances(unit, [owed.market.line_id, owed.other_line_id])
    assert lines[owed.other_line_id].paid_fen == 460
    assert lines[owed.other_line_id].accrued_fen == 40
    assert lines[owed.market.line_id].accrued_fen == 51
    assert lines[owed.market.line_id].paid_fen == TOTAL_FEN - 500 - 51


def test_who_may_not_be_paid_is_left_out_with_the_reason(units: Units, owed: Payables):
    with units(owed.maker) as unit:
        plan = plan_run(unit, MARCH, method=PaymentMethod.GATEWAY)

    assert {one.because for one in plan.omitted} == {LeftOut.NOT_READY}
    assert [one.kind for one in plan.payments] == [PaymentKind.COLLECTION, PaymentKind.FEE]


def test_a_credit_is_set_off_only_against_the_same_payer_and_line(units: Units, owed: Payables):
    """R41: under treasury payment not even another line of the same payer settles it."""
    school, neighbour = owed.market.school.id, owed.market.bureau.id
    vendor, line, other_line = owed.other.id, owed.market.line_id, owed.other_line_id
    left = {
        Due(school, vendor, line): -30,
        Due(school, vendor, other_line): 100,
        Due(neighbour, vendor, line): 50,
    }

    by_gateway = plan_payments(left, method=PaymentMethod.GATEWAY)
    by_treasury = plan_payments(left, method=PaymentMethod.TREASURY)

    assert sorted(one.amount_fen for one in by_gateway.payments) == [50, 50, 70, 70]
    assert by_gateway.omitted == []
    assert sorted(one.amount_fen for one in by_treasury.payments) == [50, 100]
    assert [(one.amount_fen, one.because) for one in by_treasury.omitted] == [
        (-30, LeftOut.CARRIED)
    ]


def test_little_is_paid_later_and_whoever_is_held_is_not(units: Units, owed: Payables):
    school, line = owed.market.school.id, owed.market.line_id
    first, second = owed.payees
    left = {Due(school, first, line): 99, Due(school, second, line): 500}

    plan = plan_payments(left, method=PaymentMethod.TREASURY, held={second}, minimum_fen=100)

    assert plan.payments == []
    assert {(one.payee_id, one.because) for one in plan.omitted} == {
        (first, LeftOut.BELOW_MINIMUM),
        (second, LeftOut.HELD),
    }


def test_a_declined_collection_pays_nobody_and_is_due_again(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("payment_intents.create", Fault.DECLINED)

    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 4}
    assert set(payment_states(units).values()) == {"failed"}
    assert held_at_gateway(units) == gateway.balance_fen() == 0
    again = released(units, owed)
    assert pay_run(units, SYSTEM, gateway, again) == {"paid": 4}
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN
