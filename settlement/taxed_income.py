"""What of payments is a teacher's income, in SQL: what stands of each, and what came back taxed.

Parts of questions, of payments `p`; amounts in fen.
"""

from typing import Final

# What stands of a payment: of an order that was cut what came through, of what came back nothing,
# nor of a transfer that goes back to its payer, with its tax.
STANDS: Final = """
CASE WHEN p.state = 'withdrawn' OR p.state IN ('failed', 'returned') AND NOT EXISTS (
        SELECT FROM payment c WHERE c.run_id = p.run_id AND c.payer_id = p.payer_id
            AND c.kind = 'collection' AND c.state = 'paid') THEN 0
    WHEN EXISTS (SELECT FROM payment u JOIN payment t ON t.id = u.undoes_id
        WHERE t.run_id = p.run_id AND t.payer_id = p.payer_id AND t.payee_id = p.payee_id
            AND u.state NOT IN ('failed', 'withdrawn')) THEN 0
    WHEN p.state = 'cut' THEN p.paid_fen
    ELSE p.amount_fen END
"""
# Orders of which the tax was paid and the rest came back: income that was taxed and is due again.
# By order and line, in fen; of a tax that was paid in part, that part of it.
CAME_BACK: Final = """
SELECT p.run_id, p.payer_id, p.payee_id, i.line_id, GREATEST(0,
    div((p.amount_fen - i.taxed_before_fen + w.amount_fen)::numeric * w.paid_fen, w.amount_fen)
    - w.paid_fen - GREATEST(0, STANDS - i.taxed_before_fen)) AS fen
FROM payment p JOIN payment_item i ON i.payment_id = p.id
JOIN payment w ON w.run_id = p.run_id AND w.payer_id = p.payer_id AND w.payee_id = p.payee_id
    AND w.kind = 'withholding' AND w.paid_fen > 0
JOIN payment_item t ON t.payment_id = w.id AND t.line_id = i.line_id
WHERE p.kind = 'order' AND p.state IN ('returned', 'cut') AND p.payee_id = ANY(:payees)
""".replace("STANDS", STANDS)
