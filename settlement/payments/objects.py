"""Stripe's objects as payments read them, whether a call returned them or a message brought them.

Pure; knows shapes, not the SDK.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from settlement.payments.gateway import Event, Outcome, Part, PartyAccount, Stand

INTENT_STANDS: Final[Mapping[str, Stand]] = {
    "succeeded": Stand.DONE,
    "canceled": Stand.FAILED,
    "requires_payment_method": Stand.FAILED,
}
REFUND_STANDS: Final[Mapping[str, Stand]] = {
    "succeeded": Stand.DONE,
    "failed": Stand.FAILED,
    "canceled": Stand.FAILED,
}


PAYOUT_STANDS: Final[Mapping[str, Stand]] = {
    "paid": Stand.DONE,
    "failed": Stand.FAILED,
    "canceled": Stand.FAILED,
}


def outcome_of(subject: Mapping[str, Any]) -> Outcome:
    """Return where a payment intent, a refund, a payout, a transfer or a reversal stands."""
    status = str(subject.get("status") or "")
    arrives = None
    parts: tuple[Part, ...] = ()
    match subject["object"]:
        case "payment_intent":
            stand = INTENT_STANDS.get(status, Stand.UNDER_WAY)
            error = subject.get("last_payment_error") or {}
            reason = str(error.get("code") or subject.get("cancellation_reason") or "")
        case "refund":
            stand = REFUND_STANDS.get(status, Stand.UNDER_WAY)
            reason = str(subject.get("failure_reason") or "")
            parts = (Part(str(subject["id"]), int(subject["amount"]), stand, reason),)
        case "payout":
            stand = PAYOUT_STANDS.get(status, Stand.UNDER_WAY)
            reason = str(subject.get("failure_code") or "")
            arrives = moment_of(int(subject["arrival_date"]))
        case _:
            stand, reason = Stand.DONE, ""
    return Outcome(
        gateway_id=str(subject["id"]), stand=stand, reason=reason, arrives=arrives, parts=parts
    )


def account_of(subject: Mapping[str, Any]) -> PartyAccount:
    """Return a connected account: ready once it may receive transfers and pay them out."""
    capabilities = subject.get("capabilities") or {}
    missing = (subject.get("requirements") or {}).get("currently_due") or []
    schedule = ((subject.get("settings") or {}).get("payouts") or {}).get("schedule") or {}
    return PartyAccount(
        gateway_id=str(subject["id"]),
        ready=capabilities.get("transfers") == "active" and bool(subject.get("payouts_enabled")),
        missing=tuple(missing),
        by_hand=schedule.get("interval") == "manual",
    )


def event_of(body: Mapping[str, Any]) -> Event:
    return Event(
        id=str(body["id"]),
        kind=str(body["type"]),
        at=moment_of(int(body["created"])),
        subject=body["data"]["object"],
    )


def movement_id(facts: Mapping[str, Any]) -> str:
    """Return the id under which we know what a balance changed for: a charge's is its intent's."""
    of_charge = facts.get("payment_intent") if facts.get("object") == "charge" else None
    return str(of_charge or facts.get("id") or "")


def moment_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def key_of(subject: Mapping[str, Any]) -> str:
    """Return the key of ours that an object carries, or nothing."""
    return str((subject.get("metadata") or {}).get("key") or "")


def furthest(found: list[Outcome]) -> Outcome | None:
    """Return what came furthest: of a movement's attempts one that failed says nothing."""
    order = (Stand.DONE, Stand.UNDER_WAY, Stand.FAILED)
    return min(found, key=lambda one: order.index(one.stand), default=None)


def least(parts: list[Outcome]) -> Outcome:
    """Return where a movement of several parts stands: no further than the last of them."""
    order = (Stand.FAILED, Stand.UNDER_WAY, Stand.DONE)
    last = min(parts, key=lambda one: order.index(one.stand))
    return replace(last, parts=tuple(part for one in parts for part in one.parts))
