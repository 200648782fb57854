"""The year's end on a page: what would lapse or be carried over, and the act itself."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response

from kernel.clock import show_month
from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.web.tables import Column, Filter, tabulate
from procurement.funding.year_ends import MAY_END, YearEndLine, close_year, plan_year_end
from procurement.web.budgets import desk_root
from settlement.year_ends import last_closed_year, last_open_day

YEAR_END: Final = "/bureau/year-end"
YEARS_SHOWN: Final = 3
WAITS: Final = msgid("waits: {month} has to be settled first")
LAPSES: Final = msgid("lapses")
CARRIED: Final = msgid("carried over until {day}")


class YearEndForm(Form, frozen=True):
    """Which year is closed."""

    year: str = ""


def show_year_end(page: Page, *, errors: Mapping[str, str] | None = None) -> Response[Any]:
    """Show how each line of a closed year would end; nothing is written."""
    last = last_closed_year(page.unit)
    by_year = Filter(
        key="year",
        title=msgid("Fiscal year"),
        options=tuple((str(year), str(year)) for year in range(last, last - YEARS_SHOWN, -1)),
        default=str(last),
    )
    columns = _columns(page.locale)
    view = page.view(columns, filters=(by_year,))
    year = int(view.filters["year"])
    plan = plan_year_end(page.unit, fiscal_year=year)
    table = tabulate(
        translate(msgid("Lines that end"), page.locale),
        columns,
        plan.lines,
        view=view,
        summed=("available", "freed", "held", "lapsed", "carried"),
        filters=(by_year,),
        empty=msgid("No line holds anything that would end with this year."),
    )
    return page.render_table(
        "procurement/year_end.html",
        table,
        file_name=f"year-end-{year}",
        root=desk_root(page),
        address=YEAR_END,
        plan=plan,
        errors=errors or {},
        may_close=bool(plan.ends) and page.actor.may(*MAY_END),
        next_day=last_open_day(page.unit.settings, last + 1),
        next_year=last + 1,
    )


def post_year_end(page: Page, form: YearEndForm) -> Response[Any]:
    """Close the year that was shown."""
    if not (form.year.isascii() and form.year.isdigit() and len(form.year) == 4):
        text = translate(msgid("Choose a fiscal year."), page.locale)
        return show_year_end(page, errors={"": text})
    try:
        close_year(page.unit, fiscal_year=int(form.year))
    except MarketError as error:
        return show_year_end(page, errors={"": translate_error(error, page.locale)})
    return page.redirect(f"{YEAR_END}?year={form.year}")


def _ending(row: YearEndLine, locale: str) -> str:
    if row.waits_for is not None:
        return translate(WAITS, locale).format(month=show_month(row.waits_for))
    if row.error is not None:
        return translate_error(row.error, locale)
    if row.end is not None and row.end.carried_until is not None:
        return translate(CARRIED, locale).format(day=row.end.carried_until.isoformat())
    return translate(LAPSES, locale)


def _columns(locale: str) -> list[Column[YearEndLine]]:
    def href(row: YearEndLine) -> str:
        return f"/bureau/schools/{row.line.payer_code}/funding"

    return [
        Column(
            key="payer",
            title=msgid("School"),
            value=lambda row: row.line.payer_name,
            href=href,
            sortable=True,
        ),
        Column(
            key="line",
            title=msgid("Funding line"),
            value=lambda row: row.line.code,
            kind="code",
            export_only=True,
        ),
        Column(
            key="source",
            title=msgid("Source of the money"),
            value=lambda row: row.line.source,
            kind="label",
            label_kind="source",
        ),
        Column(
            key="available",
            title=msgid("Available"),
            value=lambda row: row.line.balance.available_fen,
            kind="money",
        ),
        Column(
            key="freed",
            title=msgid("Freed of agreements"),
            value=lambda row: row.end.freed_fen if row.end else None,
            kind="money",
        ),
        Column(
            key="held",
            title=msgid("Stated, not posted"),
            value=lambda row: row.line.stated_fen,
            kind="money",
            secondary=True,
        ),
        Column(
            key="lapsed",
            title=msgid("Back to the treasury"),
            value=lambda row: row.end.lapsed_fen if row.end else None,
            kind="money",
        ),
        Column(
            key="carried",
            title=msgid("Carried over"),
            value=lambda row: row.end.carried_fen if row.end else None,
            kind="money",
        ),
        Column(key="ending", title=msgid("How it ends"), value=lambda row: _ending(row, locale)),
    ]
