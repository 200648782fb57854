"""Stripe's objects as payments read them, whether a call returned them or a message brought them.

Pure; knows shapes, not the SDK.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from settlement.payments.gateway import Event, Movement, Outcome, Part, PartyAccount, Stand

UNREADABLE: Final = "unreadable"
NOTHING: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON, the character that the database keeps in no text."""
INTENT_STANDS: Final[Mapping[str, Stand]] = {
    "succeeded": Stand.DONE,
    "canceled": Stand.FAILED,
    "requires_payment_method": Stand.FAILED,
}
CLOSED: Final = frozenset({"succeeded", "canceled"})
"""Of an intent: nothing can be paid by it any more."""
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
    """Return a message; raise `KeyError`, `TypeError` or `ValueError` of what has no id and kind.

    What can't be kept or is no object is `UNREADABLE`, with why, and its text beside it: a person
    sees it, and the gateway need not send it again.
    """
    event_id, kind = body["id"], body["type"]
    if not (isinstance(event_id, str) and isinstance(kind, str)):
        raise TypeError("no message: its id or kind is no text")
    if not (event_id.isprintable() and kind.isprintable()):
        raise ValueError("no message: its id or kind can't be printed")
    try:
        at, subject = moment_of(int(body["created"])), body["data"]["object"]
        written = json.dumps(subject, allow_nan=False, ensure_ascii=False)
        written.encode()
        if not isinstance(subject, Mapping):
            raise TypeError(f"its object is a {type(subject).__name__}")
        if NOTHING.search(written):
            raise ValueError("it holds a character that no text has")
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
        why = ascii(f"{type(error).__name__}: {error}").strip("\"'")
        return Event(
            id=event_id, kind=kind, at=None, subject={UNREADABLE: why, "text": json.dumps(body)}
        )
    return Event(id=event_id, kind=kind, at=at, subject=subject)


def events_of(bodies: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    """Yield the messages of a list; what is none at all is passed over."""
    for body in bodies:
        with suppress(KeyError, TypeError, ValueError):
            yield event_of(body)


def movement_id(facts: Mapping[str, Any]) -> str:
    """Return the id under which we know what a balance changed for: a charge's is its intent's."""
    of_charge = facts.get("payment_intent") if facts.get("object") == "charge" else None
    return str(of_charge or facts.get("id") or "")


def moment_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def key_of(subject: Mapping[str, Any]) -> str:
    """Return the key of ours that an object carries, or nothing."""
    return str((subject.get("metadata") or {}).get("key") or "")


def facts_of(movement: Movement) -> dict[str, str]:
    """Return what an object that we make carries of its movement, by which it is found again."""
    return {"key": movement.key, "run": movement.run}


def once(movement: Movement) -> str:
    """Return the key under which the gateway makes a movement's attempt once."""
    return f"{movement.key}:{movement.attempt}"


def held_fen(balance: Mapping[str, Any], *, currency: str) -> int:
    """Return what a balance holds of a currency, pending amounts included."""
    parts = [*balance["available"], *balance["pending"]]
    return sum(int(one["amount"]) for one in parts if one["currency"] == currency)


def closing_of(intents: Iterable[Mapping[str, Any]]) -> Outcome | None:
    """Return where the closing of a collection's intents stands: paid, still open, or closed.

    Closed one by one: what is merely declined is open to who pays it by another way.
    """
    found = [
        outcome_of(one)
        if one["status"] in CLOSED
        else Outcome(gateway_id=str(one["id"]), stand=Stand.UNDER_WAY)
        for one in intents
    ]
    return furthest(found)


def furthest(found: list[Outcome]) -> Outcome | None:
    """Return what came furthest: of a movement's attempts one that failed says nothing."""
    order = (Stand.DONE, Stand.UNDER_WAY, Stand.FAILED)
    return min(found, key=lambda one: order.index(one.stand), default=None)


def least(parts: list[Outcome]) -> Outcome:
    """Return where a movement of several parts stands: no further than the last of them."""
    order = (Stand.FAILED, Stand.UNDER_WAY, Stand.DONE)
    last = min(parts, key=lambda one: order.index(one.stand))
    return replace(last, parts=tuple(part for one in parts for part in one.parts))
