"""Reconciliation: our books against the gateway's own, movement by movement; nothing is ignored.

Ours is what the ledger says of the platform's account at the gateway, theirs its balance
transactions. Each difference has a name: missing here or there, another amount, a fee, a movement
that carries no key of ours, or a balance that is not the sum. So it is with payees' accounts there:
each payout to a bank, and what is left.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select, text

from kernel.actors import Actor, Role
from kernel.clock import Month
from kernel.errors import GatewayUnavailable
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.payment_models import PaymentRun
from settlement.payments.calling import call_each
from settlement.payments.gateway import BalanceEntry, Gateway, GatewayError, PayoutEntry, Stand
from settlement.payments.parties import answering

MAY_RECONCILE: Final = (Role.OPERATOR, Role.BUREAU_FINANCE, Role.AUDITOR)
ADJUSTMENTS: Final = frozenset({"adjustment"})


class Differs(StrEnum):
    """What is wrong with a movement."""

    MISSING_THERE = "missing_there"
    MISSING_HERE = "missing_here"
    OTHER_AMOUNT = "other_amount"
    GATEWAY_FEE = "gateway_fee"
    NOT_OURS = "not_ours"
    BALANCE = "balance"
    PAYOUT_MISSING_THERE = "payout_missing_there"
    PAYOUT_MISSING_HERE = "payout_missing_here"
    PAYOUT_AMOUNT = "payout_amount"
    PAYEE_BALANCE = "payee_balance"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One difference, in fen: `ours` by our books, `theirs` by the gateway's."""

    kind: Differs
    key: str
    ours_fen: int
    theirs_fen: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}: ours {self.ours_fen} fen, theirs {self.theirs_fen} fen"


# What our account at the gateway says of each movement; a bank's taking back by its own id, what
# was taken of a reversal, or came back of a refund, by that one's key.
OURS = text(
    """
SELECT CASE WHEN t.key LIKE 'taken-back%' THEN split_part(t.key, ':', 2)
        ELSE regexp_replace(t.key, '^(paid|returned):|[+]taken$|#.*$', '', 'g') END AS key,
    sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
FROM leg l JOIN account a ON a.id = l.account_id JOIN transfer t ON t.id = l.transfer_id
WHERE a.kind = 'gateway' GROUP BY 1
"""
)


def reconcile(
    units: Units, actor: Actor, gateway: Gateway, month: Month | None = None
) -> list[Difference]:
    """Return all differences of the runs of a month (all of them without), and of the balance.

    Raises `Refused`, `GatewayUnavailable`.
    """
    actor.require("payment.reconcile", *MAY_RECONCILE)
    with units(actor) as unit:
        since, now, numbers = _range(unit, month)
        ours = {row.key: int(row.fen) for row in unit.session.execute(OURS)}
    if since is None:
        return []
    with answering():
        entries = list(gateway.balance_entries(since, now + timedelta(days=1)))
        held = gateway.balance_fen()
    found = [
        one
        for one in compare(ours, entries)
        if one.kind in (Differs.NOT_OURS, Differs.GATEWAY_FEE)
        or numbers is None
        or one.key.split(":")[0] in numbers
        or ":" not in one.key
    ]
    found += _payee_differences(units, actor, gateway)
    if sum(ours.values()) != held:
        found.append(
            Difference(
                kind=Differs.BALANCE,
                key=gateway.name,
                ours_fen=sum(ours.values()),
                theirs_fen=held,
            )
        )
    return found


# What payees' accounts should hold: what was passed on and not taken back, less what went to banks.
PAYEES = text(
    """
SELECT o.code, g.gateway_id, COALESCE((SELECT sum(CASE p.kind WHEN 'transfer' THEN p.amount_fen
        ELSE -p.amount_fen END) FROM payment p WHERE p.payee_id = o.id AND p.state = 'paid'
        AND p.kind IN ('transfer', 'reversal')), 0)
    - COALESCE((SELECT sum(b.amount_fen) FROM bank_payout b WHERE b.payee_id = o.id
        AND b.state IN ('sent', 'paid')), 0) AS fen
FROM gateway_party g JOIN organisation o ON o.id = g.organisation_id
WHERE g.role = 'payee' AND EXISTS (SELECT FROM payment p WHERE p.payee_id = o.id)
ORDER BY o.code
"""
)
PAYOUTS = text(
    """
SELECT b.key, g.gateway_id,
    CASE WHEN b.state IN ('sent', 'paid') THEN b.amount_fen ELSE 0 END AS fen
FROM bank_payout b JOIN gateway_party g ON g.organisation_id = b.payee_id AND g.role = 'payee'
"""
)


def _payee_differences(units: Units, actor: Actor, gateway: Gateway) -> list[Difference]:
    """Return what differs of payees' accounts at the gateway and their payouts to banks."""
    with units(actor) as unit:
        payees = unit.session.execute(PAYEES).all()
        ours = {row.key: int(row.fen) for row in unit.session.execute(PAYOUTS)}

    def ask(account: str) -> tuple[int, list[PayoutEntry]]:
        return gateway.held_for_fen(account), list(gateway.payouts_of(account))

    theirs: dict[str, int] = {}
    found = []
    accounts = [row.gateway_id for row in payees]
    answers = call_each(ask, accounts, at_once=units.settings.gateway_calls)
    with answering():
        for row, (_, answer) in zip(payees, answers, strict=True):
            if isinstance(answer, GatewayError):
                raise answer
            held, payouts = answer
            for one in payouts:
                came = 0 if one.stand is Stand.FAILED else one.amount_fen
                theirs[one.key or one.id] = theirs.get(one.key or one.id, 0) + came
            if held != int(row.fen):
                found.append(_difference(Differs.PAYEE_BALANCE, row.code, int(row.fen), held))
    for key in sorted(ours.keys() | theirs.keys()):
        own, other = ours.get(key, 0), theirs.get(key, 0)
        if own != other:
            kind = Differs.PAYOUT_AMOUNT
            if key not in theirs:
                kind = Differs.PAYOUT_MISSING_THERE
            elif key not in ours:
                kind = Differs.PAYOUT_MISSING_HERE
            found.append(_difference(kind, key, own, other))
    return found


def _difference(kind: Differs, key: str, ours_fen: int, theirs_fen: int) -> Difference:
    return Difference(kind=kind, key=key, ours_fen=ours_fen, theirs_fen=theirs_fen)


def watch(units: Units, actor: Actor, gateway: Gateway) -> None:
    """Reconcile all runs and put what differs on the record; what can't be asked now waits."""
    try:
        found = reconcile(units, actor, gateway)
    except GatewayUnavailable:
        return
    if found:
        with units(actor) as unit:
            record(
                unit,
                "payment.differs",
                subject_kind="gateway",
                subject_id=gateway.name,
                differences=[str(one) for one in found],
            )


def compare(ours: dict[str, int], entries: list[BalanceEntry]) -> Iterator[Difference]:
    """Yield what differs, by the key of each movement."""
    theirs: dict[str, int] = defaultdict(int)
    for entry in entries:
        key = entry.source_id if entry.kind in ADJUSTMENTS else entry.key
        if not key:
            yield Difference(
                kind=Differs.NOT_OURS, key=entry.id, ours_fen=0, theirs_fen=entry.amount_fen
            )
            continue
        theirs[key] += entry.amount_fen
        if entry.fee_fen:
            yield Difference(
                kind=Differs.GATEWAY_FEE, key=key, ours_fen=0, theirs_fen=-entry.fee_fen
            )
    for key in sorted(ours.keys() | theirs.keys()):
        own, other = ours.get(key, 0), theirs.get(key, 0)
        if own == other:
            continue
        kind = Differs.OTHER_AMOUNT
        if key not in theirs:
            kind = Differs.MISSING_THERE
        elif key not in ours:
            kind = Differs.MISSING_HERE
        yield Difference(kind=kind, key=key, ours_fen=own, theirs_fen=other)


def _range(unit: Unit, month: Month | None) -> tuple[datetime | None, datetime, set[str] | None]:
    since = unit.session.scalar(select(func.min(PaymentRun.proposed_at)))
    numbers = (
        None
        if month is None
        else set(unit.session.scalars(select(PaymentRun.number).where(PaymentRun.month == month)))
    )
    return since, unit.clock.now(), numbers
