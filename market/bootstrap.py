"""Where the program is put together: units of work, tasks, subscribers."""

from collections.abc import Callable

from catalog.tasks import drop_unused_files, forget_old_misses, heal_storefront
from kernel.clock import SystemClock
from kernel.db import open_engine
from kernel.jobs import Dispatcher
from kernel.settings import Settings
from kernel.tasks import chain_trail, forget_sessions, forget_stored_answers
from kernel.unit import Units
from market import models
from procurement.tasks import commit_waiting_years, end_lines_of_closed_years
from settlement.tasks import (
    book_teachers_credits,
    close_range,
    close_years,
    end_agreements,
    estimate_running,
    make_partitions,
    pay,
    post_payer,
    post_what_is_due,
    publish_signals,
    rank_what_is_stated,
    reconcile_daily,
    release_launched,
    release_retention,
    resume_closes,
    sweep_payments,
)

# Foreign keys cross packages: every table has to be known, whichever of them a process touches.
assert models.ALL

TASKS: dict[str, Callable[..., None]] = {
    "kernel.chain_trail": chain_trail,
    "kernel.forget_answers": forget_stored_answers,
    "kernel.forget_sessions": forget_sessions,
    "settlement.close_shard": close_range,
    "settlement.release_launched": release_launched,
    "settlement.resume_closes": resume_closes,
    "settlement.post": post_payer,
    "settlement.post_due": post_what_is_due,
    "settlement.release_retention": release_retention,
    "settlement.make_partitions": make_partitions,
    "settlement.close_years": close_years,
    "settlement.estimate_ceilings": estimate_running,
    "procurement.end_lines": end_lines_of_closed_years,
    "settlement.end_agreements": end_agreements,
    "procurement.commit_waiting": commit_waiting_years,
    "settlement.publish_signals": publish_signals,
    "catalog.heal_storefront": heal_storefront,
    "catalog.forget_misses": forget_old_misses,
    "settlement.rank": rank_what_is_stated,
    "catalog.drop_unused_files": drop_unused_files,
    "settlement.pay": pay,
    "settlement.sweep_payments": sweep_payments,
    "settlement.reconcile": reconcile_daily,
    "settlement.book_credits": book_teachers_credits,
}
"""Tasks by the name under which units send them and the schedule names them."""

SCHEDULE: dict[str, float] = {
    "kernel.chain_trail": 15.0,
    "kernel.forget_answers": 3600.0,
    "kernel.forget_sessions": 3600.0,
    "settlement.release_launched": 300.0,
    "settlement.resume_closes": 300.0,
    "settlement.post_due": 300.0,
    "settlement.release_retention": 3600.0,
    "settlement.make_partitions": 6 * 3600.0,
    "settlement.close_years": 3600.0,
    "settlement.estimate_ceilings": 300.0,
    "procurement.end_lines": 3600.0,
    "settlement.end_agreements": 3600.0,
    "procurement.commit_waiting": 300.0,
    "settlement.publish_signals": 900.0,
    "catalog.heal_storefront": 300.0,
    "catalog.forget_misses": 24 * 3600.0,
    "settlement.rank": 3600.0,
    "catalog.drop_unused_files": 6 * 3600.0,
    "settlement.sweep_payments": 60.0,
    "settlement.reconcile": 24 * 3600.0,
    "settlement.book_credits": 3600.0,
}
"""Seconds between runs of what sweeps: it makes good every message that was lost."""


def build_units(settings: Settings, url: str, dispatcher: Dispatcher) -> Units:
    """Return the units of work of one process on the database at `url`."""
    return Units(
        engine=open_engine(url, pool_size=settings.database_pool),
        clock=SystemClock(),
        settings=settings,
        dispatcher=dispatcher,
    )
