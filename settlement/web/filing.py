"""Columns of the tax withheld of teachers as it is filed: the month's income, the arithmetic."""

from decimal import ROUND_HALF_EVEN, Decimal

from kernel.i18n import msgid
from kernel.web.tables import Column
from settlement.queries.withholding import FilingRow
from settlement.web.columns import money


def filing_columns() -> list[Column[FilingRow]]:
    """Return the columns of a filing: one row for each teacher and month."""
    return [
        Column(key="month", title=msgid("Period"), value=lambda row: row.month, kind="month"),
        Column(
            key="payee_code", title=msgid("Code"), value=lambda row: row.payee_code, kind="code"
        ),
        Column(key="payee_name", title=msgid("Teacher"), value=lambda row: row.payee_name),
        Column(
            key="school_code", title=msgid("School"), value=lambda row: row.school_code, kind="code"
        ),
        money("income_fen", msgid("Income")),
        money("month_income_fen", msgid("Income of the month, of all payers")),
        Column(
            key="deduction_fen",
            title=msgid("Deduction"),
            value=lambda row: _whole(row.deduction_fen),
            kind="money",
        ),
        Column(
            key="taxable_fen",
            title=msgid("Taxable income"),
            value=lambda row: _whole(row.taxable_fen),
            kind="money",
        ),
        Column(key="rate", title=msgid("Tax rate"), value=lambda row: row.rate, kind="ratio"),
        money("quick_fen", msgid("Quick deduction")),
        money("tax_fen", msgid("Tax on the month")),
        money("withheld_fen", msgid("Tax withheld")),
        money("taken_back_fen", msgid("Income taken back in the month")),
        money("given_back_fen", msgid("Tax given back in the month")),
        Column(key="version", title=msgid("Table"), value=lambda row: row.version, kind="code"),
    ]


def _whole(fen: Decimal) -> int:
    return int(fen.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
