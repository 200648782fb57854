"""A school's home: what waits for whom, where the money stands, what was used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response

from catalog.ownership import CONFIRMERS
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from procurement.due_steps import waiting_steps
from procurement.web.funding import board_lines, latest_year
from procurement.web.selections import SelectionDesk
from procurement.web.waiting import waiting_table
from settlement.estimates import nearly_used
from settlement.queries.ceilings import RunningCeiling
from settlement.queries.closed import closed_agreements
from settlement.queries.disputes import disputes_of
from settlement.queries.funding import lines_board
from settlement.queries.statements import StatementRow, statements_of
from settlement.queries.unfunded import unfunded
from settlement.web.disputes import Desk
from settlement.web.places import Place
from settlement.web.statements import latest_statements


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedSoFar:
    """What a school's statements of one year add up to, in uses and fen."""

    year: int
    uses: int
    amount_fen: int
    above_ceiling_fen: int
    uncovered_fen: int


def show_home(page: Page, place: Place) -> Response[Any]:
    """Show the home; `place` is the school's own."""
    boards = latest_year(lines_board(page.unit, payer_code=place.payer_code))
    statements = statements_of(page.unit, payer_code=place.payer_code)
    return page.render(
        "school/home.html",
        place=place,
        may_confirm_works=page.actor.may(*CONFIRMERS),
        to_confirm=[row for row in statements if row.unconfirmed],
        disputes=disputes_of(page.unit, payer_code=place.payer_code, only_open=True),
        ceilings=_ceilings(page),
        closed=closed_agreements(page.unit, place.payer_code),
        unfunded_fen=sum(
            row.unfunded_fen for row in unfunded(page.unit, payer_code=place.payer_code)
        ),
        to_sign=waiting_table(page, waiting_steps(page.unit), selection_desk(page).one),
        board=board_lines(page, place, boards),
        used=_used_so_far(statements),
        statements=latest_statements(page, place, statements[:6]),
    )


def _ceilings(page: Page) -> list[RunningCeiling]:
    """Return the school's agreements that have used four fifths of their ceiling or more."""
    payer_id = page.actor.organisation_id
    return nearly_used(page.unit, payer_id) if payer_id is not None else []


def school_place(page: Page) -> Place:
    """Return the place under which a school's own pages hang."""
    return Place(
        root=((translate(msgid("Home"), page.locale), "/school"),),
        statements="/school/statements",
        statements_title=translate(msgid("Statements"), page.locale),
        agreements="/school/agreements",
        funding="/school/funding",
        disputes="/school/disputes",
        selections="/school/selections",
        bulk="/school/bulk",
        payer_code=page.actor.organisation_code,
        payer_name=page.actor.organisation_name,
    )


def dispute_desk(page: Page) -> Desk:
    """Return where a school's disputes are listed."""
    place = school_place(page)
    return Desk(
        root=place.above_statements,
        address="/school/disputes",
        title=translate(msgid("Our disputes"), page.locale),
        place_of=lambda _row: place,
    )


def selection_desk(page: Page) -> SelectionDesk:
    """Return where a school's selections are listed."""
    place = school_place(page)
    return SelectionDesk(
        root=place.root,
        address="/school/selections",
        title=translate(msgid("Our selections"), page.locale),
        inbox="/school/approvals",
        agreement=lambda row: place.agreement(row.agreement_number),
    )


def _used_so_far(statements: Sequence[StatementRow]) -> UsedSoFar | None:
    """Return the sums over the latest year with a statement."""
    if not statements:
        return None
    year = max(row.month.year for row in statements)
    rows = [row for row in statements if row.month.year == year]
    return UsedSoFar(
        year=year,
        uses=sum(row.quantity for row in rows),
        amount_fen=sum(row.amount_fen for row in rows),
        above_ceiling_fen=sum(row.above_ceiling_fen for row in rows),
        uncovered_fen=sum(row.uncovered_fen for row in rows),
    )
