"""Tables of budgets above the funding lines, and of how lines end (R19, R20)."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Budget(Base):
    """A bureau's money of one fiscal year from one source; its amounts are ledger accounts."""

    __tablename__ = "budget"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    fiscal_year: Mapped[int]
    source: Mapped[str]

    __table_args__ = (
        UniqueConstraint("bureau_id", "fiscal_year", "source"),
        CheckConstraint(
            "source IN ('per_student', 'surcharge', 'special_fund', 'own_funds')", name="source"
        ),
    )


class BudgetEntry(Base):
    """One approval of a budget by its document; below zero it takes back.

    `checked_by`: the second person; empty for what was recorded before there had to be one.
    """

    __tablename__ = "budget_entry"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(ForeignKey("budget.id"))
    document: Mapped[str]
    amount_fen: Mapped[int]
    approved_on: Mapped[date]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    checked_by: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("budget_id", "document"),
        CheckConstraint("amount_fen <> 0", name="amount"),
    )


class LineEnd(Base):
    """What became of a line once the books of the year in which it last paid were closed.

    `freed_fen` of its commitments became available, `lapsed_fen` went back to the treasury,
    `held_fen` stays committed for lines that are stated and not posted. A line ends several times:
    it may be carried over before it lapses, and what comes back to it later lapses, too.
    """

    __tablename__ = "line_end"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"))
    position: Mapped[int]
    closed_year: Mapped[int]
    outcome: Mapped[str]
    freed_fen: Mapped[int]
    lapsed_fen: Mapped[int]
    held_fen: Mapped[int]
    carried_until: Mapped[date | None]
    because: Mapped[str]
    ended_at: Mapped[datetime]
    ended_by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("line_id", "position"),
        CheckConstraint("outcome IN ('lapsed', 'carried')", name="outcome"),
        CheckConstraint("freed_fen >= 0 AND lapsed_fen >= 0 AND held_fen >= 0", name="amounts"),
        CheckConstraint("(outcome = 'carried') = (carried_until IS NOT NULL)", name="carried"),
        CheckConstraint("outcome = 'lapsed' OR lapsed_fen = 0", name="kept"),
    )


class FreedCommitment(Base):
    """What an end freed of one agreement's commitment: nothing is drawn from it any more."""

    __tablename__ = "freed_commitment"

    end_id: Mapped[UUID] = mapped_column(ForeignKey("line_end.id"), primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(
        ForeignKey("agreement.id"), primary_key=True, index=True
    )
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)
