"""Messages that are wrong, late or out of order: parked, waited for, or changed nothing by."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from kernel.clock import FixedClock
from kernel.errors import WebhookRefused
from kernel.unit import Units
from settlement.ledger.posting import AccountKind
from settlement.payment_models import GatewayEvent, GatewayParty, Payment
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run
from settlement.payments.objects import event_of, events_of
from settlement.payments.parked import parked_messages
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import GATEWAY, Fault
from settlement.payments.sandbox_models import SandboxMessage
from settlement.payments.sandbox_store import Store
from settlement.payments.signing import sign
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payments.sweeping import catch_up
from settlement.payments.webhooks import apply_kept, receive
from settlement.verify.recompute import verify
from tests.settlement.payments.test_webhooks import a_message, signed
from tests.support.payment_builders import (
    HELD_FEN,
    Payables,
    balance,
    paid,
    payables,
    practice,
    released,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def raw(subject: str, *, kind: str = "payment_intent.succeeded", created: str = "1775000000"):
    """Return a message as bytes, its object and time as they are written here."""
    return (
        f'{{"id": "evt_odd", "object": "event", "type": "{kind}", "created": {created}, '
        f'"data": {{"object": {subject}}}}}'
    ).encode()


def parked(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        return [one.event_id for one in parked_messages(unit)]


INTENT = '{"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 5'


@pytest.mark.parametrize(
    "body",
    [
        raw(INTENT + ', "metadata": "a text"}'),
        raw("null"),
        raw("[1]"),
        raw(INTENT + ', "metadata": {"key": "\\u0000"}}'),
        raw(INTENT + ', "metadata": {"key": "\\ud800"}}'),
        raw(INTENT + ', "fee": NaN}'),
        raw(INTENT + ', "fee": 1e999}'),
        raw(INTENT + "}", created="1e18"),
        raw(INTENT + "}", created="null"),
    ],
    ids=["metadata", "null", "list", "nul", "surrogate", "nan", "inf", "created", "no time"],
)
def test_a_message_that_cannot_be_read_is_parked_and_holds_up_nothing(
    units: Units, owed: Payables, body: bytes
):
    _, gateway = practice(units)
    assert receive(units, gateway, body, signed(units, body)) == "parked"
    assert parked(units) == ["evt_odd"]
    assert apply_kept(units, "stripe", "evt_odd") == "parked"
    with units(SYSTEM) as unit:
        (one,) = parked_messages(unit)
    assert one.because.isprintable() and len(one.because) <= 300
    good = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})
    assert receive(units, gateway, good, signed(units, good)) == "ignored"


@pytest.mark.parametrize("amount", [10**30, -5, 0, 2.5, "7"])
def test_a_dispute_of_no_amount_is_parked(units: Units, owed: Payables, amount: object):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(Payment.kind == "collection")
        ).one()
    subject = {"object": "dispute", "id": "du_1", "payment_intent": intent, "amount": amount}
    body = a_message(units, "charge.dispute.created", subject, event_id="evt_odd")

    assert receive(units, gateway, body, signed(units, body)) == "parked"

    with units(SYSTEM) as unit:
        (one,) = parked_messages(unit)
    assert "is no amount" in one.because
    assert verify(units, SYSTEM) == []


def test_what_the_database_refuses_of_a_message_is_told_in_a_line(
    units: Units, owed: Payables, monkeypatch: pytest.MonkeyPatch
):
    """Whatever a message is wrong by that nobody thought of."""
    _, gateway = practice(units)
    monkeypatch.setattr("settlement.payments.webhooks.MOST_FEN", 10**40)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent = unit.session.scalars(
            select(Payment.gateway_id).where(Payment.kind == "collection")
        ).one()
    subject = {"object": "dispute", "id": "du_1", "payment_intent": intent, "amount": 10**30}
    body = a_message(units, "charge.dispute.created", subject, event_id="evt_odd")
    assert receive(units, gateway, body, signed(units, body)) == "parked"
    with units(SYSTEM) as unit:
        (one,) = parked_messages(unit)
    assert "\n" not in one.because and "INSERT" not in one.because


def test_a_message_that_cannot_be_read_does_not_stop_those_behind_it(units: Units, owed: Payables):
    _, gateway = practice(units)
    bodies = [json.loads(raw("null")), {"data": 1}, {"id": 5, "type": "x"}]
    (odd,) = events_of(bodies)
    assert odd.id == "evt_odd"
    with units(GATEWAY) as unit:
        store = Store(unit)
        store.add("event", type="payment_intent.succeeded", data={"object": None})
        good = store.add("event", type="charge.succeeded", data={"object": {"id": "py_1"}})
    catch_up(units, SYSTEM, gateway)
    with units(SYSTEM) as unit:
        assert unit.session.get_one(GatewayEvent, ("stripe", good["id"])).state == "ignored"
    assert len(parked(units)) == 1


def test_what_only_looks_like_no_character_is_read():
    """A backslash and a u are two characters."""
    body = {"id": "evt_1", "type": "x", "created": 1, "data": {"object": {"a": "\\u0000"}}}
    assert event_of(body).subject == {"a": "\\u0000"}


@pytest.mark.parametrize("form", ["{old},{new}", "{new},{old}", "{old},{old}"])
def test_only_the_time_that_is_signed_counts(units: Units, form: str):
    sandbox, gateway = practice(units)
    now = units.clock.now()
    body = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})
    old = sign(body, sandbox.secret, at=now - timedelta(seconds=4000))
    header = form.format(old=old, new=f"t={int(now.timestamp())}")
    with pytest.raises(WebhookRefused):
        receive(units, gateway, body, header)


def test_what_a_bank_takes_back_before_its_collection_is_on_record_waits_for_it(
    units: Units, owed: Payables, clock: FixedClock
):
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    number = released(units, owed)
    sandbox.expect("payment_intents.create", Fault.TIMEOUT_AFTER)
    pay_run(units, SYSTEM, gateway, number)
    with units(GATEWAY) as unit:
        (intent,) = Store(unit).all("payment_intent")
    sandbox.dispute(intent["id"])
    with units(GATEWAY) as unit:  # its message comes alone
        store = Store(unit)
        (event,) = (one for one in store.all("event") if one["type"] == "charge.dispute.created")
        others = update(SandboxMessage).where(SandboxMessage.event_id != event["id"])
        unit.session.execute(others.values(state="withheld"))
    sandbox.deliver()
    assert parked(units) == [event["id"]]
    with units(SYSTEM) as unit:  # as it was kept before it could wait
        unit.session.execute(update(GatewayEvent).values(state="ignored", because=""))

    clock.advance(PATIENCE + timedelta(seconds=1))
    pay_run(units, SYSTEM, gateway, number)
    catch_up(units, SYSTEM, gateway)

    assert parked(units) == []
    taken_fen = int(intent["amount"])
    assert balance(units, owed.market.school.id, AccountKind.CLEARING) == HELD_FEN + taken_fen
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


class Accounts:
    """The other vendor's account at the gateway, and what messages say of it."""

    def __init__(self, units: Units, owed: Payables, gateway: StripeGateway) -> None:
        self.units, self.gateway, self.vendor_id = units, gateway, owed.other.id
        with units(SYSTEM) as unit:
            self.id = unit.session.get_one(GatewayParty, (self.vendor_id, "payee")).gateway_id

    def say(self, event_id: str, *, active: bool, seconds: int) -> None:
        """Have a message come that the gateway made so many seconds from now."""
        subject = {
            "id": self.id,
            "object": "account",
            "capabilities": {"transfers": "active" if active else "inactive"},
            "payouts_enabled": active,
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        }
        made = json.loads(a_message(self.units, "account.updated", subject, event_id=event_id))
        body = json.dumps({**made, "created": made["created"] + seconds}).encode()
        assert receive(self.units, self.gateway, body, signed(self.units, body)) == "applied"

    @property
    def ready(self) -> bool:
        with self.units(SYSTEM) as unit:
            return unit.session.get_one(GatewayParty, (self.vendor_id, "payee")).ready


def test_what_the_gateway_said_of_an_account_earlier_changes_nothing_later(
    units: Units, owed: Payables, clock: FixedClock
):
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    account = Accounts(units, owed, gateway)
    clock.advance(timedelta(hours=1))

    account.say("evt_new", active=False, seconds=-5)
    account.say("evt_old", active=True, seconds=-6)
    assert not account.ready
    account.say("evt_same", active=True, seconds=-5)
    assert not account.ready, "of two of a second nobody knows the later"
    account.say("evt_newer", active=True, seconds=-4)
    assert account.ready
    account.say("evt_same_too", active=False, seconds=-4)
    assert not account.ready
    know_payees(units, SYSTEM, gateway)  # asks the gateway, of this second
    assert account.ready
    account.say("evt_late", active=False, seconds=-3)
    assert account.ready
