"""Taking up: which earlier use that no line covered may be paid for now (R35, R25).

Decides what of it is free to be taken up: of lines that nobody can object to any more, in a fiscal
year whose books are open. Once they are closed only as much is as a bureau decided that the year's
own line, carried over, pays for (`carrying`); and which lines may pay. How much they then pay is
`rating.take_up`'s matter.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import and_, case, func, select

from kernel.clock import Month, next_month, shanghai_day
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.carrying import carried_parts, decisions_in_order, written_off_fen
from settlement.dispute_models import CreditNote
from settlement.models import StatementLine
from settlement.rating import Fund
from settlement.remaining import agreement_states, known_lines
from settlement.year_ends import are_books_closed

Waiting = Mapping[Month, Mapping[UUID, int]]
"""By month of use and agreement: the fen that may be taken up."""

OBJECTIONABLE = ("stated", "disputed")
"""States of a line that a credit note may still take something off."""


def payers_to_pay(unit: Unit, month: Month) -> list[UUID]:
    """Return the payers that the actor sees of whom a month's statement would take up something.

    Their agreement may be over, so that nothing else gives them a statement.
    """
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    payer_ids = unit.session.scalars(
        select(StatementLine.payer_id)
        .distinct()
        .where(StatementLine.uncovered_fen > 0, StatementLine.payer_id.in_(visible))
    ).all()
    waiting = waiting_for_money(unit, month, payer_ids=payer_ids) if payer_ids else {}
    states = agreement_states(unit, {one for of_month in waiting.values() for one in of_month})
    return sorted(
        {
            states[agreement_id].payer_id
            for of_month, free in waiting.items()
            for agreement_id in free
            if can_pay(unit, states[agreement_id].room.funds, of_month)
        }
    )


def waiting_for_money(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], before: Month | None = None
) -> dict[Month, dict[UUID, int]]:
    """Return what may be taken up by the statements of a month, if there is money.

    One look-up in an index that holds nothing where nothing is uncovered. `before`: as if that
    month's own lines, and all of later months, were not stated.
    """
    line = StatementLine
    waits = line.uncovered_fen - func.coalesce(CreditNote.uncovered_fen, 0)
    # What a line may still lose by a credit note is not paid for; what others gave back is gone.
    settled = case((and_(line.uncovered_fen > 0, line.state.in_(OBJECTIONABLE)), 0), else_=waits)
    rows = unit.session.execute(
        select(line.agreement_id, line.of_month, func.sum(settled).label("fen"))
        .outerjoin(CreditNote, CreditNote.line_id == line.id)
        .where(
            among(line.payer_id, payer_ids),
            line.uncovered_fen != 0,
            line.of_month < month,
            known_lines(before),
        )
        .group_by(line.agreement_id, line.of_month)
        .having(func.sum(settled) > 0)
        .order_by(line.of_month, line.agreement_id)
    ).all()
    decisions = decisions_in_order(unit, {row.agreement_id for row in rows})
    carried = carried_parts(unit, decisions, before=before)
    found: dict[Month, dict[UUID, int]] = {}
    for row in rows:
        of_month = Month(row.of_month)
        of = (row.agreement_id, of_month)
        left = int(row.fen) - written_off_fen(decisions.get(of, ()), proposed=True)
        if are_books_closed(unit, of_month):
            left = min(left, carried.get(of, 0))
        if left > 0:
            found.setdefault(of_month, {})[row.agreement_id] = left
    return found


def day_of_paying(unit: Unit, of_month: Month) -> date:
    """Return the day on which a line that pays now for a month's use must not have lapsed yet.

    While the books of the month's year are open its own last day, as for use that is stated in
    time; afterwards today, since only a line that was carried over pays then.
    """
    last_day = next_month(of_month) - timedelta(days=1)
    return shanghai_day(unit.clock.now()) if are_books_closed(unit, of_month) else last_day


def payable_fen(unit: Unit, funds: Sequence[Fund], of_month: Month) -> int:
    """Return what funds of a month's own fiscal year may pay now for its use that waits."""
    last_day, paid_on = next_month(of_month) - timedelta(days=1), day_of_paying(unit, of_month)
    return sum(
        max(fund.left_fen, 0) for fund in funds if fund.may_take_up(last_day, paid_on=paid_on)
    )


def can_pay(unit: Unit, funds: Sequence[Fund], of_month: Month) -> bool:
    return payable_fen(unit, funds, of_month) > 0


def owed_of_year(unit: Unit, agreement_id: UUID, *, fiscal_year: int) -> int:
    """Return what of an agreement's use of a year no line covered, and none is committed for.

    Once the year's books are closed, 0.
    """
    first, last = date(fiscal_year, 1, 1), date(fiscal_year, 12, 31)
    if are_books_closed(unit, last):
        return 0
    waits = StatementLine.uncovered_fen - func.coalesce(CreditNote.uncovered_fen, 0)
    owed = unit.session.scalar(
        select(func.sum(waits))
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(
            StatementLine.agreement_id == agreement_id,
            StatementLine.of_month.between(first, last),
            StatementLine.uncovered_fen != 0,
        )
    )
    funds = agreement_states(unit, [agreement_id])[agreement_id].room.funds if owed else ()
    committed = sum(fund.left_fen for fund in funds if fund.fiscal_year == fiscal_year)
    return max(int(owed or 0) - committed, 0)
