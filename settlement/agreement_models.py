"""Tables of what becomes of an agreement: its fiscal years, and the changes of its ceiling.

An agreement's ceiling, its last day, what it has committed on lines and who may use it move only
with a change: triggers apply each to `agreement`, `agreement_year`, `agreement_draw` and
`agreement_school`, which hold what is now.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class AgreementYear(Base):
    """One fiscal year's ceiling of an agreement that crosses 1 January; others have none (R19).

    `waiting_fen`: the part of it that no line has committed yet, since the year's money was not
    issued. An agreement's ceiling is the sum of its years' (trigger).
    """

    __tablename__ = "agreement_year"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(primary_key=True)
    ceiling_fen: Mapped[int]
    waiting_fen: Mapped[int]

    __table_args__ = (
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        CheckConstraint("waiting_fen BETWEEN 0 AND ceiling_fen", name="waiting"),
        Index(
            "ix_agreement_year_waiting",
            "fiscal_year",
            postgresql_where=text("waiting_fen > 0"),
        ),
    )


class AgreementChange(Base):
    """One change of an agreement, never changed itself; amounts say by how much, in fen.

    `kind`: raised | lowered (the ceiling of `fiscal_year`), committed (what waited for the year's
    money), ended (a nearer last day), released (what was left of the commitment). `reference`: the
    school's own, of the selection that was approved for it; else empty.
    """

    __tablename__ = "agreement_change"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    number: Mapped[int]
    kind: Mapped[str]
    fiscal_year: Mapped[int]
    ceiling_fen: Mapped[int]
    waiting_fen: Mapped[int]
    ends_on: Mapped[date | None]
    reference: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("agreement_id", "number"),
        CheckConstraint(
            "kind IN ('raised', 'lowered', 'committed', 'ended', 'released')", name="kind"
        ),
        CheckConstraint("(kind = 'ended') = (ends_on IS NOT NULL)", name="ends_on"),
    )


class AgreementChangeDraw(Base):
    """By how much a change raises (or, below zero, lowers) what is committed on a line, in fen."""

    __tablename__ = "agreement_change_draw"

    change_id: Mapped[UUID] = mapped_column(ForeignKey("agreement_change.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(
        ForeignKey("funding_line.id"), primary_key=True, index=True
    )
    amount_fen: Mapped[int]

    __table_args__ = (CheckConstraint("amount_fen <> 0", name="amount"),)


class AgreementSchoolChange(Base):
    """One change of who may use an agreement, never changed itself (R24).

    `kind`: added (a school, as of `from_day`, with its ceiling; with none, one that had declined),
    ceiling (its own, by how much), declined (by the school, as of `from_day`). `reference`: of the
    proposal that a second person checked (trigger); a school declines by itself.
    """

    __tablename__ = "agreement_school_change"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    number: Mapped[int]
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    ceiling_fen: Mapped[int]
    from_day: Mapped[date | None]
    reference: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]

    __table_args__ = (
        UniqueConstraint("agreement_id", "number"),
        CheckConstraint("kind IN ('added', 'ceiling', 'declined')", name="kind"),
        CheckConstraint("(kind = 'ceiling') = (from_day IS NULL)", name="from_day"),
        CheckConstraint("(kind = 'declined') = (reference = '')", name="reference"),
        CheckConstraint("reason <> ''", name="reason"),
        Index(
            "uq_agreement_school_change_reference",
            "reference",
            "school_id",
            "kind",
            unique=True,
            postgresql_where=text("reference <> ''"),
        ),
    )


class AgreementParty(Base):
    """Who had a part in an agreement's coming about, or in a change of it. Insert-only (trigger).

    `part`: requested | recorded (in another's name) | signed (or was signed for).
    """

    __tablename__ = "agreement_party"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (CheckConstraint("part IN ('requested', 'recorded', 'signed')", name="part"),)


class AgreementEndReason(Base):
    """Why a payer let an agreement end, in one word of a list. Insert-only (trigger).

    `why`: grade-change | curriculum-change (of which no vendor is to blame) | not-suitable | other.
    """

    __tablename__ = "agreement_end_reason"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    why: Mapped[str]
    said_at: Mapped[datetime]
    said_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))

    __table_args__ = (
        CheckConstraint(
            "why IN ('grade-change', 'curriculum-change', 'not-suitable', 'other')", name="why"
        ),
    )
