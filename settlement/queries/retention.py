"""Retention as people look at it: what is held of which month, until when, what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kernel.unit import Unit
from settlement.queries.statements import visible_payers
from settlement.retention import RETAINED

BY_MONTH = text(
    RETAINED
    + """
SELECT of_month, due_on, count(*) AS lines, sum(retained_fen) AS retained_fen,
    COALESCE(sum(retained_fen) FILTER (WHERE NOT settled), 0) AS held_fen,
    COALESCE(sum(retained_fen) FILTER (WHERE NOT settled AND disputed), 0) AS disputed_fen,
    sum(released_fen) AS released_fen, sum(forfeited_fen) AS forfeited_fen
FROM retained
WHERE CASE WHEN CAST(:vendor AS uuid) IS NULL THEN payer_id = ANY(CAST(:payers AS uuid[]))
    ELSE vendor_id = :vendor END
GROUP BY of_month, due_on ORDER BY of_month DESC, due_on
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionRow:
    """What was held back of a month's use and is due on one day, in fen.

    retained = held + released + forfeited; `disputed_fen` is the part of what is held that waits
    for a decision. What credit notes took off is in none of them.
    """

    of_month: date
    due_on: date
    lines: int
    retained_fen: int
    held_fen: int
    disputed_fen: int
    released_fen: int
    forfeited_fen: int

    @property
    def standing(self) -> str:
        """Where it stands: held | disputed | released | forfeited."""
        if self.disputed_fen:
            return "disputed"
        if self.held_fen:
            return "held"
        return "forfeited" if self.forfeited_fen else "released"


def retention_of_vendor(unit: Unit, vendor_id: UUID) -> list[RetentionRow]:
    """Return a vendor's retention by month, newest first; the caller has checked who asks."""
    return _rows(unit, vendor_id=vendor_id, payer_ids=())


def retention_of_payers(unit: Unit) -> list[RetentionRow]:
    """Return the retention on what the actor's payers were billed, by month, newest first."""
    payers = unit.session.scalars(visible_payers(unit)).all()
    return _rows(unit, vendor_id=None, payer_ids=payers)


def _rows(unit: Unit, *, vendor_id: UUID | None, payer_ids: Sequence[UUID]) -> list[RetentionRow]:
    rows = unit.session.execute(
        BY_MONTH,
        {
            "vendor": vendor_id,
            "payers": list(payer_ids),
            "months": unit.settings.retention_months,
        },
    )
    return [
        RetentionRow(
            of_month=row.of_month,
            due_on=row.due_on,
            lines=row.lines,
            retained_fen=int(row.retained_fen),
            held_fen=int(row.held_fen),
            disputed_fen=int(row.disputed_fen),
            released_fen=int(row.released_fen),
            forfeited_fen=int(row.forfeited_fen),
        )
        for row in rows
    ]
