"""Retention as people look at it: what is held of which month, until when, what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kernel.unit import Unit
from settlement.queries.statements import visible_payers

# Every posted line with retention: what is held of it now, when it is due, what became of it.
RETAINED = """
WITH retained AS (
SELECT s.id, s.payer_id, s.vendor_id, s.agreement_id, s.of_month,
    t.number AS statement, a.number AS agreement,
    'post:' || t.number || ':' || a.number || ':' || s.kind || ':'
        || to_char(s.of_month, 'YYYY-MM') AS key,
    s.retention_fen - COALESCE(c.retention_fen, 0) AS retained_fen,
    (s.of_month + make_interval(months =>
        1 + COALESCE((a.terms->>'retention_months')::int, :months)))::date AS due_on,
    r.line_id IS NOT NULL AS settled, COALESCE(r.released_fen, 0) AS released_fen,
    COALESCE(r.forfeited_fen, 0) AS forfeited_fen,
    EXISTS (SELECT FROM dispute d JOIN statement_line o ON o.id = d.line_id
            WHERE d.outcome IS NULL AND o.agreement_id = s.agreement_id
                AND o.of_month = s.of_month) AS disputed,
    EXISTS (SELECT FROM retention_release f JOIN statement_line o ON o.id = f.line_id
            WHERE f.forfeited_fen <> 0 AND o.agreement_id = s.agreement_id
                AND o.of_month = s.of_month) AS follows_forfeit
FROM statement_line s JOIN statement t ON t.id = s.statement_id
JOIN agreement a ON a.id = s.agreement_id
LEFT JOIN credit_note c ON c.line_id = s.id
LEFT JOIN retention_release r ON r.line_id = s.id
WHERE s.state = 'posted' AND s.retention_fen <> 0
)
"""

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
