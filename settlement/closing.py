"""Closing a period: seal → count → rate → statements → post, in shards of payers, resumable.

Each step is its own transaction and moves the period's state with its result, so that a close that
was killed goes on where it stood, and one that is repeated changes nothing. What is left is asked
of the rows, never kept in memory.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from kernel.actors import Actor, Role
from kernel.clock import Month, show_month
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.bookings import post_confirmed
from settlement.confirmations import confirm_by_silence
from settlement.periods import (
    check_earlier_settled,
    check_over,
    fingerprint_periods,
    payers_of,
    periods_in,
    seal_periods,
    shards_of,
)
from settlement.phases import Phases
from settlement.statements import state_periods
from settlement.summaries import period_summary

Progress = Callable[[str, int, int], None]
"""Called as `progress(step, done, total)` with numbers of payers."""


def no_progress(_step: str, _done: int, _total: int) -> None:
    """Report nothing."""


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
    actor.require("period.settle", Role.OPERATOR, Role.BUREAU_FINANCE)
    with units(actor) as unit:
        check_over(unit, month)
        payers = payers_of(unit, month, payer_code=payer_code)
        check_earlier_settled(unit, month, payer_ids=payers)

    with phases.timed("seal"):
        _seal(units, actor, month, payers=payers, payer_code=payer_code, progress=progress)
    for done, shard in shards_of(payers):
        with units(actor) as unit:
            ready = periods_in(unit, month, payer_ids=shard, states=["sealed"])
            lines = state_periods(unit, month, payer_ids=ready, phases=phases)
            _note(unit, "period.stated", month, payers=len(ready), lines=lines)
        progress("state", done, len(payers))
    with phases.timed("post"):
        for done, shard in shards_of(payers):
            with units(actor) as unit:
                ready = periods_in(unit, month, payer_ids=shard, states=["stated"])
                confirm_by_silence(unit, month, payer_ids=ready)
                lines = post_confirmed(unit, month, payer_ids=ready)
                _note(unit, "period.posted", month, payers=len(ready), lines=lines)
            progress("post", done, len(payers))

    with units(actor) as unit:
        return period_summary(unit, month, payer_ids=payers if payer_code else None)


def _seal(
    units: Units,
    actor: Actor,
    month: Month,
    *,
    payers: Sequence[UUID],
    payer_code: str | None,
    progress: Progress,
) -> None:
    with units(actor) as unit:
        sealed = seal_periods(unit, month, payer_ids=payers)
        _note(unit, "period.sealed", month, payers=sealed, payer_code=payer_code)
    with units(actor) as unit:
        fingerprint_periods(unit, month, payer_ids=payers)
    progress("seal", len(payers), len(payers))


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
