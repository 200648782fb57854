"""Credit notes: what an upheld dispute takes off a line, given back the way it was taken (R41).

What no funding line had covered goes first, then the draws, the last one first. The shares come
back at the line's own rates: what was shared less what would have been shared without the credited
part, so that line and note together are shared as if the note's part had never been billed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.dispute_models import CreditDraw, CreditNote
from settlement.models import Agreement, Statement, StatementDraw, StatementLine
from settlement.pricing import split


@dataclass(frozen=True, slots=True)
class Credit:
    """An amount taken off a line, in fen: amount = uncovered + drawn, `draws` the last one first.

    `draws`: (funding line, fen given back).
    """

    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    draws: Sequence[tuple[UUID, int]]


def credit(credit_fen: int, *, uncovered_fen: int, draws: Sequence[tuple[UUID, int]]) -> Credit:
    """Divide a credit over what a line left uncovered and what it drew, in the order of its draws.

    An adjustment may hold parts below zero; they are left where they are. Raises `ValueError` for
    more than the line, or nothing.
    """
    if not 0 < credit_fen <= uncovered_fen + sum(fen for _, fen in draws):
        raise ValueError("a credit is above zero and not above its line")
    from_uncovered = min(credit_fen, max(uncovered_fen, 0))
    left = credit_fen - from_uncovered
    back: list[tuple[UUID, int]] = []
    for funding_line_id, fen in reversed(draws):
        taken = min(left, fen)
        if taken > 0:
            back.append((funding_line_id, taken))
            left -= taken
    return Credit(credit_fen, from_uncovered, credit_fen - from_uncovered, back)


def credited_shares(
    terms: Mapping[str, Any], stated: Mapping[str, int], *, drawn_fen: int, credited_fen: int
) -> dict[str, int]:
    """Return what each party gives back of its stated share; the parts add up to `credited_fen`.

    One may be a fen below zero: with the largest remainder a smaller whole can round a part up.
    """
    rest: dict[str, int] = asdict(split(terms, drawn_fen - credited_fen))
    return {name: fen - rest.get(name, 0) for name, fen in stated.items()}


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
    parts = credit(credit_fen, uncovered_fen=line.uncovered_fen, draws=_draws_of(unit, line.id))
    stated = {
        "vendor_fen": line.vendor_fen,
        "school_fen": line.school_fen,
        "fee_fen": line.fee_fen,
        "retention_fen": line.retention_fen,
    }
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
        **credited_shares(terms, stated, drawn_fen=line.drawn_fen, credited_fen=parts.drawn_fen),
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


def credits_of(
    unit: Unit, line_ids: Sequence[UUID]
) -> list[tuple[CreditNote, list[tuple[UUID, int]]]]:
    """Return the credit notes of these lines with (funding line, fen given back), by number."""
    notes = unit.session.scalars(
        select(CreditNote).where(among(CreditNote.line_id, line_ids)).order_by(CreditNote.number)
    ).all()
    draws: dict[UUID, list[tuple[UUID, int]]] = {}
    for note_id, funding_line_id, fen in unit.session.execute(
        select(CreditDraw.credit_note_id, CreditDraw.funding_line_id, CreditDraw.amount_fen)
        .where(among(CreditDraw.credit_note_id, [note.id for note in notes]))
        .order_by(CreditDraw.credit_note_id, CreditDraw.position)
    ):
        draws.setdefault(note_id, []).append((funding_line_id, fen))
    return [(note, draws.get(note.id, [])) for note in notes]


def _draws_of(unit: Unit, line_id: UUID) -> list[tuple[UUID, int]]:
    rows = unit.session.execute(
        select(StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .where(StatementDraw.line_id == line_id)
        .order_by(StatementDraw.position)
    )
    return [(funding_line_id, fen) for funding_line_id, fen in rows]
