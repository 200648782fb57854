"""Payouts recomputed: taxes by their tables, payments by their parts, banks' payouts by theirs."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import select, text

from kernel.identity.models import Organisation
from kernel.money import yuan
from kernel.unit import Unit
from settlement.payment_models import PaymentRun
from settlement.payout_models import Withholding
from settlement.rate_tables import RateKind, versions_of
from settlement.taxation import tax_on

# Of each withheld tax: what its payments hold.
KEPT: Final = text(
    """
SELECT w.run_id, w.payee_id, COALESCE(sum(p.amount_fen), 0) AS fen
FROM withholding w LEFT JOIN payment p ON p.run_id = w.run_id AND p.payee_id = w.payee_id
    AND p.kind = 'withholding' AND (p.again_of_id IS NULL OR p.again_of_id = p.id)
GROUP BY w.run_id, w.payee_id
"""
)
# Of a run, payer, payee and line: what settles it, and what its parts say; payments that were made
# before parts were kept have none.
PARTS_THAT_DIFFER: Final = text(
    """
WITH itemed AS (
    SELECT p.run_id, p.payer_id, p.payee_id, i.line_id, min(p.key) AS key,
        p.kind IN ('transfer', 'order', 'withholding') AS paying, sum(i.amount_fen) AS fen
    FROM payment p JOIN payment_item i ON i.payment_id = p.id
    WHERE p.kind IN ('transfer', 'order', 'withholding', 'reversal')
        OR p.kind = 'withholding_return' AND NOT EXISTS (SELECT FROM payment u
            WHERE u.run_id = p.run_id AND u.payer_id = p.payer_id AND u.payee_id = p.payee_id
                AND u.kind = 'undone')
    GROUP BY p.run_id, p.payer_id, p.payee_id, i.line_id, paying
), parted AS (
    SELECT p.run_id, p.payer_id, p.payee_id, i.line_id,
        p.kind IN ('transfer', 'order', 'withholding') AS paying, sum(i.amount_fen) AS fen
    FROM payment p JOIN payment_part i ON i.payment_id = p.id
    WHERE p.kind <> 'undone'
    GROUP BY p.run_id, p.payer_id, p.payee_id, i.line_id, paying
)
SELECT t.key, t.fen AS stored, p.fen AS computed
FROM parted p JOIN itemed t USING (run_id, payer_id, payee_id, line_id, paying)
WHERE t.fen <> p.fen ORDER BY t.key
"""
)
PAYOUTS_THAT_DIFFER: Final = text(
    """
SELECT o.key, o.amount_fen AS stored, COALESCE(sum(i.amount_fen), 0) AS computed
FROM bank_payout o LEFT JOIN bank_payout_item i ON i.payout_id = o.id
GROUP BY o.id HAVING o.amount_fen <> COALESCE(sum(i.amount_fen), 0) ORDER BY o.key
"""
)
# What is recorded as remitted to the tax office, and what of the tax that was owed it moved.
REMITTED_THAT_DIFFER: Final = text(
    """
SELECT COALESCE(r.number, m.number) AS number, COALESCE(r.amount_fen, 0) AS stored,
    COALESCE(m.fen, 0) AS computed
FROM (SELECT number, amount_fen FROM tax_remittance WHERE state = 'recorded') r
FULL JOIN (
    SELECT substr(t.key, 10) AS number,
        sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
    FROM transfer t JOIN leg l ON l.transfer_id = t.id
    JOIN account a ON a.id = l.account_id AND a.kind = 'tax_payable'
    WHERE t.key LIKE 'remitted:%' GROUP BY t.key
) m ON m.number = r.number
WHERE COALESCE(r.amount_fen, 0) <> COALESCE(m.fen, 0) ORDER BY 1
"""
)

# What is counted as taken back of a remittance, and what was recorded as such.
TAKEN_BACK_THAT_DIFFERS: Final = text(
    """
SELECT t.number, t.taken_back_fen AS stored, COALESCE(-sum(c.amount_fen), 0) AS computed
FROM tax_remittance t
LEFT JOIN tax_remittance c ON c.corrects_id = t.id AND c.state = 'recorded'
GROUP BY t.id HAVING t.taken_back_fen <> COALESCE(-sum(c.amount_fen), 0) ORDER BY t.number
"""
)


def check_payouts(unit: Unit) -> Iterator[str]:
    """Compare taxes with their tables and payments, payments and payouts with their parts."""
    yield from _check_withholding(unit)
    for row in unit.session.execute(PARTS_THAT_DIFFER):
        yield f"payment {row.key}: settles {yuan(int(row.stored))}, its parts make " + yuan(
            int(row.computed)
        )
    for row in unit.session.execute(PAYOUTS_THAT_DIFFER):
        yield f"{row.key}: {yuan(int(row.stored))}, its payments make {yuan(int(row.computed))}"
    for row in unit.session.execute(REMITTED_THAT_DIFFER):
        yield (
            f"tax remittance {row.number}: {yuan(int(row.stored))} is recorded, "
            f"{yuan(int(row.computed))} moved in the books"
        )
    for row in unit.session.execute(TAKEN_BACK_THAT_DIFFERS):
        yield (
            f"tax remittance {row.number}: {yuan(int(row.stored))} counts as taken back, "
            f"{yuan(int(row.computed))} is recorded"
        )


def _check_withholding(unit: Unit) -> Iterator[str]:
    tables = {one.version: one.table for one in versions_of(unit, RateKind.WITHHOLDING)}
    kept = {(row.run_id, row.payee_id): int(row.fen) for row in unit.session.execute(KEPT)}
    rows = unit.session.execute(
        select(Withholding, PaymentRun.number, Organisation.code)
        .join(PaymentRun, PaymentRun.id == Withholding.run_id)
        .join(Organisation, Organisation.id == Withholding.payee_id)
        .order_by(PaymentRun.number, Organisation.code)
    )
    for one, number, code in rows:
        name = f"tax withheld of {code} by {number}"
        if one.version not in tables:
            yield f"{name}: there is no table {one.version}"
            continue
        steps = tax_on(one.earlier_fen + one.income_fen, tables[one.version])
        tax_fen = min(one.income_fen, max(0, steps.tax_fen - one.earlier_tax_fen))
        if tax_fen != one.tax_fen or steps.facts() != one.steps:
            yield f"{name}: {yuan(one.tax_fen)}, by its table {yuan(tax_fen)}"
        if kept[one.run_id, one.payee_id] != one.tax_fen:
            yield (
                f"{name}: {yuan(one.tax_fen)}, its payments hold "
                f"{yuan(kept[one.run_id, one.payee_id])}"
            )
