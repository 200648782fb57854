"""What waits to be checked of one kind of record, as a table of a page."""

from typing import Final

from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Column, Table, excerpt
from procurement.approval_rule_previews import SignTable, sign_table
from procurement.record_proposals import RecordKind, RecordRow, RecordState, record_proposals

RECORDS: Final = "/bureau/records"


def waiting_records(
    page: Page, kind: RecordKind, *, path: str, agreement: str = ""
) -> Table[RecordRow]:
    """Return the table of what waits to be checked of a kind; `agreement`: about that one only."""
    rows = record_proposals(page.unit, kind, state=RecordState.WAITING)
    return excerpt(
        translate(msgid("Waiting to be checked"), page.locale),
        _record_columns(kind),
        [row for row in rows if not agreement or row.content["agreement"] == agreement],
        path=path,
    )


def _record_columns(kind: RecordKind) -> list[Column[RecordRow]]:
    def href(row: RecordRow) -> str:
        return f"{RECORDS}/{row.number}"

    def table_of(row: RecordRow) -> SignTable:
        return sign_table(row.content)

    columns: list[Column[RecordRow]] = [
        Column(key="number", title=msgid("Proposal"), value=lambda row: row.number, href=href),
        Column(key="reason", title=msgid("Reason"), value=lambda row: row.reason),
    ]
    if kind is RecordKind.BUDGET:
        columns += [
            Column(
                key="source",
                title=msgid("Source of the money"),
                value=lambda row: row.content["source"],
                kind="label",
                label_kind="source",
            ),
            Column(
                key="fiscal_year",
                title=msgid("Fiscal year"),
                value=lambda row: str(row.content["fiscal_year"]),
                kind="code",
            ),
            Column(
                key="amount_fen",
                title=msgid("Amount"),
                value=lambda row: row.content["amount_fen"],
                kind="money",
            ),
        ]
    elif kind is RecordKind.BULK_SCHOOLS:
        columns += [
            Column(
                key="schools",
                title=msgid("Schools"),
                value=lambda row: len(row.content["schools"]),
                kind="number",
            )
        ]
    else:
        columns += [
            Column(
                key="valid_from",
                title=msgid("From"),
                value=lambda row: table_of(row).valid_from,
                kind="day",
            ),
            Column(
                key="signatures",
                title=msgid("Signatures"),
                value=lambda row: len(table_of(row).thresholds),
                kind="number",
            ),
        ]
    return [
        *columns,
        Column(
            key="made_by",
            title=msgid("Proposed by"),
            value=lambda row: row.made_by_name,
            secondary=True,
        ),
        Column(
            key="made_at",
            title=msgid("Proposed at"),
            value=lambda row: row.made_at,
            kind="moment",
            secondary=True,
        ),
    ]
