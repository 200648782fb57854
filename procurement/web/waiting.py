"""Selections that wait for the signature of whoever looks, as a table."""

from collections.abc import Callable, Sequence
from uuid import UUID

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, Table, excerpt
from procurement.due_steps import WaitingStep


def waiting_columns(href: Callable[[UUID], str]) -> list[Column[WaitingStep]]:
    """Return the columns of what waits; each row opens its selection."""
    return [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=lambda row: href(row.selection_id),
        ),
        Column(
            key="school", title=msgid("School"), value=lambda row: row.school_name, secondary=True
        ),
        Column(
            key="reference",
            title=msgid("Reference"),
            value=lambda row: row.reference,
            kind="code",
        ),
        Column(
            key="kind",
            title=msgid("Asks for"),
            value=lambda row: row.kind,
            kind="label",
            label_kind="SelectionKind",
            secondary=True,
        ),
        Column(
            key="starts_on",
            title=msgid("From"),
            value=lambda row: row.starts_on,
            kind="day",
            secondary=True,
        ),
        Column(
            key="ends_on",
            title=msgid("Until"),
            value=lambda row: row.ends_on,
            kind="day",
            secondary=True,
        ),
        Column(
            key="role",
            title=msgid("Signature as"),
            value=lambda row: row.role,
            kind="label",
            label_kind="Role",
            secondary=True,
        ),
        Column(
            key="ceiling_fen",
            title=msgid("Ceiling"),
            value=lambda row: row.ceiling_fen,
            kind="money",
        ),
        Column(
            key="due_on", title=msgid("To be signed by"), value=lambda row: row.due_on, kind="day"
        ),
        Column(
            key="standing",
            title=msgid("Progress"),
            value=lambda row: "overdue" if row.is_overdue else "waiting",
            kind="state",
            label_kind="step",
        ),
    ]


def waiting_table(
    page: Page, steps: Sequence[WaitingStep], href: Callable[[UUID], str]
) -> Table[WaitingStep]:
    """Return what the actor may sign now, with the sum of the ceilings."""
    return excerpt(
        translate(msgid("Waiting for your signature"), page.locale),
        waiting_columns(href),
        steps,
        path=page.request.scope["path"],
        summed=("ceiling_fen",),
    )
