"""What of due process waits for whom: a vendor's own steps by their days, a reviewer's desk (R44).

Decides nothing: a step is due here when the gates of `standing_gates` are met, which the page of
the standing shows one by one. Only whether a further notice after an upheld appeal says more than
the one before is left to that page.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ScalarSelect, bindparam, func, select, text

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.unit import Unit
from settlement.evaluation.models import OutsideFinding
from settlement.ranking.models import Standing, StandingAppeal, StandingEvent, StandingNotice
from settlement.ranking.standing_states import VendorStanding
from settlement.ranking.standings import STEPS

AGAINST: Final = (
    VendorStanding.PROBATION,
    VendorStanding.NO_NEW_SCHOOLS,
    VendorStanding.EXITING,
)
"""Where a step that was signed against a vendor stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnStep:
    """A step that stands against the reader; `mend_by` of a notice, `appeal` its outcome: waiting,
    dismissed, or nothing. Last days count."""

    standing_id: UUID
    cell: str
    state: str
    because: str
    day: date
    appeal_by: date
    mend_by: date | None
    appeal: str
    may_appeal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnWaits:
    """What a vendor's home tells: steps against it, the latest first, and unanswered `findings`."""

    steps: list[OwnStep]
    findings: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskWait:
    """What waits at a standing: `what` is an appeal, a return, or the step that has become due.

    `is_mine` is false where the reader signed a step of it, so that another reviewer decides.
    """

    standing_id: UUID
    vendor_name: str
    cell: str
    what: str
    is_mine: bool


WAITING: Final = text(
    """
WITH open AS MATERIALIZED (
    SELECT s.id, s.vendor_id, s.cell, s.state, a.event_id,
        EXISTS (SELECT FROM standing_return r WHERE r.standing_id = s.id AND r.outcome IS NULL)
            AS returns
    FROM standing s LEFT JOIN standing_appeal a ON a.standing_id = s.id AND a.outcome IS NULL
    WHERE s.state IN ('watch', 'probation', 'no_new_schools') OR a.id IS NOT NULL
        OR (s.state = 'left' AND EXISTS (
            SELECT FROM standing_return r WHERE r.standing_id = s.id AND r.outcome IS NULL))
), looked AS MATERIALIZED (
    SELECT o.id, l.month, l.p_bad, (
            SELECT count(DISTINCT one ->> 'school') FROM jsonb_array_elements(l.fresh) one
        ) AS fresh, c.content #> '{ranking,gates}' AS gates
    FROM open o CROSS JOIN LATERAL (
        SELECT k.month, k.p_bad, k.fresh, r.config_version
        FROM standing_look k JOIN score_run r ON r.id = k.run_id
        WHERE k.standing_id = o.id ORDER BY k.month DESC, r.number DESC LIMIT 1
    ) l JOIN ranking_config c ON c.version = l.config_version
    WHERE o.event_id IS NULL
), due AS (
    SELECT o.id, CASE WHEN o.event_id IS NOT NULL THEN 'appeal' ELSE 'return' END AS what,
        o.event_id
    FROM open o WHERE o.event_id IS NOT NULL OR o.returns
    UNION ALL
    SELECT o.id, 'notice', NULL FROM open o JOIN looked l USING (id)
    WHERE o.state = 'watch' AND l.p_bad >= (l.gates ->> 'probation')::numeric
        AND NOT EXISTS (
            SELECT FROM standing_appeal a JOIN standing_look k ON k.standing_id = o.id
            WHERE a.standing_id = o.id AND a.outcome = 'upheld' AND k.at <= a.decided_at
            AND k.month >= l.month AND NOT EXISTS (
                SELECT FROM standing_event e WHERE e.standing_id = o.id AND e.at > a.decided_at
                AND (e.because = 'return' OR (e.because = 'look' AND e.to_state = 'normal'))))
    UNION ALL
    SELECT o.id, 'suspension', NULL FROM open o JOIN looked l USING (id)
    CROSS JOIN LATERAL (
        SELECT n.mend_by, n.issued_at FROM standing_notice n
        WHERE n.standing_id = o.id ORDER BY n.issued_at DESC LIMIT 1
    ) n
    WHERE o.state = 'probation' AND n.mend_by < :today
        AND l.fresh >= (l.gates ->> 'fresh_schools')::int
        AND (l.gates ->> 'looks')::int = (
            SELECT count(*) FROM (
                SELECT DISTINCT ON (k.month) k.month, k.p_bad
                FROM standing_look k JOIN score_run r ON r.id = k.run_id
                WHERE k.standing_id = o.id AND k.month > l.month
                    - (l.gates ->> 'looks')::int * interval '1 month'
                ORDER BY k.month DESC, r.number DESC
            ) held
            WHERE held.p_bad >= (l.gates ->> 'no_new_schools')::numeric AND held.month > COALESCE((
                SELECT max(k.month) FROM standing_look k
                WHERE k.standing_id = o.id AND k.at <= n.issued_at), '-infinity'::date))
    UNION ALL
    SELECT o.id, 'exit', NULL FROM open o JOIN looked l USING (id)
    CROSS JOIN LATERAL (
        SELECT e.appeal_by, e.at FROM standing_event e
        WHERE e.standing_id = o.id AND e.because = 'suspension' ORDER BY e.number DESC LIMIT 1
    ) e
    WHERE o.state = 'no_new_schools' AND e.appeal_by < :today
        AND l.p_bad >= (l.gates ->> 'no_new_schools')::numeric
        AND l.month > COALESCE((
            SELECT max(k.month) FROM standing_look k
            WHERE k.standing_id = o.id AND k.at <= e.at), '-infinity'::date)
)
SELECT d.id, v.name, s.cell, d.what,
    d.what NOT IN ('appeal', 'return') OR NOT EXISTS (
        SELECT FROM standing_event e WHERE e.standing_id = d.id AND e.signed_by = :person
        AND e.because IN ('notice', 'suspension', 'exit')
        AND (d.event_id IS NULL OR e.number <= appealed.number)
        AND NOT EXISTS (
            SELECT FROM standing_event anew WHERE anew.standing_id = e.standing_id
            AND anew.number > e.number AND anew.to_state IN ('normal', 'newcomer')
            AND (d.event_id IS NULL OR anew.number < appealed.number))) AS is_mine
FROM due d JOIN standing s ON s.id = d.id JOIN organisation v ON v.id = s.vendor_id
LEFT JOIN standing_event appealed ON appealed.id = d.event_id
WHERE answers_for_standing(:person, d.id, :at)
ORDER BY array_position(ARRAY['appeal', 'return', 'exit', 'suspension', 'notice'], d.what),
    v.name, s.cell
"""
)


def desk_waits(unit: Unit) -> list[DeskWait]:
    """Return what waits for the reviewers of a bureau: appeals first, then steps, the worst first.

    One statement. Nothing for who reviews nothing.
    """
    if not unit.actor.may(Role.ADMISSION):
        return []
    now = unit.clock.now()
    rows = unit.session.execute(
        WAITING, {"person": unit.actor.person_id, "at": now, "today": shanghai_day(now)}
    )
    return [
        DeskWait(standing_id=one, vendor_name=name, cell=cell, what=what, is_mine=is_mine)
        for one, name, cell, what, is_mine in rows
    ]


def own_waits(unit: Unit) -> OwnWaits:
    """Return what stands against the acting vendor, and how many findings it has not answered."""
    if unit.actor.organisation_kind is not OrganisationKind.VENDOR:
        return OwnWaits(steps=[], findings=0)
    today = shanghai_day(unit.clock.now())
    rows = unit.session.execute(_own_steps(), {"waiting_vendor": unit.actor.organisation_id}).all()
    findings = unit.session.scalar(
        select(func.count())
        .select_from(OutsideFinding)
        .where(
            OutsideFinding.subject_id == unit.actor.organisation_id,
            OutsideFinding.withdrawn_at.is_(None),
            OutsideFinding.replied_at.is_(None),
        )
    )
    return OwnWaits(
        steps=[
            OwnStep(
                standing_id=standing.id,
                cell=standing.cell,
                state=standing.state,
                because=event.because,
                day=event.day,
                appeal_by=event.appeal_by,
                mend_by=mend_by if standing.state == VendorStanding.PROBATION else None,
                appeal="" if appeal is None else appeal.outcome or "waiting",
                may_appeal=appeal is None and today <= event.appeal_by,
            )
            for standing, event, mend_by, appeal in rows
        ],
        findings=findings or 0,
    )


@cache
def count_contestable() -> ScalarSelect[int]:
    """Return how many steps against a vendor can be appealed today; takes `contestable_values`."""
    steps = _own_steps().where(
        StandingEvent.appeal_by >= bindparam("waiting_today", type_=StandingEvent.appeal_by.type),
        StandingAppeal.id.is_(None),
    )
    counted: ScalarSelect[int] = (
        steps.with_only_columns(func.count()).order_by(None).scalar_subquery()
    )
    return counted


def contestable_values(unit: Unit) -> dict[str, Any]:
    """Return what `count_contestable` takes: who the actor is, and what day it is."""
    return {
        "waiting_vendor": unit.actor.organisation_id,
        "waiting_today": shanghai_day(unit.clock.now()),
    }


@cache
def _own_steps() -> Any:
    """Select a vendor's standings below watch, each with the step that led there."""
    later = select(func.max(StandingEvent.number)).where(StandingEvent.standing_id == Standing.id)
    return (
        select(Standing, StandingEvent, StandingNotice.mend_by, StandingAppeal)
        .join(
            StandingEvent,
            (StandingEvent.standing_id == Standing.id)
            & (StandingEvent.number == later.correlate(Standing).scalar_subquery()),
        )
        .outerjoin(StandingNotice, StandingNotice.id == StandingEvent.notice_id)
        .outerjoin(StandingAppeal, StandingAppeal.event_id == StandingEvent.id)
        .where(
            Standing.vendor_id == bindparam("waiting_vendor", type_=Standing.vendor_id.type),
            Standing.state.in_(AGAINST),
            StandingEvent.because.in_(STEPS),
        )
        .order_by(StandingEvent.at.desc(), Standing.cell)
    )
