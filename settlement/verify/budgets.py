"""Checks of budgets: what was approved, what stands on lines, and what lapsed, against its rows."""

from collections.abc import Iterator

from sqlalchemy import text

from kernel.money import yuan
from kernel.unit import Unit

# Per budget: approved = unallocated + allocated + treasury, and approved = what its documents say.
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

# Each issue moves as much on lines (appropriation) as on budgets (allocated), where it moves on
# budgets at all, and nothing into the treasury.
ISSUES_THAT_DIFFER = text(
    """
WITH moved AS (
    SELECT l.transfer_id,
        sum(CASE l.side WHEN 'D' THEN -l.amount_fen ELSE l.amount_fen END)
            FILTER (WHERE a.kind = 'appropriation') AS on_lines,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
            FILTER (WHERE a.kind = 'allocated') AS on_budgets,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
            FILTER (WHERE a.kind = 'treasury') AS treasury
    FROM leg l JOIN account a ON a.id = l.account_id
    WHERE a.kind IN ('appropriation', 'allocated', 'treasury') GROUP BY l.transfer_id
)
SELECT t.key, COALESCE(m.on_lines, 0) AS on_lines, COALESCE(m.on_budgets, 0) AS on_budgets,
    COALESCE(m.treasury, 0) AS treasury
FROM moved m JOIN transfer t ON t.id = m.transfer_id
WHERE t.key NOT LIKE 'lapse:%'
    AND (m.on_budgets IS NOT NULL AND COALESCE(m.on_lines, 0) <> m.on_budgets
        OR COALESCE(m.treasury, 0) <> 0)
ORDER BY t.key
"""
)

# No budget takes back, or gets back, more of a line than it gave.
GIVEN_BELOW_ZERO = text(
    """
SELECT o.code || ' ' || b.fiscal_year || ' ' || b.source AS budget,
    p.code || ' ' || f.fiscal_year || ' ' || f.source AS line,
    -sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS too_much
FROM (
    SELECT DISTINCT a.owner_id AS line_id, l.transfer_id
    FROM account a JOIN leg l ON l.account_id = a.id WHERE a.kind = 'appropriation'
) touching
JOIN leg l ON l.transfer_id = touching.transfer_id
JOIN account a ON a.id = l.account_id AND a.kind = 'allocated'
JOIN budget b ON b.id = a.owner_id JOIN organisation o ON o.id = b.bureau_id
JOIN funding_line f ON f.id = touching.line_id JOIN organisation p ON p.id = f.payer_id
GROUP BY b.id, f.id, o.code, p.code
HAVING sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) < 0
ORDER BY budget, line
"""
)

# What lapses of a line goes back through the budgets that gave it before, net, the last giver
# first: out of allocated, into the treasury. What no budget gave (on lines that are older than
# budgets) goes back through none. Ids of transfers grow with time.
LAPSES_THAT_DIFFER = text(
    """
WITH lapsed AS (
    SELECT t.id, a.owner_id AS line_id,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'lapse:%' AND a.kind = 'appropriation' GROUP BY t.id, a.owner_id
), before AS (
    SELECT DISTINCT p.id, p.fen, l.transfer_id
    FROM lapsed p JOIN account a ON a.owner_id = p.line_id AND a.kind = 'appropriation'
    JOIN leg l ON l.account_id = a.id AND l.transfer_id < p.id
), given AS (
    SELECT b.id, b.fen, a.owner_id AS budget_id, min(b.transfer_id::text) AS first,
        GREATEST(
            sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END), 0) AS given
    FROM before b JOIN leg l ON l.transfer_id = b.transfer_id
    JOIN account a ON a.id = l.account_id WHERE a.kind = 'allocated'
    GROUP BY b.id, b.fen, a.owner_id
), expected AS (
    SELECT id, budget_id, GREATEST(0, LEAST(given, fen - COALESCE(sum(given) OVER (
        PARTITION BY id ORDER BY first DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0))) AS back
    FROM given
), moved AS (
    SELECT t.id, a.owner_id AS budget_id,
        COALESCE(sum(CASE l.side WHEN 'C' THEN l.amount_fen ELSE -l.amount_fen END)
            FILTER (WHERE a.kind = 'allocated'), 0) AS allocated,
        COALESCE(sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
            FILTER (WHERE a.kind = 'treasury'), 0) AS treasury
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'lapse:%' AND a.kind IN ('allocated', 'treasury') GROUP BY t.id, a.owner_id
)
SELECT t.key, o.code || ' ' || b.fiscal_year || ' ' || b.source AS budget,
    COALESCE(e.back, 0) AS expected, COALESCE(m.allocated, 0) AS allocated,
    COALESCE(m.treasury, 0) AS treasury
FROM expected e FULL JOIN moved m ON m.id = e.id AND m.budget_id = e.budget_id
JOIN transfer t ON t.id = COALESCE(e.id, m.id)
JOIN budget b ON b.id = COALESCE(e.budget_id, m.budget_id)
JOIN organisation o ON o.id = b.bureau_id
WHERE COALESCE(e.back, 0) <> COALESCE(m.allocated, 0)
   OR COALESCE(e.back, 0) <> COALESCE(m.treasury, 0)
ORDER BY t.key, budget
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
    """Compare budgets with their documents, issues and lapses with both sides, ends with theirs."""
    for row in unit.session.execute(BUDGETS_THAT_DIFFER):
        yield (
            f"budget {row.budget}: approved {yuan(int(row.approved))}, its accounts hold "
            f"{yuan(int(row.kept))}, its documents say {yuan(int(row.documents))}"
        )
    for row in unit.session.execute(ISSUES_THAT_DIFFER):
        yield (
            f"{row.key}: {yuan(int(row.on_lines))} on lines, {yuan(int(row.on_budgets))} out of "
            f"budgets, {yuan(int(row.treasury))} into the treasury"
        )
    for row in unit.session.execute(GIVEN_BELOW_ZERO):
        yield (
            f"budget {row.budget}: took back {yuan(int(row.too_much))} more of funding line "
            f"{row.line} than it gave"
        )
    for row in unit.session.execute(LAPSES_THAT_DIFFER):
        yield (
            f"{row.key}: budget {row.budget} should get back {yuan(int(row.expected))} of what it "
            f"gave; {yuan(int(row.allocated))} left its lines, {yuan(int(row.treasury))} went into "
            "its treasury"
        )
    for row in unit.session.execute(ENDS_THAT_DIFFER):
        yield (
            f"funding line {row.line}: {yuan(int(row.lapsed))} said to have lapsed, "
            f"{yuan(int(row.lapsed_in_books))} in the books; {yuan(int(row.freed))} said to be "
            f"freed, {yuan(int(row.freed_in_books))} in the books"
        )
