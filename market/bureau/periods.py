"""The closes of periods on a bureau's pages: how far each is, and what became of every row."""

from collections.abc import Callable
from typing import Any

from litestar import Response

from kernel.actors import Role
from kernel.clock import parse_month, show_month
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate, translate_error
from kernel.web.tables import Column, Table, excerpt, tabulate
from market.bureau.closes import hindrance
from market.bureau.places import PERIODS, SCHOOLS, UNDATED
from settlement.periods import month_to_close
from settlement.queries.periods import PeriodBoard, PeriodRow, period_board
from settlement.queries.statements import StatementRow, statements_of
from settlement.web.columns import STATEMENT_SUMS, money, number, payers_columns

SUMS = (
    *(
        "received",
        "accepted",
        "duplicates",
        "conflicts",
        "quarantined",
        "uses",
        "amount_fen",
        "above_ceiling_fen",
    ),
)
CLOSERS = (Role.OPERATOR, Role.BUREAU_FINANCE)
NO_PERIODS = msgid("No period was closed yet. A month can be closed once it is over.")


def show_periods(page: Page) -> Response[Any]:
    """List all periods."""
    board = period_board(page.unit)
    columns = _columns()
    table = tabulate(
        translate(msgid("Periods"), page.locale),
        columns,
        board.periods,
        view=page.view(columns, sort="-month"),
        summed=SUMS,
        empty=NO_PERIODS,
    )
    to_close = month_to_close(page.unit) if page.actor.may(*CLOSERS) else None
    hinders = hindrance(page.unit, to_close) if to_close else None
    return page.render_table(
        "bureau/periods.html",
        table,
        file_name="periods",
        board=board,
        undated=UNDATED,
        to_close=to_close,
        sees_payments=page.actor.may(*CLOSERS, Role.AUDITOR),
        hinders=translate_error(hinders, page.locale) if hinders else "",
        close_address=f"{PERIODS}/{show_month(to_close)}/close" if to_close else "",
    )


def latest_periods(page: Page, board: PeriodBoard) -> Table[PeriodRow]:
    """Return the latest periods as a table beside others."""
    return excerpt(
        translate(msgid("Recent periods"), page.locale),
        _columns(),
        board.periods[:6],
        path=PERIODS,
        summed=SUMS,
        empty=NO_PERIODS,
    )


def show_period(page: Page, month_text: str) -> Response[Any]:
    """Show one period: the rows that came in, the sums, and every school's statement."""
    month = parse_month(month_text)
    periods = period_board(page.unit, month=month).periods
    if not periods:
        raise NotFound(what="period", key=show_month(month))

    def href(row: StatementRow) -> str:
        return f"{SCHOOLS}/{row.payer_code}/statements/{show_month(row.month)}"

    columns = payers_columns(href)
    table = tabulate(
        translate(msgid("Statements"), page.locale),
        columns,
        statements_of(page.unit, month=month),
        view=page.view(columns),
        summed=STATEMENT_SUMS,
        empty=msgid("No statement was made for this month yet."),
    )
    return page.render_table(
        "bureau/period.html",
        table,
        file_name=f"statements-{month_text}",
        period=periods[0],
        periods_address=PERIODS,
        quarantine=quarantine_address(periods[0]),
    )


def period_address(row: PeriodRow) -> str:
    return f"{PERIODS}/{show_month(row.month)}"


def quarantine_address(row: PeriodRow) -> str:
    return f"{period_address(row)}/quarantine"


def repeats_address(row: PeriodRow) -> str:
    return f"{quarantine_address(row)}#files"


def _columns() -> list[Column[PeriodRow]]:
    return [
        Column(
            key="month",
            title=msgid("Period"),
            value=lambda row: row.month,
            kind="month",
            href=period_address,
            sortable=True,
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="period",
        ),
        Column(
            key="payers",
            title=msgid("Schools booked"),
            value=lambda row: f"{row.finished} / {row.payers_in_all}",
            kind="code",
            secondary=True,
        ),
        _rows("received", msgid("Rows received"), lambda row: row.rows.received),
        _rows("accepted", msgid("Accepted"), lambda row: row.rows.accepted),
        _rows("duplicates", msgid("Duplicates"), lambda row: row.rows.duplicates, repeats_address),
        _rows("conflicts", msgid("Conflicts"), lambda row: row.rows.conflicts, repeats_address),
        _rows(
            "quarantined",
            msgid("Quarantined"),
            lambda row: row.rows.quarantined,
            quarantine_address,
        ),
        number("uses", msgid("Uses"), href=period_address, secondary=True),
        money("amount_fen", msgid("Billed"), href=period_address),
        money("above_ceiling_fen", msgid("Above the ceiling"), href=period_address, secondary=True),
    ]


def _rows(
    key: str,
    title: str,
    value: Callable[[PeriodRow], int],
    href: Callable[[PeriodRow], str] | None = None,
) -> Column[PeriodRow]:
    return Column(
        key=key,
        title=title,
        value=value,
        kind="number",
        href=href or (lambda row: f"{period_address(row)}#rows"),
        sortable=True,
    )
