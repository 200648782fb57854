"""Columns of settlement's tables, for pages and exports alike; a place says where they lead."""

from typing import Any, Final

from kernel.i18n import msgid
from kernel.web.tables import Column
from settlement.queries.funding import AgreementRow
from settlement.queries.lines import LineRow
from settlement.queries.statements import StatementRow
from settlement.queries.uses import UseRow
from settlement.web.places import Place

STATEMENT_SUMS: Final = (
    *("lines", "uses", "rated", "above_ceiling", "amount", "uncovered"),
)
LINE_SUMS: Final = ("uses", "rated", "above_ceiling", "amount", "uncovered")
VENDOR_LINE_SUMS: Final = ("uses", "amount", "uncovered", "vendor", "fee", "retention")
AGREEMENT_SUMS: Final = ("ceiling", "uses", "billed", "left", "above_ceiling")


def statement_columns(place: Place) -> list[Column[StatementRow]]:
    """Return the columns of one payer's statements."""

    def href(row: StatementRow) -> str:
        return place.statement(row.month)

    return [
        Column(
            key="month",
            title=msgid("Period"),
            value=lambda row: row.month,
            kind="month",
            href=href,
            sortable=True,
        ),
        *_statement_figures(href),
    ]


def payer_statement_columns(statements_of: Any) -> list[Column[StatementRow]]:
    """Return the columns of one month's statements; `statements_of(code)` is a payer's place."""

    def href(row: StatementRow) -> str:
        place: Place = statements_of(row.payer_code)
        return place.statement(row.month)

    return [
        Column(
            key="payer",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            href=href,
            sortable=True,
        ),
        *_statement_figures(href),
    ]
