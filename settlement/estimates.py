"""The running estimate: how far each ceiling is used by what is not stated yet (R33).

A sweep drafts the unstated months of those payers for whom something came in since the last one, as
a preview does, and keeps one amount per agreement and month. A launch then asks for that amount and
never for the usage. What is kept is at most one round of the schedule old: a use that comes in
after a round began is seen by the next. A ceiling that comes to four fifths, or is used up, leaves
a trail once a month.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, text, union
from sqlalchemy.dialects.postgresql import insert

from kernel.clock import (
    Month,
    month_bounds,
    month_of,
    months_between,
    next_month,
    shanghai_day,
    show_month,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.trail import record
from kernel.unit import Unit
from settlement.ceilings import CeilingUse
from settlement.dispute_models import CreditNote
from settlement.drafting import USE, DraftLine, draft_lines
from settlement.metering.models import LateUse, UsageEvent
from settlement.models import (
    STATED,
    Agreement,
    CeilingEstimate,
    Period,
    Statement,
)
from settlement.periods import shards_of
from settlement.queries.ceilings import RunningCeiling, running_ceilings
from settlement.school_estimates import (
    forget_stated_schools,
    keep_by_school,
    mark_schools,
    school_levels,
)

ESTIMATE_LOCK = 0x6573_7469
"""Of two rounds at once one leaves the work to the other."""
LOOK_BACK: Final = timedelta(minutes=10)
"""How long a delivery may take to commit; a later round looks at what it brought once more."""
MONTHS_BACK: Final = 12
LEVELS: Final = tuple(CeilingUse)


def estimate_ceilings(unit: Unit) -> int:
    """Estimate anew where something came in; return the agreements that were looked at."""
    if not unit.session.scalar(
        text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": ESTIMATE_LOCK}
    ):
        return 0
    now = unit.clock.now()
    last = unit.session.scalar(select(func.max(CeilingEstimate.estimated_at)))
    before, schools_before = _levels(unit), school_levels(unit)
    _forget_stated(unit)
    forget_stated_schools(unit)
    amounts: dict[tuple[UUID, UUID, Month], int] = {}
    for month in _open_months(unit):
        payers = _due(unit, month, since=last - LOOK_BACK if last else None)
        for shard in shards_of(payers):
            lines = _drafted(unit, month, shard)
            amounts |= _amounts(month, lines)
            keep_by_school(unit, month, payers=shard, lines=lines)
        _forget(unit, month, payers)
    _keep(unit, amounts, now=now)
    touched = {agreement_id for _, agreement_id, _ in amounts}
    _mark(unit, running_ceilings(unit, list(touched)).values(), before=before)
    mark_schools(unit, list(touched), before=schools_before)
    return len(touched)


def nearly_used(unit: Unit, payer_id: UUID) -> list[RunningCeiling]:
    """Return a payer's ceilings that were nearly or wholly used when they were last estimated."""
    agreement_ids = unit.session.scalars(
        select(CeilingEstimate.agreement_id)
        .join(Agreement, Agreement.id == CeilingEstimate.agreement_id)
        .where(
            CeilingEstimate.payer_id == payer_id,
            CeilingEstimate.ceiling_use != CeilingUse.WITHIN,
            Agreement.state.in_(("open", "exhausted")),
        )
        .distinct()
    ).all()
    if not agreement_ids:
        return []
    found = running_ceilings(unit, agreement_ids).values()
    return [one for one in found if one.use.warns]


def _open_months(unit: Unit) -> Iterator[Month]:
    """Yield the months up to today of which somebody with a ceiling has no statement yet."""
    today = month_of(shanghai_day(unit.clock.now()))
    number = today.year * 12 + today.month - 1 - MONTHS_BACK
    first = Month(date(number // 12, number % 12 + 1, 1))
    for month in months_between(first, today):
        waiting = select(Agreement.id).where(
            Agreement.ceiling_fen > 0,
            Agreement.starts_on < next_month(month),
            Agreement.ends_on >= month,
            ~select(Period.payer_id)
            .where(
                Period.payer_id == Agreement.payer_id,
                Period.month == month,
                Period.state.in_(STATED),
            )
            .exists(),
        )
        if unit.session.scalar(waiting.limit(1)) is not None:
            yield month


def _due(unit: Unit, month: Month, *, since: datetime | None) -> list[UUID]:
    """Return the payers whose estimate of a month has to be made, in id order.

    With use received since then; late use that no statement settled, a statement or a credit note
    since then concern the month that is running.
    """
    start, end = month_bounds(month)
    used = select(UsageEvent.payer_id).where(
        UsageEvent.occurred_at >= start, UsageEvent.occurred_at < end
    )
    late = select(LateUse.payer_id).where(LateUse.settled_in.is_(None), LateUse.month < month)
    credited = select(CreditNote.payer_id)
    settled = select(Statement.payer_id)
    if since is not None:
        used = used.where(UsageEvent.received_at > since)
        credited = credited.where(CreditNote.issued_at > since)
        settled = settled.where(Statement.stated_at > since)
    is_running = month == month_of(shanghai_day(unit.clock.now()))
    changed = union(used, late, credited, settled) if is_running else union(used)
    stated = select(Period.payer_id).where(Period.month == month, Period.state.in_(STATED))
    return list(
        unit.session.scalars(
            select(Organisation.id)
            .where(Organisation.id.in_(changed), Organisation.id.not_in(stated))
            .order_by(Organisation.id)
        )
    )


def _drafted(unit: Unit, month: Month, payers: Sequence[UUID]) -> list[DraftLine]:
    """Return the lines that a month would bill now under a ceiling, corrections included.

    Those of a month that is sealed and not stated are in that month's own estimate; others are the
    running month's.
    """
    lines = [
        line
        for line in draft_lines(unit, month, payer_ids=payers)
        if line.agreement.ceiling_fen > 0
    ]
    corrected = {line.of_month for line in lines if line.kind != USE}
    stated = {
        (payer_id, Month(of_month))
        for payer_id, of_month in unit.session.execute(
            select(Period.payer_id, Period.month).where(
                among(Period.payer_id, payers),
                among(Period.month, list(corrected)),
                Period.state.in_(STATED),
            )
        )
    }
    is_running = month == month_of(shanghai_day(unit.clock.now()))
    return [
        line
        for line in lines
        if line.kind == USE or (is_running and (line.agreement.payer_id, line.of_month) in stated)
    ]


def _amounts(month: Month, lines: Sequence[DraftLine]) -> dict[tuple[UUID, UUID, Month], int]:
    """Return what drafted lines would bill, by payer and agreement."""
    found: dict[tuple[UUID, UUID, Month], int] = {}
    for line in lines:
        key = (line.agreement.payer_id, line.agreement_id, month)
        found[key] = found.get(key, 0) + line.rated.amount_fen
    return found


def _forget(unit: Unit, month: Month, payers: Sequence[UUID]) -> None:
    """Drop what was estimated of a month before; what was settled since is in no draft."""
    unit.session.execute(
        delete(CeilingEstimate).where(
            CeilingEstimate.month == month, among(CeilingEstimate.payer_id, payers)
        )
    )


def _keep(unit: Unit, amounts: Mapping[tuple[UUID, UUID, Month], int], *, now: datetime) -> None:
    if not amounts:
        return
    adding = insert(CeilingEstimate)
    unit.session.execute(
        adding.on_conflict_do_update(
            index_elements=["payer_id", "agreement_id", "month"],
            set_={
                "amount_fen": adding.excluded.amount_fen,
                "estimated_at": adding.excluded.estimated_at,
            },
        ),
        [
            {
                "payer_id": payer_id,
                "agreement_id": agreement_id,
                "month": month,
                "amount_fen": amount_fen,
                "ceiling_use": CeilingUse.WITHIN,
                "estimated_at": now,
            }
            for (payer_id, agreement_id, month), amount_fen in amounts.items()
        ],
    )


def _levels(unit: Unit) -> dict[UUID, CeilingUse]:
    """Return how each agreement's ceiling stood at its last estimate."""
    found: dict[UUID, CeilingUse] = {}
    for agreement_id, use in unit.session.execute(
        select(CeilingEstimate.agreement_id, CeilingEstimate.ceiling_use)
    ):
        found[agreement_id] = max(
            found.get(agreement_id, CeilingUse.WITHIN), CeilingUse(use), key=LEVELS.index
        )
    return found


def _mark(
    unit: Unit, ceilings: Collection[RunningCeiling], *, before: Mapping[UUID, CeilingUse]
) -> None:
    """Note how the ceilings stand now; leave a trail of those that came to a higher mark."""
    unit.session.execute(
        text(
            "UPDATE ceiling_estimate e SET ceiling_use = n.use "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:uses AS text[])) AS n(agreement_id, use) "
            "WHERE e.agreement_id = n.agreement_id AND e.ceiling_use <> n.use"
        ),
        {
            "ids": [one.agreement_id for one in ceilings],
            "uses": [one.use.value for one in ceilings],
        },
    )
    month = show_month(month_of(shanghai_day(unit.clock.now())))
    for one in ceilings:
        known = before.get(one.agreement_id, CeilingUse.WITHIN)
        if LEVELS.index(one.use) > LEVELS.index(known):
            record(
                unit,
                f"ceiling.{one.use}",
                subject_kind="agreement",
                subject_id=one.agreement_id,
                number=one.number,
                ceiling_fen=one.ceiling_fen,
                billed_fen=one.billed_fen,
                estimated_fen=one.estimated_fen,
                month=month,
            )


def _forget_stated(unit: Unit) -> None:
    """Forget the estimates of months that are stated; their bill stands on the statement."""
    unit.session.execute(
        text(
            "DELETE FROM ceiling_estimate e USING period p WHERE p.payer_id = e.payer_id "
            "AND p.month = e.month AND p.state IN ('stated', 'posted', 'closed')"
        )
    )
