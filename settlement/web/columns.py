"""Columns of settlement's tables, for pages and exports alike; a place says where they lead."""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from catalog.plan_words import plan_words
from kernel.i18n import msgid
from kernel.web.tables import Column
from settlement.queries.funding import AgreementRow
from settlement.queries.lines import LineRow
from settlement.queries.statements import StatementRow
from settlement.queries.uses import UseRow
from settlement.web.places import Place

STATEMENT_SUMS: Final = (
    *("lines", "quantity", "rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen"),
    "credited_fen",
)
LINE_SUMS: Final = (
    *("quantity", "rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen"),
    "credited_fen",
)
SHARE_SUMS: Final = ("drawn_fen", "vendor_fen", "school_fen", "fee_fen", "retention_fen")
STATEMENT_LINE_SUMS: Final = (*LINE_SUMS, *SHARE_SUMS)
EARNED_SUMS: Final = (
    *("quantity", "amount_fen", "uncovered_fen", "vendor_fen", "fee_fen", "retention_fen"),
    "credited_fen",
)
AGREEMENT_SUMS: Final = (
    "ceiling_fen",
    "billed_fen",
    "left_fen",
    "estimated_fen",
    "above_ceiling_fen",
)

Href = Callable[[Any], str]


def money(
    key: str, title: str, *, href: Href | None = None, secondary: bool = False
) -> Column[Any]:
    """Return a column of the rows' attribute `key`, in fen."""
    return Column(
        key=key,
        title=title,
        value=attrgetter(key),
        kind="money",
        href=href,
        sortable=True,
        secondary=secondary,
    )


def number(
    key: str, title: str, *, href: Href | None = None, secondary: bool = False
) -> Column[Any]:
    """Return a column of the rows' attribute `key`, a whole number."""
    return Column(
        key=key,
        title=title,
        value=attrgetter(key),
        kind="number",
        href=href,
        sortable=True,
        secondary=secondary,
    )


def statement_columns(place: Place) -> list[Column[StatementRow]]:
    """Return the columns of one payer's statements."""

    def href(row: StatementRow) -> str:
        return place.statement(row.month)

    return [_month(href), *_statement_figures(href)]


def payers_columns(href: Callable[[StatementRow], str]) -> list[Column[StatementRow]]:
    """Return the columns of one month's statements of many payers."""
    return [
        Column(
            key="payer_name",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            href=href,
            sortable=True,
        ),
        *_statement_figures(href),
    ]


def _statement_figures(href: Callable[[StatementRow], str]) -> list[Column[StatementRow]]:
    return [
        number("lines", msgid("Lines"), href=href, secondary=True),
        number("quantity", msgid("Uses"), href=href, secondary=True),
        money("rated_fen", msgid("At the agreed prices"), href=href, secondary=True),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=href),
        money("amount_fen", msgid("Billed"), href=href),
        money("uncovered_fen", msgid("Uncovered"), href=href),
        money("credited_fen", msgid("Credited"), href=href, secondary=True),
        Column(
            key="confirm_by",
            title=msgid("Confirm by"),
            value=lambda row: row.confirm_by,
            kind="day",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="standing",
            title=msgid("State"),
            value=lambda row: row.standing,
            kind="state",
            label_kind="statement",
            sortable=True,
        ),
    ]


def line_columns(place: Place) -> list[Column[LineRow]]:
    """Return the columns of the lines of one payer's statement; exports carry all that it says."""
    href = _line_href(place)
    return [
        _title(href),
        *_only_exported(
            Column(key="sku", title=msgid("Article number"), value=attrgetter("sku"), kind="code"),
            Column(
                key="agreement_number",
                title=msgid("Agreement"),
                value=attrgetter("agreement_number"),
                kind="code",
            ),
            Column(
                key="kind",
                title=msgid("Kind of line"),
                value=attrgetter("kind"),
                kind="label",
                label_kind="line",
            ),
        ),
        _used_in(),
        _vendor(),
        *_priced(href),
        money("rated_fen", msgid("At the agreed prices"), href=href, secondary=True),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=href),
        money("amount_fen", msgid("Billed"), href=href),
        money("uncovered_fen", msgid("Uncovered"), href=href, secondary=True),
        *_only_exported(
            money("drawn_fen", msgid("Drawn from funding lines")),
            money("vendor_fen", msgid("Vendor's share")),
            money("school_fen", msgid("Share of the author's school")),
            money("fee_fen", msgid("Platform fee")),
            money("retention_fen", msgid("Quality retention")),
        ),
        money("credited_fen", msgid("Credited"), href=href, secondary=True),
        _state(),
    ]


def earned_columns(place: Place) -> list[Column[LineRow]]:
    """Return the columns of a vendor's lines of a month, over all schools."""
    href = _line_href(place)
    return [
        Column(
            key="payer_name",
            title=msgid("School"),
            value=lambda row: row.payer_name,
            href=href,
            sortable=True,
        ),
        _title(href),
        _used_in(),
        *_priced(href),
        money("amount_fen", msgid("Billed"), href=href),
        money("uncovered_fen", msgid("Uncovered"), href=href, secondary=True),
        money("fee_fen", msgid("Platform fee"), href=href, secondary=True),
        money("retention_fen", msgid("Quality retention"), href=href, secondary=True),
        money("vendor_fen", msgid("Vendor's share"), href=href),
        money("credited_fen", msgid("Credited"), href=href, secondary=True),
        _state(),
    ]


def agreement_line_columns(place: Place) -> list[Column[LineRow]]:
    """Return the columns of one agreement's lines over the months."""
    href = _line_href(place)
    return [
        _month(href),
        *_priced(href),
        money("rated_fen", msgid("At the agreed prices"), href=href),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=href),
        money("amount_fen", msgid("Billed"), href=href),
        money("uncovered_fen", msgid("Uncovered"), href=href, secondary=True),
        money("credited_fen", msgid("Credited"), href=href, secondary=True),
        _state(),
    ]


def agreement_columns(place: Place, *, locale: str) -> list[Column[AgreementRow]]:
    """Return the columns of a payer's agreements: prices in the reader's words, ceilings, what is
    used of them, what is left."""

    def href(row: AgreementRow) -> str:
        return place.agreement(row.number)

    return [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=href,
            sortable=True,
        ),
        _vendor(),
        Column(
            key="plan",
            title=msgid("Price"),
            value=lambda row: plan_words(row.terms, locale),
            secondary=True,
        ),
        number("uses", msgid("Billable quantity"), href=href),
        money("ceiling_fen", msgid("Ceiling")),
        money("billed_fen", msgid("Billed"), href=href),
        money("left_fen", msgid("Left")),
        money("estimated_fen", msgid("Not stated yet, estimate"), href=href, secondary=True),
        Column(
            key="ceiling_use",
            title=msgid("By the estimate"),
            value=lambda row: row.ceiling_use,
            kind="state",
            label_kind="CeilingUse",
        ),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=href, secondary=True),
        Column(
            key="ends_on",
            title=msgid("Until"),
            value=lambda row: row.ends_on,
            kind="day",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="agreement",
            sortable=True,
        ),
    ]


def use_columns(href: Callable[[UseRow], str], *, for_vendor: bool) -> list[Column[UseRow]]:
    """Return the columns of the events behind a line; `for_vendor` without what it may not see."""
    columns: list[Column[UseRow]] = [
        Column(
            key="occurred_at",
            title=msgid("Time"),
            value=lambda row: row.occurred_at,
            kind="second",
            href=href,
        ),
        Column(
            key="event_id",
            title=msgid("Event"),
            value=lambda row: row.event_id,
            kind="code",
            href=href,
        ),
        Column(key="learner", title=msgid("Learner"), value=lambda row: row.learner, kind="code"),
        Column(key="school_name", title=msgid("School"), value=lambda row: row.school_name),
        Column(
            key="session",
            title=msgid("Session"),
            value=lambda row: row.session,
            kind="code",
            secondary=True,
        ),
        Column(
            key="source_code",
            title=msgid("Source"),
            value=lambda row: row.source_code,
            kind="code",
            secondary=True,
        ),
        Column(
            key="quantity", title=msgid("Quantity"), value=lambda row: row.quantity, kind="number"
        ),
        Column(
            key="judgement",
            title=msgid("Judgement"),
            value=lambda row: row.judgement,
            kind="state",
            label_kind="judgement",
        ),
    ]
    return [column for column in columns if not (for_vendor and column.key == "session")]


def _only_exported(*columns: Column[Any]) -> list[Column[Any]]:
    return [replace(column, export_only=True, sortable=False) for column in columns]


def _line_href(place: Place) -> Callable[[LineRow], str]:
    def href(row: LineRow) -> str:
        return place.line(row.month, row.id)

    return href


def _month(href: Href) -> Column[Any]:
    return Column(
        key="month",
        title=msgid("Period"),
        value=attrgetter("month"),
        kind="month",
        href=href,
        sortable=True,
    )


def _title(href: Href) -> Column[Any]:
    return Column(
        key="title", title=msgid("Resource"), value=attrgetter("title"), href=href, sortable=True
    )


def _used_in() -> Column[Any]:
    """Tell adjustments from the month's own lines: what they bill was used earlier."""
    return Column(
        key="of_month",
        title=msgid("Used in"),
        value=attrgetter("of_month"),
        kind="month",
        sortable=True,
        secondary=True,
    )


def _vendor() -> Column[Any]:
    return Column(
        key="vendor_name",
        title=msgid("Vendor"),
        value=attrgetter("vendor_name"),
        sortable=True,
        secondary=True,
    )


def _priced(href: Href) -> list[Column[Any]]:
    return [
        Column(
            key="metric",
            title=msgid("Paid by"),
            value=attrgetter("metric"),
            kind="label",
            label_kind="Metric",
            secondary=True,
        ),
        number("quantity", msgid("Billable quantity"), href=href),
        _price("unit_price", msgid("Unit price")),
    ]


def _price(key: str, title: str) -> Column[Any]:
    return Column(
        key=key, title=title, value=attrgetter(key), kind="price", sortable=True, secondary=True
    )


def _state() -> Column[Any]:
    return Column(
        key="state",
        title=msgid("State"),
        value=attrgetter("state"),
        kind="state",
        label_kind="statement",
        sortable=True,
    )
