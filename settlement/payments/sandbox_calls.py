"""What each call of the gateway does in the sandbox: checked and answered as the real one does."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from settlement.payments.sandbox_accounts import create_account, retrieve_account, update_account
from settlement.payments.sandbox_forms import (
    CURRENCY,
    SandboxRefusal,
    amount_in,
    check_currency,
    invalid,
    no_such,
)
from settlement.payments.sandbox_payouts import create_payout, list_payouts, retrieve_payout
from settlement.payments.sandbox_refunds import create_refund, list_refunds
from settlement.payments.sandbox_store import Store, new_sandbox_id

Form = Mapping[str, Any]
Call = Callable[..., dict[str, Any]]
CANCELLABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")


def create_customer(store: Store, form: Form) -> dict[str, Any]:
    return store.add(
        "customer",
        name=form.get("name"),
        email=form.get("email"),
        balance=0,
        currency=None,
        metadata=form.get("metadata", {}),
    )


def create_account_link(store: Store, form: Form) -> dict[str, Any]:
    store.get("account", form["account"], param="account")
    return {
        "object": "account_link",
        "created": store.now,
        "expires_at": store.now + 300,
        "url": f"{form.get('return_url', '')}#{new_sandbox_id('link')}",
    }


def create_intent(
    store: Store, form: Form, *, declined: bool = False, delayed: bool = False
) -> dict[str, Any]:
    """Open a payer's payment; confirmed it succeeds, unless it was told to be late or declined."""
    amount = amount_in(form)
    check_currency(form)
    if form.get("customer"):
        store.get("customer", form["customer"], param="customer")
    intent = store.add(
        "payment_intent",
        amount=amount,
        amount_received=0,
        currency=CURRENCY,
        customer=form.get("customer"),
        status="requires_confirmation",
        payment_method_types=form.get("allowed_payment_method_types", []),
        payment_method=new_sandbox_id("pm"),
        transfer_group=form.get("transfer_group"),
        metadata=form.get("metadata", {}),
        client_secret=new_sandbox_id("pi_secret"),
        next_action=None,
        last_payment_error=None,
        latest_charge=None,
    )
    store.tell("payment_intent.created", intent)
    if form.get("confirm") != "true":
        return intent
    if declined:
        error = {
            "type": "card_error",
            "code": "payment_intent_payment_attempt_failed",
            "decline_code": "insufficient_funds",
            "message": "The payer's bank has declined the payment.",
        }
        store.change(intent, status="requires_payment_method", last_payment_error=error)
        store.tell("payment_intent.payment_failed", intent)
        raise SandboxRefusal(402, **error, payment_intent=intent)
    if delayed:
        store.change(
            intent,
            status="requires_action",
            next_action={"type": "display_bank_transfer_instructions"},
        )
        store.tell("payment_intent.requires_action", intent)
        return intent
    return succeed(store, intent)


def succeed(store: Store, intent: dict[str, Any]) -> dict[str, Any]:
    """Let a payer's money arrive: a charge, a line in the books, and the messages of both."""
    charge = store.add(
        "charge",
        amount=intent["amount"],
        amount_captured=intent["amount"],
        amount_refunded=0,
        currency=CURRENCY,
        customer=intent["customer"],
        payment_intent=intent["id"],
        status="succeeded",
        paid=True,
        refunded=False,
        disputed=False,
        transfer_group=intent["transfer_group"],
        metadata=intent["metadata"],
    )
    entry = store.book("payment", intent["amount"], charge["id"])
    store.change(charge, balance_transaction=entry["id"])
    store.change(
        intent,
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        next_action=None,
    )
    store.tell("charge.succeeded", charge)
    store.tell("payment_intent.succeeded", intent)
    return intent


def retrieve_intent(store: Store, form: Form, intent_id: str) -> dict[str, Any]:  # noqa: ARG001 - every call has a form
    return store.get("payment_intent", intent_id)


def cancel_intent(store: Store, form: Form, intent_id: str) -> dict[str, Any]:
    """Close a payer's payment that is not paid: no money comes in by it from then on."""
    intent = store.get("payment_intent", intent_id)
    if intent["status"] not in CANCELLABLE:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. "
            f"Only a PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(CANCELLABLE)}.",
            None,
            "payment_intent_unexpected_state",
        )
    store.change(
        intent,
        status="canceled",
        canceled_at=store.now,
        cancellation_reason=form.get("cancellation_reason"),
        next_action=None,
    )
    store.tell("payment_intent.canceled", intent)
    return intent


def list_intents(store: Store, form: Form) -> dict[str, Any]:
    return store.listed(
        "payment_intent", form, url="/v1/payment_intents", customer=form.get("customer")
    )


def create_transfer(store: Store, form: Form) -> dict[str, Any]:
    """Move money to a connected account, out of what the platform holds."""
    amount = amount_in(form)
    check_currency(form)
    account = store.get("account", form["destination"], param="destination")
    if account["capabilities"].get("transfers") != "active":
        raise invalid(
            "Your destination account needs to have the transfers capability enabled.",
            "destination",
            "insufficient_capabilities_for_transfer",
        )
    if amount > store.balance():
        raise invalid(
            "You have insufficient available funds in your Stripe account.",
            None,
            "balance_insufficient",
        )
    transfer = store.add(
        "transfer",
        amount=amount,
        amount_reversed=0,
        currency=CURRENCY,
        destination=account["id"],
        destination_payment=new_sandbox_id("py"),
        reversed=False,
        source_transaction=form.get("source_transaction"),
        source_type="card",
        transfer_group=form.get("transfer_group"),
        metadata=form.get("metadata", {}),
    )
    entry = store.book("transfer", -amount, transfer["id"])
    store.of(account["id"]).book("payment", amount, transfer["destination_payment"])
    store.change(transfer, balance_transaction=entry["id"])
    store.tell("transfer.created", transfer)
    return {**transfer, "reversals": _reversals(store, transfer["id"])}


def list_transfers(store: Store, form: Form) -> dict[str, Any]:
    return store.listed(
        "transfer",
        form,
        url="/v1/transfers",
        shown=lambda one: {**one, "reversals": _reversals(store, one["id"])},
        destination=form.get("destination"),
        transfer_group=form.get("transfer_group"),
    )


def create_reversal(store: Store, form: Form, transfer_id: str) -> dict[str, Any]:
    """Take a part of a transfer back; no more than it moved."""
    transfer = store.get("transfer", transfer_id)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = amount_in(form, default=left)
    if amount > left:
        raise invalid(
            f"Transfer reversal amount ({amount}) is greater than unreversed amount on transfer "
            f"({left}).",
            "amount",
            "transfer_reversal_amount_too_large",
        )
    payee = store.of(transfer["destination"])
    if amount > payee.balance():
        raise invalid(
            "The connected account does not have sufficient funds to reverse the transfer.",
            None,
            "balance_insufficient",
        )
    reversal = store.add(
        "transfer_reversal",
        amount=amount,
        currency=CURRENCY,
        transfer=transfer_id,
        metadata=form.get("metadata", {}),
    )
    entry = store.book("transfer_refund", amount, reversal["id"])
    payee.book("payment_refund", -amount, reversal["id"])
    store.change(reversal, balance_transaction=entry["id"])
    whole = amount == left
    store.change(transfer, amount_reversed=transfer["amount_reversed"] + amount, reversed=whole)
    store.tell("transfer.reversed", transfer)
    return reversal


def list_reversals(store: Store, form: Form, transfer_id: str) -> dict[str, Any]:
    store.get("transfer", transfer_id)
    url = f"/v1/transfers/{transfer_id}/reversals"
    return store.listed("transfer_reversal", form, url=url, transfer=transfer_id)


def open_dispute(store: Store, intent_id: str) -> dict[str, Any]:
    """Let a payer's bank take a charge back for now, as a bank does, never a call of ours."""
    intent = store.get("payment_intent", intent_id)
    charge = store.get("charge", intent["latest_charge"])
    dispute = store.add(
        "dispute",
        amount=charge["amount"] - charge["amount_refunded"],
        currency=CURRENCY,
        charge=charge["id"],
        payment_intent=intent_id,
        reason="general",
        status="needs_response",
        metadata=charge["metadata"],
    )
    store.book("adjustment", -dispute["amount"], dispute["id"])
    store.change(charge, disputed=True)
    store.tell("charge.dispute.created", dispute)
    return dispute


def close_dispute(store: Store, dispute_id: str, *, won: bool) -> dict[str, Any]:
    """Decide a dispute; one that is won brings the money back."""
    dispute = store.get("dispute", dispute_id)
    store.change(dispute, status="won" if won else "lost")
    if won:
        store.book("adjustment", dispute["amount"], dispute["id"])
        charge = store.get("charge", dispute["charge"])
        store.change(charge, disputed=False)  # as here: it may be refunded again
    store.tell("charge.dispute.closed", dispute)
    return dispute


def list_disputes(store: Store, form: Form) -> dict[str, Any]:
    return store.listed(
        "dispute", form, url="/v1/disputes", payment_intent=form.get("payment_intent")
    )


def list_entries(store: Store, form: Form) -> dict[str, Any]:
    expands = "data.source" in (form.get("expand") or [])

    def shown(entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "source": _source(store, entry["source"])} if expands else entry

    return store.listed(
        "balance_transaction",
        form,
        url="/v1/balance_transactions",
        shown=shown,
        type=form.get("type"),
        source=form.get("source"),
    )


def retrieve_balance(store: Store, form: Form) -> dict[str, Any]:  # noqa: ARG001 - every call has a form
    own = {"amount": store.balance(), "currency": CURRENCY, "source_types": {}}
    none = {"amount": 0, "currency": CURRENCY, "source_types": {}}
    return {"object": "balance", "livemode": False, "available": [own], "pending": [none]}


def list_events(store: Store, form: Form) -> dict[str, Any]:
    return store.listed("event", form, url="/v1/events", type=form.get("type"))


def _reversals(store: Store, transfer_id: str) -> dict[str, Any]:
    url = f"/v1/transfers/{transfer_id}/reversals"
    return store.listed("transfer_reversal", {}, url=url, transfer=transfer_id)


def _source(store: Store, source_id: str | None) -> dict[str, Any] | None:
    """Return the object that an entry is of; what the gateway booked by itself has none."""
    if source_id is None:
        return None
    kinds = {"py": "charge", "tr": "transfer", "trr": "transfer_reversal", "pyr": "refund"}
    kind = kinds.get(source_id.partition("_")[0], "dispute")
    return store.get(kind, source_id)


ROUTES: Final[tuple[tuple[str, str, str, Call], ...]] = (
    ("POST", "/v1/customers", "customers.create", create_customer),
    ("POST", "/v1/accounts", "accounts.create", create_account),
    ("GET", "/v1/accounts/([^/]+)", "accounts.retrieve", retrieve_account),
    ("POST", "/v1/accounts/([^/]+)", "accounts.update", update_account),
    ("POST", "/v1/account_links", "account_links.create", create_account_link),
    ("POST", "/v1/payment_intents", "payment_intents.create", create_intent),
    ("GET", "/v1/payment_intents", "payment_intents.list", list_intents),
    ("GET", "/v1/payment_intents/([^/]+)", "payment_intents.retrieve", retrieve_intent),
    (
        "POST",
        "/v1/payment_intents/([^/]+)/cancel",
        "payment_intents.cancel",
        cancel_intent,
    ),
    ("POST", "/v1/transfers", "transfers.create", create_transfer),
    ("GET", "/v1/transfers", "transfers.list", list_transfers),
    ("POST", "/v1/transfers/([^/]+)/reversals", "reversals.create", create_reversal),
    ("GET", "/v1/transfers/([^/]+)/reversals", "reversals.list", list_reversals),
    ("POST", "/v1/refunds", "refunds.create", create_refund),
    ("GET", "/v1/refunds", "refunds.list", list_refunds),
    ("POST", "/v1/payouts", "payouts.create", create_payout),
    ("GET", "/v1/payouts", "payouts.list", list_payouts),
    ("GET", "/v1/payouts/([^/]+)", "payouts.retrieve", retrieve_payout),
    ("GET", "/v1/disputes", "disputes.list", list_disputes),
    ("GET", "/v1/balance_transactions", "balance_transactions.list", list_entries),
    ("GET", "/v1/balance", "balance.retrieve", retrieve_balance),
    ("GET", "/v1/events", "events.list", list_events),
)


def route(method: str, path: str) -> tuple[str, Call, tuple[str, ...]]:
    """Return the name of a call, what does it, and what its path names."""
    for own_method, pattern, name, call in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and own_method == method:
            return name, call, match.groups()
    raise no_such("API endpoint", f"{method} {path}", param="")
