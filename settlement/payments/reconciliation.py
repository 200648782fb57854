"""Reconciliation: our books against the gateway's own, movement by movement; nothing is ignored.

Ours is what the ledger says of the platform's account at the gateway, theirs its balance
transactions. Each difference has a name: missing here or there, another amount, a fee, a movement
that carries no key of ours, or a balance that is not the sum. So it is with payees' accounts there:
each payout to a bank, and what is left.

A bureau sees what differs of its subtree's runs and payers. What can't be told apart by bureau,
such as balances, payees' accounts and movements without a key, is the operator's to see.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select, text

from kernel.actors import Actor, OrganisationKind, Role
from kernel.clock import Month
from kernel.errors import GatewayUnavailable
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.trail import TrailRow, record
from kernel.unit import Unit, Units
from settlement.ledger.models import Account, Leg, Transfer
from settlement.ledger.posting import AccountKind
from settlement.payment_models import PaymentRun
from settlement.payments.calling import call_each
from settlement.payments.gateway import BalanceEntry, Gateway, GatewayError, PayoutEntry, Stand
from settlement.payments.parties import answering
from settlement.queries.recoveries import asked_too_much
from settlement.queries.statements import visible_payers

MAY_RECONCILE: Final = (Role.OPERATOR, Role.BUREAU_FINANCE, Role.AUDITOR)
MAY_SEE_ALL: Final = (Role.OPERATOR,)
ADJUSTMENTS: Final = frozenset({"adjustment"})
AGREES: Final = "payment.agrees"
DIFFERS: Final = "payment.differs"
"""What the daily look leaves on the trail."""


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
    COLLECTED_TWICE = "collected_twice"


OF_BUREAUS: Final = frozenset(
    {Differs.MISSING_THERE, Differs.MISSING_HERE, Differs.OTHER_AMOUNT, Differs.GATEWAY_FEE}
)
"""Differences of which a key may tell whose run they are of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One difference, in fen: `ours` by our books, `theirs` by the gateway's."""

    kind: Differs
    key: str
    ours_fen: int
    theirs_fen: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}: ours {self.ours_fen} fen, theirs {self.theirs_fen} fen"

    @classmethod
    def read(cls, told: str) -> "Difference":
        """Return the difference that `str` told."""
        found = TOLD.fullmatch(told)
        assert found is not None, told
        kind, key, ours, theirs = found.groups()
        return cls(kind=Differs(kind), key=key, ours_fen=int(ours), theirs_fen=int(theirs))


TOLD: Final = re.compile(r"(\w+): (.*): ours (-?\d+) fen, theirs (-?\d+) fen")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """The last daily reconciliation: when it was, and what of it the reader may see."""

    at: datetime
    differences: list[Difference]


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
    """Return the differences of the runs of a month (of all without) that the actor may see.

    Of balances and payees' accounts the system and the operator alone.
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
    if actor.may(*MAY_SEE_ALL):
        found += _payee_differences(units, actor, gateway)
        if sum(ours.values()) != held:
            found.append(_difference(Differs.BALANCE, gateway.name, sum(ours.values()), held))
    with units(actor) as unit:
        found += [
            _difference(Differs.COLLECTED_TWICE, one.code, one.lost_fen, one.asked_fen)
            for one in asked_too_much(unit)
        ]
        return seen_by_reader(unit, found)


def seen_by_reader(unit: Unit, found: list[Difference]) -> list[Difference]:
    """Return what the unit's actor may see of what differs: its bureaus' runs, its payers' debts.

    The operator also sees what no bureau can be told of; the system everything.
    """
    if unit.actor.is_system or not found:
        return found
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU)
    runs = {one.key.partition(":")[0] for one in found if one.kind in OF_BUREAUS}
    is_own = {
        row.number: bool(row.is_own)
        for row in unit.session.execute(
            select(
                PaymentRun.number,
                PaymentRun.bureau_id.in_(bureaus.with_only_columns(Organisation.id)).label(
                    "is_own"
                ),
            ).where(PaymentRun.number.in_(runs))
        )
    }
    taken = {f"taken-back{won}:{run}": run for run in runs - is_own.keys() for won in ("", "-won")}
    for key, is_of_reader in unit.session.execute(
        select(Transfer.key, Account.owner_id.in_(visible_payers(unit)))
        .join(Leg, Leg.transfer_id == Transfer.id)
        .join(Account, Account.id == Leg.account_id)
        .where(Transfer.key.in_(taken), Account.kind == AccountKind.CLEARING)
    ):
        is_own[taken[key]] = bool(is_of_reader)
    sees_rest = unit.actor.may(*MAY_SEE_ALL)
    payers = {one.key for one in found if one.kind is Differs.COLLECTED_TWICE}
    own_payers = payers and set(
        unit.session.scalars(
            select(Organisation.code).where(
                Organisation.code.in_(payers), Organisation.id.in_(visible_payers(unit))
            )
        )
    )

    def may_see(one: Difference) -> bool:
        if one.kind is Differs.COLLECTED_TWICE:
            return one.key in own_payers
        run = one.key.partition(":")[0]
        return is_own.get(run, sees_rest) if one.kind in OF_BUREAUS else sees_rest

    return [one for one in found if may_see(one)]


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
    """Reconcile all runs and put on the record what differs, or that nothing does.

    What can't be asked now waits.
    """
    try:
        found = reconcile(units, actor, gateway)
    except GatewayUnavailable:
        return
    with units(actor) as unit:
        record(
            unit,
            DIFFERS if found else AGREES,
            subject_kind="gateway",
            subject_id=gateway.name,
            differences=[str(one) for one in found],
        )


def last_look(unit: Unit) -> Look | None:
    """Return the last daily reconciliation as the actor may see it; None before the first."""
    unit.actor.require("payment.reconcile", *MAY_RECONCILE)
    row = unit.session.scalars(
        select(TrailRow)
        .where(TrailRow.act.in_((AGREES, DIFFERS)))
        .order_by(TrailRow.at.desc(), TrailRow.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    found = [Difference.read(told) for told in row.facts["differences"]]
    return Look(at=row.at, differences=seen_by_reader(unit, found))


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
