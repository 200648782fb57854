"""Checks of budgets: what was approved, what stands on lines, and what lapsed, against its rows."""

from collections.abc import Iterator

from sqlalchemy import text

from kernel.money import yuan
from kernel.unit import Unit

# Per budget: approved = unallocated + allocated + treasury, approved = what its documents say, and
# treasury = what lapsed of lines by transfers that moved it.
BUDGETS_THAT_DIFFER = text(
    """
WITH legs AS (
    SELECT a.owner_id, a.kind,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM account a JOIN leg l ON l.account_id = a.id
    WHERE a.kind IN ('approved', 'unallocated', 'allocated', 'treasury')
    GROUP BY a.owner_id, a.kind
), held AS (
    SELECT owner_id, -COALESCE(sum(fen) FILTER (WHERE kind = 'approved'), 0) AS approved,
        COALESCE(sum(fen) FILTER (WHERE kind <> 'approved'), 0) AS kept
    FROM legs GROUP BY owner_id
), documents AS (
    SELECT budget_id, sum(amount_fen) AS fen FROM budget_entry GROUP BY budget_id
)
SELECT o.code || ' ' || b.fiscal_year || ' ' || b.source AS budget,
    COALESCE(h.approved, 0) AS approved, COALESCE(h.kept, 0) AS kept,
    COALESCE(d.fen, 0) AS documents
FROM budget b JOIN organisation o ON o.id = b.bureau_id
LEFT JOIN held h ON h.owner_id = b.id LEFT JOIN documents d ON d.budget_id = b.id
WHERE COALESCE(h.approved, 0) <> COALESCE(h.kept, 0)
   OR COALESCE(h.approved, 0) <> COALESCE(d.fen, 0)
ORDER BY budget
"""
)

# Each transfer moves as much on lines (appropriation) as on budgets (allocated), where it moves on
# budgets at all; and a line's ends say what its transfers let lapse.
ISSUES_THAT_DIFFER = text(
    """
WITH moved AS (
    SELECT l.transfer_id,
        sum(CASE l.side WHEN 'D' THEN -l.amount_fen ELSE l.amount_fen END)
            FILTER (WHERE a.kind = 'appropriation') AS on_lines,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
            FILTER (WHERE a.kind = 'allocated') AS on_budgets
    FROM leg l JOIN account a ON a.id = l.account_id
    WHERE a.kind IN ('appropriation', 'allocated') GROUP BY l.transfer_id
)
SELECT t.key, COALESCE(m.on_lines, 0) AS on_lines, m.on_budgets
FROM moved m JOIN transfer t ON t.id = m.transfer_id
WHERE m.on_budgets IS NOT NULL AND COALESCE(m.on_lines, 0) <> m.on_budgets
    AND NOT (t.key LIKE 'lapse:%' AND m.on_lines <= m.on_budgets)
ORDER BY t.key
"""
)

ENDS_THAT_DIFFER = text(
    """
WITH said AS (
    SELECT line_id, sum(lapsed_fen) AS lapsed, sum(freed_fen) AS freed
    FROM line_end GROUP BY line_id
), freed AS (
    SELECT e.line_id, sum(c.amount_fen) AS fen
    FROM freed_commitment c JOIN line_end e ON e.id = c.end_id GROUP BY e.line_id
), moved AS (
    SELECT a.owner_id,
        COALESCE(sum(l.amount_fen) FILTER (
            WHERE t.key LIKE 'lapse:%' AND a.kind = 'appropriation'), 0) AS lapsed,
        COALESCE(sum(l.amount_fen) FILTER (
            WHERE t.key LIKE 'free:%' AND a.kind = 'committed'), 0) AS freed
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'lapse:%' OR t.key LIKE 'free:%' GROUP BY a.owner_id
)
SELECT o.code || ' ' || f.fiscal_year || ' ' || f.source AS line,
    COALESCE(s.lapsed, 0) AS lapsed, COALESCE(m.lapsed, 0) AS lapsed_in_books,
    COALESCE(s.freed, 0) AS freed, COALESCE(m.freed, 0) AS freed_in_books
FROM funding_line f JOIN organisation o ON o.id = f.payer_id
LEFT JOIN said s ON s.line_id = f.id LEFT JOIN freed r ON r.line_id = f.id
LEFT JOIN moved m ON m.owner_id = f.id
WHERE COALESCE(s.lapsed, 0) <> COALESCE(m.lapsed, 0)
   OR COALESCE(s.freed, 0) <> COALESCE(m.freed, 0)
   OR COALESCE(s.freed, 0) <> COALESCE(r.fen, 0)
ORDER BY line
"""
)


def check_bureau_budgets(unit: Unit) -> Iterator[str]:
    """Compare budgets with their documents, issues with both sides, ends with their transfers."""
    for row in unit.session.execute(BUDGETS_THAT_DIFFER):
        yield (
            f"budget {row.budget}: approved {yuan(int(row.approved))}, its accounts hold "
            f"{yuan(int(row.kept))}, its documents say {yuan(int(row.documents))}"
        )
    for row in unit.session.execute(ISSUES_THAT_DIFFER):
        yield (
            f"{row.key}: {yuan(int(row.on_lines))} on lines, "
            f"{yuan(int(row.on_budgets))} out of budgets"
        )
    for row in unit.session.execute(ENDS_THAT_DIFFER):
        yield (
            f"funding line {row.line}: {yuan(int(row.lapsed))} said to have lapsed, "
            f"{yuan(int(row.lapsed_in_books))} in the books; {yuan(int(row.freed))} said to be "
            f"freed, {yuan(int(row.freed_in_books))} in the books"
        )
