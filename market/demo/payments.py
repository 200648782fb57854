"""Payments of the sample county: proposed, released and paid the month after, by two people.

Decides who pays on which day of the sample's year: the county through the gateway, here the
sandbox, whose messages are taken in process. One school's bank declines its last month, which is
overdue then until somebody proposes it anew. May be repeated: what is paid is not paid again.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select

from kernel.clock import Month
from kernel.errors import NothingToPay
from kernel.identity.models import Organisation
from kernel.unit import Units
from market.demo.county import SCHOOLS
from market.demo.deliveries import MONTHS
from market.demo.rehearsal import SYSTEM, mark_done, person, steps_done
from settlement.payment_models import GatewayParty
from settlement.payments.bank_payouts import pay_out
from settlement.payments.engine import pay_run
from settlement.payments.opening import open_gateway, open_sandbox
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile
from settlement.payments.runs import propose_run, release_run
from settlement.payments.sandbox import Fault
from settlement.payments.states import PaymentMethod
from settlement.payments.sweeping import deliver_messages
from settlement.queries.payments import payment_runs

PAID_AFTER: Final = timedelta(days=14, hours=10)
"""Counted from the first moment after the month, like the days of `run`."""
MAKER: Final = "qinghe-finance"
CHECKER: Final = "qinghe-finance2"
DECLINED: Final = "binhe"
"""Slug of the school whose bank declines what it pays of the last month."""


def pay_month(units: Units, month: Month) -> None:
    """Pay what is due of a month, once; `units` stand at the day of it."""
    step = paid_step(month)
    with units(SYSTEM) as unit:
        if step in steps_done(unit):
            return
    if units.settings.gateway_name != "sandbox":
        return  # the sample's money is nobody's: it never goes through a true gateway
    gateway = open_gateway(units)
    know_payees(units, SYSTEM, gateway)
    number = _released(units, month)
    if number is not None:
        if month == MONTHS[-1]:
            _decline_one(units)
        pay_run(units, SYSTEM, gateway, number)
        pay_out(units, SYSTEM, gateway)
        deliver_messages(units, gateway)
    with units(SYSTEM) as unit:
        mark_done(unit, step)


def paid_step(month: Month) -> str:
    """Return the name under which it is marked that a month was paid."""
    return f"payments {month:%Y-%m}"


def paid_summary(units: Units) -> dict[str, Any]:
    """Return how many payments came through, their sum, and how many differences there are."""
    with units(SYSTEM) as unit:
        runs = [row for row in payment_runs(unit) if row.state == "released"]
    found = {"runs": len(runs), "paid_fen": sum(row.paid_fen for row in runs)}
    if units.settings.gateway_name != "sandbox":
        return found
    differences = reconcile(units, SYSTEM, open_gateway(units))
    return {**found, "differences": len(differences)}


def _decline_one(units: Units) -> None:
    """Have the bank of one school decline its next payment."""
    code = next(one.code for one in SCHOOLS if one.slug == DECLINED)
    with units(SYSTEM) as unit:
        customer = unit.session.scalars(
            select(GatewayParty.gateway_id)
            .join(Organisation, Organisation.id == GatewayParty.organisation_id)
            .where(Organisation.code == code, GatewayParty.role == "payer")
        ).one()
    open_sandbox(units).expect("payment_intents.create", Fault.DECLINED, of=customer)


def _released(units: Units, month: Month) -> str | None:
    """Return the month's run, proposed by one and released by another; None if nothing is due."""
    with units(SYSTEM) as unit:
        own = [row for row in payment_runs(unit) if row.month == month]
    if own and own[0].state == "released":
        return own[0].number
    number = own[0].number if own else None
    if number is None:
        try:
            with units(person(units, MAKER)) as unit:
                number = propose_run(unit, month, method=PaymentMethod.GATEWAY)
        except NothingToPay:
            return None
    with units(person(units, CHECKER)) as unit:
        release_run(unit, number)
    return number
