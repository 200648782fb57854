"""The memoranda made once more from statements, credit notes and write-offs, entry by entry (R25).

What is uncovered of each agreement's year goes through the same book in the order in which it came
about; each entry that is stored otherwise, is missing or has no document is named.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.clock import Month, show_month
from kernel.identity.recording import among
from kernel.money import yuan
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.early_use_models import (
    DecisionState,
    Memorandum,
    MemorandumEntry,
    UnfundedDecision,
    UnfundedOutcome,
)
from settlement.memorandum import CREDIT, WRITE_OFF, Book, is_of_closed_year
from settlement.models import Agreement, Statement, StatementLine

Entry = tuple[Month, str, str]
"""(month of use, kind, document)"""
Moved = tuple[tuple[Any, ...], Entry, int]
"""What decides the order (of the same moment the smaller id came first), the entry, the fen
uncovered more or less."""


def check_memoranda(unit: Unit) -> Iterator[str]:
    """Compare every entry of every memorandum with what its documents give."""
    memoranda = unit.session.execute(
        select(Memorandum, Agreement.number)
        .join(Agreement, Agreement.id == Memorandum.agreement_id)
        .order_by(Agreement.number, Memorandum.fiscal_year)
    ).all()
    agreement_ids = {memorandum.agreement_id for memorandum, _ in memoranda}
    moved: dict[UUID, list[Moved]] = {agreement_id: [] for agreement_id in agreement_ids}
    for agreement_id, one in _moved(unit, agreement_ids):
        moved[agreement_id].append(one)
    stored = _stored(unit, agreement_ids)
    for memorandum, number in memoranda:
        key = (memorandum.agreement_id, memorandum.fiscal_year)
        of_year = [one for one in moved[memorandum.agreement_id] if one[1][0].year == key[1]]
        expected = _entries(memorandum.cap_fen, of_year)
        found = stored.get(key, {})
        for entry in sorted({*expected, *found}):
            if expected.get(entry, 0) != found.get(entry, 0):
                of_month, kind, document = entry
                yield (
                    f"memorandum {number} {key[1]}, {kind} {document} of {show_month(of_month)}: "
                    f"{yuan(found.get(entry, 0))} entered, its documents give "
                    f"{yuan(expected.get(entry, 0))}"
                )


def _entries(cap_fen: int, moved: list[Moved]) -> Mapping[Entry, int]:
    book, entries = Book(cap_fen), dict[Entry, int]()
    for _, entry, uncovered_fen in sorted(moved):
        amount = book.enter(entry[0], uncovered_fen)
        if amount:
            entries[entry] = amount
    return entries


def _moved(unit: Unit, agreement_ids: set[UUID]) -> Iterator[tuple[UUID, Moved]]:
    lines = unit.session.execute(
        select(StatementLine, Statement.stated_at)
        .join(Statement, Statement.id == StatementLine.statement_id)
        .where(among(StatementLine.agreement_id, agreement_ids), StatementLine.uncovered_fen != 0)
    )
    for line, stated_at in lines:
        if is_of_closed_year(line.explanation) and line.uncovered_fen > 0:
            continue
        within = (line.kind == "use", line.of_month, line.kind == "take_up")
        entry = (Month(line.of_month), line.kind, show_month(Month(line.month)))
        order = (stated_at, line.statement_id, *within)
        yield line.agreement_id, (order, entry, line.uncovered_fen)
    notes = unit.session.execute(
        select(
            CreditNote,
            StatementLine.agreement_id,
            StatementLine.of_month,
            StatementLine.explanation,
        )
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(among(StatementLine.agreement_id, agreement_ids), CreditNote.uncovered_fen > 0)
    )
    for note, agreement_id, of_month, explanation in notes:
        if is_of_closed_year(explanation):
            continue
        entry = (Month(of_month), CREDIT, note.number)
        yield agreement_id, ((note.issued_at, note.id), entry, -note.uncovered_fen)
    for one in unit.session.scalars(
        select(UnfundedDecision).where(
            among(UnfundedDecision.agreement_id, agreement_ids),
            UnfundedDecision.outcome == UnfundedOutcome.WRITTEN_OFF,
            UnfundedDecision.state == DecisionState.IN_FORCE,
        )
    ):
        entry = (Month(one.of_month), WRITE_OFF, one.number)
        yield one.agreement_id, ((one.answered_at, one.id), entry, -one.amount_fen)


def _stored(unit: Unit, agreement_ids: set[UUID]) -> dict[tuple[UUID, int], dict[Entry, int]]:
    found: dict[tuple[UUID, int], dict[Entry, int]] = {}
    for row in unit.session.scalars(
        select(MemorandumEntry).where(among(MemorandumEntry.agreement_id, agreement_ids))
    ):
        entries = found.setdefault((row.agreement_id, row.fiscal_year), {})
        entries[Month(row.of_month), row.kind, row.document] = row.amount_fen
    return found
