"""Calling off: a collection that failed is closed at the gateway, so that nobody pays it by chance.

What the gateway called declined stays open there, and its payer could pay it beside the run that
asks for the same again (ADR 0057). Which are left to close the rows alone say; each is asked for
outside any unit, again until it is closed, by many at once without harm. Where the payer was faster
the answer says so, and the money is booked as any that comes late (ADR 0054).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, or_, select, true
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import Actor
from kernel.clock import show_month
from kernel.trail import TrailRow, record
from kernel.unit import Unit, Units
from settlement.payment_models import GatewayParty, Payment, PaymentClosing, PaymentRun
from settlement.payments.calling import call_each
from settlement.payments.gateway import Gateway, Movement, Outcome, Stand
from settlement.payments.settling import lock_group, settle_payment
from settlement.payments.states import PaymentKind, PaymentState

OFTEN_FOR: Final = timedelta(days=30)
"""For how long what failed is asked for by every sweep; older, the gateway may never show it again
(it is another one by now), and each question lists all that its payer ever paid there."""
NOTHING: Final = Outcome(gateway_id="", stand=Stand.FAILED)
"""What a collection is that the gateway refused before it made anything of it."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A collection that failed and is not closed at the gateway; `is_known`: it has an id there."""

    payment_id: UUID
    is_known: bool
    movement: Movement


def call_off(units: Units, actor: Actor, gateway: Gateway, *, only_recent: bool = False) -> None:
    """Close at the gateway what failed here; what can't be closed now is asked for again later.

    `only_recent`: but for what the gateway knew once and that failed more than `OFTEN_FOR` ago.
    """
    with units(actor) as unit:
        given_up = _given_up(unit, only_recent=only_recent)

    def call(one: GivenUp) -> Outcome | None:
        return gateway.call_off(one.movement)

    for one, answer in call_each(call, given_up, at_once=units.settings.gateway_calls):
        found = NOTHING if answer is None and not one.is_known else answer
        if isinstance(found, Outcome) and found.stand is not Stand.UNDER_WAY:
            with units(actor) as unit:
                _record(unit, one.payment_id, found)


def _given_up(unit: Unit, *, only_recent: bool) -> list[GivenUp]:
    is_recent = exists().where(
        TrailRow.subject_id == Payment.key,
        TrailRow.act == "payment.failed",
        TrailRow.at >= unit.clock.now() - OFTEN_FOR,
    )
    wanted = or_(Payment.gateway_id.is_(None), is_recent) if only_recent else true()
    rows = unit.session.execute(
        select(Payment, PaymentRun, GatewayParty.gateway_id)
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .join(
            GatewayParty,
            (GatewayParty.organisation_id == Payment.payer_id) & (GatewayParty.role == "payer"),
        )
        .where(
            Payment.kind == PaymentKind.COLLECTION,
            Payment.state == PaymentState.FAILED,
            ~exists().where(PaymentClosing.payment_id == Payment.id),
            wanted,
        )
        .order_by(Payment.id)
    )
    return [
        GivenUp(
            payment.id,
            payment.gateway_id is not None,
            Movement(
                key=payment.key,
                attempt=payment.attempt,
                amount_fen=payment.amount_fen,
                group=show_month(run.month),
                targets=((customer, payment.amount_fen),),
                run=run.number,
            ),
        )
        for payment, run, customer in rows
    ]


def _record(unit: Unit, payment_id: UUID, outcome: Outcome) -> None:
    """Write that a collection is closed, once; or that its payer has paid it first."""
    if outcome.stand is Stand.DONE:
        settle_payment(unit, payment_id, outcome)
        return
    payment = lock_group(unit, payment_id).get(payment_id)
    if payment.state != PaymentState.FAILED:
        return
    closed = unit.session.scalars(
        insert(PaymentClosing)
        .values(payment_id=payment_id, gateway_id=outcome.gateway_id, closed_at=unit.clock.now())
        .on_conflict_do_nothing()
        .returning(PaymentClosing.payment_id)
    ).one_or_none()
    if closed is not None:
        record(
            unit,
            "payment.called_off",
            subject_kind="payment",
            subject_id=payment.key,
            gateway_id=outcome.gateway_id,
        )
