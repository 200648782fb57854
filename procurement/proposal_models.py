"""Tables of proposals, which one person makes and another checks, and of year-end rules."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class AllocationProposal(Base):
    """What a bureau is about to issue of a year and source: waiting, then decided once (trigger).

    `kind`: computed by the formula, or listed by a document. `left_out`: by code, the schools that
    can't be computed, with the reason in each language.
    """

    __tablename__ = "allocation_proposal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    number: Mapped[str] = mapped_column(unique=True)
    fiscal_year: Mapped[int]
    source: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    left_out: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    made_by_name: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_by_name: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("kind IN ('computed', 'listed')", name="kind"),
        CheckConstraint("state IN ('waiting', 'issued', 'returned', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state IN ('waiting', 'withdrawn') OR decided_by <> made_by", name="two_people"
        ),
        CheckConstraint("state <> 'returned' OR note <> ''", name="note"),
        Index("ix_allocation_proposal_bureau", "bureau_id", "fiscal_year"),
    )


class ProposalLine(Base):
    """One amount of a proposal: on whose line it goes and how it came about; never changed.

    `school_id`: whose money it is, `payer_id`: whose line holds it. Below zero it is taken back.
    `issued_before_fen` stood on this line when the proposal was made.
    """

    __tablename__ = "proposal_line"

    proposal_id: Mapped[UUID] = mapped_column(
        ForeignKey("allocation_proposal.id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    restriction: Mapped[dict[str, Any]]
    document: Mapped[str]
    amount_fen: Mapped[int]
    line_fen: Mapped[int]
    issued_before_fen: Mapped[int]
    computation: Mapped[dict[str, Any]]

    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount"),
        Index("ix_proposal_line_document", "school_id", "document"),
    )


class RecordProposal(Base):
    """What one person wants recorded and another checks: waiting, then decided once (trigger).

    `kind`: a budget's approval, a table of signatures, or who may use a bulk agreement up to what;
    `content` is what would be recorded, and never changes. `made_by` is empty for the operator at
    the machine, who is no person.
    """

    __tablename__ = "record_proposal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    number: Mapped[str] = mapped_column(unique=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    content: Mapped[dict[str, Any]]
    reason: Mapped[str]
    state: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    made_by_name: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_by_name: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("kind IN ('budget', 'approval_rules', 'bulk_schools')", name="kind"),
        CheckConstraint("state IN ('waiting', 'recorded', 'returned', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state IN ('waiting', 'withdrawn') "
            "OR (decided_by IS NOT NULL AND decided_by IS DISTINCT FROM made_by)",
            name="two_people",
        ),
        CheckConstraint("state <> 'returned' OR note <> ''", name="note"),
        Index("ix_record_proposal_bureau", "bureau_id", "kind"),
    )


class YearEndRule(Base):
    """What becomes of a source's lines at a year's end in a region, from a day on; never updated.

    `carry_until` (MM-DD of the following year) where the line is carried over. `commitments`: of
    agreements that are carried with their line, or released to it.
    """

    __tablename__ = "year_end_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    source: Mapped[str]
    valid_from: Mapped[date]
    recorded_at: Mapped[datetime]
    outcome: Mapped[str]
    carry_until: Mapped[str]
    commitments: Mapped[str]
    origin: Mapped[str]

    __table_args__ = (
        UniqueConstraint("region_code", "source", "valid_from", "recorded_at"),
        CheckConstraint("outcome IN ('lapse', 'carry_over')", name="outcome"),
        CheckConstraint("commitments IN ('carried', 'released')", name="commitments"),
        CheckConstraint("(outcome = 'carry_over') = (carry_until <> '')", name="carried"),
        CheckConstraint("outcome = 'carry_over' OR commitments = 'released'", name="released"),
    )
