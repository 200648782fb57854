"""Ended retentions against the books: each once, whole, and where it belongs."""

from collections.abc import Iterator

from sqlalchemy import text

from kernel.money import yuan
from kernel.unit import Unit

# Ended retentions against what their transfers moved: from the vendor's retention to the payable,
# or back to the payer and, as money to spend, to the funding lines.
RETENTIONS_THAT_DIFFER = text(
    """
WITH ended AS (
    SELECT CASE WHEN r.forfeited_fen <> 0 THEN 'forfeit:' ELSE 'release:' END || 'post:'
            || t.number || ':' || a.number || ':' || s.kind || ':'
            || to_char(s.of_month, 'YYYY-MM') AS key,
        r.released_fen, r.forfeited_fen,
        s.retention_fen - COALESCE(c.retention_fen, 0) AS retained_fen
    FROM retention_release r JOIN statement_line s ON s.id = r.line_id
    JOIN statement t ON t.id = s.statement_id JOIN agreement a ON a.id = s.agreement_id
    LEFT JOIN credit_note c ON c.line_id = s.id
), signed AS (
    SELECT t.key, a.kind, CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END AS fen
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'release:%' OR t.key LIKE 'forfeit:%'
), moved AS (
    SELECT key, COALESCE(sum(fen) FILTER (WHERE kind = 'retention'), 0) AS let_go,
        -COALESCE(sum(fen) FILTER (WHERE kind = 'payable'), 0) AS paid,
        -COALESCE(sum(fen) FILTER (WHERE kind = 'clearing'), 0) AS back,
        COALESCE(sum(fen) FILTER (WHERE kind = 'available'), 0) AS available
    FROM signed GROUP BY key
)
SELECT COALESCE(e.key, m.key) AS key, COALESCE(e.retained_fen, 0) AS retained,
    COALESCE(e.released_fen, 0) AS released, COALESCE(e.forfeited_fen, 0) AS forfeited,
    COALESCE(m.let_go, 0) AS moved
FROM ended e FULL JOIN moved m ON m.key = e.key
WHERE COALESCE(e.retained_fen, 0) <> COALESCE(e.released_fen + e.forfeited_fen, 0)
   OR COALESCE(e.retained_fen, 0) <> COALESCE(m.let_go, 0)
   OR COALESCE(e.released_fen, 0) <> COALESCE(m.paid, 0)
   OR COALESCE(e.forfeited_fen, 0) <> COALESCE(m.back, 0)
   OR COALESCE(e.forfeited_fen, 0) <> COALESCE(m.available, 0)
ORDER BY 1
"""
)


def check_retentions(unit: Unit) -> Iterator[str]:
    """Compare what was released or forfeited of each line with its transfer."""
    for row in unit.session.execute(RETENTIONS_THAT_DIFFER):
        yield (
            f"{row.key}: {yuan(int(row.retained))} held back, {yuan(int(row.released))} released, "
            f"{yuan(int(row.forfeited))} forfeited, {yuan(int(row.moved))} moved in the books"
        )
