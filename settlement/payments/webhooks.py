"""Messages of the gateway: checked, kept once in the inbox, applied in any order.

A message may come before our own record of the call, twice, late or never; each changes only what
it proves. What can't be applied is parked with its reason, where a person sees it, and never holds
up another.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from kernel.actors import system_actor
from kernel.errors import WebhookRefused
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.payment_models import GatewayEvent, Payment
from settlement.payments.bank_payouts import settle_payout
from settlement.payments.gateway import Event, EventRefused, Gateway
from settlement.payments.objects import UNREADABLE, account_of, key_of, outcome_of
from settlement.payments.parties import note_payee
from settlement.payments.refunds import hear_of_refund
from settlement.payments.settling import GATEWAY, settle_payment
from settlement.payments.states import PaymentKind
from settlement.payout_models import BankPayout

MESSENGER: Final = system_actor("webhook")
MOVEMENTS: Final = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "transfer.created",
        "refund.created",
        "refund.updated",
        "refund.failed",
    }
)
PAYOUTS: Final = frozenset(
    {"payout.created", "payout.updated", "payout.paid", "payout.failed", "payout.canceled"}
)
TAKEN_BACK: Final = "charge.dispute.created"
DECIDED: Final = "charge.dispute.closed"
ACCOUNT: Final = "account.updated"
OURS: Final = MOVEMENTS | PAYOUTS | {TAKEN_BACK, DECIDED, ACCOUNT}
LONGEST_WHY: Final = 300
MOST_FEN: Final = 10**15


def receive(units: Units, gateway: Gateway, body: bytes, signature: str) -> str:
    """Take one message in and apply it; return what became of it.

    Raises `WebhookRefused` for one that is not the gateway's; everything else is kept, so that the
    gateway need not send it again.
    """
    with units(MESSENGER) as unit:
        now = unit.clock.now()
    try:
        event = gateway.read_event(body, signature, now=now)
    except EventRefused as refused:
        raise WebhookRefused(reason=refused.reason) from refused
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise WebhookRefused(reason="unreadable") from error
    with units(MESSENGER) as unit:
        keep_event(unit, gateway.name, event)
    return apply_kept(units, gateway.name, event.id)


def keep_event(unit: Unit, provider: str, event: Event) -> None:
    """Put a message into the inbox, unless it is there."""
    unit.session.execute(
        insert(GatewayEvent)
        .values(
            provider=provider,
            event_id=event.id,
            kind=event.kind,
            body=dict(event.subject),
            state="received",
            because="",
            made_at=event.at,
            received_at=unit.clock.now(),
        )
        .on_conflict_do_nothing()
    )


def apply_kept(units: Units, provider: str, event_id: str) -> str:
    """Apply a message of the inbox, or park it with the reason; return its state."""
    try:
        with units(MESSENGER) as unit:
            return _apply(unit, _lock(unit, provider, event_id))
    except OperationalError:
        raise  # the database's trouble, not the message's: it comes again
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, it holds up no other
        with units(MESSENGER) as unit:
            kept = _lock(unit, provider, event_id)
            if kept.state in ("received", "parked"):
                kept.state, kept.because = "parked", _why(error)
                record(
                    unit,
                    "gateway_event.parked",
                    subject_kind="gateway_event",
                    subject_id=event_id,
                    because=kept.because,
                )
            return kept.state


def apply_waiting(units: Units) -> int:
    """Apply what a bank said of collections that we had not on record yet; return how many."""
    with units(MESSENGER) as unit:
        waiting = unit.session.scalars(
            select(GatewayEvent)
            .where(
                GatewayEvent.state.in_(("parked", "ignored")),
                GatewayEvent.kind.in_((TAKEN_BACK, DECIDED)),
                GatewayEvent.body["payment_intent"].astext.in_(
                    select(Payment.gateway_id).where(Payment.kind == PaymentKind.COLLECTION)
                ),
            )
            .order_by(GatewayEvent.received_at, GatewayEvent.event_id)
            .with_for_update()
        ).all()
        for kept in waiting:
            kept.state = "received"
    states = [apply_kept(units, kept.provider, kept.event_id) for kept in waiting]
    return states.count("applied")


def _lock(unit: Unit, provider: str, event_id: str) -> GatewayEvent:
    return unit.session.get_one(
        GatewayEvent, (provider, event_id), with_for_update=True, populate_existing=True
    )


def _apply(unit: Unit, kept: GatewayEvent) -> str:
    if kept.state in ("applied", "ignored"):
        return kept.state
    ours = _apply_subject(unit, kept.kind, kept.body, made_at=kept.made_at)
    kept.state = "applied" if ours else "ignored"
    kept.because = ""
    kept.applied_at = unit.clock.now()
    unit.session.flush()
    return kept.state


def _apply_subject(
    unit: Unit, kind: str, subject: Mapping[str, Any], *, made_at: datetime | None
) -> bool:
    """Apply what a message says; return whether it was about anything of ours."""
    if kind not in OURS:
        return False
    if UNREADABLE in subject:
        raise ValueError(subject[UNREADABLE])
    if kind == ACCOUNT:
        return note_payee(unit, account_of(subject), said_at=made_at)
    if kind in (TAKEN_BACK, DECIDED):
        return _take_back(unit, kind, subject)
    if kind in PAYOUTS:
        return _apply_payout(unit, subject)
    return _apply_movement(unit, subject)


def _apply_movement(unit: Unit, subject: Mapping[str, Any]) -> bool:
    key = key_of(subject)
    payment = unit.session.scalars(select(Payment).where(Payment.key == key)).one_or_none()
    if payment is None:
        return False
    if payment.kind == PaymentKind.REFUND:
        return hear_of_refund(unit, payment.id, outcome_of(subject))
    if int(subject["amount"]) != payment.amount_fen:
        raise ValueError(f"{subject['amount']} fen, but {key} is of {payment.amount_fen}")
    settle_payment(unit, payment.id, outcome_of(subject))
    return True


def _apply_payout(unit: Unit, subject: Mapping[str, Any]) -> bool:
    key = key_of(subject)
    payout = unit.session.scalars(select(BankPayout).where(BankPayout.key == key)).one_or_none()
    if payout is None:
        return False
    if int(subject["amount"]) != payout.amount_fen:
        raise ValueError(f"{subject['amount']} fen, but {key} is of {payout.amount_fen}")
    settle_payout(unit, payout.id, outcome_of(subject))
    return True


def _take_back(unit: Unit, kind: str, subject: Mapping[str, Any]) -> bool:
    """Book that a payer's bank took a collection back, or gave it again: the payer's debt alone.

    What was passed on stays with the payees: they have no part in it. Raises `LookupError` of a
    collection that is not on record: it may be yet.
    """
    payer_id = unit.session.scalars(
        select(Payment.payer_id).where(
            Payment.gateway_id == str(subject["payment_intent"]),
            Payment.kind == PaymentKind.COLLECTION,
        )
    ).one_or_none()
    if payer_id is None:
        raise LookupError(f"no collection is known as {subject['payment_intent']}")
    won = kind == DECIDED and subject["status"] == "won"
    if kind == DECIDED and not won:
        return True
    amount_fen = subject["amount"]
    if not isinstance(amount_fen, int) or not 0 < amount_fen < MOST_FEN:
        raise ValueError(f"{amount_fen} is no amount in fen")
    payer = AccountKey(payer_id, AccountKind.CLEARING)
    debit, credit = (GATEWAY, payer) if won else (payer, GATEWAY)
    key = f"{'taken-back-won' if won else 'taken-back'}:{subject['id']}"
    drafts = [
        TransferDraft(
            key=key,
            memo=f"the payer's bank: {subject['id']}",
            entries=[Entry(debit, credit, amount_fen)],
        )
    ]
    post(unit, drafts)
    record(
        unit,
        "payment.taken_back" if not won else "payment.given_again",
        subject_kind="payment",
        subject_id=str(subject["payment_intent"]),
        amount_fen=amount_fen,
        dispute=str(subject["id"]),
    )
    return True


def _why(error: Exception) -> str:
    """Return in a line what stood against a message, without the statement of the database."""
    told = str(error.orig if isinstance(error, DBAPIError) else error)
    return f"{type(error).__name__}: {' '.join(told.split())}"[:LONGEST_WHY]
