"""The gateway as payments see it: what can be asked of it, and how its answers differ.

An answer is an `Outcome`. Everything else is one of four: refused for good, not now, unknown, or a
payee who is not ready. After an unknown outcome the gateway is asked by the key; nothing is ever
sent again on the chance that it was not received.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class GatewayError(Exception):
    """Base of what a call may end with but an outcome; `reason` is the gateway's own word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CallRefused(GatewayError):
    """The gateway understood and will not do it: declined, invalid, not enough balance."""


class TakenInPart(CallRefused):
    """Of a movement of several parts some were taken, `taken_fen`, and then one was refused."""

    def __init__(self, reason: str, *, taken_fen: int) -> None:
        super().__init__(reason)
        self.taken_fen = taken_fen


class NotNow(GatewayError):
    """Nothing was done, for sure: too many requests, or another call with this key is under way."""


class OutcomeUnknown(GatewayError):
    """Nobody knows whether it was done: the line broke, or the gateway failed within (`answered`:
    it said so, and keeps to it under this key)."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


class EventRefused(GatewayError):
    """A message does not come from the gateway, or is too old."""


class Stand(StrEnum):
    """Where a movement of money stands at the gateway."""

    UNDER_WAY = "under-way"
    DONE = "done"
    FAILED = "failed"


class Part(NamedTuple):
    """One of the gateway's refunds of which a refund consists, in fen, and where it stands."""

    gateway_id: str
    amount_fen: int
    stand: Stand
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the gateway says of one movement: its id there, and where it stands.

    `arrives`: when a payout reaches its bank. `parts`: all of which a refund consists now.
    """

    gateway_id: str
    stand: Stand
    reason: str = ""
    arrives: datetime | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyAccount:
    """An organisation at the gateway; `ready`: it may be paid.

    `by_hand`: its money goes to its bank when we say so, never by the gateway's own schedule.
    """

    gateway_id: str
    ready: bool
    missing: tuple[str, ...] = ()
    by_hand: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """One movement to be made, as business knows it. `group` is the period that it belongs to.

    `targets`: the payer's customer or the payee's account at the gateway; of a reversal or a refund
    the movements that are taken back; each with its amount in fen.
    """

    key: str
    attempt: int
    amount_fen: int
    group: str
    targets: tuple[tuple[str, int], ...]
    run: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One message of the gateway, its signature checked; `subject` is the object it speaks of.

    `at`: when the gateway made it, to the second; None where it does not say so readably.
    """

    id: str
    kind: str
    at: datetime | None
    subject: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BalanceEntry:
    """One line of the gateway's own books, in fen: amount less its fee changes the balance.

    `key` is ours, where the movement carries one.
    """

    id: str
    kind: str
    source_id: str
    key: str
    amount_fen: int
    fee_fen: int
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutEntry:
    """One payout from a payee's account to its bank, as the gateway lists it; `key` is ours."""

    id: str
    key: str
    amount_fen: int
    stand: Stand


class Gateway(Protocol):
    """What carries money. Every call is made outside any unit of work."""

    name: str

    def open_payer(self, *, code: str, name: str) -> PartyAccount:
        """Return the payer's customer; the same code gets the same one."""

    def open_payee(self, *, code: str, name: str) -> PartyAccount:
        """Return the payee's connected account; the same code gets the same one."""

    def look_at_payee(self, gateway_id: str) -> PartyAccount:
        """Return a connected account as it stands now."""

    def pay_out_by_hand(self, gateway_id: str) -> PartyAccount:
        """Take a connected account off the gateway's own schedule of payouts."""

    def onboarding_address(self, gateway_id: str, *, back: str) -> str:
        """Return where a payee tells the gateway what it still needs to know."""

    def collect(self, movement: Movement) -> Outcome:
        """Ask a payer's money in; it may come later, which a message then says."""

    def call_off(self, movement: Movement) -> Outcome | None:
        """Close all that a collection has open, so that nobody can pay it any more.

        Done where it was paid first, failed once nothing of it is open, under way while it can't be
        closed; None if the gateway never had it. Closing what is closed changes nothing.
        """

    def transfer(self, movement: Movement) -> Outcome:
        """Move money of the platform's balance to a payee's account."""

    def reverse(self, movement: Movement) -> Outcome:
        """Take back parts of transfers; what was taken before is not taken again.

        Raises `TakenInPart` where one is refused after others were taken.
        """

    def refund(self, movement: Movement) -> Outcome:
        """Give a payer back parts of what was collected; one that failed before is given anew."""

    def pay_out(self, movement: Movement) -> Outcome:
        """Send what a payee's account holds to its bank; it arrives days later, or fails."""

    def find_payout(self, movement: Movement) -> Outcome | None:
        """Return what became of a payout by its key, None if the gateway never had it."""

    def payouts_of(self, account: str) -> Iterator[PayoutEntry]:
        """Yield the payouts of a payee's account."""

    def held_for_fen(self, account: str) -> int:
        """Return what a payee's account holds now, pending amounts included."""

    def find(self, kind: str, movement: Movement) -> Outcome | None:
        """Return what became of a movement by its key, None if the gateway never had it."""

    def read_event(self, body: bytes, signature: str, *, now: datetime) -> Event:
        """Return the message; raise `EventRefused` for a wrong signature or an old one."""

    def events_since(self, since: datetime) -> Iterator[Event]:
        """Yield the messages that the gateway made since then, for those that never came."""

    def balance_entries(self, first: datetime, before: datetime) -> Iterator[BalanceEntry]:
        """Yield the gateway's books between two moments."""

    def balance_fen(self) -> int:
        """Return what the platform holds at the gateway now, pending amounts included."""
