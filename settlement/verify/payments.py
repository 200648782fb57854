"""Payments against the books: every run adds up, every movement is posted once, nobody is overpaid.

A line has paid what was settled out of it and is still earned; what a payee is owed is what it
earned less what came through; what a payer owes is what was drawn less what it paid.
"""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import text

from kernel.arrays import UuidArray
from kernel.money import yuan
from kernel.unit import Unit
from settlement.dues import NOBODY, NotShared, counted_as_paid, dues, paid_of
from settlement.queries.recoveries import asked_too_much

# Of a payment and its items, of a payer's side and what hangs on it; of what was given up after its
# release, what still stands.
PAYMENTS_THAT_DIFFER = text(
    """
WITH itemed AS (
    SELECT p.key, p.amount_fen AS stored, COALESCE(sum(i.amount_fen), 0) AS computed
    FROM payment p LEFT JOIN payment_item i ON i.payment_id = p.id
    WHERE p.kind NOT IN ('collection', 'refund', 'recovery', 'recovery_return')
    GROUP BY p.id
), sided AS (
    SELECT c.key, c.amount_fen AS stored, COALESCE(sum(p.amount_fen), 0) AS computed
    FROM payment c JOIN payment_run r ON r.id = c.run_id
    LEFT JOIN payment p ON p.run_id = c.run_id AND p.payer_id = c.payer_id
        AND p.kind NOT IN ('collection', 'refund')
        AND (p.state <> 'withdrawn' OR r.state <> 'released')
    WHERE c.kind IN ('collection', 'refund') AND (c.state <> 'withdrawn' OR r.state <> 'released')
    GROUP BY c.id
)
SELECT * FROM (SELECT * FROM itemed UNION ALL SELECT * FROM sided) found
WHERE stored <> computed ORDER BY key
"""
)

# What came through of each payment against what its transfers moved in the money book.
MOVEMENTS_THAT_DIFFER = text(
    """
WITH moved AS (
    SELECT t.key, sum(l.amount_fen) AS fen
    FROM transfer t JOIN leg l ON l.transfer_id = t.id AND l.side = 'D'
    JOIN account a ON a.id = l.account_id AND a.book = 'money'
    WHERE t.key LIKE 'paid:%' OR t.key LIKE 'returned:%' GROUP BY t.key
), paid AS (
    SELECT p.key, CASE WHEN p.kind IN ('fee', 'fee_return', 'undone', 'recovery',
            'recovery_return') THEN 0 ELSE p.paid_fen END AS stored,
        COALESCE((SELECT sum(m.fen) FROM moved m
            WHERE m.key = 'paid:' || p.key OR starts_with(m.key, 'paid:' || p.key || ':')
                OR starts_with(m.key, 'paid:' || p.key || '#')), 0)
        - COALESCE((SELECT sum(m.fen) FROM moved m WHERE m.key = 'returned:' || p.key
            OR starts_with(m.key, 'returned:' || p.key || ':')
            OR starts_with(m.key, 'returned:' || p.key || '#')), 0)
        AS computed
    FROM payment p
)
SELECT * FROM paid WHERE stored <> computed ORDER BY key
"""
)

# What came through of each refund against what stands of the parts that were kept of it.
REFUNDS_THAT_DIFFER = text(
    """
SELECT p.key, p.paid_fen AS stored,
    COALESCE(sum(r.amount_fen) FILTER (WHERE r.came_back_at IS NULL), 0) AS computed
FROM payment p JOIN refund_part r ON r.payment_id = p.id GROUP BY p.id
HAVING p.paid_fen <> COALESCE(sum(r.amount_fen) FILTER (WHERE r.came_back_at IS NULL), 0)
ORDER BY p.key
"""
)

PAYERS = text("SELECT DISTINCT payer_id FROM payment ORDER BY payer_id")
LINES = text(
    """
SELECT f.id, f.payer_id, o.code || ' ' || f.fiscal_year || ' ' || f.source AS line,
    COALESCE(a.balance, 0) AS fen
FROM funding_line f JOIN organisation o ON o.id = f.payer_id
LEFT JOIN account a ON a.owner_id = f.id AND a.kind = 'paid'
WHERE f.payer_id = ANY(:payers) OR COALESCE(a.balance, 0) <> 0
ORDER BY line
"""
)

# What a payee is still owed by the books, and what came through of its payments.
OWED = text(
    """
SELECT a.owner_id, o.code, -sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END)
    AS fen,
    COALESCE((SELECT sum(CASE WHEN p.kind IN ('reversal', 'withholding_return') THEN -p.paid_fen
            ELSE p.paid_fen END)
        FROM payment p WHERE p.payee_id = a.owner_id AND p.kind IN
            ('transfer', 'order', 'withholding', 'reversal', 'withholding_return')), 0) AS through
FROM account a JOIN leg l ON l.account_id = a.id JOIN organisation o ON o.id = a.owner_id
WHERE a.kind IN ('payable', 'school_share') GROUP BY a.owner_id, o.code ORDER BY o.code
"""
)
ALL_PAYERS = text(
    "SELECT DISTINCT payer_id FROM statement_line WHERE state = 'posted' ORDER BY payer_id"
)


def check_payments(unit: Unit) -> Iterator[str]:
    """Compare payments with their items, transfers, lines and payees."""
    for row in unit.session.execute(PAYMENTS_THAT_DIFFER):
        yield (
            f"payment {row.key}: {yuan(int(row.stored))}, its parts make {yuan(int(row.computed))}"
        )
    for row in unit.session.execute(MOVEMENTS_THAT_DIFFER):
        yield (
            f"payment {row.key}: {yuan(int(row.stored))} came through, "
            f"{yuan(int(row.computed))} moved in the books"
        )
    for row in unit.session.execute(REFUNDS_THAT_DIFFER):
        yield (
            f"refund {row.key}: {yuan(int(row.stored))} came through, of its parts "
            f"{yuan(int(row.computed))} stand"
        )
    for one in asked_too_much(unit):
        yield (
            f"payer {one.code}: {yuan(one.asked_fen)} are collected again, its bank took "
            f"{yuan(one.lost_fen)} back for good: propose to take back what is too much"
        )
    try:
        yield from [*_check_lines(unit), *_check_payees(unit)]
    except NotShared:
        return  # draws and shares that differ are named where statements are checked


def _check_lines(unit: Unit) -> Iterator[str]:
    payers = list(unit.session.scalars(PAYERS))
    paid = counted_as_paid(dues(unit, payers), paid_of(unit, payers)) if payers else {}
    for row in unit.session.execute(LINES, {"payers": UuidArray.of(payers)}):
        if paid.get(row.id, 0) != int(row.fen):
            yield (
                f"funding line {row.line}: paid {yuan(int(row.fen))}, its payments make "
                f"{yuan(paid.get(row.id, 0))}"
            )


def _check_payees(unit: Unit) -> Iterator[str]:
    payers = list(unit.session.scalars(ALL_PAYERS))
    earned: dict[UUID, int] = defaultdict(int)
    for due, fen in dues(unit, payers).items():
        if due.payee_id != NOBODY:
            earned[due.payee_id] += fen
    for row in unit.session.execute(OWED):
        expected = earned.get(row.owner_id, 0) - int(row.through)
        if expected != int(row.fen):
            yield (
                f"payee {row.code}: owed {yuan(int(row.fen))} by the books, earned less paid is "
                f"{yuan(expected)}"
            )
