"""What of payments is a teacher's income, in SQL: what stands of each, and what came back taxed.

Parts of questions, of payments `p`; amounts in fen.
"""

from typing import Final

# What stands of a payment: of an order that was cut what came through, of what came back nothing,
# nor of a transfer that goes back to its payer, with its tax. Tax that a treasury was told to pay
# stands as withheld also where it came back: it is ordered again until the tax office has it.
STANDS: Final = """
CASE WHEN p.kind = 'withholding' AND p.again_of_id IS NULL AND p.state IN ('returned', 'cut')
        THEN p.amount_fen
    WHEN p.state = 'withdrawn' OR p.state IN ('failed', 'returned') AND NOT EXISTS (
        SELECT FROM payment c WHERE c.run_id = p.run_id AND c.payer_id = p.payer_id
            AND c.kind = 'collection' AND c.state = 'paid') THEN 0
    WHEN EXISTS (SELECT FROM payment u JOIN payment t ON t.id = u.undoes_id
        WHERE t.run_id = p.run_id AND t.payer_id = p.payer_id AND t.payee_id = p.payee_id
            AND u.state NOT IN ('failed', 'withdrawn')) THEN 0
    WHEN p.state = 'cut' THEN p.paid_fen
    ELSE p.amount_fen END
"""
# Orders of which the tax was withheld and the rest came back: taxed income that is due again.
# By order and line, in fen; of a tax that was reckoned anew as it came back, what was paid of it.
CAME_BACK: Final = """
SELECT p.run_id, p.payer_id, p.payee_id, i.line_id, GREATEST(0,
    div((p.amount_fen - i.taxed_before_fen + w.amount_fen)::numeric * WITHHELD, w.amount_fen)
    - WITHHELD - GREATEST(0, STANDS - i.taxed_before_fen)) AS fen
FROM payment p JOIN payment_item i ON i.payment_id = p.id
JOIN payment w ON w.run_id = p.run_id AND w.payer_id = p.payer_id AND w.payee_id = p.payee_id
    AND w.kind = 'withholding' AND (w.again_of_id IS NULL OR w.again_of_id = w.id)
    AND WITHHELD > 0
JOIN payment_item t ON t.payment_id = w.id AND t.line_id = i.line_id
WHERE p.kind = 'order' AND p.state IN ('returned', 'cut') AND p.payee_id = ANY(:payees)
""".replace("STANDS", STANDS).replace(
    "WITHHELD", "(CASE WHEN w.again_of_id IS NULL THEN w.amount_fen ELSE w.paid_fen END)"
)
# Tax of treasuries' orders that came back and was not ordered again since, by order, in fen.
TAX_AGAIN: Final = """
SELECT w.id, w.payer_id, w.payee_id, i.line_id, w.amount_fen - w.paid_fen - COALESCE((
    SELECT sum(CASE WHEN a.state IN ('returned', 'cut') THEN a.paid_fen ELSE a.amount_fen END)
    FROM payment a WHERE a.again_of_id = w.id AND a.state <> 'withdrawn'), 0) AS fen
FROM payment w JOIN payment_item i ON i.payment_id = w.id
WHERE w.payer_id = ANY(:payers) AND w.kind = 'withholding' AND w.again_of_id IS NULL
    AND w.state IN ('returned', 'cut')
ORDER BY w.id
"""
