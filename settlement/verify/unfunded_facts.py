"""What decided, and when, on use that no line covered: objections over, decisions, statements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dispute_models import CreditNote, Dispute
from settlement.early_use_models import DecisionState, UnfundedDecision, UnfundedOutcome
from settlement.models import Period, Statement, StatementLine


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptDecision:
    """A decision on what no line covered of a month of use, as it is stored."""

    id: UUID
    of_month: Month
    outcome: str
    amount_fen: int
    state: str
    made_at: datetime
    answered_at: datetime | None

    @property
    def refused_at(self) -> datetime | None:
        return self.answered_at if self.state == DecisionState.REFUSED else None

    @property
    def written_off_at(self) -> datetime | None:
        """When it took its amount off, if it did."""
        if self.outcome == UnfundedOutcome.WRITTEN_OFF and self.state == DecisionState.IN_FORCE:
            return self.answered_at
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptStatement:
    """When a payer's month was sealed and stated."""

    id: UUID
    number: str
    month: Month
    stated_at: datetime
    sealed_at: datetime | None


def decisions_of(unit: Unit, payers: Sequence[UUID]) -> Iterator[tuple[UUID, KeptDecision]]:
    """Yield the decisions on payers' unfunded use, by agreement in their order."""
    for one in unit.session.scalars(
        select(UnfundedDecision)
        .where(among(UnfundedDecision.payer_id, payers))
        .order_by(UnfundedDecision.id)
    ):
        yield (
            one.agreement_id,
            KeptDecision(
                id=one.id,
                of_month=Month(one.of_month),
                outcome=one.outcome,
                amount_fen=one.amount_fen,
                state=one.state,
                made_at=one.made_at,
                answered_at=one.answered_at,
            ),
        )


def settled_of(unit: Unit, payers: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return from when on nobody could object to a line that left something uncovered."""
    settled_at = func.coalesce(StatementLine.confirmed_at, CreditNote.issued_at, Dispute.decided_at)
    rows = unit.session.execute(
        select(StatementLine.id, settled_at)
        .outerjoin(Dispute, Dispute.line_id == StatementLine.id)
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(
            among(StatementLine.payer_id, payers),
            StatementLine.uncovered_fen > 0,
            settled_at.is_not(None),
        )
    )
    return dict(rows.all())


def statements_of(unit: Unit, payers: Sequence[UUID]) -> Iterator[tuple[UUID, KeptStatement]]:
    """Yield the statements of payers, by payer in the order of their months."""
    for row in unit.session.execute(
        select(
            Statement.payer_id,
            Statement.id,
            Statement.number,
            Statement.month,
            Statement.stated_at,
            Period.sealed_at,
        )
        .outerjoin(
            Period, (Period.payer_id == Statement.payer_id) & (Period.month == Statement.month)
        )
        .where(among(Statement.payer_id, payers))
        .order_by(Statement.payer_id, Statement.month)
    ):
        facts = row._asdict()
        yield facts.pop("payer_id"), KeptStatement(**facts)
