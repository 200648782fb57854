"""A vendor's quality retention on a page: what is held of which month, until when, what became."""

from typing import Any

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, tabulate
from settlement.queries.retention import RetentionRow, retention_of_vendor
from settlement.web.columns import money, number
from settlement.web.places import Place

SUMS = ("lines", "retained_fen", "held_fen", "released_fen", "forfeited_fen")
NOTHING_HELD = msgid("Nothing was held back yet. It is from each bill, once it is booked.")


def show_retention(page: Page, place: Place) -> Response[Any]:
    """Show what is held back of which month, until when, and what became of it."""
    vendor_id = page.actor.organisation_id
    assert vendor_id is not None, "the route admits people of vendors only"
    rows = retention_of_vendor(page.unit, vendor_id)
    columns = _retention_columns(place)
    table = tabulate(
        translate(msgid("Quality retention"), page.locale),
        columns,
        rows,
        view=page.view(columns, sort="-of_month"),
        summed=SUMS,
        empty=NOTHING_HELD,
    )
    held = [row for row in rows if row.held_fen]
    return page.render_table(
        "vendor/retention.html",
        table,
        file_name=f"retention-{page.actor.organisation_code}",
        place=place,
        held_fen=sum(row.held_fen for row in rows),
        next_due=min((row.due_on for row in held), default=None),
        released_fen=sum(row.released_fen for row in rows),
        forfeited_fen=sum(row.forfeited_fen for row in rows),
    )


def _retention_columns(place: Place) -> list[Column[RetentionRow]]:
    def href(row: RetentionRow) -> str:
        return place.statement(row.of_month)

    return [
        Column(
            key="of_month",
            title=msgid("Month of use"),
            value=lambda row: row.of_month,
            kind="month",
            href=href,
            sortable=True,
        ),
        Column(
            key="due_on",
            title=msgid("Released from"),
            value=lambda row: row.due_on,
            kind="day",
            sortable=True,
        ),
        number("lines", msgid("Lines"), secondary=True),
        money("retained_fen", msgid("Held back in all")),
        money("held_fen", msgid("Still held")),
        money("released_fen", msgid("Released")),
        money("forfeited_fen", msgid("Forfeited")),
        Column(
            key="standing",
            title=msgid("State"),
            value=lambda row: row.standing,
            kind="state",
            label_kind="retention",
            sortable=True,
        ),
    ]
