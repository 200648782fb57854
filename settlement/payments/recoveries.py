"""Recoveries: what payers owe the platform since their banks took collections back for good (R62).

A dispute that was lost is the payer's debt alone: its payees were paid and have no part in it, and
its lines have paid. The next run through the gateway collects it again, for the platform.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, column, func, select, text

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.models import StatementLine
from settlement.queries.statements import visible_payers

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
    UNION ALL
    SELECT payer_id, -amount_fen FROM payment
    WHERE kind = 'recovery' AND state NOT IN ('failed', 'returned', 'withdrawn')
)
SELECT payer_id, sum(fen) AS fen FROM owed GROUP BY payer_id HAVING sum(fen) > 0
"""
).columns(column("payer_id", Uuid), column("fen", BigInteger))


class PlannedPayer(NamedTuple):
    """Whose posted lines a run looks at, and what that payer owes the platform besides, in fen."""

    id: UUID
    name: str
    debt_fen: int


def planned_payers(unit: Unit) -> list[PlannedPayer]:
    """Return the actor's payers with posted lines and their debts, by one question."""
    debts = DEBTS.subquery()
    rows = unit.session.execute(
        select(Organisation.id, Organisation.name, func.coalesce(debts.c.fen, 0))
        .outerjoin(debts, debts.c.payer_id == Organisation.id)
        .where(
            Organisation.id.in_(visible_payers(unit)),
            Organisation.id.in_(
                select(StatementLine.payer_id).where(StatementLine.state == "posted")
            ),
        )
        .order_by(Organisation.id)
    )
    return [PlannedPayer(payer_id, name, int(fen)) for payer_id, name, fen in rows]


def open_debts(unit: Unit, payer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return what each payer owes the platform that no run collects, in fen."""
    debts = DEBTS.subquery()
    rows = unit.session.execute(select(debts).where(debts.c.payer_id.in_(payer_ids)))
    return {payer_id: int(fen) for payer_id, fen in rows}
