"""Tax withheld of teachers, by month, as it is filed (R64); a bureau's is that of its payers."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from kernel.actors import Role
from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds, month_of
from kernel.unit import Unit
from settlement.queries.statements import visible_payers
from settlement.taxed_income import CAME_BACK

READERS: Final = (Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)


# What came through of a month's runs to these payers' teachers, tax that was ordered again with the
# run that withheld it, with what came back after its tax was withheld, and how the last of these
# runs reckoned the tax, over the month and whoever else paid.
PAID: Final = text(
    """
WITH came AS (
    SELECT w.run_id, p.payee_id, sum(p.paid_fen - LEAST(p.paid_fen, COALESCE((
            SELECT sum(i.taxed_before_fen) FROM payment_item i WHERE i.payment_id = p.id), 0)))
        AS income_fen,
        sum(CASE WHEN p.kind = 'withholding' THEN p.paid_fen ELSE 0 END) AS withheld_fen
    FROM withholding w JOIN payment p ON p.payee_id = w.payee_id AND p.run_id = w.run_id
            AND (p.again_of_id IS NULL OR p.again_of_id = p.id)
        OR p.again_of_id <> p.id AND p.again_of_id IN (SELECT a.id FROM payment a
            WHERE a.run_id = w.run_id AND a.payee_id = w.payee_id)
    WHERE p.kind IN ('transfer', 'order', 'withholding')
        AND w.month = :month AND p.payer_id = ANY(:payers)
        AND NOT EXISTS (SELECT FROM payment u JOIN payment t ON t.id = u.undoes_id
            WHERE t.run_id = p.run_id AND t.payer_id = p.payer_id AND t.payee_id = p.payee_id
                AND u.state = 'paid')
    GROUP BY w.run_id, p.payee_id HAVING sum(p.paid_fen) > 0
), back AS (
    SELECT b.run_id, b.payee_id, sum(b.fen) AS fen FROM (CAME_BACK) b
    WHERE b.payer_id = ANY(:payers) GROUP BY b.run_id, b.payee_id
)
SELECT o.code, o.name, COALESCE(o.facts ->> 'school_code', '') AS school_code,
    sum(c.income_fen + COALESCE(b.fen, 0)) AS income_fen, sum(c.withheld_fen) AS withheld_fen,
    (array_agg(w.version ORDER BY r.decided_at DESC, w.earlier_fen DESC))[1] AS version,
    (array_agg(w.steps ORDER BY r.decided_at DESC, w.earlier_fen DESC))[1] AS steps
FROM came c JOIN withholding w ON w.run_id = c.run_id AND w.payee_id = c.payee_id
JOIN payment_run r ON r.id = c.run_id JOIN organisation o ON o.id = c.payee_id
LEFT JOIN back b ON b.run_id = c.run_id AND b.payee_id = c.payee_id
GROUP BY o.id
""".replace("CAME_BACK", CAME_BACK)
)
TEACHERS: Final = text("SELECT DISTINCT payee_id FROM withholding WHERE month = :month")
TAKEN_BACK: Final = text(
    """
SELECT o.code, o.name, COALESCE(o.facts ->> 'school_code', '') AS school_code,
    sum(p.paid_fen) AS back_fen,
    sum(CASE WHEN p.kind = 'withholding_return' THEN p.paid_fen ELSE 0 END) AS tax_fen
FROM payment p JOIN payment_run r ON r.id = p.run_id JOIN organisation o ON o.id = p.payee_id
WHERE p.kind IN ('reversal', 'withholding_return') AND p.payer_id = ANY(:payers)
    AND r.proposed_at >= :first AND r.proposed_at < :before
    AND o.facts ->> 'vendor_kind' = 'teacher'
    AND NOT EXISTS (SELECT FROM payment u WHERE u.run_id = p.run_id AND u.kind = 'undone'
        AND u.payer_id = p.payer_id AND u.payee_id = p.payee_id)
GROUP BY o.id
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilingRow:
    """A teacher's income of one month and the tax on it, in fen, by the table `version`.

    `income_fen` and `withheld_fen` are what these payers paid; `month_income_fen` to `tax_fen` how
    the month's tax was reckoned when the last of it was released, what other payers had paid by
    then included. They differ where others paid, or a payment came back. `taken_back_fen`: what
    the month took back of income that was filed before, `given_back_fen`: the tax that went with
    it.
    """

    month: date
    payee_code: str
    payee_name: str
    school_code: str
    income_fen: int
    month_income_fen: int
    deduction_fen: Decimal
    taxable_fen: Decimal
    rate: Decimal
    quick_fen: int
    tax_fen: int
    withheld_fen: int
    taken_back_fen: int
    given_back_fen: int
    version: str


def latest_month(unit: Unit) -> Month | None:
    """Return the last month whose payments had a teacher's income in them, None if none had."""
    found = unit.session.scalar(text("SELECT max(month) FROM withholding"))
    return month_of(found) if found else None


def filing_of(unit: Unit, month: Month) -> list[FilingRow]:
    """Return what of the month's incomes came through, by teacher, by the steps that were kept."""
    unit.actor.require("withholding.read", *READERS)
    payers = UuidArray.of(list(unit.session.scalars(visible_payers(unit))))
    teachers = UuidArray.of(list(unit.session.scalars(TEACHERS, {"month": month})))
    asked = {"month": month, "payers": payers, "payees": teachers}
    paid = {row.code: row for row in unit.session.execute(PAID, asked)}
    first, before = month_bounds(month)
    back = {
        row.code: row
        for row in unit.session.execute(
            TAKEN_BACK, {"payers": payers, "first": first, "before": before}
        )
    }
    found = []
    for code in sorted(paid.keys() | back.keys()):
        row, returned = paid.get(code), back.get(code)
        known = row or returned
        assert known is not None, "a code comes from one of the two"
        steps = dict(row.steps) if row else {}
        found.append(
            FilingRow(
                month=month,
                payee_code=code,
                payee_name=known.name,
                school_code=known.school_code,
                income_fen=int(row.income_fen) if row else 0,
                month_income_fen=int(steps.get("income_fen", 0)),
                deduction_fen=Decimal(steps.get("deduction_fen", 0)),
                taxable_fen=Decimal(steps.get("taxable_fen", 0)),
                rate=Decimal(steps.get("rate", 0)),
                quick_fen=int(steps.get("quick_fen", 0)),
                tax_fen=int(steps.get("tax_fen", 0)),
                withheld_fen=int(row.withheld_fen) if row else 0,
                taken_back_fen=int(returned.back_fen) if returned else 0,
                given_back_fen=int(returned.tax_fen) if returned else 0,
                version=row.version if row else "",
            )
        )
    return found
