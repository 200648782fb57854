"""Background work of settlement: each task opens its unit and calls one service."""

from uuid import UUID

from kernel.actors import system_actor
from kernel.clock import parse_month
from kernel.unit import Units
from settlement.bookings import post_confirmed
from settlement.confirmations import confirm_by_silence
from settlement.periods import periods_in, shards_of, stated_periods

WORKER = system_actor("worker")


def post_payer(units: Units, *, payer_id: str, month: str) -> None:
    """Post what is confirmed in one payer's period."""
    payer, period = UUID(payer_id), parse_month(month)
    with units(WORKER) as unit:
        ready = periods_in(unit, period, payer_ids=[payer], states=["stated"])
        post_confirmed(unit, period, payer_ids=ready)


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
