"""A bureau's home: what waits, where the region's money stands, how far the closes are."""

from dataclasses import dataclass
from typing import Any

from litestar import Response

from catalog.desk import waiting_cases
from kernel.actors import Role
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from market.bureau.periods import latest_periods
from market.bureau.places import SCHOOLS, UNDATED, selection_desk
from market.bureau.standings import STANDINGS
from procurement.due_steps import waiting_steps
from procurement.funding.desk import waiting_for
from procurement.record_proposals import checkable_records
from procurement.web.funding import BoardLine, latest_year
from procurement.web.waiting import waiting_table
from settlement.payments.reconciliation import MAY_RECONCILE, last_look
from settlement.queries.disputes import disputes_of
from settlement.queries.funding import LineBoard, lines_board, total
from settlement.queries.payments import releasable_runs
from settlement.queries.periods import period_board
from settlement.queries.standing_waits import DeskWait, desk_waits
from settlement.queries.unfunded import unfunded
from settlement.web.rankings import cell_words


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingTask:
    """What waits at the desk of standings: `what` it is, how often, and the first of them by name.

    `is_others`: the reader signed a step of each, so that another reviewer decides.
    """

    what: str
    count: int
    first: str
    href: str
    is_others: bool


ALL_SCHOOLS = msgid("{lines} funding lines of {year}")


def show_home(page: Page) -> Response[Any]:
    boards = latest_year(lines_board(page.unit))
    periods = period_board(page.unit)
    return page.render(
        "bureau/home.html",
        board=[_region_line(page, boards)] if boards else [],
        cases=waiting_cases(page.unit),
        disputes=[row for row in disputes_of(page.unit, only_open=True) if row.waits_for_decision],
        unfunded_fen=sum(row.unfunded_fen for row in unfunded(page.unit)),
        to_check=waiting_for(page.unit) if page.actor.may(Role.BUREAU_FINANCE) else [],
        runs=releasable_runs(page.unit) if page.actor.may(Role.BUREAU_FINANCE) else [],
        look=last_look(page.unit) if page.actor.may(*MAY_RECONCILE) else None,
        records=(checkable_records(page.unit) if page.actor.may(Role.BUREAU_FINANCE) else []),
        to_sign=waiting_table(page, waiting_steps(page.unit), selection_desk(page).one),
        standings=_standings(page),
        unfinished=[row for row in periods.periods if row.finished < row.payers_in_all],
        periods=latest_periods(page, periods),
        elsewhere=periods.elsewhere,
        undated=UNDATED,
    )


def _standings(page: Page) -> list[StandingTask]:
    """Return what waits at the desk of standings, by what it is; one alone leads to its page."""
    by_what: dict[str, list[DeskWait]] = {}
    for one in desk_waits(page.unit):
        by_what.setdefault(one.what, []).append(one)
    return [
        StandingTask(
            what=what,
            count=len(found),
            first=f"{found[0].vendor_name} · {cell_words(found[0].cell, page.locale)}",
            href=f"{STANDINGS}/{found[0].standing_id}" if len(found) == 1 else STANDINGS,
            is_others=not any(one.is_mine for one in found),
        )
        for what, found in by_what.items()
    ]


def _region_line(page: Page, boards: list[LineBoard]) -> BoardLine:
    """Return all lines of a year as one line of the money board, which opens the schools."""
    year = boards[0].fiscal_year
    balance = total([board.balance for board in boards])
    return BoardLine(
        name=translate(ALL_SCHOOLS, page.locale).format(lines=len(boards), year=year),
        href=f"{SCHOOLS}?year={year}",
        available_fen=balance.available_fen,
        committed_fen=balance.committed_fen,
        accrued_fen=balance.accrued_fen,
        paid_fen=balance.paid_fen,
    )
