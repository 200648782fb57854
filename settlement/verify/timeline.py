"""The stored lines and credit notes of agreements, each agreement's in the order of its events.

Read set-wise, the agreements of some payers at a time; nothing is judged here. What the order is:
statements by their month, on each what they correct and take up of earlier months first, the oldest
leading, then the month's own line; between two statements the credit notes that were issued between
them. Where a statement takes up nothing of a month that lines before it left uncovered, that has
its place among the lines, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import select

from kernel.clock import Month
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dispute_models import CreditDraw, CreditNote, CreditPart
from settlement.models import (
    Agreement,
    Period,
    Statement,
    StatementBreakdown,
    StatementDraw,
    StatementLine,
)
from settlement.rating import Draw, Fund
from settlement.remaining import school_ceilings
from settlement.verify.commitments import fund_keys, funds_of, years_of
from settlement.verify.kept import Event, History, KeptLine, KeptNote, NotTakenUp, Part
from settlement.verify.moves import (
    Carried,
    Moved,
    carried_lines,
    changes_of,
    freed_of,
    school_changes_of,
)
from settlement.verify.unfunded_facts import (
    KeptDecision,
    KeptStatement,
    decisions_of,
    settled_of,
    statements_of,
)

PAYERS_AT_ONCE = 200


@dataclass(slots=True)
class _Rows:
    """What is read of some agreements, by agreement."""

    lines: dict[UUID, list[KeptLine]] = field(default_factory=dict)
    notes: dict[UUID, list[KeptNote]] = field(default_factory=dict)
    funds: dict[UUID, list[Fund]] = field(default_factory=dict)
    years: dict[UUID, dict[int, int]] = field(default_factory=dict)
    changes: dict[UUID, list[Moved]] = field(default_factory=dict)
    freed: dict[UUID, list[Moved]] = field(default_factory=dict)
    school_changes: dict[UUID, list[Moved]] = field(default_factory=dict)
    decisions: dict[UUID, list[KeptDecision]] = field(default_factory=dict)
    statements: dict[UUID, list[KeptStatement]] = field(default_factory=dict)


def histories(unit: Unit) -> Iterator[History]:
    """Yield every agreement that a statement has a line of, by payer and number."""
    payers = list(
        unit.session.scalars(
            select(StatementLine.payer_id).distinct().order_by(StatementLine.payer_id)
        )
    )
    for start in range(0, len(payers), PAYERS_AT_ONCE):
        yield from _of_payers(unit, payers[start : start + PAYERS_AT_ONCE])


def _of_payers(unit: Unit, payers: Sequence[UUID]) -> Iterator[History]:
    rows = _Rows()
    for line in _lines(unit, payers):
        rows.lines.setdefault(line.agreement_id, []).append(line)
    for note in _notes(unit, payers):
        rows.notes.setdefault(note.agreement_id, []).append(note)
    for agreement_id, fund in funds_of(unit, list(rows.lines)):
        rows.funds.setdefault(agreement_id, []).append(fund)
    for agreement_id, year, fen in years_of(unit, list(rows.lines)):
        rows.years.setdefault(agreement_id, {})[year] = fen
    for agreement_id, change in changes_of(unit, list(rows.lines)):
        rows.changes.setdefault(agreement_id, []).append(change)
    for agreement_id, one in freed_of(unit, list(rows.lines)):
        rows.freed.setdefault(agreement_id, []).append(one)
    for agreement_id, one in school_changes_of(unit, list(rows.lines)):
        rows.school_changes.setdefault(agreement_id, []).append(one)
    for agreement_id, decision in decisions_of(unit, payers):
        rows.decisions.setdefault(agreement_id, []).append(decision)
    for payer_id, statement in statements_of(unit, payers):
        rows.statements.setdefault(payer_id, []).append(statement)
    settled = settled_of(unit, payers)
    schools = school_ceilings(unit, list(rows.lines))
    named = {line_id for one in rows.lines.values() for line in one for line_id, _ in line.draws}
    named |= {line_id for one in rows.notes.values() for note in one for line_id, _ in note.draws}
    named |= {fund.line_id for one in rows.funds.values() for fund in one}
    keys = fund_keys(unit, named)
    carried: dict[UUID, list[Carried]] = {}
    for over in carried_lines(unit, list(named)):
        carried.setdefault(over.line_id, []).append(over)
    agreements = unit.session.execute(
        select(
            Agreement.id,
            Agreement.payer_id,
            Agreement.number,
            Agreement.terms,
            Agreement.ceiling_fen,
        )
        .where(among(Agreement.id, list(rows.lines)))
        .order_by(Agreement.payer_id, Agreement.number)
    )
    for agreement_id, payer_id, number, terms, ceiling_fen in agreements:
        lines = rows.lines[agreement_id]
        yield History(
            number=number,
            terms=terms,
            ceiling_fen=ceiling_fen,
            years=rows.years.get(agreement_id, {}),
            changes=rows.changes.get(agreement_id, []),
            freed=rows.freed.get(agreement_id, []),
            carried=carried,
            funds=rows.funds.get(agreement_id, []),
            fund_keys=keys,
            events=in_order(
                [*lines, *not_taken_up(lines, rows.statements[payer_id])],
                rows.notes.get(agreement_id, []),
            ),
            settled=settled,
            decisions=rows.decisions.get(agreement_id, []),
            school_ceilings=schools.get(agreement_id, {}),
            school_changes=rows.school_changes.get(agreement_id, []),
        )


def not_taken_up(
    lines: Sequence[KeptLine], statements: Sequence[KeptStatement]
) -> Iterator[NotTakenUp]:
    """Yield what statements take nothing up of although lines before them left it uncovered."""
    first: dict[Month, date] = {}
    for line in lines:
        if line.uncovered_fen > 0:
            first[line.of_month] = min(line.month, first.get(line.of_month, line.month))
    taken_up = {(one.statement_id, one.of_month) for one in lines if one.kind == "take_up"}
    for one in statements:
        for of_month, month in first.items():
            if month < one.month and (one.id, of_month) not in taken_up:
                yield NotTakenUp(
                    statement_id=one.id,
                    statement=one.number,
                    stated_at=one.stated_at,
                    sealed_at=one.sealed_at,
                    month=one.month,
                    of_month=of_month,
                )


def in_order(lines: Sequence[KeptLine | NotTakenUp], notes: Sequence[KeptNote]) -> list[Event]:
    """Return lines and credit notes as they followed each other.

    Ids grow with time: of what has the same time, the smaller came first.
    """
    waiting = sorted(notes, key=lambda note: (note.issued_at, note.id))
    events: list[Event] = []
    ordered = sorted(lines, key=lambda line: line.place)
    for _, group in groupby(ordered, key=lambda line: line.statement_id):
        statement = list(group)
        stated = (statement[0].stated_at, statement[0].statement_id)
        while waiting and (waiting[0].issued_at, waiting[0].id) < stated:
            events.append(waiting.pop(0))
        events += statement
    return [*events, *waiting]


def _lines(unit: Unit, payers: Sequence[UUID]) -> Iterator[KeptLine]:
    draws: dict[UUID, list[Draw]] = {}
    for line_id, funding_line_id, fen in unit.session.execute(
        select(StatementDraw.line_id, StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .join(StatementLine, StatementLine.id == StatementDraw.line_id)
        .where(among(StatementLine.payer_id, payers))
        .order_by(StatementDraw.line_id, StatementDraw.position)
    ):
        draws.setdefault(line_id, []).append((funding_line_id, fen))
    parts: dict[UUID, list[Part]] = {}
    for row in unit.session.execute(
        select(
            StatementBreakdown.line_id,
            StatementBreakdown.school_id,
            Organisation.code,
            StatementBreakdown.quantity,
            StatementBreakdown.amount_fen,
            StatementBreakdown.explanation,
            StatementBreakdown.rated_fen,
            StatementBreakdown.above_ceiling_fen,
        )
        .join(StatementLine, StatementLine.id == StatementBreakdown.line_id)
        .join(Organisation, Organisation.id == StatementBreakdown.school_id)
        .where(among(StatementLine.payer_id, payers))
        .order_by(StatementBreakdown.line_id, StatementBreakdown.school_id)
    ):
        facts = row._asdict()
        parts.setdefault(facts.pop("line_id"), []).append(Part(**facts))
    stored = unit.session.execute(
        select(
            StatementLine.id,
            StatementLine.statement_id,
            Statement.number.label("statement"),
            Statement.stated_at,
            Period.sealed_at,
            StatementLine.agreement_id,
            StatementLine.month,
            StatementLine.kind,
            StatementLine.of_month,
            StatementLine.metric,
            StatementLine.quantity,
            StatementLine.unit_price,
            StatementLine.rated_fen,
            StatementLine.above_ceiling_fen,
            StatementLine.amount_fen,
            StatementLine.uncovered_fen,
            StatementLine.drawn_fen,
            StatementLine.vendor_fen,
            StatementLine.school_fen,
            StatementLine.fee_fen,
            StatementLine.retention_fen,
            StatementLine.explanation,
        )
        .join(Statement, Statement.id == StatementLine.statement_id)
        .outerjoin(
            Period,
            (Period.payer_id == StatementLine.payer_id) & (Period.month == StatementLine.month),
        )
        .where(among(StatementLine.payer_id, payers))
    )
    for row in stored:
        facts = row._asdict()
        yield KeptLine(**facts, draws=draws.get(row.id, []), parts=parts.get(row.id, []))


def _notes(unit: Unit, payers: Sequence[UUID]) -> Iterator[KeptNote]:
    draws: dict[UUID, list[Draw]] = {}
    for note_id, funding_line_id, fen in unit.session.execute(
        select(CreditDraw.credit_note_id, CreditDraw.funding_line_id, CreditDraw.amount_fen)
        .join(CreditNote, CreditNote.id == CreditDraw.credit_note_id)
        .where(among(CreditNote.payer_id, payers))
        .order_by(CreditDraw.credit_note_id, CreditDraw.position)
    ):
        draws.setdefault(note_id, []).append((funding_line_id, fen))
    parts: dict[UUID, list[tuple[UUID, int]]] = {}
    codes: dict[UUID, str] = {}
    for note_id, school_id, code, fen in unit.session.execute(
        select(
            CreditPart.credit_note_id,
            CreditPart.school_id,
            Organisation.code,
            CreditPart.amount_fen,
        )
        .join(CreditNote, CreditNote.id == CreditPart.credit_note_id)
        .join(Organisation, Organisation.id == CreditPart.school_id)
        .where(among(CreditNote.payer_id, payers))
        .order_by(CreditPart.credit_note_id, CreditPart.school_id)
    ):
        parts.setdefault(note_id, []).append((school_id, fen))
        codes[school_id] = code
    stored = unit.session.execute(
        select(
            CreditNote.id,
            CreditNote.number,
            CreditNote.line_id,
            StatementLine.agreement_id,
            StatementLine.of_month,
            CreditNote.issued_at,
            CreditNote.amount_fen,
            CreditNote.uncovered_fen,
            CreditNote.drawn_fen,
            CreditNote.vendor_fen,
            CreditNote.school_fen,
            CreditNote.fee_fen,
            CreditNote.retention_fen,
        )
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(among(CreditNote.payer_id, payers))
    )
    for row in stored:
        yield KeptNote(
            **row._asdict(),
            draws=draws.get(row.id, []),
            parts=parts.get(row.id, []),
            school_codes=codes,
        )
