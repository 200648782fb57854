"""Booking: confirmed statement lines go into both books, each once, and their period follows.

Budget book: committed → accrued on each drawn line. Money book: the payer's clearing account owes
the vendor, the platform's fee and the vendor's retention. Money moves later, by payments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, update

from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Entry,
    TransferDraft,
    post,
)
from settlement.models import Agreement, Period, Statement, StatementDraw, StatementLine
from settlement.queries.lines import posting_key


@dataclass(frozen=True, slots=True)
class BookableLine:
    """A statement line as the books need it."""

    id: UUID
    payer_id: UUID
    vendor_id: UUID
    kind: str
    of_month: date
    drawn_fen: int
    vendor_fen: int
    fee_fen: int
    retention_fen: int
    number: str
    agreement_number: str

    @property
    def key(self) -> str:
        """The business key under which the line is posted, once."""
        return posting_key(
            self.number, self.agreement_number, kind=self.kind, of_month=self.of_month
        )


def post_confirmed(unit: Unit, month: date, *, payer_ids: Sequence[UUID]) -> int:
    """Post the confirmed lines of these payers' month and return how many were posted.

    The caller has locked the periods. A period whose lines are all posted becomes `posted`.
    """
    rows = unit.session.execute(
        bookable_lines()
        .where(
            StatementLine.month == month,
            among(StatementLine.payer_id, payer_ids),
            StatementLine.state == "confirmed",
        )
        .order_by(StatementLine.payer_id, Agreement.number)
        .with_for_update(of=StatementLine)
    )
    lines = [BookableLine(*row) for row in rows]
    draws: dict[UUID, list[tuple[UUID, int]]] = {}
    for line_id, funding_line_id, fen in unit.session.execute(
        select(StatementDraw.line_id, StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .join(StatementLine, StatementLine.id == StatementDraw.line_id)
        .where(
            StatementLine.month == month,
            among(StatementLine.payer_id, payer_ids),
            StatementLine.state == "confirmed",
        )
        .order_by(StatementDraw.line_id, StatementDraw.position)
    ):
        draws.setdefault(line_id, []).append((funding_line_id, fen))
    post(unit, [booking(line, draws=draws.get(line.id, [])) for line in lines])
    if lines:
        unit.session.execute(
            update(StatementLine)
            .where(among(StatementLine.id, [line.id for line in lines]))
            .values(state="posted")
            .execution_options(synchronize_session=False)
        )
    _finish_periods(unit, month, payer_ids=payer_ids)
    return len(lines)


def bookable_lines() -> Select[*tuple[Any, ...]]:
    """Return the query of lines in the columns of `BookableLine`."""
    return (
        select(
            StatementLine.id,
            StatementLine.payer_id,
            StatementLine.vendor_id,
            StatementLine.kind,
            StatementLine.of_month,
            StatementLine.drawn_fen,
            StatementLine.vendor_fen,
            StatementLine.fee_fen,
            StatementLine.retention_fen,
            Statement.number,
            Agreement.number,
        )
        .join(Statement, Statement.id == StatementLine.statement_id)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
    )


def booking(line: BookableLine, *, draws: Sequence[tuple[UUID, int]]) -> TransferDraft:
    """Return the transfer of one line, in both books, under its business key."""
    clearing = AccountKey(line.payer_id, AccountKind.CLEARING)
    shares = (
        (AccountKey(line.vendor_id, AccountKind.PAYABLE), line.vendor_fen),
        (AccountKey(INSTALLATION, AccountKind.FEE), line.fee_fen),
        (AccountKey(line.vendor_id, AccountKind.RETENTION), line.retention_fen),
    )
    return TransferDraft(
        key=line.key,
        memo=f"statement {line.number}, agreement {line.agreement_number}",
        entries=[
            *(
                Entry(
                    debit=AccountKey(funding_line_id, AccountKind.ACCRUED),
                    credit=AccountKey(funding_line_id, AccountKind.COMMITTED),
                    amount_fen=fen,
                )
                for funding_line_id, fen in draws
            ),
            *(Entry(debit=clearing, credit=to, amount_fen=fen) for to, fen in shares),
        ],
    )


def _finish_periods(unit: Unit, month: date, *, payer_ids: Sequence[UUID]) -> None:
    unposted = exists().where(
        StatementLine.payer_id == Period.payer_id,
        StatementLine.month == Period.month,
        StatementLine.state != "posted",
    )
    unit.session.execute(
        update(Period)
        .where(
            Period.month == month,
            among(Period.payer_id, payer_ids),
            Period.state == "stated",
            ~unposted,
        )
        .values(state="posted")
        .execution_options(synchronize_session=False)
    )
