"""What the gateway says of a refund late or early: old answers, news before them, and of before."""

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.unit import Units
from market.schema import alembic_config
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.gateway import Movement, Outcome, Part, Stand
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.refunds import settle_refund
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payments.webhooks import apply_kept
from settlement.verify.recompute import verify
from tests.settlement.payments.test_aiming import PAYING, TAKING, a_run
from tests.settlement.payments.test_refunds_back import refunded, the_refund
from tests.support.payment_builders import Payables, held_at_gateway, payables, practice
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


@pytest.mark.parametrize("is_claimed", [True, False])
def test_an_answer_of_an_earlier_attempt_takes_nothing_off_what_stands(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch, is_claimed: bool
) -> None:
    """R41: a worker holds the first answer while that comes back and is given anew."""
    sandbox, gateway, number = refunded(units, owed)
    first = the_refund(units)
    part = Part(str(first.gateway_id), first.amount_fen, Stand.DONE, "")
    answer = Outcome(gateway_id=part.gateway_id, stand=Stand.DONE, parts=(part,))

    def record_late() -> None:
        with units(SYSTEM) as unit:
            settle_refund(unit, first.id, answer, attempt=first.attempt)

    sandbox.return_refund(part.gateway_id)
    sandbox.deliver()
    with units(SYSTEM) as unit:
        retry_payment(unit, first.key)
    call = StripeGateway.refund

    def meanwhile(self: StripeGateway, movement: Movement) -> Outcome:
        if is_claimed:
            record_late()
        return call(self, movement)

    with monkeypatch.context() as held:
        held.setattr(StripeGateway, "refund", meanwhile)
        assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}
    sandbox.deliver()
    record_late()
    assert the_refund(units).state == "paid"
    assert held_at_gateway(units) == gateway.balance_fen()
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_a_part_that_comes_back_before_the_answer_is_recorded_is_not_lost(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    for number in ("P-1", "P-2"):
        a_run(units, owed, number, PAYING, 10)
        assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2}
    a_run(units, owed, "R-1", TAKING, 15)
    call = StripeGateway.refund

    def back_at_once(self: StripeGateway, movement: Movement) -> Outcome:
        answer = call(self, movement)
        sandbox.return_refund(answer.parts[0].gateway_id)
        sandbox.deliver()
        return answer

    with monkeypatch.context() as held:
        held.setattr(StripeGateway, "refund", back_at_once)
        pay_run(units, SYSTEM, gateway, "R-1")
    sandbox.deliver()
    refund = the_refund(units)
    assert refund.state == "failed"
    assert refund.key in {one.key for one in reconcile(units, SYSTEM, gateway)}
    with units(SYSTEM) as unit:
        retry_payment(unit, refund.key)
    pay_run(units, SYSTEM, gateway, "R-1")
    sandbox.deliver()
    assert the_refund(units).state == "paid"
    assert held_at_gateway(units) == gateway.balance_fen()
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


def test_what_came_back_before_the_upgrade_is_kept_for_a_person(
    units: Units, owed: Payables
) -> None:
    sandbox, gateway, _ = refunded(units, owed)
    script = ScriptDirectory.from_config(alembic_config())
    mended = next(one for one in script.walk_revisions() if hasattr(one.module, "MADE_BEFORE"))
    with units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), str(mended.down_revision))
    sandbox.return_refund(str(the_refund(units).gateway_id))
    with units(SYSTEM) as unit:
        since = unit.clock.now().replace(year=2000)
        back = next(one for one in gateway.events_since(since) if one.kind == "refund.failed")
    with units.engine.begin() as connection:  # as it was passed over
        connection.execute(
            text(
                "INSERT INTO gateway_event "
                "(provider, event_id, kind, body, state, because, received_at, applied_at) "
                "SELECT provider, :id, 'refund.failed', jsonb_set(body, '{status}', '\"failed\"'), "
                "'applied', '', received_at, received_at "
                "FROM gateway_event WHERE body ->> 'object' = 'refund' LIMIT 1"
            ),
            {"id": back.id},
        )
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()
    assert apply_kept(units, "stripe", back.id) == "applied"
    assert the_refund(units).state == "failed"
    assert held_at_gateway(units) == gateway.balance_fen()


def test_the_database_lowers_a_refund_by_what_came_back_alone(units: Units, owed: Payables) -> None:
    refunded(units, owed)
    lowered = "UPDATE payment SET state = 'failed', paid_fen = paid_fen - 1 WHERE kind = 'refund'"
    with pytest.raises(DBAPIError, match="not taken back"), units.engine.begin() as connection:
        connection.execute(text(lowered))


def test_a_downgrade_names_the_refunds_that_the_revision_before_cannot_hold(
    units: Units, owed: Payables
) -> None:
    sandbox, _, _ = refunded(units, owed)
    sandbox.return_refund(str(the_refund(units).gateway_id))
    sandbox.deliver()

    with (
        pytest.raises(RuntimeError, match=f"restore a backup of before: {the_refund(units).key}"),
        units.engine.begin() as connection,
    ):
        command.downgrade(alembic_config(connection), "0037")
    units.engine.dispose()
    assert the_refund(units).state == "failed"
