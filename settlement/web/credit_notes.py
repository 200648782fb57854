"""A line's credit note, and the queue of what no funding line covered, on pages."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.clock import parse_month
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.money import capitals
from kernel.web.tables import Column, tabulate
from settlement.queries.disputes import credit_view
from settlement.queries.lines import line_head
from settlement.queries.unfunded import UnfundedRow, unfunded
from settlement.web.columns import money
from settlement.web.places import Crumb, Place


def show_credit_note(page: Page, place: Place, month_text: str, line_id: UUID) -> Response[Any]:
    """Show what was taken off a line and who gives it back."""
    head = line_head(page.unit, line_id)
    place.require_line(head, parse_month(month_text))
    note = credit_view(page.unit, line_id)
    return page.render(
        "settlement/credit_note.html",
        place=place,
        line=head.line,
        note=note,
        in_words=capitals(note.amount_fen),
        booked=head.line.state == "posted",
        for_vendor=page.actor.organisation_kind is OrganisationKind.VENDOR,
    )


def show_unfunded(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    place_of: Callable[[UnfundedRow], Place],
    payer_code: str | None = None,
) -> Response[Any]:
    """List what waits for money: of one payer, or of all that the actor sees (R35)."""
    columns = _columns(place_of, with_payer=payer_code is None)
    table = tabulate(
        translate(msgid("Unfunded use"), page.locale),
        columns,
        unfunded(page.unit, payer_code=payer_code),
        view=page.view(columns),
        summed=("amount_fen", "unfunded_fen"),
        empty=msgid("Nothing waits for money: funding lines covered all that was billed."),
    )
    return page.render_table(
        "settlement/unfunded.html", table, file_name="unfunded", export_totals=True, root=root
    )


def _columns(
    place_of: Callable[[UnfundedRow], Place], *, with_payer: bool
) -> list[Column[UnfundedRow]]:
    def href(row: UnfundedRow) -> str:
        return place_of(row).line(row.month, row.line_id)

    columns: list[Column[UnfundedRow]] = [
        Column(
            key="payer_name",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            sortable=True,
        ),
        Column(key="title", title=msgid("Resource"), value=lambda row: row.title, href=href),
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            secondary=True,
        ),
        Column(
            key="of_month",
            title=msgid("Used in"),
            value=lambda row: row.of_month,
            kind="month",
            sortable=True,
        ),
        Column(
            key="month",
            title=msgid("Period"),
            value=lambda row: row.month,
            kind="month",
            secondary=True,
        ),
        money("amount_fen", msgid("Billed"), href=href),
        money("unfunded_fen", msgid("Unfunded"), href=href),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="statement",
        ),
    ]
    return columns if with_payer else columns[1:]
