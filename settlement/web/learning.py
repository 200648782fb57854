"""Opening resources on pages: what may be opened today, and the player around what was opened."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response

from catalog.attachments.reading import AttachedFile, contents_of
from kernel.actors import Role
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, Filter, tabulate
from settlement.metering.launches import (
    enter,
    launched_file,
    open_launch,
    own_launch,
    require_open,
)
from settlement.metering.openers import classes_of, school_of_opener
from settlement.metering.player import BEAT_S, beat
from settlement.metering.tickets import sign_ticket
from settlement.queries.launches import OpenableRow, launch_view, openable_at, running_launches

HOME: Final = "/learn"
RUNNING_SHOWN: Final = 5
NOTHING_TO_OPEN = msgid(
    "There is nothing to open today. What your school selects appears here once it is approved."
)

COLUMNS: Final[tuple[Column[OpenableRow], ...]] = (
    Column(key="title", title=msgid("Resource"), value=lambda row: row.title, sortable=True),
    Column(key="subject", title=msgid("Subject"), value=lambda row: row.subject, sortable=True),
    Column(
        key="grade",
        title=msgid("Grade"),
        value=lambda row: row.grade,
        sortable=True,
        secondary=True,
    ),
    Column(
        key="type", title=msgid("Type"), value=lambda row: row.type, sortable=True, secondary=True
    ),
    Column(
        key="vendor_name",
        title=msgid("Vendor"),
        value=lambda row: row.vendor_name,
        sortable=True,
        secondary=True,
    ),
    Column(
        key="ends_on",
        title=msgid("Until"),
        value=lambda row: row.ends_on,
        kind="day",
        sortable=True,
    ),
)


class OpenForm(Form, frozen=True):
    """`resource`: the vendor's code, a slash, its sku. A teacher names a class."""

    resource: str
    class_name: str = ""


class BeatForm(Form, frozen=True):
    """Nothing but the proof that the form is ours."""


def address_of_launch(launch_id: UUID) -> str:
    return f"{HOME}/play/{launch_id}"


def show_openable(page: Page) -> Response[Any]:
    """List what the person may open today, with what they have open already."""
    unit = page.unit
    school_id = school_of_opener(unit)
    rows = openable_at(unit, school_id) if school_id else []
    filters = _filters(rows)
    view = page.view(COLUMNS, filters=filters)
    table = tabulate(
        translate(msgid("What you may open today"), page.locale),
        COLUMNS,
        _narrowed(rows, view.filters.get("subject", ""), view.filters.get("title", "")),
        view=view,
        filters=filters,
        empty=NOTHING_TO_OPEN,
    )
    teaches = page.actor.may(Role.TEACHER)
    return page.render_table(
        "settlement/learn.html",
        table,
        file_name="resources",
        running=running_launches(unit, limit=RUNNING_SHOWN),
        classes=classes_of(unit, school_id) if teaches and school_id else [],
        teaches=teaches,
        address_of_launch=address_of_launch,
    )


def open_resource(page: Page, *, form: OpenForm) -> Response[Any]:
    """Open a resource and go on to its player."""
    vendor_code, _, sku = form.resource.partition("/")
    opened = open_launch(
        page.unit, vendor_code=vendor_code, sku=sku, class_name=form.class_name.strip()
    )
    return page.redirect(address_of_launch(opened.id))


def show_player(page: Page, launch_id: UUID) -> Response[Any]:
    """Show what was opened: where it is to be used, and how long it has been."""
    require_open(page.unit, own_launch(page.unit, launch_id))
    return page.render(
        "settlement/play.html",
        launch=(launch := launch_view(page.unit, launch_id)),
        files=contents_of(page.unit, launch.version_id),
        address=address_of_launch(launch_id),
        home=HOME,
        beat_s=BEAT_S,
    )


def launched_content(page: Page, launch_id: UUID, attachment_id: UUID) -> AttachedFile:
    """Return a file of what the person has open; its bytes are sent after the unit."""
    return launched_file(page.unit, launch_id, attachment_id)


def note_presence(page: Page, launch_id: UUID) -> Response[Any]:
    """Note that it is still in use, and show the player again."""
    launch = own_launch(page.unit, launch_id)
    require_open(page.unit, launch)
    beat(page.unit, launch)
    return page.redirect(address_of_launch(launch_id))


def go_to_vendor(page: Page, launch_id: UUID) -> Response[None]:
    """Send the browser on to the vendor, with a ticket made for this moment."""
    address, ticket = enter(page.unit, launch_id)
    return _with_ticket(address, ticket.text)


class LaunchAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A launch with where to go; the ticket is there for what is used at its vendor."""

    id: UUID
    url: str
    until: datetime
    ticket: str = ""
    redeem_by: datetime | None = None


def launch_for_script(page: Page, *, vendor_code: str, sku: str, class_name: str) -> LaunchAnswer:
    """Open a resource and return where to go: to the vendor with the ticket, else to the player."""
    opened = open_launch(page.unit, vendor_code=vendor_code, sku=sku, class_name=class_name)
    if not opened.address:
        return LaunchAnswer(
            id=opened.id, url=address_of_launch(opened.id), until=opened.launch.expires_at
        )
    ticket = sign_ticket(page.unit, opened.launch, opened.subject)
    return LaunchAnswer(
        id=opened.id,
        url=ticketed(opened.address, ticket.text),
        until=opened.launch.expires_at,
        ticket=ticket.text,
        redeem_by=ticket.redeem_by,
    )


def _with_ticket(address: str, ticket: str) -> Response[None]:
    # Not through `redirect`, which is for addresses on this site and would quote this one again.
    return Response(None, status_code=303, headers={"Location": ticketed(address, ticket)})


def ticketed(address: str, ticket: str) -> str:
    """Return a vendor's address with a ticket; a ticket's letters need no quoting."""
    return f"{address}{'&' if '?' in address else '?'}ticket={ticket}"


def _filters(rows: list[OpenableRow]) -> tuple[Filter, ...]:
    subjects = sorted({row.subject for row in rows if row.subject})
    return (
        Filter(key="title", title=msgid("Title")),
        Filter(
            key="subject",
            title=msgid("Subject"),
            options=tuple((subject, subject) for subject in subjects),
        ),
    )


def _narrowed(rows: list[OpenableRow], subject: str, title: str) -> list[OpenableRow]:
    wanted = title.casefold()
    return [
        row
        for row in rows
        if (not subject or row.subject == subject) and wanted in row.title.casefold()
    ]
