"""Refunds in the sandbox: given to a payer's bank, which may not take them, also days later."""

from collections.abc import Mapping
from typing import Any

from settlement.payments.sandbox_forms import CURRENCY, amount_in, invalid
from settlement.payments.sandbox_store import Store

Form = Mapping[str, Any]


def create_refund(store: Store, form: Form, *, comes_back: bool = False) -> dict[str, Any]:
    """Give a payer back a part of a charge; no more than it brought.

    `comes_back`: it is answered as pending, and the payer's bank does not take it.
    """
    intent = store.get("payment_intent", form.get("payment_intent", ""), param="payment_intent")
    if not intent["latest_charge"]:
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            None,
            "payment_intent_unexpected_state",
        )
    charge = store.get("charge", intent["latest_charge"])
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            None,
            "charge_disputed",
        )
    left = charge["amount"] - charge["amount_refunded"]
    amount = amount_in(form, default=left)
    if amount > left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            "amount",
            "charge_already_refunded" if not left else "refund_amount_too_large",
        )
    refund = store.add(
        "refund",
        amount=amount,
        currency=CURRENCY,
        charge=charge["id"],
        payment_intent=intent["id"],
        status="pending" if comes_back else "succeeded",
        reason=form.get("reason"),
        metadata=form.get("metadata", {}),
    )
    entry = store.book("payment_refund", -amount, refund["id"])
    store.change(refund, balance_transaction=entry["id"])
    if comes_back:
        answer = dict(refund)
        store.tell("refund.created", refund)
        _fail(store, refund)
        return answer
    refunded = charge["amount_refunded"] + amount
    store.change(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])
    store.tell("refund.created", refund)
    store.tell("charge.refunded", charge)
    return refund


def list_refunds(store: Store, form: Form) -> dict[str, Any]:
    return store.listed(
        "refund", form, url="/v1/refunds", payment_intent=form.get("payment_intent")
    )


def come_back(store: Store, refund: dict[str, Any]) -> None:
    """Let a payer's bank send back a refund that had succeeded, as happens days later."""
    charge = store.get("charge", refund["charge"])
    refunded = charge["amount_refunded"] - refund["amount"]
    store.change(charge, amount_refunded=refunded, refunded=False)
    _fail(store, refund)


def _fail(store: Store, refund: dict[str, Any]) -> None:
    back = store.book("refund_failure", refund["amount"], refund["id"])
    store.change(
        refund,
        status="failed",
        failure_reason="declined",
        failure_balance_transaction=back["id"],
    )
    store.tell("refund.failed", refund)
