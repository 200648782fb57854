"""Payouts to banks: what a payee's account at the gateway holds goes on to its bank, exactly once.

Claimed (unit), sent (no unit), recorded (unit), like payments. Decides what goes: every transfer
that came through, less what was reversed, of payees that are not held, while nothing is being taken
back of them. Whose account the gateway pays out by itself waits until it does not. A payout that
failed leaves its money at the gateway; it goes again once somebody who saw to the reason says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, or_, select, text, update

from kernel.actors import Actor, Role
from kernel.clock import shanghai_day
from kernel.errors import NotFound, PayoutNotFailed
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.payment_models import GatewayParty
from settlement.payments.calling import call_each
from settlement.payments.claims import AT_ONCE, PATIENCE
from settlement.payments.gateway import (
    CallRefused,
    Gateway,
    GatewayError,
    Movement,
    NotNow,
    Outcome,
    OutcomeUnknown,
    Stand,
)
from settlement.payments.runs import lock_planning
from settlement.payments.states import PAYOUT_MAY_FOLLOW, PayoutState
from settlement.payout_models import BankPayout, BankPayoutItem

RETURNS: Final = timedelta(days=14)
"""After its arrival, within which a bank may still send a payout back."""
BETWEEN: Final = timedelta(hours=1)
MAY_PAY: Final = (Role.OPERATOR, Role.BUREAU_FINANCE)
MAY_ANSWER: Final = (Role.VENDOR_MANAGER, Role.OPERATOR, Role.BUREAU_FINANCE)

# What stands at the accounts of payees that nothing stands against, and in no payout; `number` is
# that of the payee's next.
LOOSE: Final = text(
    """
WITH loose AS (
    SELECT p.id, p.payee_id,
        CASE p.kind WHEN 'transfer' THEN p.amount_fen ELSE -p.amount_fen END AS fen
    FROM payment p
    WHERE p.kind IN ('transfer', 'reversal') AND p.state = 'paid' AND NOT EXISTS (
        SELECT FROM bank_payout_item i JOIN bank_payout o ON o.id = i.payout_id
        WHERE i.payment_id = p.id AND o.state <> 'failed')
), wanted AS (
    SELECT l.payee_id
    FROM loose l JOIN gateway_party g ON g.organisation_id = l.payee_id AND g.role = 'payee'
        AND g.ready AND g.by_hand
    WHERE NOT EXISTS (SELECT FROM payment_hold h
            WHERE h.payee_id = l.payee_id AND h.lifted_at IS NULL)
        AND NOT EXISTS (SELECT FROM payment r WHERE r.payee_id = l.payee_id
            AND r.kind = 'reversal' AND r.state NOT IN ('paid', 'returned', 'withdrawn'))
        AND NOT EXISTS (SELECT FROM bank_payout o WHERE o.payee_id = l.payee_id
            AND (o.state IN ('ready', 'claimed', 'unknown')
                OR o.state = 'failed' AND o.answered_at IS NULL))
    GROUP BY l.payee_id HAVING sum(l.fen) > 0
)
SELECT l.payee_id, o.code, l.id, l.fen, 1 + COALESCE(
        (SELECT max(b.number) FROM bank_payout b WHERE b.payee_id = l.payee_id), 0) AS number
FROM loose l JOIN wanted w USING (payee_id) JOIN organisation o ON o.id = l.payee_id
ORDER BY o.code, l.id
"""
)


@dataclass(frozen=True, slots=True)
class PayoutClaim:
    """A payout in this process's hands; `ask`: it may have been sent already."""

    payout_id: UUID
    movement: Movement
    ask: bool


def pay_out(units: Units, actor: Actor, gateway: Gateway) -> int:
    """Send on to their banks what payees' accounts hold; return how many payouts were begun."""
    actor.require("payout.send", *MAY_PAY)
    with units(actor) as unit:
        begun = begin_payouts(unit)
    tried: set[UUID] = set()
    while True:
        with units(actor) as unit:
            claims = claim_payouts(unit, besides=tried)
        if not claims:
            return begun
        tried |= {claim.payout_id for claim in claims}
        carry_on(units, actor, gateway, claims)


def begin_payouts(unit: Unit) -> int:
    """Begin a payout for each payee whose account holds what stands in none; return how many.

    Under the lock of plans: what is about to be taken back is not sent away meanwhile.
    """
    lock_planning(unit)
    payouts: dict[UUID, dict[str, Any]] = {}
    items = []
    for row in unit.session.execute(LOOSE):
        payout = payouts.setdefault(
            row.payee_id,
            {
                "id": new_id(),
                "payee_id": row.payee_id,
                "number": int(row.number),
                "key": f"payout:{row.code}:{row.number}",
                "amount_fen": 0,
                "attempt": 1,
                "state": PayoutState.READY,
                "failure": "",
                "begun_at": unit.clock.now(),
                "claimed_at": unit.clock.now(),
            },
        )
        payout["amount_fen"] += int(row.fen)
        items.append({"payout_id": payout["id"], "payment_id": row.id, "amount_fen": int(row.fen)})
    if payouts:
        unit.session.execute(insert(BankPayout), list(payouts.values()))
        unit.session.execute(insert(BankPayoutItem), items)
    return len(payouts)


def claim_payouts(unit: Unit, *, besides: set[UUID]) -> list[PayoutClaim]:
    """Claim what may go now, and what somebody claimed and never recorded."""
    forgotten = unit.clock.now() - PATIENCE
    wanted = (
        select(BankPayout)
        .where(
            or_(
                BankPayout.state == PayoutState.READY,
                BankPayout.state.in_((PayoutState.CLAIMED, PayoutState.UNKNOWN, PayoutState.SENT))
                & (BankPayout.claimed_at < forgotten),
            ),
            BankPayout.id.not_in(besides),
        )
        .order_by(BankPayout.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    payouts = unit.session.scalars(wanted).all()
    accounts: dict[UUID, str] = dict(
        unit.session.execute(
            select(GatewayParty.organisation_id, GatewayParty.gateway_id).where(
                GatewayParty.role == "payee",
                GatewayParty.organisation_id.in_({one.payee_id for one in payouts}),
            )
        ).all()
    )
    claims = []
    for payout in payouts:
        ask = payout.state != PayoutState.READY
        if not ask:
            _step(payout, PayoutState.CLAIMED)
        payout.claimed_at = unit.clock.now()
        claims.append(PayoutClaim(payout.id, _movement(payout, accounts[payout.payee_id]), ask))
    unit.session.flush()
    return claims


def look_again(units: Units, actor: Actor, gateway: Gateway) -> int:
    """Ask about payouts that arrived of late: a bank sends money back for days, maybe unsaid.

    Each about once an hour; returns how many came back.
    """
    actor.require("payout.send", *MAY_PAY)
    with units(actor) as unit:
        now = unit.clock.now()
        payouts = unit.session.execute(
            select(BankPayout, GatewayParty.gateway_id)
            .join(GatewayParty, GatewayParty.organisation_id == BankPayout.payee_id)
            .where(
                GatewayParty.role == "payee",
                BankPayout.state == PayoutState.PAID,
                BankPayout.settled_at > now - RETURNS,
                BankPayout.claimed_at < now - BETWEEN,
            )
            .order_by(BankPayout.claimed_at, BankPayout.id)
            .limit(AT_ONCE)
            .with_for_update(of=BankPayout, skip_locked=True)
        ).all()
        asked = []
        for payout, account in payouts:
            payout.claimed_at = now
            asked.append(PayoutClaim(payout.id, _movement(payout, account), ask=True))
    came_back = 0

    def call(claim: PayoutClaim) -> Outcome | None:
        return gateway.find_payout(claim.movement)

    for claim, answer in call_each(call, asked, at_once=units.settings.gateway_calls):
        if isinstance(answer, Outcome) and answer.stand is Stand.FAILED:
            with units(actor) as unit:
                settle_payout(unit, claim.payout_id, answer)
            came_back += 1
    return came_back


def _movement(payout: BankPayout, account: str) -> Movement:
    return Movement(
        key=payout.key,
        attempt=payout.attempt,
        amount_fen=payout.amount_fen,
        group="",
        targets=((account, payout.amount_fen),),
        run="",
    )


def carry_on(units: Units, actor: Actor, gateway: Gateway, claims: Sequence[PayoutClaim]) -> None:
    """Ask about or send a batch of payouts, and record what came of each in their order."""

    def call(claim: PayoutClaim) -> Outcome | None:
        return gateway.find_payout(claim.movement) if claim.ask else gateway.pay_out(claim.movement)

    for claim, answer in call_each(call, claims, at_once=units.settings.gateway_calls):
        if claim.ask and isinstance(answer, GatewayError):
            continue  # asked again, later
        with units(actor) as unit:
            _record(unit, claim, answer)


def settle_payout(unit: Unit, payout_id: UUID, outcome: Outcome) -> None:
    """Write what the gateway says of a payout; what is known already changes nothing."""
    payout = _lock(unit, payout_id)
    payout.gateway_id = outcome.gateway_id or payout.gateway_id
    if outcome.arrives is not None:
        payout.arrives_on = shanghai_day(outcome.arrives)
    wanted = {
        Stand.DONE: PayoutState.PAID,
        Stand.FAILED: PayoutState.FAILED,
        Stand.UNDER_WAY: PayoutState.SENT,
    }[outcome.stand]
    if wanted not in PAYOUT_MAY_FOLLOW[PayoutState(payout.state)]:
        return  # it is there already, or this news is older than what is known
    _step(payout, wanted)
    payout.failure = outcome.reason
    if wanted is not PayoutState.SENT:
        payout.settled_at = unit.clock.now()
    unit.session.flush()
    record(
        unit,
        f"payout.{wanted}",
        subject_kind="bank_payout",
        subject_id=payout.key,
        amount_fen=payout.amount_fen,
        reason=outcome.reason,
    )


def try_payout_again(unit: Unit, key: str) -> None:
    """Let the money of a failed payout go again, by another payout.

    Raises `NotFound`, or `PayoutNotFailed` for one that has not failed or was answered before.
    """
    unit.actor.require("payout.answer", *MAY_ANSWER)
    payees = visible_organisations(unit).with_only_columns(Organisation.id)
    payout = unit.session.scalars(
        select(BankPayout)
        .where(BankPayout.key == key, BankPayout.payee_id.in_(payees))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if payout is None:
        raise NotFound(what="payout", key=key)
    if payout.state != PayoutState.FAILED or payout.answered_at is not None:
        raise PayoutNotFailed(key=key)
    # Whatever failed before it is answered with it.
    unit.session.execute(
        update(BankPayout)
        .where(
            BankPayout.payee_id == payout.payee_id,
            BankPayout.state == PayoutState.FAILED,
            BankPayout.answered_at.is_(None),
        )
        .values(answered_at=unit.clock.now())
        .execution_options(synchronize_session=False)
    )
    record(unit, "payout.tried_again", subject_kind="bank_payout", subject_id=key)
    unit.after_commit("settlement.sweep_payments")


def _record(unit: Unit, claim: PayoutClaim, answer: Outcome | GatewayError | None) -> None:
    payout = _lock(unit, claim.payout_id)
    arrived = isinstance(answer, Outcome) and answer.stand is Stand.DONE
    if payout.attempt != claim.movement.attempt and not arrived:
        return  # of an earlier attempt, of which the next one knows more
    if isinstance(answer, Outcome):
        settle_payout(unit, claim.payout_id, answer)
        return
    if claim.ask:
        if payout.state in (PayoutState.CLAIMED, PayoutState.UNKNOWN):
            _step(payout, PayoutState.READY)  # it was never sent
        return
    if payout.state != PayoutState.CLAIMED:
        return  # a message was faster
    match answer:
        case CallRefused():
            _step(payout, PayoutState.FAILED)
            payout.failure, payout.settled_at = answer.reason, unit.clock.now()
        case NotNow():
            _step(payout, PayoutState.READY)
            payout.failure = answer.reason
        case OutcomeUnknown():
            _step(payout, PayoutState.UNKNOWN)
            payout.failure = answer.reason
            payout.attempt += answer.answered
    unit.session.flush()


def _lock(unit: Unit, payout_id: UUID) -> BankPayout:
    return unit.session.get_one(BankPayout, payout_id, with_for_update=True, populate_existing=True)


def _step(payout: BankPayout, wanted: PayoutState) -> None:
    assert wanted in PAYOUT_MAY_FOLLOW[PayoutState(payout.state)], (payout.key, payout.state)
    payout.state = wanted
