"""The sandbox: a gateway of practice that answers Stripe's SDK in process, by Stripe's rules.

Built on `responses`, whose matching and replies are used for this gateway's calls alone: an adapter
of the session that the SDK is given, nothing patched, nothing remembered. What it knows lies in the
database, so that web and workers share it and a restart forgets nothing. Keys of idempotency,
signed messages with retries, and everything that goes wrong with a real one on demand.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout
from responses import RequestsMock
from sqlalchemy import func, insert, select, update

from kernel.actors import system_actor
from kernel.unit import Unit, Units
from settlement.payments.sandbox_calls import (
    CANCELLABLE,
    close_dispute,
    open_dispute,
    route,
    succeed,
)
from settlement.payments.sandbox_forms import SandboxRefusal, check_form, read_form
from settlement.payments.sandbox_models import (
    SandboxAnswer,
    SandboxFault,
    SandboxMessage,
    SandboxObject,
)
from settlement.payments.sandbox_payouts import send_back, settle_payouts
from settlement.payments.sandbox_refunds import come_back
from settlement.payments.sandbox_store import Store, new_sandbox_id
from settlement.payments.signing import sign

GATEWAY: Final = system_actor("sandbox")
MOST_ATTEMPTS: Final = 10
MOST_AT_ONCE: Final = 1_000
WAIT: Final = timedelta(minutes=1)

Receive = Callable[[bytes, str], int]
"""Takes a message's body and signature, and returns an HTTP status."""
Answer = tuple[int, dict[str, str], str]


class Fault(StrEnum):
    """What can be made to go wrong with a call, or with the messages that it makes."""

    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    FAILURE = "failure"  # 500, nothing done, and the key remembers it
    RATE_LIMITED = "rate_limited"
    DECLINED = "declined"
    DELAYED = "delayed"
    COMES_BACK = "comes_back"  # a refund that the payer's bank does not take
    MESSAGE_FIRST = "message_first"
    MESSAGE_TWICE = "message_twice"
    MESSAGE_NEVER = "message_never"


@dataclass(slots=True)
class Sandbox:
    """The gateway of practice over one database; `receive` takes its messages in process."""

    units: Units
    secret: str
    receive: Receive | None = None
    _mock: RequestsMock = field(init=False)

    def __post_init__(self) -> None:
        self._mock = RequestsMock(assert_all_requests_are_fired=False)
        for method in ("GET", "POST", "DELETE"):
            self._mock.add_callback(method, re.compile(".*"), callback=self._answer)

    def session(self) -> Session:
        """Return a session whose calls end here, whatever their address."""
        session = Session()
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.mount(scheme, SandboxAdapter(self._mock))
        return session

    def expect(self, call: str, fault: Fault, *, times: int = 1, of: str = "") -> None:
        """Have the next calls of a name (`transfers.create`) go wrong in this way.

        `of`: those for one customer alone; said again of the same one, it changes nothing.
        """
        with self.units(GATEWAY) as unit:
            Store(unit)
            told = select(SandboxFault.sequence).where(SandboxFault.call == f"{call} {of}")
            if of and unit.session.scalars(told.limit(1)).first() is not None:
                return
            call = f"{call} {of}" if of else call
            last = unit.session.scalar(select(func.max(SandboxFault.sequence))) or 0
            unit.session.execute(
                insert(SandboxFault).values(sequence=last + 1, call=call, fault=fault, times=times)
            )

    def settle_delayed(self) -> int:
        """Let all money arrive that is on its way; return how many payments that were."""
        with self.units(GATEWAY) as unit:
            store = Store(unit)
            late = store.all("payment_intent", status="requires_action")
            for intent in late:
                succeed(store, intent)
        return len(late)

    def return_payout(self, payout_id: str) -> None:
        """Have a bank send back a payout that had arrived, as happens days later."""
        with self.units(GATEWAY) as unit:
            found = unit.session.get_one(SandboxObject, payout_id)
            send_back(Store(unit, found.account), dict(found.body))

    def return_refund(self, refund_id: str) -> None:
        """Have a payer's bank send back a refund that had succeeded, as happens days later."""
        with self.units(GATEWAY) as unit:
            come_back(Store(unit), dict(unit.session.get_one(SandboxObject, refund_id).body))

    def pay_after_all(self, intent_id: str) -> bool:
        """Have a payer pay what its bank had declined; return whether it still could."""
        with self.units(GATEWAY) as unit:
            store = Store(unit)
            intent = store.get("payment_intent", intent_id)
            if intent["status"] in CANCELLABLE:
                succeed(store, intent)
            return bool(intent["status"] == "succeeded")

    def dispute(self, intent_id: str) -> str:
        """Have the payer's bank take a charge back; return the dispute's id."""
        with self.units(GATEWAY) as unit:
            return str(open_dispute(Store(unit), intent_id)["id"])

    def decide(self, dispute_id: str, *, won: bool) -> None:
        with self.units(GATEWAY) as unit:
            close_dispute(Store(unit), dispute_id, won=won)

    def deliver(
        self, *, receive: Receive | None = None, shuffle: random.Random | None = None
    ) -> int:
        """Deliver what is due, each message signed; what is not taken is tried again later.

        `shuffle`: in any order. Returns how many were taken.
        """
        take = receive or self.receive
        with self.units(GATEWAY) as unit:
            settle_payouts(Store(unit))
        with self.units(GATEWAY) as unit:
            due = list(
                unit.session.scalars(
                    select(SandboxMessage.event_id)
                    .where(
                        SandboxMessage.state == "waiting",
                        SandboxMessage.due_at <= unit.clock.now(),
                    )
                    .order_by(SandboxMessage.sequence)
                    .limit(MOST_AT_ONCE)
                )
            )
        if take is None:
            return 0
        if shuffle is not None:
            shuffle.shuffle(due)
        return sum(self._deliver(event_id, take) for event_id in due)

    def _deliver(self, event_id: str, receive: Receive) -> bool:
        with self.units(GATEWAY) as unit:
            event = unit.session.get_one(SandboxObject, event_id).body
            now = unit.clock.now()
        body = json.dumps(event, ensure_ascii=False).encode()
        taken = 200 <= receive(body, sign(body, self.secret, at=now)) < 300
        with self.units(GATEWAY) as unit:
            message = unit.session.get_one(SandboxMessage, event_id, with_for_update=True)
            message.attempts += 1
            if taken:
                message.copies -= 1
                message.state = "waiting" if message.copies else "delivered"
            elif message.attempts >= MOST_ATTEMPTS:
                message.state = "given_up"
            else:
                message.due_at = unit.clock.now() + WAIT * 2**message.attempts
        return taken

    def _answer(self, request: PreparedRequest) -> Answer | Exception:
        """Answer one call: what is wrong first, then the key, then the call itself."""
        path, _, query = request.path_url.partition("?")
        sent = request.body or ""
        encoded = sent.decode() if isinstance(sent, bytes) else str(sent)
        form = read_form(query if request.method == "GET" else encoded)
        try:
            name, call, names = route(str(request.method), path)
            check_form(name, form)
        except SandboxRefusal as refusal:
            return _shown(refusal.status, refusal.body)
        fault = self._fault(name, customer=str(form.get("customer", "")))
        if fault is Fault.TIMEOUT_BEFORE:
            return ReadTimeout("Read timed out.")
        if fault is Fault.RATE_LIMITED:
            return _shown(429, _error("invalid_request_error", "Too many requests.", "rate_limit"))
        key = str(request.headers.get("Idempotency-Key", ""))
        if request.method != "POST":
            key = ""
        options = _options(name, fault)

        def act(store: Store) -> tuple[int, dict[str, Any]]:
            try:
                if fault is Fault.DECLINED and not options:
                    raise SandboxRefusal(
                        400,
                        type="invalid_request_error",
                        code="balance_insufficient",
                        message="You have insufficient funds in your Stripe account.",
                    )
                return 200, call(store, form, *names, **options)
            except SandboxRefusal as refusal:
                return refusal.status, refusal.body

        with self.units(GATEWAY) as unit:
            account = _header(request, "Stripe-Account")
            store = Store(unit, account or None)
            digest = hashlib.sha256(f"{account}{path}?{encoded}".encode()).hexdigest()
            known = unit.session.get(SandboxAnswer, key) if key else None
            if known is not None:
                status, body = _known(known, digest)
            elif fault is Fault.FAILURE:
                status, body = 500, _error("api_error", "Something went wrong.", None)
            else:
                status, body = act(store)
            if known is None and key:
                _remember(unit, key, digest=digest, status=status, body=body)
            self._spoil_messages(unit, store, fault)
        if fault is Fault.MESSAGE_FIRST and self.receive is not None:
            for event_id in store.messages:
                self._deliver(event_id, self.receive)
        if fault is Fault.TIMEOUT_AFTER:
            return ReadTimeout("Read timed out.")
        return _shown(status, body)

    def _fault(self, name: str, *, customer: str) -> Fault | None:
        """Use up the next thing that is to go wrong with a call of this name, or customer's."""
        with self.units(GATEWAY) as unit:
            waiting = unit.session.scalars(
                select(SandboxFault)
                .where(SandboxFault.call.in_((name, f"{name} {customer}")), SandboxFault.times > 0)
                .order_by(SandboxFault.sequence)
                .limit(1)
                .with_for_update()
            ).first()
            if waiting is None:
                return None
            waiting.times -= 1
            return Fault(waiting.fault)

    def _spoil_messages(self, unit: Unit, store: Store, fault: Fault | None) -> None:
        """Have the messages of a call never come, or come twice."""
        spoilt: dict[Fault | None, dict[str, Any]] = {
            Fault.MESSAGE_NEVER: {"state": "withheld"},
            Fault.MESSAGE_TWICE: {"copies": 2},
        }
        if fault in spoilt and store.messages:
            unit.session.execute(
                update(SandboxMessage)
                .where(SandboxMessage.event_id.in_(store.messages))
                .values(**spoilt[fault])
                .execution_options(synchronize_session=False)
            )


class SandboxAdapter(HTTPAdapter):
    """Carries a session's calls to the sandbox by the replies of `responses`, and forgets them.

    `responses` keeps every call; what is kept is dropped at once, by each thread its own way out.
    """

    def __init__(self, mock: RequestsMock) -> None:
        super().__init__()
        self._mock = mock
        self._reply = mock.unbound_on_send()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        try:
            return self._reply(self, request, *args, **kwargs)
        finally:
            self._mock.calls.reset()
            for one in self._mock.registered():
                one.calls.reset()


def _options(name: str, fault: Fault | None) -> dict[str, bool]:
    """Return what a call itself makes go wrong."""
    if name in ("payment_intents.create", "payouts.create"):
        return {"declined": fault is Fault.DECLINED, "delayed": fault is Fault.DELAYED}
    return {"comes_back": True} if (name, fault) == ("refunds.create", Fault.COMES_BACK) else {}


def _header(request: PreparedRequest, name: str) -> str:
    value = request.headers.get(name) or ""
    return value.decode() if isinstance(value, bytes) else value


def _known(known: SandboxAnswer, digest: str) -> tuple[int, dict[str, Any]]:
    if known.digest == digest:
        return known.status, known.body
    return 400, _error(
        "idempotency_error",
        f"Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{known.key}' if you meant to execute a different "
        f"request.",
        None,
    )


def _remember(unit: Unit, key: str, *, digest: str, status: int, body: dict[str, Any]) -> None:
    unit.session.execute(
        insert(SandboxAnswer).values(
            key=key, digest=digest, status=status, body=body, answered_at=unit.clock.now()
        )
    )


def _error(kind: str, message: str, code: str | None) -> dict[str, Any]:
    error = {"type": kind, "message": message}
    return {"error": error if code is None else {**error, "code": code}}


def _shown(status: int, body: dict[str, Any]) -> Answer:
    headers = {"Content-Type": "application/json", "Request-Id": new_sandbox_id("req")}
    return status, headers, json.dumps(body)
