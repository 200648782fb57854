"""Tables of quotas, funding rules, allocations, selections and approvals."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Quota(Base):
    """Fen per pupil and year: bitemporal (in force from, known since), never updated (R16).

    `kind`: base | boarding | heating | special; `stage` is empty where the kind has none. A row
    that is not verified is never used until an operator records a verified one.
    """

    __tablename__ = "quota"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    stage: Mapped[str]
    kind: Mapped[str]
    valid_from: Mapped[date]
    recorded_at: Mapped[datetime]
    amount_fen: Mapped[int]
    source: Mapped[str]
    verified: Mapped[bool]

    __table_args__ = (
        UniqueConstraint("region_code", "stage", "kind", "valid_from", "recorded_at"),
        CheckConstraint("amount_fen >= 0", name="amount"),
        CheckConstraint("kind IN ('base', 'boarding', 'heating', 'special')", name="kind"),
    )


class FundingRule(Base):
    """A region's rule from a day on: floor, the stage that pays its shortfall, the digital share.

    `headcount` says which censuses the terms go by, `holder` whose line gets the share: the
    school's own, or its bureau's. Never updated; the nearest region above a school that has one
    decides (R15, R17, R19).
    """

    __tablename__ = "funding_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    source: Mapped[str]
    valid_from: Mapped[date]
    recorded_at: Mapped[datetime]
    floor_pupils: Mapped[int]
    short_stage: Mapped[str]
    digital_share: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    share_minimum: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    share_maximum: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    headcount: Mapped[str]
    holder: Mapped[str]
    origin: Mapped[str]

    __table_args__ = (
        UniqueConstraint("region_code", "source", "valid_from", "recorded_at"),
        CheckConstraint("digital_share BETWEEN share_minimum AND share_maximum", name="share"),
        CheckConstraint(
            "headcount IN ('each_term', 'spring', 'autumn', 'last_autumn')", name="headcount"
        ),
        CheckConstraint("holder IN ('school', 'bureau')", name="holder"),
    )


class Allocation(Base):
    """What was issued on a line (below zero: taken back), by whom, with the computation as data.

    `school_id`: whose money it is where the line is a bureau's; else the line's payer.
    `proposal_id`: what a second person checked; empty for what was issued before there were any.
    """

    __tablename__ = "allocation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("funding_line.id"), index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    proposal_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("allocation_proposal.id"), index=True
    )
    amount_fen: Mapped[int]
    computation: Mapped[dict[str, Any]]
    issued_at: Mapped[datetime]
    issued_by: Mapped[str]


class ApprovalRule(Base):
    """Who signs a selection, in which order, from which amount on, in a region (R22)."""

    __tablename__ = "approval_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    valid_from: Mapped[date]
    position: Mapped[int]
    role: Mapped[str]
    from_amount_fen: Mapped[int]

    __table_args__ = (UniqueConstraint("region_code", "valid_from", "position"),)


class Selection(Base):
    """A school's request to use a resource up to a ceiling; `terms` are the offer's snapshot."""

    __tablename__ = "selection"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    reference: Mapped[str]
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    terms: Mapped[dict[str, Any]]
    ceiling_fen: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    reason: Mapped[str]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    requested_at: Mapped[datetime]
    state: Mapped[str]
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))

    __table_args__ = (
        UniqueConstraint("school_id", "reference"),
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        CheckConstraint(
            "state IN ('draft', 'requested', 'approved', 'returned', 'refused', 'cancelled')",
            name="state",
        ),
        Index("ix_selection_state", "state"),
    )


class ApprovalStep(Base):
    """One signature that a selection needs; a refusal carries its note (checked here, too)."""

    __tablename__ = "approval_step"

    selection_id: Mapped[UUID] = mapped_column(ForeignKey("selection.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    state: Mapped[str]
    signed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    signed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'returned', 'refused')", name="state"),
        CheckConstraint("state NOT IN ('refused', 'returned') OR note <> ''", name="note"),
    )
