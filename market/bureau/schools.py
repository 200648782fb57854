"""A bureau's table of schools with their money, and one school's page."""

from operator import attrgetter
from typing import Any

from litestar import Response

from kernel.clock import shanghai_day
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, Filter, tabulate
from market.bureau.places import SCHOOLS
from procurement.web.funding import board_lines, latest_year
from settlement.preview import MAY_PREVIEW
from settlement.queries.credits import READERS as CREDIT_READERS
from settlement.queries.funding import (
    SchoolRow,
    agreements_of,
    fiscal_years,
    lines_board,
    schools_table,
)
from settlement.queries.statements import statements_of
from settlement.web.agreements import all_agreements
from settlement.web.columns import money, number
from settlement.web.places import Place
from settlement.web.statements import latest_statements

BALANCES = ("allocated", "available", "committed", "spent")
SPENT = msgid("Spent = accrued (used, not paid yet) + paid")
SUMS = (
    *BALANCES,
    *("agreements", "uses", "billed_fen", "above_ceiling_fen", "uncovered_fen"),
)


def show_schools(page: Page) -> Response[Any]:
    """List the schools that pay for themselves, with their money of one fiscal year."""
    columns = school_columns()
    years = fiscal_years(page.unit) or [shanghai_day(page.unit.clock.now()).year]
    by_year = Filter(
        key="year",
        title=msgid("Fiscal year"),
        options=tuple((str(year), str(year)) for year in years),
        default=str(years[0]),
    )
    year = int(page.view(columns, filters=[by_year]).filters["year"])
    rows = schools_table(page.unit, fiscal_year=year)
    regions = sorted({(row.region_code, row.region_name) for row in rows})
    filters = (by_year, Filter(key="region", title=msgid("Region"), options=tuple(regions)))
    view = page.view(columns, filters=filters)
    region = view.filters.get("region")
    table = tabulate(
        translate(msgid("Schools"), page.locale),
        columns,
        [row for row in rows if region in {None, row.region_code}],
        view=view,
        summed=SUMS,
        filters=filters,
        empty=msgid("There is no school in this region yet. Schools are imported from a list."),
    )
    return page.render_table(
        "bureau/schools.html",
        table,
        file_name=f"schools-{year}",
        year=year,
        leads_to_credits=page.actor.may(*CREDIT_READERS),
    )


def show_school(page: Page, place: Place) -> Response[Any]:
    """Show one school: its money, its agreements, its statements."""
    boards = lines_board(page.unit, payer_code=place.payer_code)
    agreements = agreements_of(page.unit, place.payer_code)
    statements = statements_of(page.unit, payer_code=place.payer_code)
    return page.render(
        "bureau/school.html",
        place=place,
        board=board_lines(page, place, latest_year(boards)),
        statements=latest_statements(page, place, statements[:6]),
        agreements=all_agreements(page, place, agreements),
        may_preview=page.actor.may(*MAY_PREVIEW),
    )


def school_columns() -> list[Column[SchoolRow]]:
    """Return the columns of the schools; each amount leads to where it is made up."""

    def school(row: SchoolRow) -> str:
        return f"{SCHOOLS}/{row.code}"

    def funding(row: SchoolRow) -> str:
        return f"{school(row)}/funding"

    def agreements(row: SchoolRow) -> str:
        return f"{school(row)}/agreements"

    def statements(row: SchoolRow) -> str:
        return f"{school(row)}/statements"

    titles = {
        "allocated": msgid("Issued"),
        "available": msgid("Available"),
        "committed": msgid("Committed"),
        "spent": msgid("Spent"),
    }
    return [
        Column(
            key="name",
            title=msgid("School"),
            value=lambda row: row.name,
            href=school,
            sortable=True,
        ),
        Column(
            key="region_name",
            title=msgid("Region"),
            value=lambda row: row.region_name,
            sortable=True,
            secondary=True,
        ),
        *(
            Column(
                key=key,
                title=titles[key],
                value=attrgetter(f"balance.{key}_fen"),
                kind="money",
                href=funding,
                sortable=True,
                help=SPENT if key == "spent" else "",
            )
            for key in BALANCES
        ),
        number("agreements", msgid("Agreements"), href=agreements, secondary=True),
        number("uses", msgid("Uses"), href=statements, secondary=True),
        money("billed_fen", msgid("Billed"), href=statements),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=agreements),
        money("uncovered_fen", msgid("Uncovered"), href=statements),
    ]
