"""Reversals that fail: tried again or given up, never both, and nobody takes the same twice."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import CursorResult, insert, select, text
from sqlalchemy.exc import DBAPIError

from kernel.errors import Conflict, NotFound, NothingToPay
from kernel.ids import new_id
from kernel.trail import TrailRow, broken_links, sequence_trail
from kernel.unit import Units
from market.schema import alembic_config
from settlement.dues import dues, paid_of
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment
from settlement.payments.bank_payouts import pay_out
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.giving_up import give_up_reversal
from settlement.payments.plans import open_dues
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.queries.payments import payment_run
from settlement.verify.recompute import verify
from tests.settlement.payments.test_after_payment import credited, left_of
from tests.support.payment_builders import (
    FEE_FEN,
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
from tests.support.settlement_builders import APRIL, SYSTEM

TAKEN_FEN = 30
"""What the late use takes off of the first vendor's part; of the fee it takes 2."""


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def failed_reversal(units: Units, owed: Payables) -> tuple[str, str]:
    """Let the reversal of a refund run fail; return the run's number and the reversal's key."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    sandbox.expect("reversals.create", Fault.DECLINED)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, number)["failed"] == 1
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.state == "failed")).one()
    return number, key


def test_what_a_failed_reversal_would_take_nobody_else_takes(units: Units, owed: Payables):
    """R41: it stays claimed, is tried again, and takes its money once."""
    number, key = failed_reversal(units, owed)
    _, gateway = practice(units)

    with pytest.raises(NothingToPay):
        proposed(units, owed, purpose=RunPurpose.REFUND)
    assert left_of(units, owed) == 0, "nor is it set off"
    assert pay_out(units, SYSTEM, gateway) == 1, "the other vendor's alone"
    with units(SYSTEM) as unit:
        retry_payment(unit, key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}
    assert pay_out(units, SYSTEM, gateway) == 1

    assert left_of(units, owed) == 0
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN - 2
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_a_reversal_that_is_given_up_is_set_off_later(units: Units, owed: Payables):
    """R41: it is the payee's debt again, its bank is paid, and the payer gets the fee back."""
    number, key = failed_reversal(units, owed)
    _, gateway = practice(units)

    with units(owed.maker) as unit:
        give_up_reversal(unit, key)
    with pytest.raises(Conflict), units(SYSTEM) as unit:
        retry_payment(unit, key)
    with pytest.raises(Conflict), units(SYSTEM) as unit:
        give_up_reversal(unit, key)
    assert verify(units, SYSTEM) == []
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2, "withdrawn": 2}

    assert left_of(units, owed) == -TAKEN_FEN
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN - 2
    assert balance(units, owed.market.vendor.id, AccountKind.PAYABLE) == TAKEN_FEN
    with units(SYSTEM) as unit:
        run = payment_run(unit, number)
    assert (run.standing, run.amount_fen, run.paid_fen) == ("paid", 2, 2)
    assert pay_out(units, SYSTEM, gateway) == 2
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_what_had_failed_before_is_given_up_with_the_upgrade(units: Units, owed: Payables):
    """R41: its claim was free, and set off or taken by others; it aims where it did."""
    number, key = failed_reversal(units, owed)
    _, gateway = practice(units)
    aimed = "SELECT t.gateway_id, t.amount_fen FROM payment_target t"
    with units(SYSTEM) as unit:
        before = unit.session.execute(text(aimed)).all()
    with units.engine.begin() as connection:
        scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
        upgrade = next(one for one in scripts if hasattr(one.module, "GIVEN_UP"))
        command.downgrade(alembic_config(connection), str(upgrade.down_revision))
    with units.engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()

    with units(SYSTEM) as unit:
        assert unit.session.execute(text(aimed)).all() == before != []
        told = select(TrailRow).where(TrailRow.act == "payment.given_up")
        (given_up,) = unit.session.scalars(told)
        assert (given_up.subject_id, given_up.via) == (key, "upgrade")
        assert given_up.facts["run"] == number and given_up.facts["amount_fen"] == TAKEN_FEN
        assert sequence_trail(unit) > 0 and broken_links(unit) == []
    with pytest.raises(Conflict), units(SYSTEM) as unit:
        retry_payment(unit, key)
    assert left_of(units, owed) == -TAKEN_FEN
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2, "withdrawn": 2}
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN - 2
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_what_was_given_up_may_be_taken_by_a_later_run(units: Units, owed: Payables):
    _, key = failed_reversal(units, owed)
    _, gateway = practice(units)
    with units(SYSTEM) as unit:
        give_up_reversal(unit, key)

    later = released(units, owed, purpose=RunPurpose.REFUND)

    assert pay_run(units, SYSTEM, gateway, later) == {"paid": 2}
    assert left_of(units, owed) == 0
    assert verify(units, SYSTEM) == []


def test_with_a_teachers_reversal_its_tax_is_given_up_too(units: Units, owed: Payables):
    """R64: what stays paid stays taxed."""
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, owed.market.vendor)
    number, key = failed_reversal(units, owed)
    _, gateway = practice(units)
    withheld = -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE)
    assert withheld > 0

    with units(SYSTEM) as unit:
        give_up_reversal(unit, key)
    states = pay_run(units, SYSTEM, gateway, number)

    assert states == {"paid": 2, "withdrawn": 3}
    assert -balance(units, INSTALLATION, AccountKind.TAX_PAYABLE) == withheld
    assert left_of(units, owed) == -TAKEN_FEN
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_a_reversal_alone_in_its_run_leaves_no_refund(units: Units, owed: Payables):
    _, first = failed_reversal(units, owed)
    sandbox, gateway = practice(units)
    with units(SYSTEM) as unit:
        give_up_reversal(unit, first)
    with units(SYSTEM) as unit:
        fees = unit.session.scalars(select(Payment.run_id).where(Payment.kind == "fee_return"))
        assert len(fees.all()) == 1
    sandbox.expect("reversals.create", Fault.DECLINED)
    alone = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, alone) == {"failed": 1, "ready": 1}

    with units(SYSTEM) as unit:
        key = unit.session.scalars(
            select(Payment.key).where(Payment.state == "failed", Payment.key.startswith(alone))
        ).one()
        give_up_reversal(unit, key)

    assert pay_run(units, SYSTEM, gateway, alone) == {"withdrawn": 2}
    assert left_of(units, owed) == -TAKEN_FEN
    assert verify(units, SYSTEM) == []


def test_only_a_reversal_that_failed_is_given_up(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    sandbox.expect("transfers.create", Fault.DECLINED)
    number = paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        keys = unit.session.scalars(select(Payment.key).where(Payment.key.startswith(number))).all()
    for key in keys:
        with pytest.raises(Conflict), units(SYSTEM) as unit:
            give_up_reversal(unit, key)
    with pytest.raises(NotFound), units(SYSTEM) as unit:
        give_up_reversal(unit, "?")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payment SET state = 'withdrawn' WHERE kind = 'transfer' AND state = 'failed'",
        "UPDATE payment SET state = 'withdrawn' WHERE kind = 'fee_return'",
        "UPDATE payment SET state = 'withdrawn' WHERE kind = 'refund'",
        "UPDATE payment SET state = 'withdrawn' WHERE kind = 'undone'",
        "UPDATE payment SET state = 'cut', paid_fen = 1 WHERE kind = 'transfer' AND state = 'paid'",
        "UPDATE payment SET paid_fen = 1 WHERE kind = 'collection'",
    ],
)
def test_the_database_itself_refuses(units: Units, owed: Payables, statement: str):
    sandbox, gateway = practice(units)
    sandbox.expect("transfers.create", Fault.DECLINED)
    paid(units, owed, gateway)
    credited(units, owed)
    released(units, owed, purpose=RunPurpose.REFUND)
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        changed = unit.session.execute(text(statement))
        assert isinstance(changed, CursorResult) and changed.rowcount, "it would prove nothing"


def test_the_database_undoes_no_transfer_that_has_not_failed(units: Units, owed: Payables):
    """A transfer that came through, or may be tried again, never goes back beside it."""
    sandbox, gateway = practice(units)
    sandbox.expect("transfers.create", Fault.DECLINED)
    number = paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        by_state = {
            one.state: one
            for one in unit.session.scalars(select(Payment).where(Payment.kind == "transfer"))
        }
    back = {
        "run_id": by_state["paid"].run_id,
        "kind": "undone",
        "attempt": 1,
        "paid_fen": 0,
        "state": "proposed",
        "failure": "",
    }

    def undo(of: Payment, **other: object) -> None:
        with units(SYSTEM) as unit:
            facts = {
                "id": new_id(),
                "key": f"{number}:undone:{of.key}",
                "payer_id": of.payer_id,
                "payee_id": of.payee_id,
                "amount_fen": of.amount_fen,
                "undoes_id": of.id,
            }
            unit.session.execute(insert(Payment).values(**back, **{**facts, **other}))

    for wrong in (
        lambda: undo(by_state["paid"]),
        lambda: undo(by_state["failed"], amount_fen=1),
        lambda: undo(by_state["failed"], payee_id=by_state["paid"].payee_id),
    ):
        with pytest.raises(DBAPIError, match="has not failed"):
            wrong()
    undo(by_state["failed"])
    with pytest.raises(DBAPIError, match="goes back"), units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE payment SET state = 'ready' WHERE state = 'failed'"))


def test_what_is_owed_is_paid_less_what_was_given_up(units: Units, owed: Payables):
    """R41: the next month pays only what exceeds it."""
    _, key = failed_reversal(units, owed)
    _, gateway = practice(units)
    with units(SYSTEM) as unit:
        give_up_reversal(unit, key)
    school = owed.market.school.id
    with units(SYSTEM) as unit:
        left = open_dues(dues(unit, [school]), paid_of(unit, [school]))
    assert [fen for due, fen in left.items() if due.payee_id == owed.market.vendor.id] == [
        -TAKEN_FEN
    ]
    assert gateway.balance_fen() == held_at_gateway(units)
    with pytest.raises(NothingToPay):
        proposed(units, owed, month=APRIL, method=PaymentMethod.GATEWAY)
