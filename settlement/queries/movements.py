"""Movements of a funding line: every transfer that changed one of its four amounts, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, func, select

from kernel.errors import NotFound
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.funding_lines import LineBalance
from settlement.ledger.models import Account, Leg, Transfer
from settlement.ledger.posting import FUNDING_KINDS
from settlement.models import Agreement, AgreementDraw, Statement, StatementDraw, StatementLine
from settlement.queries.funding import LineBoard, lines_board
from settlement.queries.lines import credit_key, posting_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """One transfer on a funding line: by how much it changed each of the four amounts, in fen.

    `act` is the first word of its key (issue | commit | free | post | credit …). `agreement` and
    `title` are empty where it has to do with none; `month` and `statement_line_id` name the line
    that it posted.
    """

    at: datetime
    act: str
    agreement: str
    title: str
    change: LineBalance
    month: date | None
    statement_line_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LineHistory:
    """A funding line and all that moved on it, oldest first; the changes add up to its balance."""

    line: LineBoard
    movements: Sequence[Movement]


def line_history(unit: Unit, line_id: UUID) -> LineHistory:
    """Return a visible funding line and every transfer on it, or raise `NotFound`."""
    boards = lines_board(unit, line_id=line_id)
    if not boards:
        raise NotFound(what="funding line", key=line_id)
    signed = case((Leg.side == "D", Leg.amount_fen), else_=-Leg.amount_fen)
    transfers = unit.session.execute(
        select(
            Transfer.at,
            Transfer.key,
            *(
                func.coalesce(func.sum(signed).filter(Account.kind == kind), 0)
                for kind in FUNDING_KINDS
            ),
        )
        .join(Leg, Leg.transfer_id == Transfer.id)
        .join(Account, Account.id == Leg.account_id)
        .where(Account.owner_id == line_id, Account.kind.in_(FUNDING_KINDS))
        .group_by(Transfer.id)
        .order_by(Transfer.at, Transfer.id)
    ).all()
    titles, posted = _titles_on(unit, line_id), _posted_on(unit, line_id)
    return LineHistory(
        line=boards[0],
        movements=[
            _movement(at, key, change, titles=titles, posted=posted)
            for at, key, *change in transfers
        ],
    )


def _movement(
    at: datetime,
    key: str,
    change: Sequence[int],
    *,
    titles: Mapping[str, str],
    posted: Mapping[str, Row[*tuple[Any, ...]]],
) -> Movement:
    act, _, subject = key.partition(":")
    if subject not in titles:
        subject = subject.rpartition(":")[0]  # what follows is the number of a change
    line = posted.get(key)
    agreement = line.agreement if line else subject if subject in titles else ""
    return Movement(
        at=at,
        act=act,
        agreement=agreement,
        title=titles.get(agreement, ""),
        change=LineBalance(*(int(amount) for amount in change)),
        month=line.month if line else None,
        statement_line_id=line.id if line else None,
    )


def _titles_on(unit: Unit, line_id: UUID) -> dict[str, str]:
    """Return the titles of the agreements that draw on a line, by number."""
    rows = unit.session.execute(
        select(Agreement.number, Agreement.terms["title"].astext)
        .join(AgreementDraw, AgreementDraw.agreement_id == Agreement.id)
        .where(AgreementDraw.line_id == line_id)
    )
    return dict(rows.all())


def _posted_on(unit: Unit, line_id: UUID) -> dict[str, Row[*tuple[Any, ...]]]:
    """Return the lines that draw on a funding line, by the keys that post them and credit them."""
    rows = unit.session.execute(
        select(
            StatementLine.id,
            StatementLine.month,
            Agreement.number.label("agreement"),
            Statement.number.label("statement"),
            StatementLine.kind,
            StatementLine.of_month,
            CreditNote.number.label("credit"),
        )
        .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(StatementDraw.funding_line_id == line_id)
    )
    found = {}
    for row in rows:
        key = posting_key(row.statement, row.agreement, kind=row.kind, of_month=row.of_month)
        found[key] = row
        if row.credit:
            found[credit_key(row.credit)] = row
    return found
