"""The gateway by Stripe's own SDK; the only module that knows it.

Decides which of Stripe's calls is which movement, and which of its errors mean what. Keys of
idempotency are a movement's key with its attempt; the key itself stands in the metadata, by which
a movement is found again. The SDK never repeats a call by itself.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import stripe
from requests import Session

from kernel.settings import Settings
from settlement.payments.calling import opened
from settlement.payments.gateway import (
    BalanceEntry,
    CallRefused,
    Event,
    EventRefused,
    Movement,
    NotNow,
    Outcome,
    OutcomeUnknown,
    PartyAccount,
    PayoutEntry,
    Stand,
    TakenInPart,
)
from settlement.payments.objects import (
    CLOSED,
    account_of,
    closing_of,
    event_of,
    events_of,
    facts_of,
    furthest,
    held_fen,
    key_of,
    least,
    moment_of,
    movement_id,
    once,
    outcome_of,
)
from settlement.payments.signing import signed_at
from settlement.payments.states import PaymentKind

CURRENCY: Final = "cny"
PAGE: Final = 100
TIMEOUT_S: Final = 20
BY_HAND: Final[Any] = {"payouts": {"schedule": {"interval": "manual"}}}
BY_TRANSFER: Final = "customer_balance"
"""The payer pays by bank transfer: the money comes later, and a message says so."""


@contextmanager
def stripe_errors() -> Iterator[None]:
    """Say of each of Stripe's errors whether anything was done."""
    try:
        yield
    except stripe.APIConnectionError as error:
        raise OutcomeUnknown("connection", answered=False) from error
    except (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError) as error:
        raise NotNow(_reason(error)) from error
    except (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError) as error:
        raise CallRefused(_reason(error)) from error
    except stripe.APIError as error:
        if error.http_status == 409:  # a call with this key is under way
            raise NotNow(_reason(error)) from error
        raise OutcomeUnknown(_reason(error), answered=True) from error


def _reason(error: stripe.StripeError) -> str:
    return str(error.code or error.user_message or type(error).__name__)


@dataclass(slots=True)
class StripeGateway:
    """Stripe, or whatever speaks as Stripe does at the settings' address."""

    client: stripe.StripeClient
    webhook_secrets: tuple[str, ...]
    tolerance: timedelta
    name: str = "stripe"

    @classmethod
    def connect(
        cls, settings: Settings, *, key: str, secret: str, session: Session | None = None
    ) -> "StripeGateway":
        """Return the gateway of the settings; `session` carries the calls instead of the net.

        Connected accounts' messages come to an endpoint of their own, with a secret of its own.
        """
        addresses: Any = {"api": settings.stripe_address} if settings.stripe_address else {}
        client = stripe.StripeClient(
            key,
            stripe_version=settings.stripe_version or None,
            base_addresses=addresses,
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S, session=session),
        )
        secrets = tuple(one for one in (secret, settings.webhook_connect_secret) if one)
        return cls(client, secrets, timedelta(seconds=settings.webhook_tolerance_s))

    def open_payer(self, *, code: str, name: str) -> PartyAccount:
        @stripe_errors()
        def create(key: str) -> PartyAccount:
            customer = self.client.v1.customers.create(
                {"name": name, "metadata": {"code": code}}, {"idempotency_key": key}
            )
            return PartyAccount(gateway_id=customer.id, ready=True)

        return opened(create, f"payer:{code}")

    def open_payee(self, *, code: str, name: str) -> PartyAccount:
        @stripe_errors()
        def create(key: str) -> PartyAccount:
            account = self.client.v1.accounts.create(
                {
                    "type": "express",
                    "country": "CN",
                    "business_profile": {"name": name},
                    "capabilities": {"transfers": {"requested": True}},
                    # Payouts are ours to make, or nobody could say of what they are.
                    "settings": BY_HAND,
                    "metadata": {"code": code},
                },
                {"idempotency_key": key},
            )
            return account_of(account.to_dict())

        return opened(create, f"payee:{code}")

    def look_at_payee(self, gateway_id: str) -> PartyAccount:
        with stripe_errors():
            return account_of(self.client.v1.accounts.retrieve(gateway_id).to_dict())

    def pay_out_by_hand(self, gateway_id: str) -> PartyAccount:
        with stripe_errors():
            account = self.client.v1.accounts.update(gateway_id, {"settings": BY_HAND})
        return account_of(account.to_dict())

    def onboarding_address(self, gateway_id: str, *, back: str) -> str:
        with stripe_errors():
            link = self.client.v1.account_links.create(
                {
                    "account": gateway_id,
                    "type": "account_onboarding",
                    "refresh_url": back,
                    "return_url": back,
                }
            )
        return link.url

    def collect(self, movement: Movement) -> Outcome:
        ((customer, amount_fen),) = movement.targets
        with stripe_errors():
            intent = self.client.v1.payment_intents.create(
                {
                    "amount": amount_fen,
                    "currency": CURRENCY,
                    "customer": customer,
                    "confirm": True,
                    "allowed_payment_method_types": [BY_TRANSFER],
                    "payment_method_data": {"type": "customer_balance"},
                    "payment_method_options": {
                        "customer_balance": {"funding_type": "bank_transfer"}
                    },
                    "transfer_group": movement.group,
                    "metadata": facts_of(movement),
                },
                {"idempotency_key": once(movement)},
            )
        return outcome_of(intent.to_dict())

    def call_off(self, movement: Movement) -> Outcome | None:
        return closing_of([self._closed(one) for one in self._intents(movement)])

    def transfer(self, movement: Movement) -> Outcome:
        ((account, amount_fen),) = movement.targets
        with stripe_errors():
            transfer = self.client.v1.transfers.create(
                {
                    "amount": amount_fen,
                    "currency": CURRENCY,
                    "destination": account,
                    "transfer_group": movement.group,
                    "metadata": facts_of(movement),
                },
                {"idempotency_key": once(movement)},
            )
        return Outcome(gateway_id=transfer.id, stand=Stand.DONE)

    def reverse(self, movement: Movement) -> Outcome:
        ids: list[str] = []
        taken_fen = 0
        for transfer_id, amount_fen in movement.targets:
            try:
                ids.append(self._reverse(movement, transfer_id, amount_fen))
            except CallRefused as refused:
                if not ids:
                    raise
                raise TakenInPart(refused.reason, taken_fen=taken_fen) from refused
            taken_fen += amount_fen
        return Outcome(gateway_id=ids[0], stand=Stand.DONE)

    def refund(self, movement: Movement) -> Outcome:
        parts = []
        for intent_id, amount_fen in movement.targets:
            found = self._refund(movement, intent_id)
            if found is None or found.stand is Stand.FAILED:  # of an earlier attempt
                with stripe_errors():
                    found = outcome_of(
                        self.client.v1.refunds.create(
                            {
                                "payment_intent": intent_id,
                                "amount": amount_fen,
                                "metadata": facts_of(movement),
                            },
                            {"idempotency_key": f"{once(movement)}:{intent_id}"},
                        ).to_dict()
                    )
            parts.append(found)
        return least(parts)

    def pay_out(self, movement: Movement) -> Outcome:
        ((account, amount_fen),) = movement.targets
        with stripe_errors():
            payout = self.client.v1.payouts.create(
                {"amount": amount_fen, "currency": CURRENCY, "metadata": {"key": movement.key}},
                {"idempotency_key": once(movement), "stripe_account": account},
            )
        return outcome_of(payout.to_dict())

    def payouts_of(self, account: str) -> Iterator[PayoutEntry]:
        for payout in self._payouts(account):
            outcome = outcome_of(payout)
            yield PayoutEntry(
                id=outcome.gateway_id,
                key=key_of(payout),
                amount_fen=int(payout["amount"]),
                stand=outcome.stand,
            )

    def held_for_fen(self, account: str) -> int:
        with stripe_errors():
            balance = self.client.v1.balance.retrieve({}, {"stripe_account": account})
        return held_fen(balance.to_dict(), currency=CURRENCY)

    def _payouts(self, account: str) -> Iterator[dict[str, Any]]:
        with stripe_errors():
            payouts = self.client.v1.payouts.list({"limit": PAGE}, {"stripe_account": account})
            for one in payouts.auto_paging_iter():
                yield one.to_dict()

    def find_payout(self, movement: Movement) -> Outcome | None:
        ((account, _),) = movement.targets
        return furthest(
            [outcome_of(one) for one in self._payouts(account) if key_of(one) == movement.key]
        )

    def find(self, kind: str, movement: Movement) -> Outcome | None:
        match PaymentKind(kind):
            case PaymentKind.COLLECTION:
                return furthest([outcome_of(one) for one in self._intents(movement)])
            case PaymentKind.TRANSFER:
                ((account, _),) = movement.targets
                with stripe_errors():
                    transfers = self.client.v1.transfers.list(
                        {"destination": account, "transfer_group": movement.group, "limit": PAGE}
                    )
                    for one in transfers.auto_paging_iter():
                        if key_of(one.to_dict()) == movement.key:
                            return Outcome(gateway_id=one.id, stand=Stand.DONE)
                return None
            case PaymentKind.REVERSAL:
                ids = [self._reversal(movement, transfer_id) for transfer_id, _ in movement.targets]
                whole = [one for one in ids if one is not None]
                if len(whole) < len(ids):
                    return None
                return Outcome(gateway_id=whole[0], stand=Stand.DONE)
            case PaymentKind.REFUND:
                parts = [self._refund(movement, intent_id) for intent_id, _ in movement.targets]
                known = [one for one in parts if one is not None]
                return least(known) if len(known) == len(parts) else None
        raise ValueError(f"{kind} is nothing that the gateway moves")

    def read_event(self, body: bytes, signature: str, *, now: datetime) -> Event:
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise EventRefused("signature") from error
        if not any(_is_signed(text, signature, secret) for secret in self.webhook_secrets):
            raise EventRefused("signature")
        if abs(now - moment_of(signed_at(signature))) > self.tolerance:
            raise EventRefused("too old")
        return event_of(json.loads(text))

    def events_since(self, since: datetime) -> Iterator[Event]:
        with stripe_errors():
            events = self.client.v1.events.list(
                {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            )
            yield from events_of(one.to_dict() for one in events.auto_paging_iter())

    def balance_entries(self, first: datetime, before: datetime) -> Iterator[BalanceEntry]:
        with stripe_errors():
            entries = self.client.v1.balance_transactions.list(
                {
                    "created": {"gte": int(first.timestamp()), "lt": int(before.timestamp())},
                    "limit": PAGE,
                    "expand": ["data.source"],
                }
            )
            for one in entries.auto_paging_iter():
                source: Any = one.source
                facts = {} if source is None or isinstance(source, str) else source.to_dict()
                yield BalanceEntry(
                    id=one.id,
                    kind=str(one.type),
                    source_id=movement_id(facts) or str(source or ""),
                    key=key_of(facts),
                    amount_fen=one.amount,
                    fee_fen=one.fee,
                    at=moment_of(one.created),
                )

    def balance_fen(self) -> int:
        with stripe_errors():
            balance = self.client.v1.balance.retrieve()
        return held_fen(balance.to_dict(), currency=CURRENCY)

    def _intents(self, movement: Movement) -> list[dict[str, Any]]:
        ((customer, _),) = movement.targets
        with stripe_errors():
            intents = self.client.v1.payment_intents.list({"customer": customer, "limit": PAGE})
            found = [one.to_dict() for one in intents.auto_paging_iter()]
        return [one for one in found if key_of(one) == movement.key]

    def _closed(self, intent: dict[str, Any]) -> dict[str, Any]:
        """Return an intent as it is once it was asked to be cancelled; none needs a key for that.

        A refusal says what it has become meanwhile, or that it can't be cancelled now.
        """
        if intent["status"] in CLOSED:
            return intent
        with suppress(CallRefused), stripe_errors():
            self.client.v1.payment_intents.cancel(
                str(intent["id"]), {"cancellation_reason": "abandoned"}
            )
        with stripe_errors():
            return self.client.v1.payment_intents.retrieve(str(intent["id"])).to_dict()

    def _reverse(self, movement: Movement, transfer_id: str, amount_fen: int) -> str:
        found = self._reversal(movement, transfer_id)
        if found is not None:
            return found
        with stripe_errors():
            return self.client.v1.transfers.reversals.create(
                transfer_id,
                {"amount": amount_fen, "metadata": facts_of(movement)},
                {"idempotency_key": f"{once(movement)}:{transfer_id}"},
            ).id

    def _reversal(self, movement: Movement, transfer_id: str) -> str | None:
        with stripe_errors():
            reversals = self.client.v1.transfers.reversals.list(transfer_id, {"limit": PAGE})
            for one in reversals.auto_paging_iter():
                if key_of(one.to_dict()) == movement.key:
                    return one.id
        return None

    def _refund(self, movement: Movement, intent_id: str) -> Outcome | None:
        with stripe_errors():
            refunds = self.client.v1.refunds.list({"payment_intent": intent_id, "limit": PAGE})
            return furthest(
                [
                    outcome_of(one.to_dict())
                    for one in refunds.auto_paging_iter()
                    if key_of(one.to_dict()) == movement.key
                ]
            )


def _is_signed(text: str, signature: str, secret: str) -> bool:
    with suppress(stripe.SignatureVerificationError):
        return bool(stripe.WebhookSignature.verify_header(text, signature, secret))
    return False
