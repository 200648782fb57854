"""Credits on pages: a teacher's own with articles to read, a bureau's teachers, the certificate."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import segno
from litestar import Response
from markupsafe import Markup

from catalog.web.addresses import resource_address
from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.web.tables import Column, Filter, Table, tabulate
from settlement.credit_rules import PARTS, CreditTable, credits_text
from settlement.queries.credits import (
    CreditRow,
    CreditYear,
    certificate_of,
    credit_rows,
    own_years,
    years_of_teachers,
)
from settlement.rate_tables import REFERENCE_STANDARD, RateKind, table_in_force, versions_of
from settlement.reading import (
    Article,
    articles,
    begin_reading,
    count_articles,
    finish_reading,
    reading_year,
)
from settlement.web.columns import number
from settlement.web.places import Crumb

HOME: Final = "/learn/credits"
BUREAU: Final = "/bureau/credits"
ARTICLES_SHOWN: Final = 30
TITLE: Final = msgid("Credits")


class ReadingForm(Form, frozen=True):
    """Which article is begun or read: the vendor's code, a slash, its sku."""

    article: str = ""


def show_own(page: Page, *, errors: Mapping[str, str] | None = None) -> Response[Any]:
    """Show the teacher's years, what earns how much, and articles to read."""
    unit = page.unit
    years = own_years(unit)
    this_year = shanghai_day(unit.clock.now()).year
    columns = _year_columns(lambda row: f"{HOME}/{row.year}", people=False)
    table = tabulate(
        translate(msgid("Years"), page.locale),
        columns,
        years,
        view=page.view(columns, at=HOME).everything(),
        empty=msgid("Nothing was credited yet."),
    )
    current = next((row for row in years if row.year == this_year), None)
    version = table_in_force(
        unit,
        RateKind.CREDITS,
        day=shanghai_day(unit.clock.now()),
        region_code=unit.actor.region_code or "",
    )
    teaches = page.actor.may(Role.TEACHER)
    reading = reading_year(unit, version.table) if teaches else None
    booked = current.reading if current else 0
    shelf = _shelf(page, version.table) if teaches else None
    return page.render_table(
        "settlement/credits.html",
        table,
        file_name="credits",
        current=current,
        year=this_year,
        version=version,
        rates=version.table,
        text=credits_text,
        shelf=shelf,
        reading=reading,
        awaited=max(0, reading.earned - booked) if reading else 0,
        standard=standard_text(version.version, page.locale),
        now=unit.clock.now(),
        home=HOME,
        errors=errors or {},
    )


def _shelf(page: Page, table: CreditTable) -> Table[Article]:
    """Return a page of the articles that may be read, those that are begun first."""
    filters = (Filter(key="title", title=msgid("Title")),)
    wanted = page.view((), filters=filters, at=HOME)
    title = wanted.filters.get("title", "")
    count = count_articles(page.unit, table, title=title)
    view = replace(wanted, per_page=ARTICLES_SHOWN).within(count)
    return Table(
        caption=translate(msgid("Articles to read"), page.locale),
        columns=(),
        rows=articles(page.unit, table, title=title, limit=view.per_page, offset=view.offset),
        view=view,
        count=count,
        filters=filters,
        exportable=False,
    )


def post_begin(page: Page, form: ReadingForm) -> Response[Any]:
    """Begin an article and stay, where it can be opened and marked as read."""
    try:
        begin_reading(page.unit, form.article)
    except MarketError as error:
        return show_own(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{HOME}#articles")


def post_finish(page: Page, form: ReadingForm) -> Response[Any]:
    """Mark an article as read."""
    try:
        finish_reading(page.unit, form.article)
    except MarketError as error:
        return show_own(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{HOME}#articles")


def show_year(
    page: Page, person_id: UUID, year: int, *, root: tuple[Crumb, ...], address: str
) -> Response[Any]:
    """Show one person's bookings of a year, each with what it is for."""
    columns = _row_columns(page)
    certificate = certificate_of(page.unit, person_id, year)
    table = tabulate(
        translate(msgid("Bookings"), page.locale),
        columns,
        credit_rows(page.unit, person_id, year),
        view=page.view(columns),
    )
    return page.render_table(
        "settlement/credit_year.html",
        table,
        file_name=f"credits-{year}",
        root=root,
        year=certificate.year,
        text=credits_text,
        address=address,
    )


def show_certificate(
    page: Page, person_id: UUID, year: int, *, root: tuple[Crumb, ...], address: str
) -> Response[Any]:
    """Show the certificate of a year as it is printed, with its digest."""
    found = certificate_of(page.unit, person_id, year)
    online = f"{page.unit.settings.site}{address}"
    used = {row.version for row in found.rows}
    names = {one: standard_text(one, page.locale) for one in used}
    drawn = segno.make(online, error="m").svg_inline(scale=2, border=2, omitsize=False)
    return page.render(
        "settlement/certificate.html",
        root=root,
        found=found,
        text=credits_text,
        names=names,
        standards=[one for one in versions_of(page.unit, RateKind.CREDITS) if one.version in used],
        code=Markup(drawn),  # noqa: S704 (drawn from modules, holds no text of ours)
        printed_at=page.unit.clock.now(),
    )


def show_teachers(page: Page, *, root: tuple[Crumb, ...]) -> Response[Any]:
    """List the teachers of a bureau's subtree with what they were credited, year by year."""
    rows = years_of_teachers(page.unit)
    years = sorted({row.year for row in rows}, reverse=True)
    filters = (
        Filter(
            key="year", title=msgid("Year"), options=tuple((str(one), str(one)) for one in years)
        ),
    )
    columns = _year_columns(lambda row: f"{BUREAU}/{row.person_id}/{row.year}", people=True)
    view = page.view(columns, filters=filters)
    wanted = view.filters.get("year", "")
    table = tabulate(
        translate(msgid("Teachers"), page.locale),
        columns,
        [row for row in rows if not wanted or str(row.year) == wanted],
        view=view,
        filters=filters,
        empty=msgid("No teacher was credited yet."),
    )
    return page.render_table(
        "settlement/credited_teachers.html", table, file_name="credits", root=root
    )


def _credit(amount: int) -> Decimal:
    return (Decimal(amount) / PARTS).quantize(Decimal("0.0001"))


def _year_columns(href: Any, *, people: bool) -> list[Column[CreditYear]]:
    def amount(key: str, title: str, *, secondary: bool = False) -> Column[CreditYear]:
        return Column(
            key=key,
            title=title,
            value=lambda row: _credit(getattr(row, key)),
            kind="ratio",
            href=href,
            secondary=secondary,
        )

    who: list[Column[CreditYear]] = [
        Column(key="name", title=msgid("Teacher"), value=lambda row: row.name, sortable=True),
        Column(
            key="organisation",
            title=msgid("School"),
            value=lambda row: row.organisation,
            sortable=True,
        ),
    ]
    return [
        *(who if people else []),
        Column(
            key="year",
            title=msgid("Year"),
            value=lambda row: str(row.year),
            href=href,
            sortable=True,
        ),
        number("articles", msgid("Articles"), secondary=True),
        amount("reading", msgid("By reading"), secondary=True),
        amount("adoption", msgid("By adoption"), secondary=True),
        amount("followers", msgid("By followers"), secondary=True),
        amount("total", msgid("Credits")),
    ]


def standard_text(version: str, locale: str) -> str:
    """Return how a standard of credits is called: its version, but for what is shipped."""
    if version == REFERENCE_STANDARD:
        return translate(msgid("Reference standard"), locale)
    return version


def _row_columns(page: Page) -> list[Column[CreditRow]]:
    def resource(row: CreditRow) -> str:
        return resource_address(row.vendor_code, row.sku)

    def at(row: CreditRow) -> datetime:
        return row.at

    return [
        Column(key="at", title=msgid("On"), value=at, kind="moment", sortable=True),
        Column(
            key="kind",
            title=msgid("For what"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="CreditKind",
        ),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, href=resource),
        Column(
            key="version",
            title=msgid("Standard of credits"),
            value=lambda row: standard_text(row.version, page.locale),
            secondary=True,
        ),
        Column(
            key="amount",
            title=msgid("Credits"),
            value=lambda row: _credit(row.amount),
            kind="ratio",
        ),
    ]


def credit_year_columns() -> list[Column[CreditYear]]:
    """Return the columns of an export: one row for each teacher and year."""
    columns = _year_columns(None, people=True)
    person: Column[CreditYear] = Column(
        key="person_id", title=msgid("Number"), value=lambda row: str(row.person_id), kind="code"
    )
    return [person, *columns]
