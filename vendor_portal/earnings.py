"""A vendor's earnings on pages: what is owed to it, by period, and one period's lines."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from litestar import Response

from kernel.clock import parse_month
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.identity.names import names_of_actors
from kernel.web.tables import Column, excerpt, tabulate
from settlement.payments.bank_accounts import AccountNews, account_news
from settlement.queries.disputes import disputes_of
from settlement.queries.earnings import Earnings, EarningsRow, earnings_of
from settlement.queries.lines import lines_of
from settlement.queries.standing_waits import own_waits
from settlement.web.columns import EARNED_SUMS, earned_columns, money, number
from settlement.web.disputes import Desk
from settlement.web.places import Place
from settlement.web.rankings import cell_words
from vendor_portal.payouts import PAYOUTS

PERIOD_SUMS = (
    *("lines", "uses", "amount_fen", "fee_fen", "retention_fen", "school_fen", "vendor_fen"),
    "posted_fen",
)
RETENTION = "/vendor/retention"
NOTHING = msgid("Nothing was used yet. What schools use appears here when their month is closed.")


def vendor_place(page: Page) -> Place:
    """Return the place under which a vendor's own pages hang."""
    return Place(
        root=((translate(msgid("Home"), page.locale), "/vendor"),),
        statements="/vendor/periods",
        statements_title=translate(msgid("Earnings"), page.locale),
    )


def dispute_desk(page: Page) -> Desk:
    """Return where a vendor finds the disputes about its lines."""
    place = vendor_place(page)
    return Desk(
        root=place.root,
        address="/vendor/disputes",
        title=translate(msgid("Disputes"), page.locale),
        place_of=lambda _row: place,
    )


def show_home(page: Page, place: Place) -> Response[Any]:
    """Show what is owed to the vendor and its latest periods."""
    earnings = _own(page)
    columns = _period_columns(place, earnings)
    table = excerpt(
        translate(msgid("Latest periods"), page.locale),
        columns,
        earnings.periods[:6],
        path=place.statements,
        summed=_summed(columns),
        empty=NOTHING,
    )
    waiting = [row for row in disputes_of(page.unit, only_open=True) if row.waits_for_answer]
    return page.render(
        "vendor/home.html",
        place=place,
        earnings=earnings,
        table=table,
        retention=RETENTION,
        disputes=waiting,
        changed=_changed_accounts(page, earnings.vendor_id),
        now=page.unit.clock.now(),
        payouts=PAYOUTS,
        waits=own_waits(page.unit),
        cell_words=partial(cell_words, locale=page.locale),
    )


def _changed_accounts(page: Page, vendor_id: UUID) -> list[tuple[AccountNews, str]]:
    """Return how the vendor's account was changed lately, each with who did it."""
    changed = account_news(page.unit, vendor_id)
    if not changed:
        return []
    names = names_of_actors(page.unit, {one.recorded_by for one in changed}, locale=page.locale)
    return [(one, names[one.recorded_by]) for one in changed]


def show_periods(page: Page, place: Place) -> Response[Any]:
    """List all periods in which the vendor earned something."""
    earnings = _own(page)
    columns = _period_columns(place, earnings)
    table = tabulate(
        translate(msgid("Periods"), page.locale),
        columns,
        earnings.periods,
        view=page.view(columns, sort="-month"),
        summed=_summed(columns),
        empty=NOTHING,
    )
    return page.render_table(
        "vendor/periods.html", table, file_name=f"earnings-{earnings.vendor_code}", place=place
    )


def show_period(page: Page, place: Place, month_text: str) -> Response[Any]:
    """Show one period's lines over all schools, with their sums."""
    month = parse_month(month_text)
    earnings = _own(page)
    found = [row for row in earnings.periods if row.month == month]
    if not found:
        raise NotFound(what="period", key=month_text)
    columns = earned_columns(place)
    table = tabulate(
        translate(msgid("Lines"), page.locale),
        columns,
        lines_of(page.unit, month=month, vendor_id=earnings.vendor_id),
        view=page.view(columns),
        summed=EARNED_SUMS,
    )
    return page.render_table(
        "vendor/period.html",
        table,
        file_name=f"earnings-{earnings.vendor_code}-{month_text}",
        place=place,
        period=found[0],
    )


def _own(page: Page) -> Earnings:
    vendor_id = page.actor.organisation_id
    assert vendor_id is not None, "the route admits people of vendors only"
    return earnings_of(page.unit, vendor_id)


def _summed(columns: Sequence[Column[EarningsRow]]) -> list[str]:
    return [column.key for column in columns if column.key in PERIOD_SUMS]


def _period_columns(place: Place, earnings: Earnings) -> list[Column[EarningsRow]]:
    def href(row: EarningsRow) -> str:
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
        number("schools", msgid("Schools"), href=href),
        number("lines", msgid("Lines"), href=href, secondary=True),
        number("uses", msgid("Uses"), href=href),
        money("amount_fen", msgid("Billed"), href=href),
        money("fee_fen", msgid("Platform fee"), href=href, secondary=True),
        money("retention_fen", msgid("Quality retention"), href=href, secondary=True),
        *(
            # Only a teacher's service work is shared with a school.
            [money("school_fen", msgid("Share of the author's school"), href=href, secondary=True)]
            if any(row.school_fen for row in earnings.periods)
            else []
        ),
        money("vendor_fen", msgid("Vendor's share"), href=href),
        money("posted_fen", msgid("Of it booked"), href=href),
    ]
