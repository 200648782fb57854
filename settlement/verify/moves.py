"""What was changed about agreements and their lines, each with its moment, read set-wise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.agreement_models import AgreementChange, AgreementChangeDraw
from settlement.budget_models import FreedCommitment, LineEnd


@dataclass(frozen=True, slots=True)
class Moved:
    """By how much, in fen, something about an agreement was changed at a moment.

    `subject`: the fiscal year whose ceiling was changed, or the funding line on which another
    amount was committed.
    """

    at: datetime
    subject: int | UUID
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Carried:
    """From which day on a line lapses since it was carried over at a moment (R19)."""

    at: datetime
    line_id: UUID
    lapses_on: date


def changes_of(unit: Unit, agreement_ids: Sequence[UUID]) -> Iterator[tuple[UUID, Moved]]:
    """Yield the changes of ceilings, and of what is committed on lines, each in its order."""
    for agreement_id, at, year, fen in unit.session.execute(
        select(
            AgreementChange.agreement_id,
            AgreementChange.at,
            AgreementChange.fiscal_year,
            AgreementChange.ceiling_fen,
        )
        .where(among(AgreementChange.agreement_id, agreement_ids))
        .order_by(AgreementChange.agreement_id, AgreementChange.number)
    ):
        if fen:
            yield agreement_id, Moved(at, year, fen)
    for agreement_id, at, line_id, fen in unit.session.execute(
        select(
            AgreementChange.agreement_id,
            AgreementChange.at,
            AgreementChangeDraw.line_id,
            AgreementChangeDraw.amount_fen,
        )
        .join(AgreementChangeDraw, AgreementChangeDraw.change_id == AgreementChange.id)
        .where(among(AgreementChange.agreement_id, agreement_ids))
        .order_by(AgreementChange.agreement_id, AgreementChange.number)
    ):
        yield agreement_id, Moved(at, line_id, fen)


def freed_of(unit: Unit, agreement_ids: Sequence[UUID]) -> Iterator[tuple[UUID, Moved]]:
    """Yield what years' ends freed of commitments, in its order."""
    for agreement_id, at, line_id, fen in unit.session.execute(
        select(
            FreedCommitment.agreement_id,
            LineEnd.ended_at,
            LineEnd.line_id,
            FreedCommitment.amount_fen,
        )
        .join(LineEnd, LineEnd.id == FreedCommitment.end_id)
        .where(among(FreedCommitment.agreement_id, agreement_ids))
        .order_by(FreedCommitment.agreement_id, LineEnd.ended_at, LineEnd.id)
    ):
        yield agreement_id, Moved(at, line_id, fen)


def carried_lines(unit: Unit, line_ids: Sequence[UUID]) -> Iterator[Carried]:
    """Yield until when lines were carried over, each line's in order."""
    for line_id, at, last_day in unit.session.execute(
        select(LineEnd.line_id, LineEnd.ended_at, LineEnd.carried_until)
        .where(among(LineEnd.line_id, line_ids))
        .order_by(LineEnd.line_id, LineEnd.position)
    ):
        if last_day is not None:
            yield Carried(at, line_id, last_day + timedelta(days=1))
