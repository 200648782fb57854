"""The uses behind a line on pages: each event with its judgement, down to its delivery."""

from typing import Any
from uuid import UUID

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.clock import parse_month
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Filter, Table
from settlement.metering.exclusions import Rule
from settlement.metering.judging import COUNTED, REPEAT
from settlement.queries.lines import line_head
from settlement.queries.uses import UseRow, events_judged, use_of, uses_of
from settlement.web.columns import use_columns
from settlement.web.places import Place

FILTERS = (
    Filter(
        key="judgement",
        title=msgid("Judgement"),
        options=(
            (COUNTED, msgid("Counted")),
            (REPEAT, msgid("Repeat within 30 seconds")),
            (Rule.OUTSIDE, msgid("Outside the enrolment")),
            (Rule.OVER_ENROLMENT, msgid("More learners than enrolled")),
            (Rule.OWN_SCHOOL, msgid("Author's own school")),
            (Rule.VENDOR_STAFF, msgid("Staff of the vendor")),
        ),
    ),
)


def show_uses(page: Page, place: Place, month_text: str, line_id: UUID) -> Response[Any]:
    """List the events behind a line, in the order of time."""
    head = line_head(page.unit, line_id)
    month = parse_month(month_text)
    place.require_line(head, month)

    def href(row: UseRow) -> str:
        return place.use(month, line_id, row.sequence)

    columns = use_columns(href, for_vendor=page.actor.organisation_kind is OrganisationKind.VENDOR)
    view = page.view(columns, filters=FILTERS)
    view = view.within(events_judged(head.explanation)[view.filters.get("judgement")])
    rows, count = uses_of(
        page.unit,
        head,
        judgement=view.filters.get("judgement"),
        limit=view.per_page,
        offset=view.offset,
    )
    table = Table(
        caption=translate(msgid("Records of use"), page.locale),
        columns=columns,
        rows=rows,
        view=view,
        count=count,
        filters=FILTERS,
    )
    return page.render_table(
        "settlement/uses.html",
        table,
        file_name=f"uses-{head.line.agreement_number}-{month_text}",
        place=place,
        line=head.line,
    )


def show_use(
    page: Page, place: Place, month_text: str, line_id: UUID, *, sequence: int
) -> Response[Any]:
    """Show one event: what it says, what became of it, and how it came into the books."""
    head = line_head(page.unit, line_id)
    place.require_line(head, parse_month(month_text))
    return page.render(
        "settlement/use.html",
        place=place,
        line=head.line,
        view=use_of(page.unit, head, sequence),
    )
