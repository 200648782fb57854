"""Counting: from sealed events to countable uses, by COUNTER 5.1's rule, in one set-wise query.

Rule `counter-5.1-30s/1` (R27): the same learner and the same resource within 30 seconds is one use;
the later event counts, the window slides from event to event, and chains are cut at the month's
start because each month is counted by itself. Rows that are counts already skip the rule. A use
from the day on which the learner left, or outside the enrolment, is counted but not billable (R30).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from kernel.clock import Month, month_bounds
from kernel.db import set_wise
from kernel.unit import Unit
from settlement.metering.models import TRUST_ATTESTED_COUNTED, TRUST_PLAYER

RULE = "counter-5.1-30s/1"
WINDOW_S = 30
COUNTED, REPEAT, OUTSIDE = "counted", "repeat", "outside"
"""What becomes of an event: it counts, another follows within 30 s, or it is not billable."""

# The judgement of each event, shared by the count and by the page that lists a line's uses.
_JUDGED = """
WITH judged AS NOT MATERIALIZED (
    SELECT u.*,
        u.trust = :counted OR COALESCE(
            lead(u.occurred_at) OVER (
                PARTITION BY u.learner_id, u.resource_id, u.payer_id, u.trust = :counted
                ORDER BY u.occurred_at, u.trust, u.event_id, u.source_id
            ) - u.occurred_at > make_interval(secs => :window), true) AS counts,
        COALESCE(NOT o.days @> (u.occurred_at AT TIME ZONE 'Asia/Shanghai')::date, false)
            AS is_outside
    FROM usage_event u
    JOIN period p ON p.payer_id = u.payer_id AND p.month = :month AND p.payer_id = ANY(:payers)
    LEFT JOIN sealed_enrolment o ON o.payer_id = u.payer_id AND o.month = :month
        AND o.learner_id = u.learner_id AND o.school_id = u.school_id
    WHERE u.occurred_at >= :start AND u.occurred_at < :end
      AND u.sequence <= p.sealed_sequence
), named AS (
    SELECT judged.*, CASE WHEN NOT counts THEN 'repeat' WHEN is_outside THEN 'outside'
        ELSE 'counted' END AS judgement
    FROM judged
)
"""

COUNT = text(
    _JUDGED
    + """
SELECT payer_id, agreement_id, school_id, count(*) AS events,
    COALESCE(sum(quantity) FILTER (WHERE counts AND NOT is_outside), 0)::bigint AS uses,
    count(*) FILTER (WHERE NOT counts) AS repeats,
    count(*) FILTER (WHERE counts AND is_outside) AS outside_events,
    COALESCE(sum(quantity) FILTER (WHERE counts AND is_outside), 0)::bigint AS outside_uses,
    COALESCE(sum(quantity) FILTER (
        WHERE counts AND NOT is_outside AND trust <> :player), 0)::bigint AS attested_uses
FROM judged GROUP BY payer_id, agreement_id, school_id
ORDER BY payer_id, agreement_id, school_id
"""
)

USES = text(
    _JUDGED
    + """
SELECT occurred_at, sequence, event_id, source_id, batch_id, received_at, learner_id, school_id,
    session_id, quantity, trust, judgement
FROM named WHERE agreement_id = :agreement
    AND (CAST(:judgement AS text) IS NULL OR judgement = :judgement)
    AND (CAST(:sequence AS bigint) IS NULL OR sequence = :sequence)
ORDER BY occurred_at, sequence LIMIT :limit OFFSET :offset
"""
)


@dataclass(frozen=True, slots=True)
class SchoolCount:
    """What one school used under an agreement in a month.

    `events` received = those that counted + `repeats` (within 30 s); of what counted, `uses` are
    billable (in uses), `outside_events` and `outside_uses` lie outside the enrolment.
    """

    payer_id: UUID
    agreement_id: UUID
    school_id: UUID
    events: int
    uses: int
    repeats: int
    outside_events: int
    outside_uses: int
    attested_uses: int


def judging_parameters(month: Month) -> dict[str, object]:
    """Return what the judgement of a month's events needs, but for the payers."""
    start, end = month_bounds(month)
    return {
        "month": month,
        "start": start,
        "end": end,
        "window": WINDOW_S,
        "counted": TRUST_ATTESTED_COUNTED,
    }


def count_uses(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> Iterator[SchoolCount]:
    """Yield the counts of these payers' sealed month, ordered by payer, agreement and school.

    One scan of the month and one sort, in parallel where the server allows it (a cursor would
    forbid that); what comes back is a row per agreement and school.
    """
    with set_wise(unit.session):
        rows = unit.session.execute(
            COUNT, {"payers": list(payer_ids), "player": TRUST_PLAYER, **judging_parameters(month)}
        ).all()
    for row in rows:
        yield SchoolCount(*row)
