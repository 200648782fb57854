"""Messages of the gateway: checked, kept once, applied in any order; what can't be, is parked."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.errors import WebhookRefused
from kernel.settings import Settings
from kernel.unit import Units
from settlement.ledger.posting import AccountKind
from settlement.payment_models import GatewayEvent, GatewayParty, Payment
from settlement.payments.opening import open_sandbox
from settlement.payments.signing import sign
from settlement.payments.webhooks import apply_kept, receive
from tests.support.application import an_app
from tests.support.payment_builders import (
    FEE_FEN,
    HELD_FEN,
    Payables,
    balance,
    held_at_gateway,
    paid,
    payables,
    practice,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


@pytest.fixture
def client(settings: Settings, units: Units) -> Iterator[TestClient]:
    with TestClient(an_app(settings, units), raise_server_exceptions=False) as client:
        yield client


def a_message(units: Units, kind: str, subject: dict, *, event_id: str = "evt_1") -> bytes:
    created = int(units.clock.now().timestamp())
    body = {"id": event_id, "object": "event", "type": kind, "created": created}
    return json.dumps({**body, "data": {"object": subject}}).encode()


def signed(units: Units, body: bytes) -> str:
    return sign(body, open_sandbox(units).secret, at=units.clock.now())


def send(client: TestClient, body: bytes, signature: str):
    return client.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})


def test_messages_of_connected_accounts_carry_a_secret_of_their_own(units: Units, owed: Payables):
    units.settings = replace(units.settings, webhook_connect_secret="whsec_connected")
    _, gateway = practice(units)
    body = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})

    own = sign(body, "whsec_connected", at=units.clock.now())
    assert receive(units, gateway, body, own) == "ignored"
    assert receive(units, gateway, body, signed(units, body)) == "ignored"
    with pytest.raises(WebhookRefused):
        receive(units, gateway, body, sign(body, "whsec_other", at=units.clock.now()))


def test_a_signed_message_is_taken_once(client: TestClient, units: Units):
    body = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})

    first = send(client, body, signed(units, body))
    again = send(client, body, signed(units, body))

    assert (first.status_code, first.text) == (200, "ignored")
    assert (again.status_code, again.text) == (200, "ignored")
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(GatewayEvent.event_id)).all() == ["evt_1"]


def test_a_message_that_is_not_the_gateways_is_refused(
    client: TestClient, units: Units, clock: FixedClock
):
    body = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})
    signature = signed(units, body)

    assert send(client, body + b" ", signature).status_code == 400
    assert send(client, body, "").status_code == 400
    assert send(client, body, "t=1,v1=00").status_code == 400
    assert send(client, b"{}", signed(units, b"{}")).status_code == 400
    clock.advance(timedelta(seconds=301))
    answer = send(client, body, signature)
    assert answer.status_code == 400
    assert answer.json()["code"] == "webhook-refused"
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(GatewayEvent)).all() == []


def test_a_poisoned_message_is_parked_with_its_reason_and_holds_up_nothing(
    units: Units, owed: Payables
):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        key = unit.session.scalars(select(Payment.key).where(Payment.kind == "collection")).one()
    wrong = {
        "id": "pi_9",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 5,
        "metadata": {"key": key},
    }
    body = a_message(units, "payment_intent.succeeded", wrong, event_id="evt_wrong")

    assert receive(units, gateway, body, signed(units, body)) == "parked"
    assert sandbox.deliver() > 0
    with units(SYSTEM) as unit:
        parked = unit.session.scalars(
            select(GatewayEvent).where(GatewayEvent.state == "parked")
        ).one()
    assert "5 fen" in parked.because
    assert apply_kept(units, "stripe", "evt_wrong") == "parked"


def test_a_message_about_an_account_says_who_may_be_paid(units: Units, owed: Payables):
    _, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        account = unit.session.scalars(
            select(GatewayParty.gateway_id).where(
                GatewayParty.organisation_id == owed.other.id, GatewayParty.role == "payee"
            )
        ).one()
    subject = {
        "id": account,
        "object": "account",
        "capabilities": {"transfers": "inactive"},
        "payouts_enabled": False,
        "requirements": {"currently_due": ["external_account"]},
    }
    body = a_message(units, "account.updated", subject)

    assert receive(units, gateway, body, signed(units, body)) == "applied"
    with units(SYSTEM) as unit:
        party = unit.session.get_one(GatewayParty, (owed.other.id, "payee"))
    assert not party.ready


def test_what_a_payers_bank_takes_back_is_the_payers_debt_alone(units: Units, owed: Payables):
    sandbox, gateway = practice(units)
    paid(units, owed, gateway)
    with units(SYSTEM) as unit:
        intent, fen = unit.session.execute(
            select(Payment.gateway_id, Payment.amount_fen).where(Payment.kind == "collection")
        ).one()
    school = owed.market.school.id

    dispute = sandbox.dispute(intent)
    sandbox.deliver()
    assert balance(units, school, AccountKind.CLEARING) == HELD_FEN + fen
    assert balance(units, owed.other.id, AccountKind.PAYABLE) == 0
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN - fen

    sandbox.decide(dispute, won=True)
    sandbox.deliver()
    assert balance(units, school, AccountKind.CLEARING) == HELD_FEN
    assert held_at_gateway(units) == gateway.balance_fen() == FEE_FEN


def test_a_message_that_the_gateway_did_not_sign_in_time_is_too_old(units: Units):
    _, gateway = practice(units)
    body = a_message(units, "charge.succeeded", {"id": "py_1", "object": "charge"})
    late = sign(body, open_sandbox(units).secret, at=units.clock.now() - timedelta(seconds=301))

    with pytest.raises(WebhookRefused):
        receive(units, gateway, body, late)
