"""Recoveries: what payers owe the platform since their banks took collections back for good (R62).

A dispute that was lost is the payer's debt alone: its payees were paid and have no part in it, and
its lines have paid. The next run through the gateway collects it again, for the platform.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.unit import Unit

# What was taken back of disputes that the gateway said were lost, less what runs collect of it.
DEBTS: Final = text(
    """
WITH lost AS (
    SELECT DISTINCT t.id FROM gateway_event e
    JOIN transfer t ON t.key = 'taken-back:' || (e.body ->> 'id')
    WHERE e.kind = 'charge.dispute.closed' AND e.state = 'applied' AND e.body ->> 'status' = 'lost'
        AND NOT EXISTS (
            SELECT FROM transfer w WHERE w.key = 'taken-back-won:' || (e.body ->> 'id'))
), owed AS (
    SELECT a.owner_id AS payer_id, l.amount_fen AS fen
    FROM lost JOIN leg l ON l.transfer_id = lost.id AND l.side = 'D'
    JOIN account a ON a.id = l.account_id AND a.kind = 'clearing'
    WHERE a.owner_id = ANY(:payers)
    UNION ALL
    SELECT payer_id, -amount_fen FROM payment
    WHERE payer_id = ANY(:payers) AND kind = 'recovery'
        AND state NOT IN ('failed', 'returned', 'withdrawn')
)
SELECT payer_id, sum(fen) AS fen FROM owed GROUP BY payer_id HAVING sum(fen) > 0 ORDER BY payer_id
"""
)


def open_debts(unit: Unit, payer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return what each payer owes the platform that no run collects, in fen."""
    rows = unit.session.execute(DEBTS, {"payers": UuidArray.of(list(payer_ids))})
    return {row.payer_id: int(row.fen) for row in rows}
