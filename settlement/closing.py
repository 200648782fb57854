"""Closing a period: seal → count → rate → statements → post, in shards of payers, resumable.

The seal is one short step for all payers. Then each shard, a range of payers, goes its own way: on
a thread of this process, or as a task of any worker. Each step is its own transaction and moves the
period's state with its result, so that a close that was killed goes on where it stood, two workers
on one shard do it once, and one that is repeated changes nothing. What is left is asked of the
rows, never kept in memory or in a result backend.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID

from kernel.actors import Actor, Role
from kernel.clock import Month, show_month
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.bookings import post_confirmed
from settlement.confirmations import confirm_by_silence
from settlement.fiscal_years import close_periods
from settlement.metering.rematch import release_waiting
from settlement.periods import (
    check_earlier_settled,
    check_over,
    keep_rules,
    payers_of,
    periods_in,
    seal_periods,
    shards_of,
)
from settlement.phases import Phases
from settlement.statements import state_periods
from settlement.summaries import period_summary

AT_ONCE = 2
"""Shards that one process closes side by side: the database counts one while another is rated."""

POSTED_AT_ONCE = 250
"""Payers whose lines are posted by one transaction: while it holds the accounts that many payers
share, another shard prepares its own."""

Progress = Callable[[str, int, int], None]
"""Called as `progress(step, done, total)` with numbers of payers, by one thread at a time."""


def no_progress(_step: str, _done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(slots=True)
class _Reported:
    """Counts the payers that are through each step, over all shards."""

    progress: Progress
    total: int
    done: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def add(self, step: str, payers: int) -> None:
        with self.lock:
            self.done[step] = self.done.get(step, 0) + payers
            self.progress(step, self.done[step], self.total)


def settle(
    units: Units,
    actor: Actor,
    month: Month,
    *,
    payer_code: str | None = None,
    progress: Progress = no_progress,
    phases: Phases | None = None,
) -> dict[str, Any]:
    """Close a month as far as it can be closed now; return the summary of `period_summary`.

    Posts what is confirmed, by people or by silence; the rest waits for the next call. Raises
    `PeriodNotOver`, `EarlierPeriodOpen`, `NothingToSettle` or `Refused` before it changes anything.
    """
    phases = phases or Phases()
    with phases.timed("seal"):
        payers = seal_month(units, actor, month, payer_code=payer_code)
        with units(actor) as unit:  # one scan for all, on as many cores as the database likes
            keep_rules(unit, month, payer_ids=payers)
    reported = _Reported(progress, len(payers))
    shards = shards_of(payers)
    if len(shards) == 1:
        _close_shard(units, actor, month, shards[0], reported=reported, phases=phases)
    else:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shard") as pool:
            running = [
                pool.submit(
                    _close_shard, units, actor, month, shard, reported=reported, phases=phases
                )
                for shard in shards
            ]
            for finished in as_completed(running):
                finished.result()
    with units(actor) as unit:
        close_periods(unit)
        return period_summary(unit, month, payer_ids=payers if payer_code else None)


def seal_month(
    units: Units, actor: Actor, month: Month, *, payer_code: str | None = None
) -> list[UUID]:
    """Seal what is open of a month that may be closed; return the payers, in id order."""
    payers = payers_to_close(units, actor, month, payer_code=payer_code)
    with units(actor) as unit:
        release_waiting(unit)
    with units(actor) as unit:
        _seal(unit, month, payers=payers, payer_code=payer_code)
    return payers


def payers_to_close(
    units: Units, actor: Actor, month: Month, *, payer_code: str | None = None
) -> list[UUID]:
    """Return whose month may be closed now, in id order; raise why not, before anything changes."""
    actor.require("period.settle", Role.OPERATOR, Role.BUREAU_FINANCE)
    with units(actor) as unit:
        check_over(unit, month)
        payers = payers_of(unit, month, payer_code=payer_code)
        check_earlier_settled(unit, month, payer_ids=payers)
    return payers


def begin_to_close(
    unit: Unit, month: Month, *, payers: Sequence[UUID], payer_code: str | None = None
) -> int:
    """Seal these payers' month and have the workers close it, shard by shard; return the shards.

    The period's own rows say when the last one is through.
    """
    _seal(unit, month, payers=payers, payer_code=payer_code)
    shards = shards_of(payers)
    for shard in shards:
        unit.after_commit(
            "settlement.close_shard",
            month=show_month(month),
            first=str(shard[0]),
            last=str(shard[-1]),
        )
    return len(shards)


def _seal(unit: Unit, month: Month, *, payers: Sequence[UUID], payer_code: str | None) -> None:
    sealed = seal_periods(unit, month, payer_ids=payers)
    _note(unit, "period.sealed", month, payers=sealed, payer_code=payer_code)


def close_shard(units: Units, actor: Actor, month: Month, payers: Sequence[UUID]) -> None:
    """Take some payers' sealed month as far as it goes now; safe to repeat, and to do twice."""
    _close_shard(
        units,
        actor,
        month,
        payers,
        reported=_Reported(no_progress, len(payers)),
        phases=Phases(),
    )


def _close_shard(
    units: Units,
    actor: Actor,
    month: Month,
    payers: Sequence[UUID],
    *,
    reported: _Reported,
    phases: Phases,
) -> None:
    with phases.timed("seal"), units(actor) as unit:
        keep_rules(unit, month, payer_ids=payers)
    reported.add("seal", len(payers))
    with units(actor) as unit:
        ready = periods_in(unit, month, payer_ids=payers, states=["sealed"])
        lines = state_periods(unit, month, payer_ids=ready, phases=phases)
        _note(unit, "period.stated", month, payers=len(ready), lines=lines)
    reported.add("state", len(payers))
    for start in range(0, len(payers), POSTED_AT_ONCE):
        some = payers[start : start + POSTED_AT_ONCE]
        with phases.timed("post"), units(actor) as unit:
            ready = periods_in(unit, month, payer_ids=some, states=["stated"])
            confirm_by_silence(unit, month, payer_ids=ready)
            lines = post_confirmed(unit, month, payer_ids=ready)
            _note(unit, "period.posted", month, payers=len(ready), lines=lines)
        reported.add("post", len(some))


def _note(unit: Unit, act: str, month: Month, *, payers: int, **facts: Any) -> None:
    """Leave a trail of a step, if it did anything."""
    if payers and facts.get("lines") != 0:
        record(
            unit,
            act,
            subject_kind="period",
            subject_id=show_month(month),
            payers=payers,
            **facts,
        )
