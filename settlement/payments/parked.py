"""Parked messages: a person saw to their reason, and has one applied once more.

Decides who sees which: a bureau's finance and auditors those that speak of payments of their own
payers, the operator all. What can't be told apart by payer, an account's or a payee's payout, is
the operator's alone.
"""

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, true
from sqlalchemy.orm import aliased

from kernel.actors import Actor, Role
from kernel.clock import show_month
from kernel.errors import NotFound, ReasonRequired
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.payment_models import GatewayEvent, Payment, PaymentRun
from settlement.payments.claims import kept_targets
from settlement.payments.gateway import Gateway, GatewayError, Movement
from settlement.payments.refunds import knows_parts, learn_parts
from settlement.payments.states import PaymentKind, PaymentState
from settlement.payments.webhooks import apply_kept
from settlement.queries.late_money import LateRow, late_money, read_late
from settlement.queries.statements import visible_payers
from settlement.queries.treasury_returns import select_waiting

MAY_APPLY: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)


def parked_messages(unit: Unit) -> list[GatewayEvent]:
    """Return the gateway's messages that could not be applied and that the actor may see."""
    return list(unit.session.scalars(_parked(unit).order_by(GatewayEvent.received_at)))


class Waiting(NamedTuple):
    """What waits for a person: messages, treasuries' rows that fit no order, and late money."""

    parked: list[GatewayEvent]
    unknown: int
    late: list[LateRow]


def what_waits(unit: Unit) -> Waiting:
    """Return what waits for a person beside the runs, by one question."""
    unknown = select(func.count()).select_from(select_waiting(unit).subquery()).scalar_subquery()
    parked = _parked(unit).subquery()
    rows = unit.session.execute(
        select(aliased(GatewayEvent, parked), unknown, late_money(unit))
        .select_from(select(literal(1)).subquery())
        .outerjoin(parked, true())
        .order_by(parked.c.received_at, parked.c.event_id)
    ).all()
    _, count, late = rows[0]
    return Waiting([event for event, *_ in rows if event is not None], int(count), read_late(late))


def apply_parked(
    units: Units, actor: Actor, gateway: Gateway, event_id: str, *, because: str
) -> str:
    """Apply a parked message once more, and say why on the trail; return its state.

    Of a refund of before its parts were kept the gateway is asked first of which it consists.
    Raises `Refused`, `NotFound` for one that is not parked or not the actor's, `ReasonRequired`.
    """
    actor.require("gateway_event.apply", *MAY_APPLY)
    with units(actor) as unit:
        kept = unit.session.scalars(
            _parked(unit).where(GatewayEvent.event_id == event_id)
        ).one_or_none()
        if kept is None:
            raise NotFound(what="message of the gateway", key=event_id)
        if not because.strip():
            raise ReasonRequired()
        record(
            unit,
            "gateway_event.applied_again",
            subject_kind="gateway_event",
            subject_id=event_id,
            because=kept.because,
            reason=because.strip(),
        )
        provider, refund = kept.provider, _refund_without_parts(unit, kept)
    if refund is not None:
        payment, movement = refund
        try:
            outcome = gateway.find(PaymentKind.REFUND, movement)
        except GatewayError:
            outcome = None  # it stays parked, with its reason
        if outcome is not None:
            with units(actor) as unit:
                learn_parts(unit, payment.id, outcome.parts)
    return apply_kept(units, provider, event_id)


def _parked(unit: Unit) -> Select[GatewayEvent]:
    wanted = select(GatewayEvent).where(GatewayEvent.state == "parked")
    if unit.actor.is_system or unit.actor.may(Role.OPERATOR):
        return wanted
    return wanted.where(_is_of_own_payers(unit))


def _is_of_own_payers(unit: Unit) -> ColumnElement[bool]:
    of_own = Payment.payer_id.in_(visible_payers(unit))
    return or_(
        GatewayEvent.body["metadata"]["key"].astext.in_(select(Payment.key).where(of_own)),
        GatewayEvent.body["payment_intent"].astext.in_(
            select(Payment.gateway_id).where(of_own, Payment.kind == PaymentKind.COLLECTION)
        ),
    )


def _refund_without_parts(unit: Unit, kept: GatewayEvent) -> tuple[Payment, Movement] | None:
    """Return the refund that a message speaks of, if nobody kept of which parts it consists."""
    if not kept.kind.startswith("refund."):
        return None
    found = unit.session.execute(
        select(Payment, PaymentRun)
        .join(PaymentRun, PaymentRun.id == Payment.run_id)
        .where(
            Payment.key
            == select(GatewayEvent.body["metadata"]["key"].astext)
            .where(GatewayEvent.provider == kept.provider, GatewayEvent.event_id == kept.event_id)
            .scalar_subquery(),
            Payment.kind == PaymentKind.REFUND,
            Payment.state == PaymentState.PAID,
        )
    ).one_or_none()
    if found is None or knows_parts(unit, found[0].id):
        return None
    payment, run = found
    return payment, Movement(
        key=payment.key,
        attempt=payment.attempt,
        amount_fen=payment.amount_fen,
        group=show_month(run.month),
        targets=tuple(kept_targets(unit, [payment.id]).get(payment.id, ())),
        run=run.number,
    )
