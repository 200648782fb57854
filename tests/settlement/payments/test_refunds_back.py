"""Refunds that the payer's bank sends back after the gateway had called them done (R41)."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import CursorResult, select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import NotFound, ReasonRequired
from kernel.identity.regions import RegionRow, record_regions
from kernel.trail import TrailRow
from kernel.unit import Units
from market.schema import alembic_config
from settlement.ledger.posting import AccountKind
from settlement.payment_models import Payment, RefundPart
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.gateway import Outcome, Part, Stand
from settlement.payments.parked import apply_parked, parked_messages
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.refunds import hear_of_refund
from settlement.payments.sandbox import Fault, Sandbox
from settlement.payments.states import RunPurpose
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payments.sweeping import catch_up
from settlement.queries.payments import payment_run
from settlement.verify.recompute import verify
from tests.settlement.payments.test_after_payment import LESS_FEN, credited, left_of
from tests.settlement.payments.test_aiming import PAYING, TAKING, a_run
from tests.support.builders import a_bureau, a_person, took
from tests.support.payment_builders import (
    FEE_FEN,
    Payables,
    balance,
    held_at_gateway,
    paid,
    payables,
    practice,
    released,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import SYSTEM

BACK_FEN = LESS_FEN - 1
"""What the payer gets back: the vendor's part and the fee, without what was held back."""


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def refunded(units: Units, owed: Payables) -> tuple[Sandbox, StripeGateway, str]:
    """Give a payer back what a credit took off, and hear all about it."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    assert set(pay_run(units, SYSTEM, gateway, number)) == {"paid"}
    sandbox.deliver()
    return sandbox, gateway, number


def the_refund(units: Units, key: str = "") -> Payment:
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(Payment).where(Payment.kind == "refund", Payment.key.startswith(key))
        ).one()


def parts(units: Units) -> Sequence[RefundPart]:
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(RefundPart).order_by(RefundPart.known_at, RefundPart.gateway_id)
        ).all()


def agrees(units: Units, gateway: StripeGateway) -> None:
    """Our books are right by themselves, and what the gateway's are."""
    assert held_at_gateway(units) == gateway.balance_fen()
    assert verify(units, SYSTEM) == []
    assert reconcile(units, SYSTEM, gateway) == []


@pytest.mark.parametrize("heard", ["told", "missed"])
@pytest.mark.parametrize("teacher", [False, True])
def test_a_refund_that_fails_after_it_was_done_has_failed_and_is_given_anew(
    units: Units, owed: Payables, heard: str, teacher: bool
):
    """R41: the money is at the gateway again, the run says so, and a person has it tried again."""
    if teacher:
        with units(SYSTEM) as unit:
            sells_as_a_teacher(unit, owed.market.vendor)
    sandbox, gateway, number = refunded(units, owed)
    before = held_at_gateway(units)
    clearing = balance(units, owed.market.school.id, AccountKind.CLEARING)
    refund = the_refund(units)
    assert refund.amount_fen == BACK_FEN

    sandbox.return_refund(str(refund.gateway_id))
    if heard == "told":
        sandbox.deliver(shuffle=random.Random(1))
    else:
        assert catch_up(units, SYSTEM, gateway) > 0

    assert held_at_gateway(units) == before + refund.amount_fen
    refund = the_refund(units)
    assert (refund.state, refund.paid_fen, refund.failure) == ("failed", 0, "declined")
    with units(SYSTEM) as unit:
        assert payment_run(unit, number).standing == "failed"
        assert parked_messages(unit) == []
        told = unit.session.scalars(select(TrailRow).where(TrailRow.act == "payment.came_back"))
        assert [one.facts["amount_fen"] for one in told] == [refund.amount_fen]
    agrees(units, gateway)
    assert pay_run(units, SYSTEM, gateway, number) == {"failed": 1, "paid": 2 + teacher}

    with units(owed.maker) as unit:
        retry_payment(unit, refund.key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3 + teacher}
    sandbox.deliver(shuffle=random.Random(2))

    assert held_at_gateway(units) == before
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == clearing
    assert left_of(units, owed) == 0
    with units(SYSTEM) as unit:
        assert parked_messages(unit) == []
    agrees(units, gateway)
    assert sorted(one.reason for one in parts(units)) == ["", "declined"]


def test_it_may_come_back_as_often_as_it_is_given(units: Units, owed: Payables):
    sandbox, gateway, number = refunded(units, owed)
    for _ in range(2):
        sandbox.return_refund(str(the_refund(units).gateway_id))
        sandbox.deliver()
        with units(SYSTEM) as unit:
            retry_payment(unit, the_refund(units).key)
        assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}
        sandbox.deliver()
        agrees(units, gateway)
    assert held_at_gateway(units) == FEE_FEN - 2
    assert len(parts(units)) == 3


def test_news_of_an_earlier_attempt_changes_nothing(
    units: Units, clock: FixedClock, owed: Payables
):
    """It had failed before it was ever done; what was given anew stands."""
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    credited(units, owed)
    sandbox.expect("refunds.create", Fault.DECLINED)
    number = released(units, owed, purpose=RunPurpose.REFUND)
    assert pay_run(units, SYSTEM, gateway, number)["failed"] == 1
    sandbox.expect("refunds.create", Fault.COMES_BACK)
    with units(SYSTEM) as unit:
        retry_payment(unit, the_refund(units).key)
    assert pay_run(units, SYSTEM, gateway, number)["sent"] == 1
    clock.advance(PATIENCE + timedelta(seconds=1))
    assert pay_run(units, SYSTEM, gateway, number)["failed"] == 1
    with units(SYSTEM) as unit:
        retry_payment(unit, the_refund(units).key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}

    sandbox.deliver(shuffle=random.Random(3))

    assert the_refund(units).state == "paid"
    agrees(units, gateway)


@pytest.mark.parametrize("stand", list(Stand))
def test_what_is_told_of_a_part_that_nobody_knows_takes_nothing_off(
    units: Units, owed: Payables, stand: Stand
):
    """One of an earlier attempt is older news; one that was given besides is a person's matter."""
    _, gateway, _ = refunded(units, owed)
    refund = the_refund(units)
    part = Part("re_other", refund.amount_fen, stand, "declined" if stand is Stand.FAILED else "")
    news = Outcome(gateway_id="re_other", stand=stand, reason=part.reason, parts=(part,))

    if stand is Stand.DONE:
        with pytest.raises(ValueError, match="re_other was given besides"), units(SYSTEM) as unit:
            hear_of_refund(unit, refund.id, news)
    else:
        with units(SYSTEM) as unit:
            hear_of_refund(unit, refund.id, news)

    assert the_refund(units).state == "paid"
    agrees(units, gateway)


def a_refund_of_two(units: Units, owed: Payables) -> tuple[Sandbox, StripeGateway]:
    """Refund 15 fen of two collections of 10 each."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    for number in ("P-1", "P-2"):
        a_run(units, owed, number, PAYING, 10)
        assert pay_run(units, SYSTEM, gateway, number) == {"paid": 2}
    a_run(units, owed, "R-1", TAKING, 15)
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2}
    sandbox.deliver()
    assert sorted(one.amount_fen for one in parts(units)) == [5, 10]
    return sandbox, gateway


@pytest.mark.parametrize("first", [5, 10])
def test_of_several_parts_only_what_came_back_is_given_anew(
    units: Units, owed: Payables, first: int
):
    """R41: what stands is not given a second time; the rest may come back while it is tried."""
    sandbox, gateway = a_refund_of_two(units, owed)
    by_fen = {one.amount_fen: one.gateway_id for one in parts(units)}
    sandbox.return_refund(by_fen[first])
    sandbox.deliver()
    refund = the_refund(units)
    assert (refund.state, refund.paid_fen) == ("failed", 15 - first)
    agrees(units, gateway)

    with units(SYSTEM) as unit:
        retry_payment(unit, refund.key)
    sandbox.return_refund(by_fen[15 - first])
    sandbox.deliver()
    assert the_refund(units).paid_fen == 0
    agrees(units, gateway)
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2}
    sandbox.deliver()

    assert gateway.balance_fen() == 0
    agrees(units, gateway)


def test_what_came_back_unsaid_is_seen_as_it_is_tried_again(units: Units, owed: Payables):
    """The gateway names the parts that stand: what it names no more came back."""
    sandbox, gateway = a_refund_of_two(units, owed)
    small, large = sorted(parts(units), key=lambda one: one.amount_fen)
    sandbox.return_refund(small.gateway_id)
    sandbox.deliver()
    sandbox.return_refund(large.gateway_id)
    with units(SYSTEM) as unit:
        retry_payment(unit, the_refund(units).key)

    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2}

    agrees(units, gateway)
    sandbox.deliver()
    assert the_refund(units).state == "paid"
    agrees(units, gateway)


def test_one_of_before_whose_parts_nobody_kept_is_parked(units: Units, owed: Payables):
    """What was refunded before the upgrade is known where it was one; else a person looks."""
    sandbox, gateway = a_refund_of_two(units, owed)
    a_run(units, owed, "R-2", TAKING, 5)
    assert pay_run(units, SYSTEM, gateway, "R-2") == {"paid": 2}
    sandbox.deliver()
    before = {one.gateway_id: one.amount_fen for one in parts(units)}
    with units.engine.begin() as connection:
        scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
        upgrade = next(one for one in scripts if hasattr(one.module, "MADE_BEFORE"))
        command.downgrade(alembic_config(connection), str(upgrade.down_revision))
    with units.engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()
    (kept,) = parts(units)
    assert kept.gateway_id == the_refund(units, "R-2").gateway_id

    sandbox.return_refund(kept.gateway_id)
    other = next(one for one, fen in before.items() if fen == 10)
    sandbox.return_refund(other)
    sandbox.deliver()

    assert the_refund(units, "R-2").state == "failed"
    assert the_refund(units, "R-1").state == "paid"
    with units(SYSTEM) as unit:
        (parked,) = parked_messages(unit)
    assert other in parked.because and "R-1:refund" in parked.because


def test_a_person_has_it_applied_again_and_the_gateway_says_of_which_parts_it_is(
    units: Units, owed: Payables
):
    """R41, R59: what came back of before the upgrade is given anew; why stands on the trail."""
    sandbox, gateway = a_refund_of_two(units, owed)
    ids = {one.amount_fen: one.gateway_id for one in parts(units)}
    with units.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM refund_part"))  # as it was before parts were kept
    sandbox.return_refund(ids[10])
    sandbox.deliver()
    with units(owed.maker) as unit:
        (parked,) = parked_messages(unit)
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        elsewhere = a_person(unit, a_bureau(unit, region_code="990122"), [Role.BUREAU_FINANCE])

    def apply(actor: Actor, because: str) -> str:
        return apply_parked(units, actor, gateway, parked.event_id, because=because)

    with pytest.raises(ReasonRequired):
        apply(owed.maker, " ")
    with pytest.raises(NotFound):
        apply(elsewhere, "not mine")
    assert the_refund(units).state == "paid"
    assert apply(owed.maker, "asked the bank") == "applied"

    refund = the_refund(units)
    assert (refund.state, refund.paid_fen) == ("failed", refund.amount_fen - 10)
    with units(SYSTEM) as unit:
        told = unit.session.scalars(
            select(TrailRow).where(TrailRow.act == "gateway_event.applied_again")
        ).one()
        assert told.facts["reason"] == "asked the bank"
        retry_payment(unit, refund.key)
    assert pay_run(units, SYSTEM, gateway, "R-1") == {"paid": 2}
    sandbox.deliver()
    agrees(units, gateway)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payment SET state = 'failed' WHERE kind = 'refund'",
        "UPDATE payment SET state = 'failed', paid_fen = 0 WHERE kind = 'collection'",
        "UPDATE payment SET state = 'failed', paid_fen = 0 WHERE kind = 'reversal'",
        "UPDATE refund_part SET amount_fen = 1",
        "UPDATE refund_part SET came_back_at = now() WHERE came_back_at IS NOT NULL",
        "DELETE FROM refund_part",
        "TRUNCATE refund_part",
    ],
)
def test_the_database_itself_refuses(units: Units, owed: Payables, statement: str):
    sandbox, gateway, number = refunded(units, owed)
    sandbox.return_refund(str(the_refund(units).gateway_id))
    sandbox.deliver()
    with units(SYSTEM) as unit:
        retry_payment(unit, the_refund(units).key)
    assert pay_run(units, SYSTEM, gateway, number) == {"paid": 3}
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        changed = unit.session.execute(text(statement))
        assert isinstance(changed, CursorResult) and changed.rowcount, "it would prove nothing"


def test_verify_names_a_refund_whose_parts_say_something_else(units: Units, owed: Payables):
    refunded(units, owed)
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE refund_part SET came_back_at = now()"))
    (found,) = verify(units, SYSTEM)
    assert the_refund(units).key in found
