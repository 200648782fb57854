"""Taking back goes wrong in every way, and calls that come through after we asked: all once."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from requests import PreparedRequest
from requests.exceptions import ReadTimeout
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.unit import Units
from settlement.payment_models import Payment
from settlement.payments import engine
from settlement.payments.bank_payouts import pay_out
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.sandbox import Fault, SandboxAdapter
from settlement.payments.sandbox_models import SandboxFault
from settlement.payments.states import RunPurpose
from settlement.payments.stripe_gateway import StripeGateway
from settlement.payments.sweeping import catch_up
from settlement.payout_models import BankPayout
from settlement.verify.recompute import verify
from tests.settlement.payments.test_after_payment import credited
from tests.support.payment_builders import (
    Payables,
    paid,
    payables,
    payment_states,
    practice,
    released,
)
from tests.support.settlement_builders import APRIL, SYSTEM

CALLS = {"reversals.create": "reversal", "refunds.create": "refund"}
BEFORE, AFTER = "crash before record", "crash after record"
FAULTS = (*Fault, BEFORE, AFTER)
MOVES = {
    "payment_intents.create": "/v1/payment_intents$",
    "transfers.create": "/v1/transfers$",
    "reversals.create": "/v1/transfers/[^/]+/reversals$",
    "refunds.create": "/v1/refunds$",
    "payouts.create": "/v1/payouts$",
}


@pytest.fixture
def owed(units: Units) -> Payables:
    return payables(units)


def a_refund(units: Units, owed: Payables, gateway: StripeGateway) -> str:
    """Pay March, take a use off it, and release the run that takes it back."""
    paid(units, owed, gateway)
    credited(units, owed)
    return released(units, owed, purpose=RunPurpose.REFUND, month=APRIL)


def moved(units: Units, gateway: StripeGateway) -> dict[str, int]:
    """Return how often what moved in the gateway's books, less what came back there."""
    now = units.clock.now()
    entries = gateway.balance_entries(now - timedelta(days=400), now + timedelta(days=1))
    kinds = [one.kind for one in entries]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    back = counts.pop("refund_failure", 0)
    return counts | ({"payment_refund": counts["payment_refund"] - back} if back else {})


@contextmanager
def dies_at(kind: str, *, after: bool) -> Iterator[None]:
    """Have the process die at the first record of a kind of payment, before it or after."""
    settlers = [(engine, "settle_payment"), (engine, "settle_refund")]
    originals: dict[str, Callable[..., None]] = {name: getattr(at, name) for at, name in settlers}
    died = []

    def dying(name: str) -> Callable[..., None]:
        def settle(unit: Any, payment_id: Any, outcome: Any, **told: Any) -> None:
            ours = unit.session.get_one(Payment, payment_id).kind == kind and not died
            if ours:
                died.append(payment_id)
            if after or not ours:
                originals[name](unit, payment_id, outcome, **told)
            if ours:
                if after:
                    unit.session.commit()
                raise KeyboardInterrupt

        return settle

    for at, name in settlers:
        setattr(at, name, dying(name))
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        for at, name in settlers:
            setattr(at, name, originals[name])


@pytest.mark.parametrize("told", [True, False], ids=["told", "asking"])
@pytest.mark.parametrize("wrong", [*itertools.product(CALLS, FAULTS)], ids=" ".join)
def test_what_credits_took_off_goes_back_exactly_once(
    units: Units, clock: FixedClock, owed: Payables, wrong: tuple[str, str], told: bool
):
    """R38, R41: whatever goes wrong, each payee gives and the payer gets once."""
    call, fault = wrong
    sandbox, gateway = practice(units)
    number = a_refund(units, owed, gateway)
    if fault in (BEFORE, AFTER):
        with dies_at(CALLS[call], after=fault == AFTER):
            pay_run(units, SYSTEM, gateway, number)
    else:
        sandbox.expect(call, Fault(fault))

    for _ in range(8):
        pay_run(units, SYSTEM, gateway, number)
        if told:
            sandbox.deliver(shuffle=random.Random(2))
            catch_up(units, SYSTEM, gateway)
        if set(payment_states(units).values()) == {"paid"}:
            break
        with units(SYSTEM) as unit:
            failed = unit.session.scalars(select(Payment.key).where(Payment.state == "failed"))
            for key in failed.all():
                engine.retry_payment(unit, key)
        clock.advance(PATIENCE + timedelta(seconds=1))

    assert set(payment_states(units).values()) == {"paid"}
    with units(SYSTEM) as unit:
        assert not any(unit.session.scalars(select(SandboxFault.times)))
    once = {"payment": 1, "transfer": 2, "transfer_refund": 1, "payment_refund": 1}
    assert moved(units, gateway) == once
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


@dataclass
class Line:
    """The line to the gateway: what goes over it, and the first call of a kind kept under way."""

    path: str
    keys: list[str] = field(default_factory=list)
    kept: list[PreparedRequest] = field(default_factory=list)

    def is_it(self, request: PreparedRequest) -> bool:
        address = str(request.url).partition("?")[0]
        return request.method == "POST" and re.search(self.path, address) is not None


@contextmanager
def late(call: str, *, keeps: int = 1) -> Iterator[tuple[Line, Callable[[], None]]]:
    """Keep the first calls of a name under way; yield the line, and what lets them arrive."""
    line, original = Line(MOVES[call]), SandboxAdapter.send
    adapters: list[SandboxAdapter] = []

    def send(self: SandboxAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        if line.is_it(request):
            line.keys.append(str(request.headers["Idempotency-Key"]))
            if len(line.kept) < keeps:
                line.kept.append(request)
                adapters.append(self)
                raise ReadTimeout("Read timed out.")
        return original(self, request, *args, **kwargs)

    def arrive() -> None:
        for adapter, request in zip(adapters, line.kept, strict=True):
            original(adapter, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", send)
        yield line, arrive


@pytest.mark.parametrize("first", [True, False], ids=["before we send again", "after"])
@pytest.mark.parametrize("call", MOVES)
def test_a_call_that_comes_through_after_we_asked_moves_nothing_twice(
    units: Units, clock: FixedClock, owed: Payables, call: str, first: bool
):
    """R38: we ask, it is not there; it arrives before or after we send again, under one key."""
    sandbox, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    if call in CALLS:
        number = a_refund(units, owed, gateway)
    elif call == "payouts.create":
        number = paid(units, owed, gateway)
    else:
        number = released(units, owed)

    def sweep() -> None:
        pay_run(units, SYSTEM, gateway, number)
        if call == "payouts.create":
            pay_out(units, SYSTEM, gateway)

    with late(call) as (line, arrive):
        sweep()
        assert len(line.kept) == 1
        clock.advance(PATIENCE + timedelta(seconds=1))
        if first:
            with asked_then(gateway, call, arrive):
                sweep()
        else:
            sweep()
            arrive()
        for _ in range(3):
            clock.advance(PATIENCE + timedelta(seconds=1))
            sweep()
            sandbox.deliver()

    # What takes back looks once more before it sends, and sends nothing that has arrived.
    times = 1 if first and call in CALLS else 2
    assert line.keys.count(line.keys[0]) == times, "it was sent again under another key"
    assert set(payment_states(units).values()) == {"paid"}
    counts = {"payment": 1, "transfer": 2}
    counts |= {"transfer_refund": 1, "payment_refund": 1} if call in CALLS else {}
    assert moved(units, gateway) == counts
    if call == "payouts.create":
        with units(SYSTEM) as unit:
            states = unit.session.scalars(select(BankPayout.state)).all()
        assert states == ["paid", "paid"]
    assert reconcile(units, SYSTEM, gateway) == []
    assert verify(units, SYSTEM) == []


@contextmanager
def asked_then(gateway: StripeGateway, call: str, act: Callable[[], None]) -> Iterator[None]:
    """Have something happen right after the gateway was asked for the first time."""
    name = "find_payout" if call == "payouts.create" else "find"
    original, acted = getattr(StripeGateway, name), []

    def find(self: StripeGateway, *args: Any) -> Any:
        found = original(self, *args)
        if not acted:
            acted.append(name)
            act()
        return found

    setattr(StripeGateway, name, find)
    try:
        yield
    finally:
        setattr(StripeGateway, name, original)
    assert acted


def test_each_movement_has_the_key_of_its_attempt(units: Units, owed: Payables):
    """Whoever changes what keys are made of has two answers for one movement at an upgrade."""
    _, gateway = practice(units)
    keys: dict[str, list[str]] = {}
    original = SandboxAdapter.send

    def send(self: SandboxAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        for call, path in MOVES.items():
            if Line(path).is_it(request):
                keys.setdefault(call, []).append(str(request.headers["Idempotency-Key"]))
        return original(self, request, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", send)
        pay_run(units, SYSTEM, gateway, a_refund(units, owed, gateway))
        pay_out(units, SYSTEM, gateway)

    with units(SYSTEM) as unit:
        payments = unit.session.scalars(select(Payment)).all()
        payouts = unit.session.scalars(select(BankPayout.key)).all()
    of_kind: dict[str, list[Payment]] = {}
    for one in payments:
        of_kind.setdefault(one.kind, []).append(one)
    ids = {kind: {one.gateway_id for one in own} for kind, own in of_kind.items()}
    for call, kind in (("payment_intents.create", "collection"), ("transfers.create", "transfer")):
        assert sorted(keys[call]) == sorted(f"{one.key}:1" for one in of_kind[kind])
    for call, kind, taken in (
        ("reversals.create", "reversal", "transfer"),
        ("refunds.create", "refund", "collection"),
    ):
        (one,), (key,) = of_kind[kind], keys[call]
        assert key.removeprefix(f"{one.key}:1:") in ids[taken]
    assert sorted(keys["payouts.create"]) == sorted(f"{key}:1" for key in payouts)
