"""All funding lines of a bureau's region, one row each, for a page and for files."""

from operator import attrgetter
from typing import Any, Final

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, Filter, tabulate
from procurement.funding.explanation import restriction_words
from procurement.web.budgets import desk_root
from settlement.budgets import SOURCES
from settlement.queries.funding import LineBoard, fiscal_years, lines_board

AMOUNTS: Final = ("allocated", "available", "committed", "accrued", "paid")


def show_lines(page: Page) -> Response[Any]:
    """List the lines of a fiscal year; each opens its movements and its computation."""
    years = fiscal_years(page.unit) or [shanghai_day(page.unit.clock.now()).year]
    filters = (
        Filter(
            key="year",
            title=msgid("Fiscal year"),
            options=tuple((str(year), str(year)) for year in years),
            default=str(years[0]),
        ),
        Filter(
            key="source",
            title=msgid("Source of the money"),
            options=tuple((one, label(one, page.locale, kind="source")) for one in SOURCES),
        ),
    )
    columns = line_columns(page.locale, bureau_code=page.actor.organisation_code)
    view = page.view(columns, filters=filters)
    year, source = int(view.filters["year"]), view.filters.get("source")
    table = tabulate(
        translate(msgid("Funding lines"), page.locale),
        columns,
        [row for row in lines_board(page.unit, fiscal_year=year) if source in {None, row.source}],
        view=view,
        summed=AMOUNTS,
        filters=filters,
        empty=msgid("No line was issued for this year yet."),
    )
    return page.render_table(
        "procurement/lines.html", table, file_name=f"lines-{year}", root=desk_root(page), year=year
    )


def line_columns(locale: str, *, bureau_code: str = "") -> list[Column[LineBoard]]:
    """Return the columns of lines: allocated = available + committed + accrued + paid.

    A school's line opens, and that of the bureau whose code is given.
    """

    def href(row: LineBoard) -> str:
        if row.payer_kind == OrganisationKind.BUREAU:
            return f"/bureau/funding/{row.id}" if row.payer_code == bureau_code else ""
        return f"/bureau/schools/{row.payer_code}/funding/{row.id}"

    titles = {
        "allocated": msgid("Issued"),
        "available": msgid("Available"),
        "committed": msgid("Committed"),
        "accrued": msgid("Accrued"),
        "paid": msgid("Paid"),
    }
    return [
        Column(
            key="payer_name",
            title=msgid("On the line of"),
            value=lambda row: row.payer_name,
            href=href,
            sortable=True,
        ),
        Column(
            key="payer_code",
            title=msgid("Code"),
            value=lambda row: row.payer_code,
            kind="code",
            export_only=True,
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
            export_only=True,
        ),
        Column(
            key="source",
            title=msgid("Source of the money"),
            value=lambda row: row.source,
            kind="label",
            label_kind="source",
            sortable=True,
        ),
        Column(
            key="restriction",
            title=msgid("Only for"),
            value=lambda row: restriction_words(row.restriction, locale=locale) or None,
            secondary=True,
        ),
        Column(
            key="lapses_on",
            title=msgid("Lapses on"),
            value=lambda row: row.lapses_on,
            kind="day",
            secondary=True,
        ),
        *(
            Column(
                key=key,
                title=titles[key],
                value=attrgetter(f"balance.{key}_fen"),
                kind="money",
                href=href,
                sortable=True,
            )
            for key in AMOUNTS
        ),
    ]
