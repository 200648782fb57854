"""Periods: which payers have a month to close, and its seal.

A period is one payer's month. Sealing takes usage's lock alone for a moment, only to flip the
states and to fix the sequence up to which events belong to the period. What the rules rest on is
kept afterwards, when ingest runs again; events are counted and fingerprinted with the statement.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, cast, exists, func, or_, select, text, update

from kernel.actors import Role
from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds, month_of, next_month, shanghai_day, show_month
from kernel.db import set_wise
from kernel.errors import EarlierPeriodOpen, NothingToSettle, PeriodNotOver
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.metering.exclusions import seal_exclusions
from settlement.metering.fingerprints import PRINT, Fingerprint
from settlement.metering.judging import WITHIN, Scope, sealed_scopes
from settlement.metering.models import LateUse, UsageEvent, UsageTally
from settlement.metering.partitions import ensure_partitions, lock_usage_alone
from settlement.models import Agreement, Period
from settlement.taking_up import payers_to_pay

SHARD = 1_600
"""Payers per shard at most. Each scans the month once, so that few large ones read least; two of a
province's fit side by side on two cores."""

FINGERPRINTS = text(
    f"SELECT u.payer_id, {PRINT} FROM usage_event u WHERE {WITHIN} "  # noqa: S608 - this module's texts
    "GROUP BY u.payer_id"
)

# Months in which use was taken in that were not stated: as a rule there are none left to look at.
OPEN_EARLIER = text(
    """
WITH months AS MATERIALIZED (
    SELECT DISTINCT month FROM usage_tally WHERE outcome = 'accepted' AND month < :month
)
SELECT o.code, m.month
FROM months m CROSS JOIN unnest(CAST(:payers AS uuid[])) AS a(payer_id)
JOIN organisation o ON o.id = a.payer_id
WHERE NOT EXISTS (
        SELECT FROM period p WHERE p.payer_id = a.payer_id AND p.month = m.month
            AND p.state IN ('stated', 'posted', 'closed'))
    AND EXISTS (
        SELECT FROM usage_event u WHERE u.payer_id = a.payer_id
            AND u.occurred_at >= m.month::timestamp AT TIME ZONE 'Asia/Shanghai'
            AND u.occurred_at < (m.month + interval '1 month') AT TIME ZONE 'Asia/Shanghai')
ORDER BY m.month, o.code LIMIT 1
"""
)


# Months before this one, since the payer's first agreement, in which nothing was used: they are
# over, and what comes for them later is late use. Uses need a look only where any were taken in.
CLOSE_EMPTY_EARLIER = text(
    """
INSERT INTO period (payer_id, month, state, sealed_at, sealed_sequence, counts, fingerprint)
SELECT a.payer_id, m.month::date, 'posted', :now, :sequence,
    jsonb_build_object('events', 0, 'uses', 0), 0
FROM (SELECT payer_id, min(starts_on) AS first_day FROM agreement
      WHERE payer_id = ANY(:payers) GROUP BY payer_id) a
CROSS JOIN LATERAL generate_series(date_trunc('month', a.first_day::timestamp),
    CAST(:month AS date) - interval '1 month', interval '1 month') AS m(month)
WHERE NOT EXISTS (
        SELECT FROM period p WHERE p.payer_id = a.payer_id AND p.month = m.month::date)
    AND (m.month::date NOT IN (
            SELECT t.month FROM usage_tally t WHERE t.outcome = 'accepted' AND t.month < :month)
        OR NOT EXISTS (
            SELECT FROM usage_event u WHERE u.payer_id = a.payer_id
                AND u.occurred_at >= m.month AT TIME ZONE 'Asia/Shanghai'
                AND u.occurred_at < (m.month + interval '1 month') AT TIME ZONE 'Asia/Shanghai'))
ON CONFLICT DO NOTHING
"""
)


def payers_of(unit: Unit, month: Month, *, payer_code: str | None = None) -> list[UUID]:
    """Return the actor's payers with an agreement or a use in the month, or unsettled late use.

    Also those whose month is under way already, for whatever reason it was closed, and those whose
    money has come for earlier use that waits for it. In id order.

    Raises `NothingToSettle` if there are none.
    """
    ensure_partitions(unit, [month])
    payers = payers_seen(unit, month, payer_code=payer_code)
    if not payers:
        raise NothingToSettle(period=show_month(month))
    return payers


def payers_seen(unit: Unit, month: Month, *, payer_code: str | None = None) -> list[UUID]:
    """Return what `payers_of` does, for a look: nothing is made ready for a close."""
    start, end = month_bounds(month)
    has_agreement = exists().where(
        Agreement.payer_id == Organisation.id,
        Agreement.starts_on < next_month(month),
        Agreement.ends_on >= month,
    )
    has_use = exists().where(
        UsageEvent.payer_id == Organisation.id,
        UsageEvent.occurred_at >= start,
        UsageEvent.occurred_at < end,
    )
    has_late_use = exists().where(
        LateUse.payer_id == Organisation.id, LateUse.settled_in.is_(None), LateUse.month < month
    )
    is_under_way = exists().where(Period.payer_id == Organisation.id, Period.month == month)
    wanted = (
        visible_organisations(unit)
        .with_only_columns(Organisation.id)
        .where(
            or_(
                has_agreement,
                has_use,
                has_late_use,
                is_under_way,
                among(Organisation.id, payers_to_pay(unit, month)),
            )
        )
        .order_by(Organisation.id)
    )
    if payer_code is not None:
        wanted = wanted.where(Organisation.code == payer_code)
    return list(unit.session.scalars(wanted))


def month_to_close(unit: Unit) -> Month | None:
    """Return the next month to close for the actor's payers, if it is over.

    After the last that was closed, the first in which they have an agreement, a use, or use of an
    earlier month that came late or can be paid for now; before any close, the first of all. A month
    with none of these is left out: there is nothing to close in it.
    """
    payers = visible_organisations(unit).with_only_columns(Organisation.id)
    last = unit.session.scalar(
        select(func.max(Period.month)).where(
            Period.payer_id.in_(payers), Period.state.not_in(("open",))
        )
    )
    after = next_month(Month(last)) if last is not None else Month(date.min)
    taken_in = (
        select(UsageTally.month)
        .where(UsageTally.outcome == "accepted", UsageTally.month >= after)
        .distinct()
        .subquery()
    )
    in_month = exists().where(
        UsageEvent.payer_id.in_(payers),
        UsageEvent.occurred_at >= _beginning(taken_in.c.month),
        UsageEvent.occurred_at < _beginning(taken_in.c.month + text("interval '1 month'")),
    )
    waits_late = exists().where(
        LateUse.payer_id.in_(payers), LateUse.settled_in.is_(None), LateUse.month < after
    )
    agreed, used, is_late = unit.session.execute(
        select(
            select(func.min(Agreement.starts_on))
            .where(Agreement.payer_id.in_(payers), Agreement.ends_on >= after)
            .scalar_subquery(),
            select(func.min(taken_in.c.month)).where(in_month).scalar_subquery(),
            waits_late,
        )
    ).one()
    candidates = [max(month_of(agreed), after)] if agreed is not None else []
    candidates += [Month(used)] if used is not None else []
    candidates += [after] if is_late or (last is not None and payers_to_pay(unit, after)) else []
    if not candidates or shanghai_day(unit.clock.now()) < next_month(min(candidates)):
        return None
    return min(candidates)


def _beginning(month: ColumnElement[Any]) -> ColumnElement[datetime]:
    """Return the moment at which a month begins in Asia/Shanghai."""
    return func.timezone("Asia/Shanghai", cast(month, DateTime()))


def check_over(unit: Unit, month: Month) -> None:
    """Raise `PeriodNotOver` while the month lasts in Asia/Shanghai."""
    first_day = next_month(month)
    if shanghai_day(unit.clock.now()) < first_day:
        raise PeriodNotOver(period=show_month(month), from_day=first_day.isoformat())


def check_earlier_settled(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> None:
    """Raise `EarlierPeriodOpen` if one of the payers has an earlier month that is not stated.

    An earlier line uses up part of the ceiling, so months are settled in their order.
    """
    found = unit.session.execute(
        OPEN_EARLIER, {"payers": UuidArray.of(payer_ids), "month": month}
    ).first()
    if found is not None:
        raise EarlierPeriodOpen(
            earlier=show_month(found.month), payer=found.code, period=show_month(month)
        )


def seal_periods(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> int:
    """Seal what is still open: wait for running ingest, fix the sequence, let ingest go on.

    Returns how many periods were sealed now. What comes later is late (R37), and so is what comes
    for an earlier month in which nothing was used: months are settled in their order.
    """
    unit.actor.require("period.seal", Role.OPERATOR, Role.BUREAU_FINANCE)
    check_over(unit, month)
    lock_usage_alone(unit)
    unit.session.execute(
        text(
            "INSERT INTO period (payer_id, month, state) "
            "SELECT payer_id, :month, 'open' FROM unnest(CAST(:payers AS uuid[])) AS p(payer_id) "
            "ON CONFLICT DO NOTHING"
        ),
        {"payers": UuidArray.of(payer_ids), "month": month},
    )
    # Before its first use a sequence says 1, which then is the first event's number, too.
    sequence = unit.session.scalar(
        text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usage_sequence")
    )
    unit.session.execute(
        CLOSE_EMPTY_EARLIER,
        {
            "payers": UuidArray.of(payer_ids),
            "month": month,
            "sequence": sequence,
            "now": unit.clock.now(),
        },
    )
    sealed = unit.session.execute(
        update(Period)
        .where(Period.month == month, among(Period.payer_id, payer_ids), Period.state == "open")
        .values(state="sealing", sealed_at=unit.clock.now(), sealed_sequence=sequence)
        .returning(Period.payer_id)
        .execution_options(synchronize_session=False)
    )
    return len(sealed.all())


def compute_fingerprints(unit: Unit, scope: Scope) -> dict[UUID, Fingerprint]:
    """Return the fingerprints of a scope's payers from their events, in one scan of the month.

    Payers without an event are left out.
    """
    start, end = month_bounds(scope.month)
    with set_wise(unit.session):
        rows = unit.session.execute(
            FINGERPRINTS,
            {
                "payers": UuidArray.of(scope.payer_ids),
                "through": scope.through,
                "start": start,
                "end": end,
            },
        ).all()
    return {
        payer_id: Fingerprint(events, uses, int(fingerprint))
        for payer_id, events, uses, fingerprint in rows
    }


def keep_rules(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> None:
    """Keep with freshly sealed periods what the rules on billable use rest on: sealing → sealed."""
    fresh = periods_in(unit, month, payer_ids=payer_ids, states=["sealing"])
    for scope in sealed_scopes(unit, month, payer_ids=fresh):
        seal_exclusions(unit, month, payer_ids=scope.payer_ids, through=scope.through)
        unit.session.execute(
            update(Period)
            .where(Period.month == month, among(Period.payer_id, scope.payer_ids))
            .values(state="sealed")
            .execution_options(synchronize_session=False)
        )


def periods_in(
    unit: Unit, month: date, *, payer_ids: Sequence[UUID], states: Sequence[str]
) -> list[UUID]:
    """Lock the payers' periods that are in one of these states; return the payers, in id order."""
    return list(
        unit.session.scalars(
            select(Period.payer_id)
            .where(
                Period.month == month, among(Period.payer_id, payer_ids), Period.state.in_(states)
            )
            .order_by(Period.payer_id)
            .with_for_update()
        )
    )


def stated_periods(unit: Unit) -> dict[Month, list[UUID]]:
    """Return the payers whose statements are not wholly posted, by month."""
    return _by_month(unit, Period.state == "stated")


def unfinished_payers(unit: Unit, month: Month, *, first: UUID, last: UUID) -> list[UUID]:
    """Return the payers in a range of ids whose sealed month is not wholly posted, in id order."""
    return list(
        unit.session.scalars(
            select(Period.payer_id)
            .where(
                Period.month == month,
                Period.payer_id.between(first, last),
                Period.state.in_(("sealing", "sealed", "stated")),
            )
            .order_by(Period.payer_id)
        )
    )


def payers_in_closing(unit: Unit, month: Month, payer_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these payers whose month is sealed, but not stated yet."""
    return list(
        unit.session.scalars(
            select(Period.payer_id).where(
                Period.month == month,
                among(Period.payer_id, payer_ids),
                Period.state.in_(("sealing", "sealed")),
            )
        )
    )


def unsealed(unit: Unit, month: Month, payer_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these payers whose month is not sealed yet."""
    sealed = set(
        unit.session.scalars(
            select(Period.payer_id).where(
                Period.month == month, among(Period.payer_id, payer_ids), Period.state != "open"
            )
        )
    )
    return [payer_id for payer_id in payer_ids if payer_id not in sealed]


def stuck_periods(unit: Unit, *, sealed_before: datetime) -> dict[Month, list[UUID]]:
    """Return the payers whose months were sealed by then and are not stated yet, by month."""
    return _by_month(
        unit, Period.state.in_(("sealing", "sealed")), Period.sealed_at <= sealed_before
    )


def _by_month(unit: Unit, *where: ColumnElement[bool]) -> dict[Month, list[UUID]]:
    found: dict[Month, list[UUID]] = {}
    rows = unit.session.execute(
        select(Period.month, Period.payer_id).where(*where).order_by(Period.month, Period.payer_id)
    )
    for month, payer_id in rows:
        found.setdefault(Month(month), []).append(payer_id)
    return found


def shards_of(payers: Sequence[UUID]) -> list[Sequence[UUID]]:
    """Return the payers in ranges of their ids, as few as may be."""
    return [payers[start : start + SHARD] for start in range(0, len(payers), SHARD)]
