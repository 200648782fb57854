"""Payability: who may be paid now, what is withheld of whom, and what can still be taken back.

Facts for plans, each asked of all payees at once.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, cast, func, literal, null, select, text, union_all

from kernel.arrays import UuidArray
from kernel.clock import Month
from kernel.identity.models import Organisation
from kernel.identity.organisations import VendorKind
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.models import StatementLine
from settlement.payment_models import GatewayParty, Payment, PaymentHold
from settlement.payments.parts import Item, Pair, Part
from settlement.payments.states import PaymentKind, PaymentMethod, PaymentState
from settlement.payout_models import BankAccount

WITHHELD: Final = text(
    """
SELECT payer_id, payee_id,
    sum(CASE kind WHEN 'withholding' THEN amount_fen ELSE -amount_fen END) AS fen
FROM payment
WHERE payer_id = ANY(:payers) AND (kind = 'withholding' AND state = 'paid'
    OR kind = 'withholding_return' AND state NOT IN ('failed', 'withdrawn'))
GROUP BY payer_id, payee_id
"""
)
# What went to payees' accounts at the gateway, and what the platform kept there of its fee, and was
# not taken back nor is to be, by payer; without a payer, below zero: what of it is at payees' banks
# or on its way there.
PASSED_ON: Final = text(
    """
SELECT payer_id, payee_id,
    sum(CASE WHEN kind IN ('transfer', 'fee') THEN amount_fen ELSE -amount_fen END) AS fen
FROM payment
WHERE payee_id = ANY(:payees) AND (kind IN ('transfer', 'fee') AND state = 'paid'
    OR kind IN ('reversal', 'fee_return') AND state <> 'withdrawn')
GROUP BY payer_id, payee_id
UNION ALL
SELECT NULL, payee_id, -sum(amount_fen) FROM bank_payout
WHERE payee_id = ANY(:payees) AND state <> 'failed' GROUP BY payee_id
"""
)
# Transfers that failed after their collection, with the tax withheld beside them, unless they are
# being undone already.
FAILED: Final = text(
    """
SELECT p.id, p.payer_id, p.payee_id, p.kind, p.amount_fen
FROM payment p JOIN payment c ON c.run_id = p.run_id AND c.payer_id = p.payer_id
    AND c.kind = 'collection' AND c.state = 'paid'
JOIN payment t ON t.run_id = p.run_id AND t.payer_id = p.payer_id AND t.payee_id = p.payee_id
    AND t.kind = 'transfer' AND t.state = 'failed'
WHERE p.payer_id = ANY(:payers) AND p.kind IN ('transfer', 'withholding')
    AND NOT EXISTS (SELECT FROM payment u WHERE u.kind = 'undone' AND u.payer_id = t.payer_id
        AND u.payee_id = t.payee_id AND u.undoes_id = t.id
        AND u.state NOT IN ('failed', 'withdrawn'))
ORDER BY p.payer_id, p.payee_id, p.id
"""
)
ITEMS: Final = text(
    "SELECT payment_id, line_id, amount_fen FROM payment_item "
    "WHERE payment_id = ANY(:ids) ORDER BY payment_id, line_id"
)
PARTS: Final = text(
    "SELECT payment_id, line_id, agreement_id, of_month, amount_fen FROM payment_part "
    "WHERE payment_id = ANY(:ids) ORDER BY payment_id, line_id, of_month, agreement_id"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What of payees' money is still at the gateway, in fen: of each payer, and in all."""

    of_pairs: Mapping[Pair, int] = field(default_factory=dict)
    of_payees: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """A transfer that failed after its collection, or the tax beside it: it goes back whole."""

    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    is_tax: bool
    items: tuple[Item, ...]
    parts: tuple[Part, ...]


class Payees(NamedTuple):
    """Which of some payees are held, which may be paid now, and which are teachers.

    `tax_back`: tax of whom came back from a treasury. `names`: how each of them is called.
    `disputed`: what payers dispute of vendors' lines and nobody has decided, in fen.
    """

    held: set[UUID]
    ready: set[UUID]
    teachers: set[UUID]
    tax_back: set[UUID]
    names: dict[UUID, str]
    disputed: dict[Pair, int]


def payable_payees(
    unit: Unit,
    payees: Collection[UUID],
    *,
    method: PaymentMethod,
    payers: Collection[UUID],
    until: Month | None,
) -> Payees:
    """Return which payees may be paid by a way of payment, and what is disputed, in one question.

    Through the gateway those that it says are ready, by a treasury those with a bank account.
    Disputed: of the payers' statements up to a month, of all without one.
    """
    held = select(PaymentHold.payee_id, literal("held")).where(
        PaymentHold.lifted_at.is_(None), among(PaymentHold.payee_id, payees)
    )
    if method is PaymentMethod.TREASURY:
        ready = select(BankAccount.organisation_id, literal("ready")).where(
            among(BankAccount.organisation_id, payees)
        )
    else:
        ready = select(GatewayParty.organisation_id, literal("ready")).where(
            GatewayParty.role == "payee",
            GatewayParty.ready,
            among(GatewayParty.organisation_id, payees),
        )
    teachers = select(Organisation.id, literal("teachers")).where(
        among(Organisation.id, payees),
        Organisation.facts["vendor_kind"].astext == VendorKind.TEACHER,
    )
    tax_back = select(Payment.payee_id, literal("tax_back")).where(
        Payment.kind == PaymentKind.WITHHOLDING,
        Payment.state.in_((PaymentState.RETURNED, PaymentState.CUT)),
        among(Payment.payee_id, payees),
    )
    named = select(Organisation.id, literal("names"), Organisation.name).where(
        among(Organisation.id, payees)
    )
    disputed = (
        select(
            StatementLine.vendor_id,
            literal("disputed"),
            Organisation.name,
            StatementLine.payer_id,
            func.sum(StatementLine.vendor_fen),
        )
        .join(Organisation, Organisation.id == StatementLine.vendor_id)
        .where(StatementLine.state == "disputed", among(StatementLine.payer_id, payers))
        .group_by(StatementLine.vendor_id, Organisation.name, StatementLine.payer_id)
    )
    if until is not None:
        disputed = disputed.where(StatementLine.month <= until)
    nobody, nothing = cast(null(), Uuid), cast(null(), BigInteger)
    facts = (
        one.add_columns(literal(""), nobody, nothing) for one in (held, ready, teachers, tax_back)
    )
    found = Payees(set(), set(), set(), set(), {}, {})
    asked = union_all(*facts, named.add_columns(nobody, nothing), disputed)
    for payee_id, what, name, payer_id, fen in unit.session.execute(asked):
        if what == "disputed":
            found.names[payee_id] = name
            found.disputed[payer_id, payee_id] = int(fen)
        elif what == "names":
            found.names[payee_id] = name
        else:
            getattr(found, what).add(payee_id)
    return found


def withheld_pairs(unit: Unit, payer_ids: Sequence[UUID]) -> dict[Pair, int]:
    """Return what is withheld of each pair of payer and teacher and was not given up, in fen."""
    rows = unit.session.execute(WITHHELD, {"payers": UuidArray.of(list(payer_ids))})
    return {(row.payer_id, row.payee_id): int(row.fen) for row in rows if row.fen}


def reach_of(unit: Unit, payees: Collection[UUID]) -> Reach:
    """Return what of the payees' money is at the gateway, by our books."""
    asked = {"payees": UuidArray.of(list(payees))}
    of_pairs: dict[Pair, int] = {}
    of_payees: dict[UUID, int] = defaultdict(int)
    for row in unit.session.execute(PASSED_ON, asked):
        of_payees[row.payee_id] += int(row.fen)
        if row.payer_id is not None:
            of_pairs[row.payer_id, row.payee_id] = int(row.fen)
    return Reach(of_pairs=of_pairs, of_payees=of_payees)


def undone_transfers(unit: Unit, payer_ids: Sequence[UUID]) -> list[Undone]:
    """Return the transfers that failed after their collection, and the tax beside them."""
    rows = unit.session.execute(FAILED, {"payers": UuidArray.of(list(payer_ids))}).all()
    if not rows:
        return []
    asked = {"ids": UuidArray.of([row.id for row in rows])}
    items: dict[UUID, list[Item]] = defaultdict(list)
    for row in unit.session.execute(ITEMS, asked):
        items[row.payment_id].append((row.line_id, int(row.amount_fen)))
    parts: dict[UUID, list[Part]] = defaultdict(list)
    for row in unit.session.execute(PARTS, asked):
        parts[row.payment_id].append(
            (row.line_id, row.agreement_id, row.of_month, int(row.amount_fen))
        )
    return [
        Undone(
            payment_id=row.id,
            payer_id=row.payer_id,
            payee_id=row.payee_id,
            is_tax=row.kind == "withholding",
            items=tuple(items[row.id]),
            parts=tuple(parts[row.id]),
        )
        for row in rows
    ]
