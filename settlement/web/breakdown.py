"""The breakdown of a line by school as a table: sorted, paged, exported."""

from operator import attrgetter
from typing import Any
from uuid import UUID

from litestar import Response

from kernel.clock import parse_month
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, tabulate
from settlement.queries.lines import SchoolPart, line_view
from settlement.web.columns import money, number
from settlement.web.places import Place

SUMS = ("quantity", "rated_fen", "above_ceiling_fen", "amount_fen")


def show_breakdown(page: Page, place: Place, month_text: str, line_id: UUID) -> Response[Any]:
    """Show what each school used and what of it was billed; the parts add up to the line."""
    view = line_view(page.unit, line_id)
    month = parse_month(month_text)
    place.require_line(view, month)
    columns = breakdown_columns()
    table = tabulate(
        translate(msgid("By school and teaching point"), page.locale),
        columns,
        view.schools,
        view=page.view(columns, sort="code"),
        summed=SUMS,
    )
    return page.render_table(
        "settlement/breakdown.html",
        table,
        file_name=f"schools-{view.line.statement_number}",
        export_totals=True,
        place=place,
        line=view.line,
    )


def breakdown_columns() -> list[Column[SchoolPart]]:
    return [
        Column(key="name", title=msgid("School"), value=attrgetter("name"), sortable=True),
        Column(
            key="code", title=msgid("Code"), value=attrgetter("code"), kind="code", sortable=True
        ),
        number("quantity", msgid("Billable quantity")),
        money("rated_fen", msgid("At the agreed prices")),
        money("above_ceiling_fen", msgid("Above the ceiling")),
        money("amount_fen", msgid("Billed")),
    ]
