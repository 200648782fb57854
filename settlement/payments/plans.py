"""Plans of runs: who would be paid how much by whom, out of which line; who is left out, and why.

Pure where it decides: dues less what is claimed, set off only against the same payer, and under
treasury payment only within the same line (R41, R63). Nothing is written here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import literal, select, text, union_all

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dues import NOBODY, Due, Paid, dues, paid_of
from settlement.ledger.posting import INSTALLATION
from settlement.models import StatementLine
from settlement.payment_models import GatewayParty, PaymentHold
from settlement.payments.states import PaymentKind, PaymentMethod, RunPurpose
from settlement.queries.statements import visible_payers

Pair = tuple[UUID, UUID]
"""(payer, payee)."""
Item = tuple[UUID, int]
"""(funding line, fen)."""


class LeftOut(StrEnum):
    """Why something that is due is not in a run."""

    CARRIED = "carried"  # credits exceed what is due: it is set off later
    HELD = "held"
    NOT_READY = "not_ready"
    BELOW_MINIMUM = "below_minimum"


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One payment of a plan; `items` are (funding line, fen) and add up to its amount."""

    kind: PaymentKind
    payer_id: UUID
    payee_id: UUID
    amount_fen: int
    items: tuple[tuple[UUID, int], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Omitted:
    """What of a payer's due to a payee is left out of a plan, in fen, and why."""

    payer_id: UUID
    payee_id: UUID
    amount_fen: int
    because: LeftOut


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run would hold. `payments` come payer by payer, the collection first."""

    payments: Sequence[Planned]
    omitted: Sequence[Omitted]

    @property
    def paid_out_fen(self) -> int:
        return sum(
            one.amount_fen
            for one in self.payments
            if one.kind not in (PaymentKind.COLLECTION, PaymentKind.REFUND)
        )


PAYERS_OF = text(
    """
SELECT DISTINCT s.payer_id FROM statement_line s JOIN agreement a ON a.id = s.agreement_id
WHERE s.state = 'posted'
    AND (s.vendor_id = :payee OR a.terms ->> 'author_school_id' = CAST(:payee AS text))
ORDER BY s.payer_id
"""
)


def plan_run(
    unit: Unit,
    month: Month | None,
    *,
    method: PaymentMethod,
    purpose: RunPurpose = RunPurpose.PAY,
) -> Plan:
    """Return what a run of the actor's payers would hold, of what is stated up to `month`.

    Without a month, and for a refund, of all that is stated by now.
    """
    payers = unit.session.scalars(
        select(StatementLine.payer_id)
        .where(StatementLine.state == "posted", StatementLine.payer_id.in_(visible_payers(unit)))
        .distinct()
        .order_by(StatementLine.payer_id)
    ).all()
    earned, paid = dues(unit, payers), paid_of(unit, payers)
    if purpose is RunPurpose.REFUND:
        return plan_refunds(earned, paid)
    if month is not None:
        # What was stated later waits; but a credit that is known already is not paid once more.
        by_then = dues(unit, payers, until=month)
        both = by_then.keys() | earned.keys()
        earned = {due: min(by_then.get(due, 0), earned.get(due, 0)) for due in both}
    payees = {due.payee_id for due in earned}
    held, ready = _held_and_ready(unit, payees)
    return plan_payments(
        open_dues(earned, paid),
        method=method,
        held=held,
        ready=ready if method is PaymentMethod.GATEWAY else payees,
        minimum_fen=unit.settings.payout_minimum_fen,
    )


def _held_and_ready(unit: Unit, payees: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Return which of the payees are held, and which the gateway may pay."""
    held = select(PaymentHold.payee_id, literal("held")).where(
        PaymentHold.lifted_at.is_(None), among(PaymentHold.payee_id, payees)
    )
    ready = select(GatewayParty.organisation_id, literal("ready")).where(
        GatewayParty.role == "payee",
        GatewayParty.ready,
        among(GatewayParty.organisation_id, payees),
    )
    rows = unit.session.execute(union_all(held, ready)).all()
    return (
        {payee_id for payee_id, what in rows if what == "held"},
        {payee_id for payee_id, what in rows if what == "ready"},
    )


def open_dues(earned: Mapping[Due, int], paid: Mapping[Due, Paid]) -> dict[Due, int]:
    """Return what is earned and neither paid nor claimed; below zero where credits came later."""
    left = {due: fen for due, fen in earned.items() if due.payee_id != NOBODY}
    for due, one in paid.items():
        left[due] = left.get(due, 0) - one.claimed_fen
    return {due: fen for due, fen in left.items() if fen}


def plan_payments(
    left: Mapping[Due, int],
    *,
    method: PaymentMethod,
    held: Collection[UUID] = (),
    ready: Collection[UUID] | None = None,
    minimum_fen: int = 0,
) -> Plan:
    """Return the payments of what is left, each pair of payer and payee for itself."""
    wanted, omitted = _set_off(left, method)
    of_payee: dict[UUID, int] = defaultdict(int)
    for (_, payee_id), items in wanted.items():
        of_payee[payee_id] += sum(fen for _, fen in items)

    def because(payee_id: UUID) -> LeftOut | None:
        if payee_id in held:
            return LeftOut.HELD
        if payee_id == INSTALLATION:
            return None
        if ready is not None and payee_id not in ready:
            return LeftOut.NOT_READY
        return LeftOut.BELOW_MINIMUM if of_payee[payee_id] < minimum_fen else None

    payments: dict[UUID, list[Planned]] = defaultdict(list)
    for (payer_id, payee_id), items in wanted.items():
        reason = because(payee_id)
        if reason is not None:
            total = sum(fen for _, fen in items)
            omitted.append(_omitted(payer_id, payee_id, total, reason))
        elif method is PaymentMethod.TREASURY:
            payments[payer_id] += [
                _planned(PaymentKind.ORDER, payer_id, payee_id, [item]) for item in items
            ]
        else:
            kind = PaymentKind.FEE if payee_id == INSTALLATION else PaymentKind.TRANSFER
            payments[payer_id].append(_planned(kind, payer_id, payee_id, items))
    sides = _with_sides(payments, PaymentKind.COLLECTION, method)
    return Plan(payments=list(sides), omitted=omitted)


def _set_off(
    left: Mapping[Due, int], method: PaymentMethod
) -> tuple[dict[Pair, list[Item]], list[Omitted]]:
    """Set credits off: within a payer's lines, or under treasury payment within each line alone."""
    pairs: dict[Pair, list[Item]] = defaultdict(list)
    for due, fen in sorted(left.items()):
        pairs[due.payer_id, due.payee_id].append((due.line_id, fen))
    wanted: dict[Pair, list[Item]] = {}
    omitted: list[Omitted] = []
    for (payer_id, payee_id), items in pairs.items():
        if method is PaymentMethod.TREASURY:
            carried = sum(fen for _, fen in items if fen < 0)
            payable = [(line_id, fen) for line_id, fen in items if fen > 0]
        else:
            total = sum(fen for _, fen in items)
            carried, payable = (0, items) if total > 0 else (total, [])
        if carried:
            omitted.append(_omitted(payer_id, payee_id, carried, LeftOut.CARRIED))
        if payable:
            wanted[payer_id, payee_id] = payable
    return wanted, omitted


def plan_refunds(earned: Mapping[Due, int], paid: Mapping[Due, Paid]) -> Plan:
    """Return what every payee gives back of what credits took off after its payment (R41)."""
    payments: dict[UUID, list[Planned]] = defaultdict(list)
    pairs: dict[Pair, list[Item]] = defaultdict(list)
    for due, one in sorted(paid.items()):
        over = min(one.settled_fen, one.claimed_fen) - max(0, earned.get(due, 0))
        if over > 0:
            pairs[due.payer_id, due.payee_id].append((due.line_id, over))
    for (payer_id, payee_id), items in pairs.items():
        kind = PaymentKind.FEE_RETURN if payee_id == INSTALLATION else PaymentKind.REVERSAL
        payments[payer_id].append(_planned(kind, payer_id, payee_id, items))
    sides = _with_sides(payments, PaymentKind.REFUND, PaymentMethod.GATEWAY)
    return Plan(payments=list(sides), omitted=[])


def _with_sides(
    payments: Mapping[UUID, Sequence[Planned]], kind: PaymentKind, method: PaymentMethod
) -> Iterable[Planned]:
    """Yield each payer's payments, before them what the payer itself pays or gets back."""
    for payer_id, own in payments.items():
        if method is PaymentMethod.GATEWAY:
            total = sum(one.amount_fen for one in own)
            yield Planned(kind=kind, payer_id=payer_id, payee_id=INSTALLATION, amount_fen=total)
        yield from own


def _planned(kind: PaymentKind, payer_id: UUID, payee_id: UUID, items: Sequence[Item]) -> Planned:
    return Planned(
        kind=kind,
        payer_id=payer_id,
        payee_id=payee_id,
        amount_fen=sum(fen for _, fen in items),
        items=tuple(items),
    )


def _omitted(payer_id: UUID, payee_id: UUID, amount_fen: int, because: LeftOut) -> Omitted:
    return Omitted(payer_id=payer_id, payee_id=payee_id, amount_fen=amount_fen, because=because)


@dataclass(frozen=True, kw_only=True, slots=True)
class PayeeStanding:
    """Where a payee's money stands, in fen: due and in no run, in one, or to be set off.

    `held_because` is empty unless it is held; `is_ready`: the gateway may pay it.
    """

    due_fen: int
    under_way_fen: int
    carried_fen: int
    held_because: str
    is_ready: bool


def standing_of_payee(unit: Unit, payee_id: UUID) -> PayeeStanding:
    """Return where a payee's money stands; the caller has checked who asks."""
    payers = unit.session.scalars(PAYERS_OF, {"payee": payee_id}).all()
    earned, paid = dues(unit, payers), paid_of(unit, payers)
    left = [fen for due, fen in open_dues(earned, paid).items() if due.payee_id == payee_id]
    under_way = sum(
        one.claimed_fen - one.settled_fen for due, one in paid.items() if due.payee_id == payee_id
    )
    held = unit.session.scalars(
        select(PaymentHold.because).where(
            PaymentHold.payee_id == payee_id, PaymentHold.lifted_at.is_(None)
        )
    ).one_or_none()
    ready = unit.session.scalars(
        select(GatewayParty.ready).where(
            GatewayParty.organisation_id == payee_id, GatewayParty.role == "payee"
        )
    ).one_or_none()
    return PayeeStanding(
        due_fen=sum(fen for fen in left if fen > 0),
        under_way_fen=max(0, under_way),
        carried_fen=-sum(fen for fen in left if fen < 0),
        held_because=held or "",
        is_ready=ready is not False,
    )
