"""Background work of settlement: each task opens its unit and calls one service."""

from datetime import timedelta
from uuid import UUID

from kernel.actors import system_actor
from kernel.clock import parse_month
from kernel.unit import Units
from settlement.agreement_ends import end_what_is_over, release_rests
from settlement.bookings import post_confirmed
from settlement.closing import close_shard
from settlement.confirmations import confirm_by_silence
from settlement.credits import book_credits
from settlement.estimates import estimate_ceilings
from settlement.fiscal_years import close_periods
from settlement.metering.partitions import make_ahead
from settlement.metering.rematch import release_waiting
from settlement.payments.calling_off import call_off
from settlement.payments.engine import pay_run
from settlement.payments.opening import open_gateway
from settlement.payments.reconciliation import watch
from settlement.payments.sweeping import (
    catch_up,
    deliver_messages,
    meet_payees,
    pay_out_to_banks,
    pay_released,
)
from settlement.periods import (
    periods_in,
    shards_of,
    stated_periods,
    stuck_periods,
    unfinished_payers,
)
from settlement.ranking.looks import leave_when_over
from settlement.ranking.ranking import rank_next
from settlement.ranking.slots import publish_order
from settlement.retention import release_all_due
from settlement.signals import publish

WORKER = system_actor("worker")
PATIENCE = timedelta(minutes=10)
"""After which a sealed period that nobody states is taken up again; a shard takes far less."""


def release_launched(units: Units) -> None:
    """Match again the uses that wait for their launch."""
    with units(WORKER) as unit:
        release_waiting(unit)


def close_range(units: Units, *, month: str, first: str, last: str) -> None:
    """Close a sealed month for the payers from `first` to `last`, both included."""
    period = parse_month(month)
    with units(WORKER) as unit:
        payers = unfinished_payers(unit, period, first=UUID(first), last=UUID(last))
    if payers:
        close_shard(units, WORKER, period, payers)


def resume_closes(units: Units) -> None:
    """Sweep the periods that were sealed and not stated: a worker died, or its message was lost."""
    with units(WORKER) as unit:
        stuck = stuck_periods(unit, sealed_before=unit.clock.now() - PATIENCE)
    for month, payers in stuck.items():
        for shard in shards_of(payers):
            close_shard(units, WORKER, month, shard)


def post_payer(units: Units, *, payer_id: str, month: str) -> None:
    """Post what is confirmed in one payer's period."""
    payer, period = UUID(payer_id), parse_month(month)
    with units(WORKER) as unit:
        ready = periods_in(unit, period, payer_ids=[payer], states=["stated"])
        post_confirmed(unit, period, payer_ids=ready)


def make_partitions(units: Units) -> None:
    """Make the partitions of usage ahead of their months."""
    with units(WORKER) as unit:
        make_ahead(unit)


def release_retention(units: Units) -> None:
    """Release the retention whose term is over."""
    release_all_due(units, WORKER)


def post_what_is_due(units: Units) -> None:
    """Sweep all stated periods: silence confirms, and a lost message is made good."""
    with units(WORKER) as unit:
        waiting = stated_periods(unit)
    for month, payers in waiting.items():
        for shard in shards_of(payers):
            with units(WORKER) as unit:
                ready = periods_in(unit, month, payer_ids=shard, states=["stated"])
                confirm_by_silence(unit, month, payer_ids=ready)
                post_confirmed(unit, month, payer_ids=ready)


def close_years(units: Units) -> None:
    """Close the periods of the fiscal years whose books are closed."""
    with units(WORKER) as unit:
        close_periods(unit)


def estimate_running(units: Units) -> None:
    """Estimate how far the ceilings are used by what is not stated yet."""
    with units(WORKER) as unit:
        estimate_ceilings(unit)


def end_agreements(units: Units) -> None:
    """Mark the agreements that are over, and release what is left of their commitments."""
    with units(WORKER) as unit:
        end_what_is_over(unit)
    with units(WORKER) as unit:
        release_rests(unit)


def publish_signals(units: Units) -> None:
    """Tell the storefront which resources schools use and renew."""
    with units(WORKER) as unit:
        publish(unit)


def rank_what_is_stated(units: Units) -> None:
    """Rank the months that wait for nobody, the oldest first; see who has left meanwhile."""
    while _rank_next(units):
        pass
    with units(WORKER) as unit:
        leave_when_over(unit)
    with units(WORKER) as unit:
        publish_order(unit)


def _rank_next(units: Units) -> bool:
    with units(WORKER) as unit:
        return rank_next(unit)


def pay(units: Units, *, number: str) -> None:
    """Carry one released run as far as it goes."""
    if units.settings.gateway_name != "none":
        pay_run(units, WORKER, open_gateway(units), number)


def sweep_payments(units: Units) -> None:
    """Go on with released runs, take the gateway's messages, and ask for those that never came.

    What failed is closed there last: by then it is known what was paid all the same. What failed
    long ago is left to the day.
    """
    if units.settings.gateway_name == "none":
        return
    gateway = open_gateway(units)
    meet_payees(units, WORKER, gateway)
    pay_released(units, WORKER, gateway)
    pay_out_to_banks(units, WORKER, gateway)
    if units.settings.gateway_name == "sandbox":
        deliver_messages(units, gateway)
    catch_up(units, WORKER, gateway)
    call_off(units, WORKER, gateway, only_recent=True)


def book_teachers_credits(units: Units) -> None:
    """Book what teachers earned since, and take back what is reversed.

    Raises `CreditsLeftOut`, so that it is known; all others are booked.
    """
    with units(WORKER) as unit:
        booked = book_credits(unit)
    booked.require_all()


def reconcile_daily(units: Units) -> None:
    """Close at the gateway what failed, however long ago; compare our books with the gateway's."""
    if units.settings.gateway_name == "none":
        return
    gateway = open_gateway(units)
    call_off(units, WORKER, gateway)
    watch(units, WORKER, gateway)
