"""Funding lines on pages: a payer's lines, and one with its movements and its computation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.identity.names import names_of_actors
from kernel.web.tables import Cell, Column, tabulate
from procurement.funding.explanation import explain, restriction_words
from procurement.queries import AllocationView, allocations_of
from procurement.web.explained import printed
from procurement.web.forecast import YearChart, year_chart
from settlement.models import FundingLine
from settlement.queries.forecast import forecast_year
from settlement.queries.funding import LineBoard, lines_board
from settlement.queries.movements import Movement, line_history
from settlement.web.places import Place

AMOUNTS = ("allocated", "paid", "accrued", "committed", "available")
MOVED = AMOUNTS[1:]

NO_LINES = msgid("No money has been issued to this school yet. The education bureau issues it.")
NO_BUREAU_LINES = msgid("No money has been issued on a line of the bureau's own yet.")
LINE_NAME = msgid("{year} {source}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardLine:
    """A funding line as the money board shows it; amounts in fen."""

    name: str
    href: str
    available_fen: int
    committed_fen: int
    accrued_fen: int
    paid_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """One issue on a line with its computation in sentences, and by whom."""

    allocation: AllocationView
    who: str
    text: str


def line_name(board: LineBoard | FundingLine, locale: str) -> str:
    source = label(board.source, locale, kind="source")
    name = translate(LINE_NAME, locale).format(year=board.fiscal_year, source=source)
    only = restriction_words(board.restriction, locale=locale)
    return f"{name} · {only}" if only else name


def board_lines(page: Page, place: Place, boards: Sequence[LineBoard]) -> list[BoardLine]:
    """Return lines for the macro `money_board`, each leading to its movements."""
    return [
        BoardLine(
            name=line_name(board, page.locale),
            href=place.funding_line(board.id),
            available_fen=board.balance.available_fen,
            committed_fen=board.balance.committed_fen,
            accrued_fen=board.balance.accrued_fen,
            paid_fen=board.balance.paid_fen,
        )
        for board in boards
    ]


def latest_year(boards: Sequence[LineBoard]) -> list[LineBoard]:
    """Return the lines of the latest fiscal year among these."""
    last = max((board.fiscal_year for board in boards), default=0)
    return [board for board in boards if board.fiscal_year == last]


def show_funding(page: Page, place: Place) -> Response[Any]:
    """Show where a payer's money of the latest year stands and leads, and list all its lines."""
    columns = _line_columns(place, page.locale)
    boards = lines_board(page.unit, payer_code=place.payer_code)
    latest = latest_year(boards)
    table = tabulate(
        translate(msgid("Funding lines"), page.locale),
        columns,
        boards,
        view=page.view(columns, sort="-fiscal_year"),
        summed=AMOUNTS,
        empty=NO_BUREAU_LINES
        if page.actor.organisation_kind is OrganisationKind.BUREAU
        and page.actor.organisation_code == place.payer_code
        else NO_LINES,
    )
    return page.render_table(
        "procurement/funding.html",
        table,
        file_name=f"funding-{place.payer_code}",
        place=place,
        board=board_lines(page, place, [*latest, *_carried_over(boards, latest)]),
        board_year=latest[0].fiscal_year if latest else None,
        chart=_chart(page, place, latest),
    )


def _carried_over(boards: Sequence[LineBoard], latest: Sequence[LineBoard]) -> list[LineBoard]:
    """Return the lines of earlier years that may still pay for use of the latest year (R19)."""
    if not latest:
        return []
    year = latest[0].fiscal_year
    return [
        board for board in boards if board.fiscal_year < year and board.lapses_on > date(year, 1, 1)
    ]


def _chart(page: Page, place: Place, latest: Sequence[LineBoard]) -> YearChart | None:
    """Return the forecast of the year's lines together, once something was stated."""
    if not latest:
        return None
    forecast = forecast_year(
        page.unit,
        place.payer_code,
        fiscal_year=latest[0].fiscal_year,
        allocated_fen=sum(board.balance.allocated_fen for board in latest),
    )
    return year_chart(forecast, page.locale) if forecast else None


def show_funding_line(page: Page, place: Place, line_id: UUID) -> Response[Any]:
    """Show a line: what moved on it, adding up to its amounts, and how each issue was computed."""
    history = line_history(page.unit, line_id)
    if history.line.payer_code != place.payer_code:
        raise NotFound(what="funding line", key=line_id)
    columns = _movement_columns(place)
    table = tabulate(
        translate(msgid("Movements"), page.locale),
        columns,
        history.movements,
        view=page.view(columns),
        summed=MOVED,
    )
    allocations = allocations_of(page.unit, line_id)
    issuers = {allocation.issued_by for allocation in allocations}
    names = names_of_actors(page.unit, issuers, locale=page.locale)
    explained = [
        Explained(
            allocation=allocation,
            who=names[allocation.issued_by],
            text=printed(explain(allocation.computation, locale=page.locale)),
        )
        for allocation in allocations
    ]
    return page.render_table(
        "procurement/funding_line.html",
        table,
        file_name=f"funding-{history.line.payer_code}-{history.line.fiscal_year}",
        place=place,
        line=history.line,
        name=line_name(history.line, page.locale),
        explained=explained,
    )


def _line_columns(place: Place, locale: str) -> list[Column[LineBoard]]:
    def href(row: LineBoard) -> str:
        return place.funding_line(row.id)

    return [
        Column(
            key="source",
            title=msgid("Funding line"),
            value=lambda row: row.source,
            kind="label",
            label_kind="source",
            href=href,
        ),
        Column(
            key="restriction",
            title=msgid("Only for"),
            value=lambda row: restriction_words(row.restriction, locale=locale) or None,
            secondary=True,
        ),
        Column(
            key="fiscal_year",
            title=msgid("Fiscal year"),
            value=lambda row: str(row.fiscal_year),
            kind="code",
            sortable=True,
        ),
        Column(
            key="lapses_on",
            title=msgid("Lapses on"),
            value=lambda row: row.lapses_on,
            kind="day",
            secondary=True,
        ),
        *_amount_columns(AMOUNTS, lambda row: row.balance, href=href),
    ]


def _movement_columns(place: Place) -> list[Column[Movement]]:
    def agreement(row: Movement) -> str:
        return place.agreement(row.agreement) if row.agreement else ""

    def statement_line(row: Movement) -> str:
        if row.month is None or row.statement_line_id is None:
            return ""
        return place.line(row.month, row.statement_line_id)

    return [
        Column(key="at", title=msgid("Time"), value=lambda row: row.at, kind="moment"),
        Column(
            key="act",
            title=msgid("What happened"),
            value=lambda row: row.act,
            kind="label",
            label_kind="movement",
            href=lambda row: statement_line(row) or agreement(row),
        ),
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title or None,
            href=agreement,
        ),
        Column(
            key="month",
            title=msgid("Period"),
            value=lambda row: row.month,
            kind="month",
            href=statement_line,
        ),
        *_amount_columns(MOVED, lambda row: row.change, href=statement_line, blank_zero=True),
    ]


def _amount_columns(
    names: Sequence[str],
    held: Callable[[Any], Any],
    *,
    href: Callable[[Any], str],
    blank_zero: bool = False,
) -> list[Column[Any]]:
    titles = {
        "allocated": msgid("Issued"),
        "paid": msgid("Paid"),
        "accrued": msgid("Accrued"),
        "committed": msgid("Committed"),
        "available": msgid("Available"),
    }

    def amount(name: str) -> Callable[[Any], Cell]:
        # A movement that leaves an amount alone shows nothing there; a balance shows its zero.
        blank = None if blank_zero else 0
        return lambda row: getattr(held(row), f"{name}_fen") or blank

    return [
        Column(key=name, title=titles[name], value=amount(name), kind="money", href=href)
        for name in names
    ]
