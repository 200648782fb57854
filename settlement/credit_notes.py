"""Credit notes: what an upheld dispute takes off a line, given back the way it was taken (R41).

What no funding line had covered goes first, then the draws, the last one first. The shares come
back at the agreement's rates: what was shared of the month less the split of what remains, so that
lines and note together are shared as if the note's part had never been billed. Where schools have
ceilings of their own, it comes back to each by what it was billed of the month (R24).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.adjusting import stated_before
from settlement.dispute_models import CreditDraw, CreditNote, CreditPart
from settlement.memorandum import CREDIT, is_of_closed_year, note_settled
from settlement.models import Agreement, Statement, StatementDraw, StatementLine
from settlement.pricing import Split, split
from settlement.rating import Draw, Stated
from settlement.school_parts import credited_by_school


@dataclass(frozen=True, slots=True)
class Credit:
    """An amount taken off a line, in fen: amount = uncovered + drawn, `draws` the last one first.

    `draws`: (funding line, fen given back).
    """

    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    draws: Sequence[Draw]


def credit(credit_fen: int, *, uncovered_fen: int, draws: Sequence[Draw]) -> Credit:
    """Divide a credit over what a line left uncovered and what it drew, in the order of its draws.

    Raises `ValueError` for more than these, or nothing.
    """
    if not 0 < credit_fen <= uncovered_fen + sum(fen for _, fen in draws):
        raise ValueError("a credit is above zero and not above what can be credited")
    from_uncovered = min(credit_fen, uncovered_fen)
    left = credit_fen - from_uncovered
    back: list[Draw] = []
    for funding_line_id, fen in reversed(draws):
        taken = min(left, fen)
        if taken:
            back.append((funding_line_id, taken))
            left -= taken
    return Credit(credit_fen, from_uncovered, credit_fen - from_uncovered, back)


def credited_shares(terms: Mapping[str, Any], shared: Split, *, rest_fen: int) -> Split:
    """Return what each party gives back when of what was `shared` only `rest_fen` remains.

    A part may be a fen below zero: by largest remainder a smaller whole can round a part up.
    """
    rest = split(terms, rest_fen)
    return Split(
        shared.vendor_fen - rest.vendor_fen,
        shared.school_fen - rest.school_fen,
        shared.fee_fen - rest.fee_fen,
        shared.retention_fen - rest.retention_fen,
    )


@dataclass(frozen=True, slots=True)
class Creditable:
    """What of a line can still be credited, in fen: less than it billed if late adjustments took
    some of it back already. `stated`: all that was stated of its agreement's month, net."""

    uncovered_fen: int
    draws: Sequence[Draw]
    stated: Stated

    @property
    def amount_fen(self) -> int:
        return self.uncovered_fen + sum(fen for _, fen in self.draws)


def creditable(unit: Unit, line: StatementLine) -> Creditable:
    """Return what of a line can be credited now."""
    known = stated_before(unit, Month(line.of_month), agreement_ids=[line.agreement_id])
    stated = known[line.agreement_id].stated
    rows = unit.session.execute(
        select(StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .where(StatementDraw.line_id == line.id)
        .order_by(StatementDraw.position)
    )
    return left_to_credit(
        stated,
        uncovered_fen=line.uncovered_fen,
        draws=[(funding_line_id, fen) for funding_line_id, fen in rows],
    )


def left_to_credit(stated: Stated, *, uncovered_fen: int, draws: Sequence[Draw]) -> Creditable:
    """Return what can be credited of what a line left uncovered and drew, of its month's net."""
    left = [
        (funding_line_id, min(fen, stated.draws.get(funding_line_id, 0)))
        for funding_line_id, fen in draws
    ]
    return Creditable(
        uncovered_fen=max(0, min(uncovered_fen, stated.uncovered_fen)),
        draws=[(funding_line_id, fen) for funding_line_id, fen in left if fen > 0],
        stated=stated,
    )


def issue_credit_note(
    unit: Unit, line: StatementLine, *, dispute_id: UUID, credit_fen: int
) -> UUID:
    """Write the credit note of a line, numbered within its statement; return its id.

    The caller has locked the period, so that numbers are given one after the other. What comes back
    to the ceiling opens an exhausted agreement again.
    """
    number, terms = unit.session.execute(
        select(Statement.number, Agreement.terms)
        .join(StatementLine, StatementLine.statement_id == Statement.id)
        .join(Agreement, Agreement.id == StatementLine.agreement_id)
        .where(StatementLine.id == line.id)
    ).one()
    earlier = unit.session.scalar(
        select(func.count(CreditNote.id))
        .join(StatementLine, StatementLine.id == CreditNote.line_id)
        .where(StatementLine.statement_id == line.statement_id)
    )
    left = creditable(unit, line)
    parts = credit(credit_fen, uncovered_fen=left.uncovered_fen, draws=left.draws)
    shares = credited_shares(
        terms, left.stated.shares, rest_fen=left.stated.drawn_fen - parts.drawn_fen
    )
    note = CreditNote(
        id=new_id(),
        number=f"{number}-C{(earlier or 0) + 1}",
        payer_id=line.payer_id,
        line_id=line.id,
        dispute_id=dispute_id,
        issued_at=unit.clock.now(),
        amount_fen=parts.amount_fen,
        uncovered_fen=parts.uncovered_fen,
        drawn_fen=parts.drawn_fen,
        vendor_fen=shares.vendor_fen,
        school_fen=shares.school_fen,
        fee_fen=shares.fee_fen,
        retention_fen=shares.retention_fen,
    )
    unit.session.add(note)
    unit.session.flush()
    if parts.draws:
        unit.session.execute(
            insert(CreditDraw),
            [
                {
                    "credit_note_id": note.id,
                    "position": position,
                    "funding_line_id": funding_line_id,
                    "amount_fen": fen,
                }
                for position, (funding_line_id, fen) in enumerate(parts.draws, start=1)
            ],
        )
    if left.stated.schools:
        unit.session.execute(
            insert(CreditPart),
            [
                {"credit_note_id": note.id, "school_id": school_id, "amount_fen": fen}
                for school_id, fen in credited_by_school(parts.amount_fen, left.stated.schools)
            ],
        )
    if parts.uncovered_fen and not is_of_closed_year(line.explanation):
        note_settled(
            unit,
            line.agreement_id,
            Month(line.of_month),
            kind=CREDIT,
            document=note.number,
            settled_fen=parts.uncovered_fen,
        )
    unit.session.execute(
        update(Agreement)
        .where(Agreement.id == line.agreement_id, Agreement.state == "exhausted")
        .values(state="open")
        .execution_options(synchronize_session=False)
    )
    record(
        unit,
        "credit_note.issued",
        subject_kind="credit_note",
        subject_id=note.id,
        number=note.number,
        amount_fen=note.amount_fen,
    )
    return note.id


def credits_of(unit: Unit, line_ids: Sequence[UUID]) -> list[tuple[CreditNote, list[Draw]]]:
    """Return the credit notes of these lines with (funding line, fen given back), by number."""
    notes = unit.session.scalars(
        select(CreditNote).where(among(CreditNote.line_id, line_ids)).order_by(CreditNote.number)
    ).all()
    draws: dict[UUID, list[Draw]] = {}
    for note_id, funding_line_id, fen in unit.session.execute(
        select(CreditDraw.credit_note_id, CreditDraw.funding_line_id, CreditDraw.amount_fen)
        .where(among(CreditDraw.credit_note_id, [note.id for note in notes]))
        .order_by(CreditDraw.credit_note_id, CreditDraw.position)
    ):
        draws.setdefault(note_id, []).append((funding_line_id, fen))
    return [(note, draws.get(note.id, [])) for note in notes]
