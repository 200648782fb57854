"""Selections that wait for the signature of whoever looks, as a table."""

from collections.abc import Sequence

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, Table, excerpt
from procurement.due_steps import WaitingStep

COLUMNS: list[Column[WaitingStep]] = [
    Column(key="title", title=msgid("Resource"), value=lambda row: row.title),
    Column(key="school", title=msgid("School"), value=lambda row: row.school_name),
    Column(key="reference", title=msgid("Reference"), value=lambda row: row.reference, kind="code"),
    Column(key="starts_on", title=msgid("From"), value=lambda row: row.starts_on, kind="day"),
    Column(key="ends_on", title=msgid("Until"), value=lambda row: row.ends_on, kind="day"),
    Column(
        key="role",
        title=msgid("Signature as"),
        value=lambda row: row.role,
        kind="label",
        label_kind="Role",
        secondary=True,
    ),
    Column(
        key="ceiling_fen", title=msgid("Ceiling"), value=lambda row: row.ceiling_fen, kind="money"
    ),
]


def waiting_table(page: Page, steps: Sequence[WaitingStep]) -> Table[WaitingStep]:
    """Return what the actor may sign now, with the sum of the ceilings."""
    return excerpt(
        translate(msgid("Waiting for your signature"), page.locale),
        COLUMNS,
        steps,
        path=page.request.scope["path"],
        summed=("ceiling_fen",),
    )
