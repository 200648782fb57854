"""What a reversal takes back it takes where it was sent first, whatever becomes of others."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import CursorResult, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.ids import new_id
from kernel.unit import Units
from settlement.ledger.posting import INSTALLATION
from settlement.payment_models import GatewayParty, Payment, PaymentItem, PaymentRun, PaymentTarget
from settlement.payments.bank_payouts import pay_out
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.giving_up import give_up_reversal
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault
from settlement.payments.stripe_gateway import StripeGateway
from settlement.verify.recompute import verify
from tests.support.payment_builders import Payables, held_at_gateway, payables, practice
from tests.support.settlement_builders import MARCH, SYSTEM

PAYING, TAKING = ("collection", "transfer"), ("refund", "reversal")


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    know_payees(units, SYSTEM, practice(units)[1])
    return found


def a_run(units: Units, owed: Payables, number: str, kinds: Sequence[str], fen: int) -> None:
    """Release a run of one payee and the payer's side, out of one line."""
    market, run_id = owed.market, new_id()
    with units(SYSTEM) as unit:
        unit.session.execute(
            insert(PaymentRun).values(
                id=run_id,
                number=number,
                bureau_id=market.bureau.id,
                month=MARCH,
                method="gateway",
                purpose="refund" if kinds == TAKING else "pay",
                state="proposed",
                proposed_at=unit.clock.now(),
                proposed_by=owed.maker.person_id,
                proposed_by_name="",
                decided_by_name="",
                note="",
            )
        )
        for kind, payee_id in zip(kinds, (INSTALLATION, market.vendor.id), strict=True):
            payment_id = new_id()
            unit.session.execute(
                insert(Payment).values(
                    id=payment_id,
                    run_id=run_id,
                    payer_id=market.school.id,
                    payee_id=payee_id,
                    kind=kind,
                    key=f"{number}:{kind}",
                    attempt=1,
                    amount_fen=fen,
                    paid_fen=0,
                    state="proposed",
                    failure="",
                )
            )
            if payee_id != INSTALLATION:
                unit.session.execute(
                    insert(PaymentItem).values(
                        payment_id=payment_id,
                        line_id=market.line_id,
                        amount_fen=fen,
                        taxed_before_fen=0,
                    )
                )
        unit.session.execute(
            update(PaymentRun)
            .where(PaymentRun.id == run_id)
            .values(
                state="released", decided_at=unit.clock.now(), decided_by=owed.checker.person_id
            )
        )
        unit.session.execute(update(Payment).where(Payment.run_id == run_id).values(state="ready"))


def paid_twice(units: Units, owed: Payables, gateway: StripeGateway) -> None:
    """Pay the first vendor 10 fen, then 10 more."""
    for number in ("P-1", "P-2"):
        a_run(units, owed, number, PAYING, 10)
        assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2}


def there(units: Units, owed: Payables, gateway: StripeGateway) -> int:
    """Return what the first vendor's account at the gateway holds."""
    with units(SYSTEM) as unit:
        account = unit.session.scalars(
            select(GatewayParty.gateway_id).where(
                GatewayParty.organisation_id == owed.market.vendor.id
            )
        ).one()
    return gateway.held_for_fen(account)


def targets(units: Units, key: str) -> list[tuple[str, int]]:
    with units(SYSTEM) as unit:
        return [
            (number.split(":")[0], fen)
            for number, fen in unit.session.execute(
                select(Payment.key, PaymentTarget.amount_fen)
                .join(Payment, Payment.gateway_id == PaymentTarget.gateway_id)
                .where(
                    PaymentTarget.payment_id
                    == select(Payment.id).where(Payment.key == key).scalar_subquery()
                )
                .order_by(PaymentTarget.position)
            )
        ]


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.TIMEOUT_BEFORE, Fault.FAILURE])
def test_giving_up_one_reversal_has_no_other_taken_twice(
    units: Units, clock: FixedClock, owed: Payables, fault: Fault
):
    """R41: what nobody knows of a reversal is asked where it was sent, not where it would be."""
    sandbox, gateway = practice(units)
    paid_twice(units, owed, gateway)
    a_run(units, owed, "R-1", TAKING, 10)
    sandbox.expect("reversals.create", Fault.DECLINED)
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"failed": 1, "ready": 1}
    a_run(units, owed, "R-2", TAKING, 10)
    sandbox.expect("reversals.create", fault)
    assert pay_run(units, SYSTEM, gateway, "R-2") == {"unknown": 1, "ready": 1}
    assert targets(units, "R-2:reversal") == [("P-2", 10)]

    with units(SYSTEM) as unit:
        give_up_reversal(unit, "R-1:reversal")
    clock.advance(PATIENCE + timedelta(seconds=1))
    assert pay_run(units, SYSTEM, gateway, "R-2") == {"paid": 2}

    assert there(units, owed, gateway) == 10
    assert targets(units, "R-2:reversal") == [("P-2", 10)]
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    a_run(units, owed, "R-3", TAKING, 10)
    assert pay_run(units, SYSTEM, gateway, "R-3") == {"paid": 2}, "of what was given up"
    assert targets(units, "R-3:reversal") == [("P-1", 10)]
    assert there(units, owed, gateway) == 0


def taken_in_part(units: Units, owed: Payables, gateway: StripeGateway) -> None:
    """Let the second of the two transfers refuse what the first gave."""
    sandbox, _ = practice(units)
    paid_twice(units, owed, gateway)
    a_run(units, owed, "R-1", TAKING, 15)
    sandbox.expect("reversals.create", Fault.MESSAGE_TWICE)
    sandbox.expect("reversals.create", Fault.DECLINED)
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"failed": 1, "ready": 1}


def test_what_was_refused_in_part_is_tried_again_for_the_rest(units: Units, owed: Payables):
    """R41: what is taken is not taken again."""
    _, gateway = practice(units)
    taken_in_part(units, owed, gateway)
    assert pay_out(units, SYSTEM, gateway) == 0, "nothing goes to the bank meanwhile"

    with units(SYSTEM) as unit:
        retry_payment(unit, "R-1:reversal")
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2}

    assert there(units, owed, gateway) == 5
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


def test_what_was_refused_in_part_is_given_up_for_the_rest(units: Units, owed: Payables):
    """R41: what was taken goes to the payer, and the rest is the payee's debt again."""
    _, gateway = practice(units)
    taken_in_part(units, owed, gateway)

    with units(SYSTEM) as unit:
        give_up_reversal(unit, "R-1:reversal")
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2, "withdrawn": 2}

    assert there(units, owed, gateway) == 10
    assert gateway.balance_fen() == held_at_gateway(units) == 0
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []
    assert targets(units, "R-1:reversal+taken") == [("P-1", 10)]
    a_run(units, owed, "R-2", TAKING, 10)
    assert pay_run(units, SYSTEM, gateway, "R-2") == {"paid": 2}
    assert targets(units, "R-2:reversal") == [("P-2", 10)]
    assert there(units, owed, gateway) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payment_target SET amount_fen = 1",
        "DELETE FROM payment_target",
        "UPDATE payment SET taken_fen = 0 WHERE kind = 'reversal'",
        "UPDATE payment SET taken_fen = 16 WHERE kind = 'reversal'",
        "UPDATE payment SET taken_fen = 1 WHERE kind = 'transfer'",
    ],
)
def test_the_database_itself_keeps_what_was_aimed_at(units: Units, owed: Payables, statement: str):
    _, gateway = practice(units)
    taken_in_part(units, owed, gateway)
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        changed = unit.session.execute(text(statement))
        assert isinstance(changed, CursorResult) and changed.rowcount, "it would prove nothing"
