"""Tables of what follows a statement: disputes, credit notes, and the retention's release."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Dispute(Base):
    """A payer's objection to one line: claimed, answered by the vendor, decided by a bureau (R36).

    `claimed_fen` is what the payer says the line should be, `offered_fen` what the vendor would
    credit, `credit_fen` what the decision credits. `within_payer`: it was decided in the paying
    bureau itself, since none is above it. What was claimed never changes, and nothing once it is
    decided (triggers).
    """

    __tablename__ = "dispute"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID]
    line_id: Mapped[UUID] = mapped_column(ForeignKey("statement_line.id"), unique=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    reason: Mapped[str]
    claim: Mapped[str]
    claimed_fen: Mapped[int]
    evidence: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    answer_by: Mapped[date]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]
    answer: Mapped[str | None]
    offered_fen: Mapped[int]
    decide_by: Mapped[date]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    outcome: Mapped[str | None]
    credit_fen: Mapped[int]
    note: Mapped[str | None]
    within_payer: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        CheckConstraint("outcome IN ('dismissed', 'upheld')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided"),
        Index("ix_dispute_payer_opened", "payer_id", "opened_at"),
    )


class CreditNote(Base):
    """What an upheld dispute takes off a line, at the line's own rates (R41). Insert-only."""

    __tablename__ = "credit_note"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    payer_id: Mapped[UUID] = mapped_column(index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("statement_line.id"), unique=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("dispute.id"), unique=True)
    issued_at: Mapped[datetime]
    amount_fen: Mapped[int]
    uncovered_fen: Mapped[int]
    drawn_fen: Mapped[int]
    vendor_fen: Mapped[int]
    school_fen: Mapped[int]
    fee_fen: Mapped[int]
    retention_fen: Mapped[int]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("amount_fen = drawn_fen + uncovered_fen", name="billed"),
        CheckConstraint(
            "drawn_fen = vendor_fen + school_fen + fee_fen + retention_fen", name="conserved"
        ),
    )


class CreditDraw(Base):
    """What a credit note gives back to which funding line, the last drawn first."""

    __tablename__ = "credit_draw"

    credit_note_id: Mapped[UUID] = mapped_column(ForeignKey("credit_note.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    funding_line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), index=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)


class CreditPart(Base):
    """What a credit note gives back to which school's own ceiling (R24); adds up to the note."""

    __tablename__ = "credit_part"

    credit_note_id: Mapped[UUID] = mapped_column(ForeignKey("credit_note.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)


class RetentionRelease(Base):
    """The end of a line's quality retention: paid to the vendor, or back to its line (R63).

    One of the two amounts is zero; an adjustment's may be below zero, as its retention is.
    """

    __tablename__ = "retention_release"

    line_id: Mapped[UUID] = mapped_column(ForeignKey("statement_line.id"), primary_key=True)
    payer_id: Mapped[UUID]
    released_at: Mapped[datetime]
    released_fen: Mapped[int]
    forfeited_fen: Mapped[int]
    because: Mapped[str]

    __table_args__ = (CheckConstraint("released_fen = 0 OR forfeited_fen = 0", name="amounts"),)
