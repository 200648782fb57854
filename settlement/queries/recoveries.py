"""Recoveries: what payers owe the platform since their banks took collections back for good (R62).

A dispute that was lost is the payer's debt alone: its payees were paid and have no part in it, and
its lines have paid. The next run through the gateway collects it again, for the platform. What was
collected of it too much, as when a dispute is won after all, or a declined collection is paid late,
the next run that takes back gives back.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, String, Uuid, column, func, select, text

from kernel.arrays import UuidArray
from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.models import StatementLine
from settlement.queries.statements import visible_payers

# By payer, in fen: what was taken back of disputes that the gateway said were lost; what runs ask
# for of it, and what came of that, each less what goes back to the payer.
RECOVERED: Final = """
WITH lost AS (
    SELECT DISTINCT t.id FROM gateway_event e
    JOIN transfer t ON t.key = 'taken-back:' || (e.body ->> 'id')
    WHERE e.kind = 'charge.dispute.closed' AND e.state = 'applied' AND e.body ->> 'status' = 'lost'
        AND NOT EXISTS (
            SELECT FROM transfer w WHERE w.key = 'taken-back-won:' || (e.body ->> 'id'))
), moved AS (
    SELECT a.owner_id AS payer_id, l.amount_fen AS lost_fen, 0 AS asked_fen, 0 AS came_fen
    FROM lost JOIN leg l ON l.transfer_id = lost.id AND l.side = 'D'
    JOIN account a ON a.id = l.account_id AND a.kind = 'clearing'
    UNION ALL
    SELECT payer_id, 0, amount_fen, paid_fen FROM payment
    WHERE kind = 'recovery' AND state NOT IN ('failed', 'returned', 'withdrawn')
    UNION ALL
    SELECT payer_id, 0, -amount_fen, -amount_fen FROM payment
    WHERE kind = 'recovery_return' AND state <> 'withdrawn'
)
SELECT payer_id, sum(lost_fen) AS lost_fen, sum(asked_fen) AS asked_fen, sum(came_fen) AS came_fen
FROM moved GROUP BY payer_id
"""
RECOVERIES: Final = text(RECOVERED).columns(
    column("payer_id", Uuid),
    column("lost_fen", BigInteger),
    column("asked_fen", BigInteger),
    column("came_fen", BigInteger),
)

# Collections that payers' banks took back and did not give again: nothing can be refunded of them.
BACK: Final = """
SELECT e.body ->> 'payment_intent' AS gateway_id FROM gateway_event e
JOIN transfer t ON t.key = 'taken-back:' || (e.body ->> 'id')
WHERE e.kind = 'charge.dispute.created'
    AND NOT EXISTS (SELECT FROM transfer w WHERE w.key = 'taken-back-won:' || (e.body ->> 'id'))
"""
TAKEN_BACK: Final = text(BACK).columns(column("gateway_id", String))


# What can be refunded to each payer of its collections: what none took back, or is to take back.
REFUNDABLE: Final = text(
    f"""
WITH taken AS ({BACK})
SELECT payer_id, sum(fen) AS fen FROM (
    SELECT payer_id, amount_fen AS fen FROM payment p
    WHERE kind = 'collection' AND state = 'paid' AND payer_id = ANY(:payers)
        AND NOT EXISTS (SELECT FROM taken WHERE taken.gateway_id = p.gateway_id)
    UNION ALL
    SELECT p.payer_id, -COALESCE(g.amount_fen, p.amount_fen) FROM payment p
    LEFT JOIN payment_target g ON g.payment_id = p.id
    WHERE p.kind = 'refund' AND p.state <> 'withdrawn' AND p.payer_id = ANY(:payers)
        AND NOT EXISTS (SELECT FROM taken WHERE taken.gateway_id = g.gateway_id)
) moved GROUP BY payer_id
"""  # noqa: S608 - of constants alone
)


class PlannedPayer(NamedTuple):
    """Whose posted lines a run looks at; what it owes the platform besides, or paid too much."""

    id: UUID
    name: str
    debt_fen: int
    over_fen: int


def planned_payers(unit: Unit) -> list[PlannedPayer]:
    """Return the actor's payers with posted or disputed lines, their debts and what goes back."""
    found = RECOVERIES.subquery()
    debt = func.greatest(found.c.lost_fen - found.c.asked_fen, 0)
    over = func.greatest(found.c.came_fen - found.c.lost_fen, 0)
    rows = unit.session.execute(
        select(Organisation.id, Organisation.name, debt, over)
        .outerjoin(found, found.c.payer_id == Organisation.id)
        .where(
            Organisation.id.in_(visible_payers(unit)),
            Organisation.id.in_(
                select(StatementLine.payer_id).where(
                    StatementLine.state.in_(("posted", "disputed"))
                )
            ),
        )
        .order_by(Organisation.id)
    )
    return [PlannedPayer(payer_id, name, int(d), int(o)) for payer_id, name, d, o in rows]


def refundable_of(unit: Unit, payer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return what can still be refunded to each payer of what it paid at the gateway, in fen."""
    rows = unit.session.execute(REFUNDABLE, {"payers": UuidArray.of(list(payer_ids))})
    return {row.payer_id: int(row.fen) for row in rows}


class AskedTooMuch(NamedTuple):
    """A payer of whom more is collected than its bank took back for good, in fen."""

    payer_id: UUID
    code: str
    lost_fen: int
    asked_fen: int


def asked_too_much(unit: Unit) -> list[AskedTooMuch]:
    """Return the payers that the actor sees of whom more is collected than was lost."""
    found = RECOVERIES.subquery()
    rows = unit.session.execute(
        select(Organisation.id, Organisation.code, found.c.lost_fen, found.c.asked_fen)
        .join(found, found.c.payer_id == Organisation.id)
        .where(found.c.asked_fen > found.c.lost_fen, Organisation.id.in_(visible_payers(unit)))
        .order_by(Organisation.code)
    )
    return [
        AskedTooMuch(payer_id, code, int(lost), int(asked)) for payer_id, code, lost, asked in rows
    ]
