"""What payers paid that settles no statement: released retention, and what banks took back.

Beside what is overdue: what a statement bills but its retention is due by its day (R62).
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.unit import Unit
from settlement.queries.recoveries import RECOVERED

# Of an agreement's month of which retention was released, what its vendor was paid beyond its own
# share is the retention; what payers' banks took back of collections and did not give again; and
# what was paid of lost disputes beyond these.
BESIDES: Final = text(
    f"""
WITH earned AS (
    SELECT s.payer_id, s.vendor_id, s.agreement_id, s.of_month,
        sum(s.vendor_fen - COALESCE(c.vendor_fen, 0) + CASE
            WHEN a.terms ->> 'author_school_id' IS NULL
            THEN s.school_fen - COALESCE(c.school_fen, 0) ELSE 0 END) AS own_fen,
        sum(COALESCE(r.released_fen, 0)) AS released_fen
    FROM statement_line s JOIN agreement a ON a.id = s.agreement_id
    LEFT JOIN credit_note c ON c.line_id = s.id
    LEFT JOIN retention_release r ON r.line_id = s.id
    WHERE s.payer_id = ANY(:payers) AND s.state = 'posted'
    GROUP BY s.payer_id, s.vendor_id, s.agreement_id, s.of_month
    HAVING sum(COALESCE(r.released_fen, 0)) > 0
), settled AS (
    SELECT p.payer_id, p.payee_id, i.agreement_id, i.of_month,
        sum(CASE WHEN c.id IS NULL THEN LEAST(i.amount_fen, p.paid_fen)
            WHEN p.kind IN ('reversal', 'undone') THEN -i.amount_fen
            ELSE i.amount_fen END) AS fen
    FROM payment p JOIN payment_part i ON i.payment_id = p.id
    LEFT JOIN payment c ON c.run_id = p.run_id AND c.payer_id = p.payer_id
        AND c.kind IN ('collection', 'refund') AND c.state <> 'withdrawn'
    WHERE p.payer_id = ANY(:payers) AND p.state <> 'withdrawn'
        AND (c.id IS NULL OR c.state = 'paid')
    GROUP BY p.payer_id, p.payee_id, i.agreement_id, i.of_month
), besides AS (
    SELECT e.payer_id, GREATEST(0, LEAST(e.released_fen, s.fen - e.own_fen)) AS fen
    FROM earned e JOIN settled s ON s.payer_id = e.payer_id AND s.payee_id = e.vendor_id
        AND s.agreement_id = e.agreement_id AND s.of_month = e.of_month
    UNION ALL
    SELECT a.owner_id, CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END
    FROM account g JOIN leg h ON h.account_id = g.id
    JOIN transfer t ON t.id = h.transfer_id AND t.key LIKE 'taken-back%'
    JOIN leg l ON l.transfer_id = t.id
    JOIN account a ON a.id = l.account_id AND a.kind = 'clearing'
    WHERE g.kind = 'gateway' AND a.owner_id = ANY(:payers)
    UNION ALL
    SELECT payer_id, came_fen - lost_fen FROM ({RECOVERED}) recovered
    WHERE came_fen > lost_fen AND payer_id = ANY(:payers)
)
SELECT payer_id, sum(fen) AS fen FROM besides GROUP BY payer_id
"""  # noqa: S608 - of constants alone
)


def paid_besides(unit: Unit, payer_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return what of each payer's payments settles none of its statements, in fen."""
    rows = unit.session.execute(BESIDES, {"payers": UuidArray.of(list(payer_ids))})
    return {row.payer_id: int(row.fen) for row in rows}
