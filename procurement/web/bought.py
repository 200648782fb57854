"""What a bureau bought for a school, on the school's pages: its own part, and how it declines."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from litestar import Response

from catalog.plan_words import plan_words
from kernel.clock import shanghai_day
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, tabulate
from procurement.bulk_lists import BoughtRow, bought_for_us
from procurement.web.school_days import days_words
from settlement.agreement_schools import MAY_DECLINE, decline
from settlement.agreement_states import RUNNING
from settlement.ceilings import CeilingUse

BOUGHT: Final = "/school/bulk"
TITLE: Final = msgid("Bought for us by the bureau")
NOTHING: Final = msgid("The bureau has bought nothing for this school.")


class DeclineForm(Form, frozen=True):
    """The first day on which the school goes by its own agreements."""

    from_day: str = ""
    reason: str = ""


def show_bought(page: Page) -> Response[Any]:
    """List what was bought for the actor's school, with its own part."""
    columns = _columns(page.locale, may_decline=page.actor.may(*MAY_DECLINE))
    table = tabulate(
        translate(TITLE, page.locale),
        columns,
        bought_for_us(page.unit),
        view=page.view(columns),
        empty=NOTHING,
    )
    return page.render_table("procurement/bought.html", table, file_name="bought-for-us")


def ask_decline(
    page: Page,
    number: str,
    *,
    form: DeclineForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show the form by which a school declines, with what follows from it."""
    rows = [row for row in bought_for_us(page.unit) if row.number == number]
    if not rows:
        raise NotFound(what="agreement", key=number)
    today = shanghai_day(page.unit.clock.now())
    return page.render(
        "procurement/decline_form.html",
        status=422 if errors else 200,
        row=rows[0],
        plan=plan_words(rows[0].terms, page.locale),
        form=form or DeclineForm(from_day=max(today, rows[0].starts_on).isoformat()),
        errors=errors or {},
    )


def post_decline(page: Page, number: str, *, form: DeclineForm) -> Response[Any]:
    """Decline, or show the form again with what is wrong."""
    typed = Typed(page.locale)
    from_day = typed.day("from_day", form.from_day)
    reason = typed.text("reason", form.reason)
    if typed.errors:
        return ask_decline(page, number, form=form, errors=typed.errors)
    try:
        decline(page.unit, number, from_day=from_day, reason=reason)
    except MarketError as error:
        typed.refuse(error, {})
        return ask_decline(page, number, form=form, errors=typed.errors)
    return page.redirect(BOUGHT)


def _columns(locale: str, *, may_decline: bool) -> list[Column[BoughtRow]]:
    def href(row: BoughtRow) -> str:
        is_open = row.state in RUNNING and row.standing.goes_on
        return f"{BOUGHT}/{row.number}/decline" if may_decline and is_open else ""

    amounts = {
        "ceiling": msgid("Our ceiling"),
        "billed": msgid("Billed"),
        "left": msgid("Left by the estimate"),
        "above": msgid("Above the ceiling"),
    }
    return [
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, sortable=True),
        Column(key="school", title=msgid("School"), value=attrgetter("standing.name")),
        Column(
            key="buyer", title=msgid("Bought by"), value=lambda row: row.buyer_name, secondary=True
        ),
        Column(
            key="plan",
            title=msgid("Price"),
            value=lambda row: plan_words(row.terms, locale),
            secondary=True,
        ),
        *(
            Column(
                key=key,
                title=title,
                value=attrgetter(f"standing.{key}_fen"),
                kind="money",
                secondary=key == "above",
            )
            for key, title in amounts.items()
        ),
        Column(
            key="quantity",
            title=msgid("Billable quantity"),
            value=attrgetter("standing.quantity"),
            kind="number",
        ),
        Column(
            key="use",
            title=msgid("By the estimate"),
            value=attrgetter("standing.use"),
            kind="state",
            label_kind=CeilingUse.__name__,
        ),
        Column(
            key="days",
            title=msgid("Days of use"),
            value=lambda row: days_words(
                row.standing.runs, row.starts_on, row.ends_on, locale=locale
            ),
        ),
        Column(
            key="act",
            title=msgid("What we may do"),
            value=lambda row: translate(msgid("Decline"), locale) if href(row) else None,
            href=href,
        ),
    ]
