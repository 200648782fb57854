"""What goes on with payments in the background: released runs, messages that never came.

Each may be lost or doubled without harm: rows say what is left to do, and the gateway is asked
before anything is sent again.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from kernel.actors import Actor
from kernel.errors import GatewayUnavailable
from kernel.unit import Unit, Units
from settlement.payment_models import GatewayEvent
from settlement.payments.bank_payouts import look_again, pay_out
from settlement.payments.engine import pay_run, released_runs
from settlement.payments.gateway import Gateway, GatewayError
from settlement.payments.opening import open_sandbox
from settlement.payments.parties import know_payees
from settlement.payments.webhooks import apply_kept, apply_waiting, keep_event, receive

OVERLAP: Final = timedelta(hours=1)
"""How far back messages are asked for again: they may have been made in another order."""


def pay_released(units: Units, actor: Actor, gateway: Gateway) -> None:
    """Carry every released run as far as it goes now."""
    with units(actor) as unit:
        numbers = released_runs(unit)
    for number in numbers:
        with suppress(GatewayUnavailable):  # the next sweep goes on with it
            pay_run(units, actor, gateway, number)


def pay_out_to_banks(units: Units, actor: Actor, gateway: Gateway) -> None:
    """Send on to payees' banks what arrived at their accounts; see what banks sent back unsaid."""
    with suppress(GatewayUnavailable):
        pay_out(units, actor, gateway)
        look_again(units, actor, gateway)


def meet_payees(units: Units, actor: Actor, gateway: Gateway) -> None:
    """Make the gateway know all who are to be paid; what it can't answer now waits."""
    with suppress(GatewayUnavailable):
        know_payees(units, actor, gateway)


def catch_up(units: Units, actor: Actor, gateway: Gateway) -> int:
    """Ask for the messages that the gateway made of late, and apply those that never came.

    Those too that came before what they speak of was on record.
    """
    with units(actor) as unit:
        since = _latest(unit) - OVERLAP
    try:
        events = list(gateway.events_since(since))
    except GatewayError:
        return 0
    applied = apply_waiting(units)
    for event in reversed(events):
        with units(actor) as unit:
            keep_event(unit, gateway.name, event)
        applied += apply_kept(units, gateway.name, event.id) == "applied"
    return applied


def deliver_messages(units: Units, gateway: Gateway) -> int:
    """Have the sandbox deliver its messages here, in process; return how many were taken."""

    def take(body: bytes, signature: str) -> int:
        receive(units, gateway, body, signature)
        return 200

    delivered: int = open_sandbox(units).deliver(receive=take)
    return delivered


def _latest(unit: Unit) -> datetime:
    return unit.session.scalar(select(func.max(GatewayEvent.received_at))) or unit.clock.now()
