"""Whom a month's first ranking waits for: who closes first decides nothing for the others (R44).

A month waits until every payer that used something in it, or has begun to close it, has its
statement, but no longer than some days that are published: nobody holds up the others. What is
stated later has it ranked again (`ranking.rank_next`).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select, text

from kernel.clock import Month, month_bounds, next_month, shanghai_day, show_month
from kernel.errors import MonthNotStated, MonthOpenElsewhere, NothingStated
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.trail import TrailRow
from kernel.unit import Unit
from settlement.models import STATED, Period, Statement
from settlement.ranking.config import WAIT_DAYS
from settlement.ranking.rules import Rules

RANKED: Final = "month.ranked"
RANKED_AGAIN: Final = "month.ranked-again"
"""What the trail calls a ranking that found the inputs of the run before."""
NAMED_AT_MOST: Final = 5

# Only payers whose month is not stated are looked up among its uses.
OPEN: Final = text(
    """
SELECT o.id FROM organisation o
WHERE NOT EXISTS (
        SELECT FROM period p
        WHERE p.payer_id = o.id AND p.month = :month AND p.state = ANY(:stated))
    AND (EXISTS (SELECT FROM period p WHERE p.payer_id = o.id AND p.month = :month)
        OR EXISTS (
            SELECT FROM usage_event u WHERE u.payer_id = o.id
                AND u.occurred_at >= :start AND u.occurred_at < :end))
"""
)


def first_day_without(month: Month, rules: Rules) -> date:
    """Return the first day on which a month is ranked without those that have not stated it."""
    days = rules.ranking.gates.wait_days
    return next_month(month) + timedelta(days=days if isinstance(days, int) else WAIT_DAYS)


def open_payers(unit: Unit, month: Month) -> set[UUID]:
    """Return the payers, of all bureaus, that have use in a month and no statement of it."""
    start, end = month_bounds(month)
    given = {"month": month, "stated": list(STATED), "start": start, "end": end}
    return set(unit.session.scalars(OPEN, given))


def is_ready(unit: Unit, month: Month, rules: Rules) -> bool:
    """Return whether a month of which something is stated waits for nobody any more."""
    over = shanghai_day(unit.clock.now()) >= first_day_without(month, rules)
    return over or not open_payers(unit, month)


def require_ready(unit: Unit, month: Month, rules: Rules) -> None:
    """Raise why a month can't be ranked for the first time.

    `NothingStated`; `MonthNotStated`, naming those of its payers that the actor sees, or
    `MonthOpenElsewhere` if it sees none of them.
    """
    known = exists().where(Period.month == month, Period.state.in_(STATED))
    waited_for = set() if is_ready(unit, month, rules) else open_payers(unit, month)
    if waited_for:
        seen = unit.session.execute(
            visible_organisations(unit)
            .with_only_columns(Organisation.code, Organisation.name)
            .where(among(Organisation.id, sorted(waited_for)))
            .order_by(Organisation.code)
        ).all()
        facts = {
            "period": show_month(month),
            "payers": len(waited_for),
            "day": first_day_without(month, rules).isoformat(),
        }
        if not seen:
            raise MonthOpenElsewhere(**facts)
        raise MonthNotStated(named=_named([f"{one.name} {one.code}" for one in seen]), **facts)
    if not unit.session.scalar(select(known)):
        raise NothingStated(period=show_month(month))


def stated_up_to(unit: Unit, month: Month) -> int:
    """Return how many statements there are of a month and of those before it."""
    counted = select(func.count()).select_from(Statement).where(Statement.month <= month)
    return unit.session.scalar(counted) or 0


def stated_for(unit: Unit, run_id: UUID) -> int | None:
    """Return of how many statements the last ranking that came to this run knew, as the trail has
    it; None of a run from before this was told.

    Numbers, not moments: a statement may be written before a run and be committed after it.
    """
    rows = unit.session.scalars(
        select(TrailRow).where(
            TrailRow.subject_id == str(run_id), TrailRow.act.in_((RANKED, RANKED_AGAIN))
        )
    )
    return max((one.facts["stated"] for one in rows if "stated" in one.facts), default=None)


def _named(payers: Sequence[str]) -> str:
    more = len(payers) - NAMED_AT_MOST
    return ", ".join(payers[:NAMED_AT_MOST]) + (f", +{more}" if more > 0 else "")
