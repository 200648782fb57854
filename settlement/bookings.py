"""Booking: confirmed and decided lines go into both books, each once, and their period follows.

Budget book: committed → accrued on each drawn line. Money book: the payer's clearing account owes
the vendor, the author's school, the platform's fee and the vendor's retention. A negative
adjustment is the same with debit and credit exchanged. Money moves later, by payments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, or_, select, update
from sqlalchemy.orm import aliased

from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.credit_notes import credits_of
from settlement.dues import offsets
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Move,
    TransferDraft,
    post,
)
from settlement.models import Agreement, Period, Statement, StatementDraw, StatementLine
from settlement.queries.lines import credit_key, posting_key

BOOKABLE = ("confirmed", "dismissed", "upheld")
"""States of a line that nobody has to act on any more."""

Draws = Sequence[tuple[UUID, int]]
"""(funding line, fen drawn from it)."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How what was drawn is shared, in fen; all below zero where it is given back."""

    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int

    @property
    def drawn_fen(self) -> int:
        return self.vendor_fen + self.school_fen + self.fee_fen + self.retention_fen


@dataclass(frozen=True, slots=True)
class Parties:
    """Between whom a line's money moves; `author_school_id` where a school has a share (R40)."""

    payer_id: UUID
    vendor_id: UUID
    author_school_id: UUID | None


@dataclass(frozen=True, slots=True)
class BookableLine:
    """A statement line as the books need it."""

    id: UUID
    parties: Parties
    kind: str
    of_month: date
    shares: Shares
    state: str
    number: str
    agreement_number: str

    @property
    def key(self) -> str:
        """The business key under which the line is posted, once."""
        return posting_key(
            self.number, self.agreement_number, kind=self.kind, of_month=self.of_month
        )


def post_confirmed(unit: Unit, month: date, *, payer_ids: Sequence[UUID]) -> int:
    """Post the lines of these payers' month that are confirmed or decided; return how many.

    An upheld line is posted in full, and its credit note beside it. All go in by one statement, so
    that no account is looked at between a line and its credit. The caller has locked the periods. A
    period whose lines are all posted becomes `posted`.
    """
    ready = [
        StatementLine.month == month,
        among(StatementLine.payer_id, payer_ids),
        StatementLine.state.in_(BOOKABLE),
    ]
    held_up = _held_up(unit, month, payer_ids=payer_ids)
    if held_up:
        ready.append(StatementLine.agreement_id.not_in(held_up))
    lines = [
        _bookable(row)
        for row in unit.session.execute(
            _bookable_lines()
            .where(*ready)
            .order_by(StatementLine.payer_id, Agreement.number, StatementLine.of_month)
            .with_for_update(of=StatementLine)
        )
    ]
    draws: dict[UUID, list[tuple[UUID, int]]] = {}
    for line_id, funding_line_id, fen in unit.session.execute(
        select(StatementDraw.line_id, StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .join(StatementLine, StatementLine.id == StatementDraw.line_id)
        .where(*ready)
        .order_by(StatementDraw.line_id, StatementDraw.position)
    ):
        draws.setdefault(line_id, []).append((funding_line_id, fen))
    post(
        unit,
        [
            *(booking(line, draws=draws.get(line.id, [])) for line in lines),
            *_credits(unit, {line.id: line for line in lines if line.state == "upheld"}),
            *offsets(unit, _first_keys(lines), extra=[line.id for line in lines]),
        ],
    )
    if lines:
        unit.session.execute(
            update(StatementLine)
            .where(*ready)  # the same lines: they are locked, and so is their period
            .values(state="posted")
            .execution_options(synchronize_session=False)
        )
    _finish_periods(unit, month, payer_ids=payer_ids)
    return len(lines)


def _first_keys(lines: Sequence[BookableLine]) -> dict[UUID, str]:
    keys: dict[UUID, str] = {}
    for line in lines:
        keys.setdefault(line.parties.payer_id, line.key)
    return keys


def _held_up(unit: Unit, month: date, *, payer_ids: Sequence[UUID]) -> set[UUID]:
    """Return the agreements with a negative adjustment that can't be posted with this month.

    Nothing is given back before it was taken, so it waits for the line that it corrects; and what
    it gives back may have been billed again, so the lines after it wait for it.
    """
    late, corrected = StatementLine, aliased(StatementLine)
    rows = unit.session.execute(
        select(
            late.agreement_id,
            late.month,
            late.state,
            exists()
            .where(
                corrected.agreement_id == late.agreement_id,
                corrected.of_month == late.of_month,
                corrected.month < late.month,
                or_(corrected.amount_fen > 0, corrected.kind == "take_up"),
                corrected.state != "posted",
            )
            .label("too_early"),
        ).where(
            late.amount_fen < 0,
            late.state != "posted",
            late.month <= month,
            among(late.payer_id, payer_ids),
        )
    )
    return {
        row.agreement_id
        for row in rows
        if row.too_early or row.month != month or row.state not in BOOKABLE
    }


def _bookable_lines() -> Select[*tuple[Any, ...]]:
    line = StatementLine
    return (
        select(
            line.id,
            line.payer_id,
            line.vendor_id,
            Agreement.terms["author_school_id"].astext.label("author_school_id"),
            line.kind,
            line.of_month,
            line.vendor_fen,
            line.school_fen,
            line.fee_fen,
            line.retention_fen,
            line.state,
            Statement.number,
            Agreement.number.label("agreement_number"),
        )
        .join(Statement, Statement.id == line.statement_id)
        .join(Agreement, Agreement.id == line.agreement_id)
    )


def _bookable(row: Any) -> BookableLine:
    author = row.author_school_id
    return BookableLine(
        id=row.id,
        parties=Parties(row.payer_id, row.vendor_id, UUID(author) if author else None),
        kind=row.kind,
        of_month=row.of_month,
        shares=Shares(row.vendor_fen, row.school_fen, row.fee_fen, row.retention_fen),
        state=row.state,
        number=row.number,
        agreement_number=row.agreement_number,
    )


def booking(line: BookableLine, *, draws: Draws) -> TransferDraft:
    """Return the transfer of one line, in both books, under its business key."""
    return TransferDraft(
        key=line.key,
        memo=f"statement {line.number}, agreement {line.agreement_number}",
        moves=_moves(line.parties, line.shares, draws=draws),
    )


def _credits(unit: Unit, upheld: Mapping[UUID, BookableLine]) -> list[TransferDraft]:
    """Return the transfers of the upheld lines' credit notes: each undoes a part of its line."""
    if not upheld:
        return []
    return [
        TransferDraft(
            key=credit_key(note.number),
            memo=f"credit note {note.number}",
            moves=_moves(
                upheld[note.line_id].parties,
                Shares(-note.vendor_fen, -note.school_fen, -note.fee_fen, -note.retention_fen),
                draws=[(funding_line_id, -fen) for funding_line_id, fen in draws],
            ),
        )
        for note, draws in credits_of(unit, list(upheld))
    ]


def _moves(parties: Parties, shares: Shares, *, draws: Draws) -> list[Move]:
    moves: list[Move] = []
    for funding_line_id, fen in draws:
        moves.append(Move(AccountKey(funding_line_id, AccountKind.ACCRUED), fen))
        moves.append(Move(AccountKey(funding_line_id, AccountKind.COMMITTED), -fen))
    moves.append(Move(AccountKey(parties.payer_id, AccountKind.CLEARING), shares.drawn_fen))
    moves.append(Move(AccountKey(parties.vendor_id, AccountKind.PAYABLE), -shares.vendor_fen))
    if shares.school_fen:
        if parties.author_school_id is None:
            raise ValueError("a school's share, but no school in the terms")
        author = AccountKey(parties.author_school_id, AccountKind.SCHOOL_SHARE)
        moves.append(Move(author, -shares.school_fen))
    moves.append(Move(AccountKey(INSTALLATION, AccountKind.FEE), -shares.fee_fen))
    moves.append(Move(AccountKey(parties.vendor_id, AccountKind.RETENTION), -shares.retention_fen))
    return moves


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
