"""Tax withheld of teachers, by month, as it is filed (R64); a bureau's is that of its payers."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from kernel.actors import Role
from kernel.arrays import UuidArray
from kernel.clock import Month, month_bounds
from kernel.unit import Unit
from settlement.queries.statements import visible_payers
from settlement.rate_tables import RateKind, versions_of
from settlement.taxation import SHIPPED, tax_on

READERS: Final = (Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)


# What came through of a month's runs, by teacher; and what that month took back of earlier ones.
PAID: Final = text(
    """
SELECT o.code, o.name, COALESCE(o.facts ->> 'school_code', '') AS school_code,
    max(w.version) AS version, sum(p.paid_fen) AS income_fen,
    sum(CASE WHEN p.kind = 'withholding' THEN p.paid_fen ELSE 0 END) AS withheld_fen
FROM withholding w JOIN payment p ON p.run_id = w.run_id AND p.payee_id = w.payee_id
    AND p.kind IN ('transfer', 'order', 'withholding')
JOIN organisation o ON o.id = w.payee_id
WHERE w.month = :month AND p.payer_id = ANY(:payers)
    AND NOT EXISTS (SELECT FROM payment u JOIN payment t ON t.id = u.undoes_id
        WHERE t.run_id = p.run_id AND t.payer_id = p.payer_id AND t.payee_id = p.payee_id
            AND u.state = 'paid')
GROUP BY o.id
"""
)
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

    `withheld_fen` may differ from `tax_fen` where a payment came back. `taken_back_fen`: what the
    month took back of income that was filed before, `given_back_fen`: the tax that went with it.
    """

    month: date
    payee_code: str
    payee_name: str
    school_code: str
    income_fen: int
    deduction_fen: Decimal
    taxable_fen: Decimal
    rate: Decimal
    quick_fen: int
    tax_fen: int
    withheld_fen: int
    taken_back_fen: int
    given_back_fen: int
    version: str


def filing_of(unit: Unit, month: Month) -> list[FilingRow]:
    """Return what of the month's incomes came through, by teacher."""
    unit.actor.require("withholding.read", *READERS)
    tables = {one.version: one.table for one in versions_of(unit, RateKind.WITHHOLDING)}
    payers = UuidArray.of(list(unit.session.scalars(visible_payers(unit))))
    paid = {
        row.code: row
        for row in unit.session.execute(PAID, {"month": month, "payers": payers})
        if row.income_fen
    }
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
        version = row.version if row else ""
        steps = tax_on(int(row.income_fen) if row else 0, tables.get(version, SHIPPED))
        found.append(
            FilingRow(
                month=month,
                payee_code=code,
                payee_name=known.name,
                school_code=known.school_code,
                income_fen=steps.income_fen,
                deduction_fen=steps.deduction_fen,
                taxable_fen=steps.taxable_fen,
                rate=steps.rate,
                quick_fen=steps.quick_fen,
                tax_fen=steps.tax_fen,
                withheld_fen=int(row.withheld_fen) if row else 0,
                taken_back_fen=int(returned.back_fen) if returned else 0,
                given_back_fen=int(returned.tax_fen) if returned else 0,
                version=version,
            )
        )
    return found
