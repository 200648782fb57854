"""The census of a bureau's schools: every count, which of them stand, and their export (R15)."""

from typing import Any

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.identity.census import Basis, CensusKind
from kernel.web.tables import Column, Filter, tabulate
from procurement.funding.recorded import CountRow, counts
from procurement.web.budgets import desk_root

ADDRESS = "/bureau/census"


def show_census(page: Page) -> Response[Any]:
    """List the counts of a year's censuses, the latest year first."""
    rows = counts(page.unit)
    years = sorted({one.row.as_of.year for one in rows}, reverse=True)
    filters = (
        Filter(
            key="year",
            title=msgid("Year"),
            options=tuple((str(year), str(year)) for year in years),
        ),
        Filter(
            key="kind",
            title=msgid("Counted"),
            options=tuple(
                (kind.value, label(kind, page.locale, kind=CensusKind.__name__))
                for kind in CensusKind
            ),
        ),
    )
    columns = _columns(page.locale)
    view = page.view(columns, filters=filters if rows else ())
    year, kind = view.filters.get("year", ""), view.filters.get("kind", "")
    table = tabulate(
        translate(msgid("Census"), page.locale),
        columns,
        [
            one
            for one in rows
            if year in ("", str(one.row.as_of.year)) and kind in ("", one.row.kind)
        ],
        view=view,
        filters=filters if rows else (),
        empty=msgid("No pupils were counted yet. A census is imported from a list."),
    )
    return page.render_table(
        "procurement/census.html", table, file_name="census", root=desk_root(page)
    )


def _columns(locale: str) -> list[Column[CountRow]]:
    return [
        Column(
            key="school",
            title=msgid("School"),
            value=lambda one: one.school_name,
            sortable=True,
        ),
        Column(
            key="school_code",
            title=msgid("School code"),
            value=lambda one: one.row.school_code,
            kind="code",
            sortable=True,
        ),
        Column(
            key="as_of",
            title=msgid("Counted on"),
            value=lambda one: one.row.as_of,
            kind="day",
            sortable=True,
        ),
        Column(
            key="basis",
            title=msgid("Census of"),
            value=lambda one: one.row.basis,
            kind="label",
            label_kind=Basis.__name__,
        ),
        Column(
            key="kind",
            title=msgid("Counted"),
            value=lambda one: one.row.kind,
            kind="label",
            label_kind=CensusKind.__name__,
        ),
        Column(
            key="stage",
            title=msgid("Stage"),
            value=lambda one: label(one.row.stage, locale, kind="Stage") if one.row.stage else None,
        ),
        Column(
            key="pupils",
            title=msgid("Pupils"),
            value=lambda one: one.row.pupils,
            kind="number",
            sortable=True,
        ),
        Column(
            key="stands",
            title=msgid("Stands"),
            value=lambda one: "stands" if one.stands else "replaced",
            kind="label",
            label_kind="rule",
        ),
    ]
