"""Connected accounts of the sandbox: what they still have to tell, and who pays their banks."""

from collections.abc import Mapping
from typing import Any

from settlement.payments.sandbox_forms import invalid
from settlement.payments.sandbox_store import Store

Form = Mapping[str, Any]


def create_account(store: Store, form: Form) -> dict[str, Any]:
    """Open a connected account; one whose name asks for it still has to tell something."""
    name = str((form.get("business_profile") or {}).get("name") or "")
    due = ["external_account"] if "待补充" in name else []
    account = store.add(
        "account",
        type=form["type"],
        country=form.get("country", "CN"),
        business_profile=form.get("business_profile", {}),
        capabilities={"transfers": "pending" if due else "active"},
        charges_enabled=not due,
        payouts_enabled=not due,
        details_submitted=not due,
        requirements={"currently_due": due, "disabled_reason": None},
        settings=_schedule(form) or {"payouts": {"schedule": {"interval": "daily"}}},
        metadata=form.get("metadata", {}),
    )
    store.tell("account.updated", account)
    return account


def update_account(store: Store, form: Form, account_id: str) -> dict[str, Any]:
    """Change when an account's money goes to its bank; the gateway's own schedule is daily."""
    account = store.get("account", account_id)
    settings = _schedule(form)
    if settings:
        store.change(account, settings=settings)
        store.tell("account.updated", account)
    return account


def _schedule(form: Form) -> dict[str, Any]:
    payouts = (form.get("settings") or {}).get("payouts") or {}
    interval = (payouts.get("schedule") or {}).get("interval")
    if interval not in (None, "manual", "daily", "weekly", "monthly"):
        raise invalid("Invalid interval.", "settings[payouts][schedule][interval]", "")
    return {"payouts": {"schedule": {"interval": interval}}} if interval else {}


def retrieve_account(store: Store, form: Form, account_id: str) -> dict[str, Any]:  # noqa: ARG001 - every call has a form
    return store.get("account", account_id)
