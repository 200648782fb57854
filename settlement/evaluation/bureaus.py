"""How bureaus serve: how soon they decide, how it holds, and whether their payers pay (R65, R10).

A bureau answers for what it let in, for the disputes of payers at or below its region to which no
other bureau is nearer, and for these payers' statements. Bureaus are in the order of their regions,
not ranked: they differ in what they have to decide.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from catalog.blind_audit import JUDGED_WITHIN_DAYS
from kernel.unit import Unit
from settlement.evaluation.spans import Span

# A first review waits since the vendor submitted (a file's versions: since they came in), a further
# one since it was claimed. Payers fall to the nearest bureau; a bureau's own disputes to the one
# above it, if there is any. What a payer paid counts for its oldest statement first.
BUREAUS: Final = text(
    """
WITH review AS (
    SELECT m.bureau_id, extract(epoch FROM m.decided_at - CASE WHEN m.round > 1 THEN m.claimed_at
        ELSE COALESCE(s.submitted_at, v.created_at) END) AS seconds
    FROM admission m JOIN version v ON v.id = m.version_id
    LEFT JOIN submission s ON s.version_id = v.id
    WHERE m.state IN ('admitted', 'refused', 'returned')
        AND m.decided_at >= :start AND m.decided_at < :end
), reviews AS (
    SELECT bureau_id, count(*) AS decided,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_s,
        count(*) FILTER (WHERE seconds <= :admit_days * 86400) AS in_time
    FROM review GROUP BY bureau_id
), appeals AS (
    SELECT COALESCE(m.bureau_id, t.bureau_id) AS bureau_id, count(*) AS decided,
        count(*) FILTER (WHERE p.outcome = 'upheld') AS upheld
    FROM admission_appeal p
    LEFT JOIN admission m ON p.kind = 'refusal' AND m.id = p.against
    LEFT JOIN takedown t ON p.kind = 'takedown' AND t.id = p.against
    WHERE p.decided_at >= :start AND p.decided_at < :end
    GROUP BY COALESCE(m.bureau_id, t.bureau_id)
), takedowns AS (
    SELECT m.bureau_id, count(DISTINCT t.id) AS takedowns
    FROM takedown t CROSS JOIN LATERAL jsonb_array_elements_text(t.versions) AS taken(version_id)
    JOIN admission m ON m.version_id = CAST(taken.version_id AS uuid) AND m.state = 'admitted'
    WHERE t.taken_at >= :start AND t.taken_at < :end
    GROUP BY m.bureau_id
), audits AS (
    SELECT one.bureau_id, count(*) AS due, count(*) FILTER (WHERE one.judged_at < :end
        AND CAST(one.judged_at AT TIME ZONE 'Asia/Shanghai' AS date) <= one.judge_by) AS in_time
    FROM (
        SELECT bureau_id, judged_at, CAST(:audit_days AS integer)
            + CAST(drawn_at AT TIME ZONE 'Asia/Shanghai' AS date) AS judge_by
        FROM blind_sample WHERE drawn_at < :as_of
    ) one
    WHERE (one.judged_at >= :start AND one.judged_at < :end)
        OR ((one.judged_at IS NULL OR one.judged_at >= :end) AND one.judge_by < :today
            AND one.judge_by BETWEEN :first AND :last_day)
    GROUP BY one.bureau_id
), nearest AS (
    SELECT DISTINCT ON (p.id) p.id AS payer_id, b.id AS bureau_id
    FROM organisation p JOIN region_closure c ON c.region_code = p.region_code
    JOIN organisation b ON b.kind = 'bureau' AND b.region_code = c.ancestor_code
    WHERE p.kind IN ('school', 'bureau') AND EXISTS (SELECT FROM statement WHERE payer_id = p.id)
    ORDER BY p.id, b.id = p.id, c.distance, b.id
), disputes AS (
    SELECT n.bureau_id, count(*) AS due,
        count(*) FILTER (WHERE d.decided_at < :end
            AND CAST(d.decided_at AT TIME ZONE 'Asia/Shanghai' AS date) <= d.decide_by) AS in_time
    FROM dispute d JOIN nearest n ON n.payer_id = d.payer_id
    WHERE d.opened_by <> 'system' AND d.opened_at < :as_of
        AND ((d.decided_at >= :start AND d.decided_at < :end)
            OR ((d.decided_at IS NULL OR d.decided_at >= :end) AND d.decide_by < :today
                AND d.decide_by BETWEEN :first AND :last_day))
    GROUP BY n.bureau_id
), owed AS (
    SELECT t.id, t.payer_id, t.month, t.confirm_by + CAST(:due_days AS integer) AS due_on,
        GREATEST(0, sum(l.drawn_fen - l.retention_fen)
            - COALESCE(sum(c.drawn_fen - c.retention_fen), 0)) AS fen
    FROM statement t JOIN statement_line l ON l.statement_id = t.id
    LEFT JOIN credit_note c ON c.line_id = l.id AND c.issued_at < :as_of
    WHERE t.stated_at < :as_of AND l.state = 'posted' AND l.confirmed_at < :as_of
    GROUP BY t.id
), paid AS (
    SELECT a.owner_id AS payer_id,
        sum(CASE l.side WHEN 'C' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM account a JOIN leg l ON l.account_id = a.id JOIN transfer t ON t.id = l.transfer_id
    WHERE a.kind = 'clearing' AND t.at < :as_of
        AND (t.key LIKE 'paid:%' OR t.key LIKE 'returned:%' OR t.key LIKE 'taken-back%')
    GROUP BY a.owner_id
), running AS (
    SELECT payer_id, due_on, fen,
        sum(fen) OVER (PARTITION BY payer_id ORDER BY month, id) AS up_to FROM owed
), statements AS (
    SELECT n.bureau_id, count(*) AS due,
        count(*) FILTER (WHERE r.due_on < :today AND r.up_to > COALESCE(p.fen, 0)) AS overdue
    FROM running r JOIN nearest n ON n.payer_id = r.payer_id
    LEFT JOIN paid p ON p.payer_id = r.payer_id
    WHERE r.fen > 0 AND r.due_on BETWEEN :first AND :last_day
    GROUP BY n.bureau_id
)
SELECT b.code, b.name, COALESCE(v.decided, 0) AS decided,
    round(CAST(v.median_s / 86400 AS numeric), 1) AS median_days, COALESCE(v.in_time, 0) AS in_time,
    COALESCE(a.decided, 0) AS appeals, COALESCE(a.upheld, 0) AS upheld,
    COALESCE(t.takedowns, 0) AS takedowns, COALESCE(x.due, 0) AS audits,
    COALESCE(x.in_time, 0) AS audits_in_time, COALESCE(d.due, 0) AS disputes,
    COALESCE(d.in_time, 0) AS disputes_in_time, COALESCE(s.due, 0) AS statements,
    COALESCE(s.overdue, 0) AS overdue
FROM organisation b LEFT JOIN reviews v ON v.bureau_id = b.id
LEFT JOIN appeals a ON a.bureau_id = b.id LEFT JOIN takedowns t ON t.bureau_id = b.id
LEFT JOIN audits x ON x.bureau_id = b.id
LEFT JOIN disputes d ON d.bureau_id = b.id LEFT JOIN statements s ON s.bureau_id = b.id
WHERE b.kind = 'bureau' ORDER BY b.code
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BureauService:
    """One bureau's service in a span: each count with what it is of.

    `in_time`: of `decided` admissions within the promised days; `upheld`: of `appeals` against it;
    `audits_in_time`: of `audits`, drawn blind, that were judged in the span or whose last day to be
    judged passed in it; `disputes_in_time`: likewise of `disputes`, that were decided; `overdue`:
    of `statements` of its payers that were due in the span and are not paid whole, by what the
    books held at its end: what came back later changes nothing of it.
    """

    code: str
    name: str
    decided: int
    median_days: Decimal | None
    in_time: int
    appeals: int
    upheld: int
    takedowns: int
    audits: int
    audits_in_time: int
    disputes: int
    disputes_in_time: int
    statements: int
    overdue: int


def bureau_services(unit: Unit, span: Span) -> list[BureauService]:
    """Return every bureau's service in a span."""
    facts = span.facts(unit) | {"audit_days": JUDGED_WITHIN_DAYS}
    rows = unit.session.execute(BUREAUS, facts)
    return [BureauService(**row._mapping) for row in rows]
