"""A line's credit note on a page."""

from typing import Any
from uuid import UUID

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.clock import parse_month
from kernel.http.pages import Page
from kernel.money import capitals
from settlement.queries.disputes import credit_view
from settlement.queries.lines import line_head
from settlement.web.places import Place


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
