"""Payouts of the sandbox: from a connected account to its bank, which takes its time or sends back.

A payout is pending first, as the real one is; it arrives, or fails, when its day has come and the
sandbox looks again: as it delivers messages, or is asked about payouts.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import insert, select

from settlement.payments.sandbox_forms import CURRENCY, amount_in, check_currency, invalid
from settlement.payments.sandbox_models import SandboxFault, SandboxObject
from settlement.payments.sandbox_store import Store, new_sandbox_id

Form = Mapping[str, Any]
DELAY: Final = timedelta(days=2)
FATE: Final = "payouts.settle:"
"""Begins the name under which a payout's failure to come is kept, as other faults are."""


def create_payout(
    store: Store, form: Form, *, declined: bool = False, delayed: bool = False
) -> dict[str, Any]:
    """Send money of the account on its way; `declined`: its bank will send it back."""
    amount = amount_in(form)
    check_currency(form)
    if store.account is not None:
        account = store.of(None).get("account", store.account, param="Stripe-Account")
        if not account["payouts_enabled"]:
            raise invalid("Payouts are not enabled for this account.", None, "payouts_not_allowed")
    if amount > store.balance():
        raise invalid(
            "You have insufficient funds in your Stripe account for this transfer.",
            "amount",
            "balance_insufficient",
        )
    later = int(DELAY.total_seconds()) if delayed else 0
    payout = store.add(
        "payout",
        amount=amount,
        arrival_date=store.now + later,
        automatic=False,
        currency=CURRENCY,
        description=form.get("description"),
        destination=new_sandbox_id("ba"),
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        metadata=form.get("metadata", {}),
        method="standard",
        source_type="card",
        statement_descriptor=form.get("statement_descriptor"),
        status="pending",
        type="bank_account",
    )
    entry = store.book("payout", -amount, payout["id"])
    store.change(payout, balance_transaction=entry["id"])
    if declined:
        last = store.unit.session.scalar(
            select(SandboxFault.sequence).order_by(SandboxFault.sequence.desc()).limit(1)
        )
        store.unit.session.execute(
            insert(SandboxFault).values(
                sequence=(last or 0) + 1, call=f"{FATE}{payout['id']}", fault="declined", times=1
            )
        )
    store.tell("payout.created", payout)
    return payout


def retrieve_payout(store: Store, form: Form, payout_id: str) -> dict[str, Any]:  # noqa: ARG001 - every call has a form
    settle_payouts(store)
    return store.get("payout", payout_id)


def list_payouts(store: Store, form: Form) -> dict[str, Any]:
    settle_payouts(store)
    return store.listed("payout", form, url="/v1/payouts", status=form.get("status"))


def settle_payouts(store: Store) -> int:
    """Let the payouts whose day has come arrive at their banks, or come back; return how many."""
    waiting = store.unit.session.execute(
        select(SandboxObject.body, SandboxObject.account)
        .where(
            SandboxObject.kind == "payout",
            SandboxObject.body["status"].astext == "pending",
        )
        .order_by(SandboxObject.sequence)
    ).all()
    settled = 0
    for body, account in waiting:
        payout, own = dict(body), store.of(account)
        if payout["arrival_date"] > store.now:
            continue
        settled += 1
        fate = store.unit.session.scalars(
            select(SandboxFault).where(
                SandboxFault.call == f"{FATE}{payout['id']}", SandboxFault.times > 0
            )
        ).first()
        if fate is None:
            own.change(payout, status="paid")
            own.tell("payout.paid", payout)
            continue
        fate.times -= 1
        send_back(own, payout)
    return settled


def send_back(store: Store, payout: dict[str, Any]) -> None:
    """Let a payout come back from its bank; even one that had arrived may."""
    entry = store.book("payout_failure", payout["amount"], payout["id"])
    store.change(
        payout,
        status="failed",
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
        failure_balance_transaction=entry["id"],
    )
    store.tell("payout.failed", payout)
