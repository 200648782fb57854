"""Queries that return what differs, each row a finding; no row is a clean result."""

from sqlalchemy import text

# An account's kept balance against the sum of its legs, and against its minimum.
WRONG_BALANCES = text(
    """
SELECT a.id, a.kind, a.owner_id, a.balance AS stored, COALESCE(s.fen, 0) AS computed,
    COALESCE(o.code || ' ' || f.fiscal_year || ' ' || f.source
            || CASE WHEN f.restriction = '{}' THEN '' ELSE ' ' || f.restriction::text END,
        g.code || ' ' || b.fiscal_year || ' ' || b.source || ' budget',
        w.kind || ' ' || w.code || ' ' || w.name,
        a.owner_id::text) AS owner
FROM account a
LEFT JOIN (
    SELECT account_id, sum(CASE side WHEN 'D' THEN amount_fen ELSE -amount_fen END) AS fen
    FROM leg GROUP BY account_id
) s ON s.account_id = a.id
LEFT JOIN funding_line f ON f.id = a.owner_id
LEFT JOIN organisation o ON o.id = f.payer_id
LEFT JOIN budget b ON b.id = a.owner_id
LEFT JOIN organisation g ON g.id = b.bureau_id
LEFT JOIN organisation w ON w.id = a.owner_id
WHERE (a.minimum IS NOT NULL AND a.balance <> COALESCE(s.fen, 0))
   OR (a.minimum IS NOT NULL AND COALESCE(s.fen, 0) < a.minimum)
   OR (a.minimum IS NULL AND a.balance <> 0)
ORDER BY owner, a.kind
"""
)

UNBALANCED_TRANSFERS = text(
    """
SELECT t.key, a.book, a.unit,
    sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
FROM leg l JOIN account a ON a.id = l.account_id JOIN transfer t ON t.id = l.transfer_id
GROUP BY t.key, a.book, a.unit
HAVING sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) <> 0
ORDER BY t.key
"""
)

# Per line: allocated = available + committed + accrued + paid (from legs, against the kept
# balances), accrued + paid = what posted statement lines drew, less their credit notes, and
# committed = what agreements were promised, less what they drew and what a year's end freed.
BUDGETS_THAT_DIFFER = text(
    """
WITH legs AS (
    SELECT a.owner_id, a.kind,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM account a JOIN leg l ON l.account_id = a.id WHERE a.book = 'budget'
    GROUP BY a.owner_id, a.kind
), kept AS (
    SELECT owner_id, sum(balance) AS fen,
        sum(balance) FILTER (WHERE kind IN ('accrued', 'paid')) AS spent,
        sum(balance) FILTER (WHERE kind = 'committed') AS committed
    FROM account WHERE book = 'budget' AND minimum IS NOT NULL GROUP BY owner_id
), moved AS (
    SELECT d.funding_line_id, d.amount_fen AS fen
    FROM statement_draw d JOIN statement_line s ON s.id = d.line_id WHERE s.state = 'posted'
    UNION ALL
    SELECT d.funding_line_id, -d.amount_fen
    FROM credit_draw d JOIN credit_note c ON c.id = d.credit_note_id
    JOIN statement_line s ON s.id = c.line_id WHERE s.state = 'posted'
), drawn AS (
    SELECT funding_line_id, sum(fen) AS fen FROM moved GROUP BY funding_line_id
), forfeited AS (
    SELECT a.owner_id, sum(CASE l.side WHEN 'C' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'forfeit:%' AND a.kind = 'accrued' GROUP BY a.owner_id
), freed AS (
    SELECT e.line_id, sum(c.amount_fen) AS fen
    FROM freed_commitment c JOIN line_end e ON e.id = c.end_id GROUP BY e.line_id
), promised AS (
    SELECT d.line_id, sum(d.ceiling_fen) - COALESCE(max(r.fen), 0) AS fen
    FROM agreement_draw d LEFT JOIN freed r ON r.line_id = d.line_id GROUP BY d.line_id
)
SELECT o.code || ' ' || f.fiscal_year || ' ' || f.source
        || CASE WHEN f.restriction = '{}' THEN '' ELSE ' ' || f.restriction::text END AS line,
    COALESCE(-g.fen, 0) AS allocated, COALESCE(k.fen, 0) AS held,
    COALESCE(k.spent, 0) AS spent, COALESCE(d.fen, 0) AS drawn,
    COALESCE(k.committed, 0) AS committed, COALESCE(p.fen, 0) - COALESCE(d.fen, 0) AS promised
FROM funding_line f JOIN organisation o ON o.id = f.payer_id
LEFT JOIN legs g ON g.owner_id = f.id AND g.kind = 'appropriation'
LEFT JOIN kept k ON k.owner_id = f.id
LEFT JOIN drawn d ON d.funding_line_id = f.id
LEFT JOIN forfeited b ON b.owner_id = f.id
LEFT JOIN promised p ON p.line_id = f.id
WHERE COALESCE(-g.fen, 0) <> COALESCE(k.fen, 0)
   OR COALESCE(k.spent, 0) <> COALESCE(d.fen, 0) - COALESCE(b.fen, 0)
   OR COALESCE(k.committed, 0) <> COALESCE(p.fen, 0) - COALESCE(d.fen, 0)
ORDER BY line
"""
)

DRAWS_THAT_DIFFER = text(
    """
SELECT t.number AS statement, a.number AS agreement, s.drawn_fen AS stored,
    COALESCE(sum(d.amount_fen), 0) AS computed
FROM statement_line s JOIN statement t ON t.id = s.statement_id
JOIN agreement a ON a.id = s.agreement_id
LEFT JOIN statement_draw d ON d.line_id = s.id
GROUP BY s.id, t.number, a.number, s.drawn_fen
HAVING s.drawn_fen <> COALESCE(sum(d.amount_fen), 0) ORDER BY 1, 2
"""
)

BREAKDOWNS_THAT_DIFFER = text(
    """
SELECT t.number AS statement, a.number AS agreement, s.amount_fen AS stored,
    COALESCE(sum(b.amount_fen), 0) AS computed
FROM statement_line s JOIN statement t ON t.id = s.statement_id
JOIN agreement a ON a.id = s.agreement_id
LEFT JOIN statement_breakdown b ON b.line_id = s.id
GROUP BY s.id, t.number, a.number, s.amount_fen, s.quantity, s.rated_fen
HAVING s.amount_fen <> COALESCE(sum(b.amount_fen), 0)
    OR s.quantity <> COALESCE(sum(b.quantity), 0)
    OR s.rated_fen <> sum(b.rated_fen)
ORDER BY 1, 2
"""
)

# Ceilings: what all statements bill under an agreement, for use of each of its fiscal years (R19),
# and draw from each of its lines, less what credit notes gave back.
CEILINGS_EXCEEDED = text(
    """
SELECT a.number AS agreement, a.ceiling_fen AS ceiling,
    sum(s.amount_fen - COALESCE(c.amount_fen, 0)) AS billed
FROM agreement a JOIN statement_line s ON s.agreement_id = a.id
LEFT JOIN credit_note c ON c.line_id = s.id
GROUP BY a.id HAVING sum(s.amount_fen - COALESCE(c.amount_fen, 0)) > a.ceiling_fen
UNION ALL
SELECT a.number, y.ceiling_fen, sum(s.amount_fen - COALESCE(c.amount_fen, 0))
FROM agreement_year y JOIN agreement a ON a.id = y.agreement_id
JOIN statement_line s ON s.agreement_id = a.id
    AND extract(year FROM s.of_month) = y.fiscal_year
LEFT JOIN credit_note c ON c.line_id = s.id
GROUP BY a.id, y.fiscal_year, y.ceiling_fen
HAVING sum(s.amount_fen - COALESCE(c.amount_fen, 0)) > y.ceiling_fen
UNION ALL
SELECT a.number, w.ceiling_fen, sum(d.amount_fen - COALESCE(k.amount_fen, 0))
FROM agreement_draw w JOIN agreement a ON a.id = w.agreement_id
JOIN statement_line s ON s.agreement_id = a.id
JOIN statement_draw d ON d.line_id = s.id AND d.funding_line_id = w.line_id
LEFT JOIN credit_note c ON c.line_id = s.id
LEFT JOIN credit_draw k ON k.credit_note_id = c.id AND k.funding_line_id = d.funding_line_id
GROUP BY a.id, w.line_id, w.ceiling_fen
HAVING sum(d.amount_fen - COALESCE(k.amount_fen, 0)) > w.ceiling_fen
UNION ALL
SELECT a.number || ' school ' || o.code, g.ceiling_fen, sum(m.fen)
FROM agreement_school g JOIN agreement a ON a.id = g.agreement_id
JOIN organisation o ON o.id = g.school_id
JOIN LATERAL (
    SELECT b.amount_fen AS fen FROM statement_line s JOIN statement_breakdown b ON b.line_id = s.id
    WHERE s.agreement_id = g.agreement_id AND b.school_id = g.school_id
    UNION ALL
    SELECT -k.amount_fen FROM statement_line s JOIN credit_note c ON c.line_id = s.id
    JOIN credit_part k ON k.credit_note_id = c.id
    WHERE s.agreement_id = g.agreement_id AND k.school_id = g.school_id
) m ON true
WHERE g.ceiling_fen IS NOT NULL
GROUP BY a.id, o.code, g.school_id, g.ceiling_fen, g.agreement_id
HAVING sum(m.fen) > g.ceiling_fen
ORDER BY 1
"""
)

# Per agreement, funding line and change (0: the opening): what is written to be committed against
# what its own transfer moved on the line's committed account. The opening is what is now, less all
# changes; what a year's end freed has rows of its own.
COMMITMENTS_THAT_DIFFER = text(
    """
WITH keys AS (
    SELECT id AS agreement_id, 0 AS change, 'commit:' || number AS key FROM agreement
    UNION ALL
    SELECT a.id, c.number, acts.act || ':' || a.number || ':' || c.number
    FROM agreement a JOIN agreement_change c ON c.agreement_id = a.id
    CROSS JOIN (VALUES ('commit'), ('uncommit')) AS acts (act)
), changed AS (
    SELECT c.agreement_id, c.number AS change, d.line_id, d.amount_fen AS fen
    FROM agreement_change c JOIN agreement_change_draw d ON d.change_id = c.id
), both_sides AS (
    SELECT agreement_id, 0 AS change, line_id, ceiling_fen AS written, 0 AS moved
    FROM agreement_draw
    UNION ALL SELECT agreement_id, 0, line_id, -fen, 0 FROM changed
    UNION ALL SELECT agreement_id, change, line_id, fen, 0 FROM changed
    UNION ALL
    SELECT k.agreement_id, k.change, a.owner_id, 0,
        CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END
    FROM keys k JOIN transfer t ON t.key = k.key JOIN leg l ON l.transfer_id = t.id
    JOIN account a ON a.id = l.account_id WHERE a.kind = 'committed'
), summed AS (
    SELECT agreement_id, change, line_id, sum(written) AS written, sum(moved) AS moved
    FROM both_sides GROUP BY agreement_id, change, line_id HAVING sum(written) <> sum(moved)
)
SELECT a.number AS agreement, s.change, s.written, s.moved,
    o.code || ' ' || f.fiscal_year || ' ' || f.source
        || CASE WHEN f.restriction = '{}' THEN '' ELSE ' ' || f.restriction::text END AS line
FROM summed s JOIN agreement a ON a.id = s.agreement_id JOIN funding_line f ON f.id = s.line_id
JOIN organisation o ON o.id = f.payer_id ORDER BY agreement, change, line
"""
)

# Per agreement: its years make its ceiling; and what it was opened with was committed or waited.
# Later the two part: a release takes off what is committed, the ceiling stays.
CEILINGS_THAT_DIFFER = text(
    """
WITH years AS (
    SELECT agreement_id, sum(ceiling_fen) AS ceiling, sum(waiting_fen) AS waiting
    FROM agreement_year GROUP BY agreement_id
), changed AS (
    SELECT agreement_id, sum(ceiling_fen) AS ceiling, sum(waiting_fen) AS waiting
    FROM agreement_change GROUP BY agreement_id
), moved AS (
    SELECT c.agreement_id, sum(d.amount_fen) AS fen
    FROM agreement_change c JOIN agreement_change_draw d ON d.change_id = c.id
    GROUP BY c.agreement_id
), committed AS (
    SELECT agreement_id, sum(ceiling_fen) AS fen FROM agreement_draw GROUP BY agreement_id
), opened AS (
    SELECT a.number AS agreement, a.ceiling_fen AS ceiling,
        COALESCE(y.ceiling, a.ceiling_fen) AS of_years,
        a.ceiling_fen - COALESCE(c.ceiling, 0) AS opened,
        COALESCE(d.fen, 0) - COALESCE(m.fen, 0) AS committed,
        COALESCE(y.waiting, 0) - COALESCE(c.waiting, 0) AS waited
    FROM agreement a LEFT JOIN years y ON y.agreement_id = a.id
    LEFT JOIN changed c ON c.agreement_id = a.id LEFT JOIN moved m ON m.agreement_id = a.id
    LEFT JOIN committed d ON d.agreement_id = a.id
)
SELECT * FROM opened WHERE ceiling <> of_years OR opened <> committed + waited ORDER BY agreement
"""
)

# Each delivery's tallies against the rows it left behind, and against what it took in.
TALLIES_THAT_DIFFER = text(
    """
WITH tallied AS (
    SELECT batch_id, sum(rows) AS received,
        COALESCE(sum(rows) FILTER (WHERE outcome = 'accepted'), 0) AS accepted,
        COALESCE(sum(rows) FILTER (WHERE outcome = 'quarantined'), 0) AS quarantined
    FROM usage_tally GROUP BY batch_id
), events AS (
    SELECT batch_id, sum(n)::bigint AS n FROM (
        SELECT batch_id, count(*) AS n FROM usage_event GROUP BY batch_id
        UNION ALL
        SELECT * FROM unnest(CAST(:batches AS uuid[]), CAST(:archived AS bigint[]))
    ) present_and_archived GROUP BY batch_id
),
quarantine AS (
    SELECT batch_id, count(*) AS n FROM usage_quarantine WHERE released_at IS NULL
    GROUP BY batch_id
)
SELECT b.file_name, b.rows_taken, COALESCE(t.received, 0) AS received,
    COALESCE(t.accepted, 0) AS accepted, COALESCE(e.n, 0) AS events,
    COALESCE(t.quarantined, 0) AS quarantined, COALESCE(q.n, 0) AS kept
FROM usage_batch b
LEFT JOIN tallied t ON t.batch_id = b.id
LEFT JOIN events e ON e.batch_id = b.id
LEFT JOIN quarantine q ON q.batch_id = b.id
WHERE b.rows_taken <> COALESCE(t.received, 0) OR COALESCE(t.accepted, 0) <> COALESCE(e.n, 0)
   OR COALESCE(t.quarantined, 0) <> COALESCE(q.n, 0)
ORDER BY b.id
"""
)

IDENTITIES_THAT_DIFFER = text(
    """
SELECT e.n AS events, i.n AS identities
FROM (
    SELECT count(*) + COALESCE((
        SELECT sum(rows) FROM usage_archive WHERE state = 'detached'), 0) AS n FROM usage_event
) e, (SELECT count(*) AS n FROM usage_identity) i
WHERE e.n <> i.n
"""
)

# Posted lines and their credit notes against what their transfers moved, account by account. The
# platform's own accounts (fees) have an owner of zeros.
LEGS_THAT_DIFFER = text(
    """
WITH posted AS (
    SELECT s.id, 'post:' || t.number || ':' || a.number || ':' || s.kind || ':'
            || to_char(s.of_month, 'YYYY-MM') AS key,
        s.payer_id, s.vendor_id, (a.terms ->> 'author_school_id')::uuid AS author_id,
        s.drawn_fen, s.vendor_fen, s.school_fen, s.fee_fen, s.retention_fen
    FROM statement_line s JOIN statement t ON t.id = s.statement_id
    JOIN agreement a ON a.id = s.agreement_id WHERE s.state = 'posted'
), credited AS (
    SELECT c.id, 'credit:' || c.number AS key, p.payer_id, p.vendor_id, p.author_id,
        -c.drawn_fen AS drawn_fen, -c.vendor_fen AS vendor_fen, -c.school_fen AS school_fen,
        -c.fee_fen AS fee_fen, -c.retention_fen AS retention_fen
    FROM credit_note c JOIN posted p ON p.id = c.line_id
), documents AS (
    SELECT * FROM posted UNION ALL SELECT * FROM credited
), drawn AS (
    SELECT p.key, d.funding_line_id, d.amount_fen AS fen
    FROM statement_draw d JOIN posted p ON p.id = d.line_id
    UNION ALL
    SELECT c.key, d.funding_line_id, -d.amount_fen
    FROM credit_draw d JOIN credited c ON c.id = d.credit_note_id
), expected AS (
    SELECT key, funding_line_id AS owner_id, 'accrued' AS kind, fen FROM drawn
    UNION ALL SELECT key, funding_line_id, 'committed', -fen FROM drawn
    UNION ALL SELECT key, payer_id, 'clearing', drawn_fen FROM documents
    UNION ALL SELECT key, vendor_id, 'payable', -vendor_fen FROM documents
    UNION ALL SELECT key, author_id, 'school_share', -school_fen FROM documents
    UNION ALL SELECT key, '00000000-0000-0000-0000-000000000000', 'fee', -fee_fen FROM documents
    UNION ALL SELECT key, vendor_id, 'retention', -retention_fen FROM documents
), both_sides AS (
    SELECT key, owner_id, kind, fen AS expected, 0 AS moved FROM expected WHERE fen <> 0
    UNION ALL
    SELECT t.key, a.owner_id, a.kind, 0,
        CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END
    FROM transfer t JOIN leg l ON l.transfer_id = t.id JOIN account a ON a.id = l.account_id
    WHERE t.key LIKE 'post:%' OR t.key LIKE 'credit:%'
), summed AS (
    SELECT key, owner_id, kind, sum(expected) AS expected, sum(moved) AS moved
    FROM both_sides GROUP BY key, owner_id, kind
    HAVING sum(expected) <> sum(moved)
)
SELECT s.key, s.kind, s.expected, s.moved,
    COALESCE(o.code, p.code || ' ' || f.fiscal_year || ' ' || f.source, s.owner_id::text) AS owner
FROM summed s
LEFT JOIN organisation o ON o.id = s.owner_id
LEFT JOIN funding_line f ON f.id = s.owner_id
LEFT JOIN organisation p ON p.id = f.payer_id
ORDER BY s.key, s.kind, owner
"""
)

# Decisions against their credit notes, and these against their draws.
CREDITS_THAT_DIFFER = text(
    """
SELECT COALESCE(c.number, t.number || ' ' || a.number) AS key,
    CASE WHEN d.outcome = 'upheld' THEN d.credit_fen ELSE 0 END AS decided,
    COALESCE(c.amount_fen, 0) AS credited, COALESCE(c.drawn_fen, 0) AS drawn,
    COALESCE(k.fen, 0) AS given_back, s.amount_fen AS billed
FROM dispute d JOIN statement_line s ON s.id = d.line_id
JOIN statement t ON t.id = s.statement_id JOIN agreement a ON a.id = s.agreement_id
FULL JOIN credit_note c ON c.dispute_id = d.id
LEFT JOIN (
    SELECT credit_note_id, sum(amount_fen) AS fen FROM credit_draw GROUP BY credit_note_id
) k ON k.credit_note_id = c.id
WHERE COALESCE(c.amount_fen, 0) <> CASE WHEN d.outcome = 'upheld' THEN d.credit_fen ELSE 0 END
   OR COALESCE(c.drawn_fen, 0) <> COALESCE(k.fen, 0)
   OR COALESCE(c.amount_fen, 0) > GREATEST(s.amount_fen, 0)
   OR c.line_id <> s.id
ORDER BY 1
"""
)
