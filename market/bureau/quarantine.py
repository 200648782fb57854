"""Rows put aside on a bureau's pages: of one period, or of none; and the repeats by file."""

from datetime import date
from typing import Any

from litestar import Response

from kernel.clock import parse_month, show_month
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, Filter, Table, excerpt
from market.bureau.places import PERIODS, UNDATED
from settlement.metering.remedies import mending
from settlement.queries.periods import period_board
from settlement.queries.quarantine import (
    QuarantinedRow,
    RepeatedRows,
    quarantine_reasons,
    quarantined_rows,
    repeated_rows,
)
from settlement.web.columns import number


def show_quarantine(page: Page, month_text: str) -> Response[Any]:
    """List the rows of one period that were put aside."""
    month = parse_month(month_text)
    if not period_board(page.unit, month=month).periods:
        raise NotFound(what="period", key=show_month(month))
    return _show(page, month)


def show_undated(page: Page) -> Response[Any]:
    """List the rows put aside that belong to no period."""
    return _show(page, None)


def _show(page: Page, month: date | None) -> Response[Any]:
    reasons = quarantine_reasons(page.unit, month)
    filters = (
        Filter(
            key="reason",
            title=msgid("Reason"),
            options=tuple((one, label(one, page.locale, kind="quarantine")) for one in reasons),
        ),
    )
    columns = _columns(page.locale)
    view = page.view(columns, filters=filters)
    reason = view.filters.get("reason")
    count = sum(reasons.values()) if reason is None else reasons[reason]
    view = view.within(count)
    table = Table(
        caption=translate(msgid("Quarantined rows"), page.locale),
        columns=columns,
        rows=quarantined_rows(
            page.unit, month, reason=reason, limit=view.per_page, offset=view.offset
        ),
        view=view,
        count=count,
        filters=filters,
        empty=msgid("No row was quarantined."),
    )
    month_shown = show_month(month) if month else ""
    return page.render_table(
        "bureau/quarantine.html",
        table,
        file_name=f"quarantine-{month_shown or 'undated'}",
        month=month_shown,
        periods_address=PERIODS,
        repeats=excerpt(
            translate(msgid("Duplicates and conflicts by delivery file"), page.locale),
            _repeat_columns(),
            repeated_rows(page.unit, month),
            path=f"{PERIODS}/{month_shown}/quarantine" if month else UNDATED,
            summed=("duplicates", "conflicts"),
            empty=msgid("No delivery file repeated a row."),
        ),
    )


def _columns(locale: str) -> list[Column[QuarantinedRow]]:
    return [
        Column(
            key="received_at",
            title=msgid("Received"),
            value=lambda row: row.received_at,
            kind="second",
            export_only=True,
        ),
        Column(
            key="reason",
            title=msgid("Reason"),
            value=lambda row: row.reason,
            kind="label",
            label_kind="quarantine",
        ),
        Column(key="event_id", title=msgid("Event"), value=lambda row: row.event_id, kind="code"),
        Column(
            key="occurred_at",
            title=msgid("Time"),
            value=lambda row: row.occurred_at,
            kind="second",
        ),
        _code("school_code", msgid("School code"), lambda row: row.school_code),
        _code(
            "vendor_code",
            msgid("Vendor code"),
            lambda row: row.vendor_code,
            export_only=True,
        ),
        _code("sku", msgid("Article number"), lambda row: row.sku),
        Column(
            key="quantity", title=msgid("Quantity"), value=lambda row: row.quantity, kind="number"
        ),
        Column(
            key="detail",
            title=msgid("Detail"),
            value=lambda row: row.detail or mending(row.reason).field or None,
            kind="code",
        ),
        Column(
            key="remedy",
            title=msgid("What to do"),
            value=lambda row: translate(mending(row.reason).remedy, locale) or None,
        ),
        _code("source_code", msgid("Source"), lambda row: row.source_code, export_only=True),
        Column(
            key="file_name",
            title=msgid("Delivery file"),
            value=lambda row: row.file_name,
            secondary=True,
        ),
        Column(
            key="position",
            title=msgid("Row"),
            value=lambda row: row.position,
            kind="number",
            secondary=True,
        ),
    ]


def _code(key: str, title: str, value: Any, *, export_only: bool = False) -> Column[QuarantinedRow]:
    return Column(
        key=key, title=title, value=value, kind="code", secondary=True, export_only=export_only
    )


def _repeat_columns() -> list[Column[RepeatedRows]]:
    return [
        Column(key="file_name", title=msgid("Delivery file"), value=lambda row: row.file_name),
        Column(
            key="source_code",
            title=msgid("Source"),
            value=lambda row: row.source_code,
            kind="code",
        ),
        Column(
            key="begun_at", title=msgid("Received"), value=lambda row: row.begun_at, kind="moment"
        ),
        number("duplicates", msgid("Duplicates")),
        number("conflicts", msgid("Conflicts")),
    ]
