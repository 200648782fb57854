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
    """Who signs a selection, in which order, from which amount on, in a region (R22).

    Only for selections of this resource `kind` and `tier` and money of this `source`; empty: of
    any. `may_repeat`: also somebody who has signed it already. A table is never changed; a later
    day's takes its place. `proposal_id`: what a second person checked; empty for what is shipped.
    """

    __tablename__ = "approval_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    valid_from: Mapped[date]
    position: Mapped[int]
    role: Mapped[str]
    from_amount_fen: Mapped[int]
    kind: Mapped[str]
    tier: Mapped[str]
    source: Mapped[str]
    may_repeat: Mapped[bool]
    due_workdays: Mapped[int]
    proposal_id: Mapped[UUID | None] = mapped_column(ForeignKey("record_proposal.id"))

    __table_args__ = (UniqueConstraint("region_code", "valid_from", "position"),)


class Selection(Base):
    """A school's request to use a resource up to a ceiling; `terms` are the offer's snapshot.

    `kind`: purchase | trial | renewal, or raise | lower the ceiling of an agreement, by
    `ceiling_fen`; bulk: a bureau's for the schools of `SelectionSchool`, whose `school_id` is the
    bureau. `later_fen`: the part of `ceiling_fen` for use of the second fiscal year.
    `recorded_by`: who wrote it down, for themselves or for `requested_by`; empty for the system.
    `basket`: what was requested together has it in common. `of_agreement_id`: what it renews or
    changes; `agreement_id`: what came of it. Only it and `state` may change, and once (triggers).
    """

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
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    state: Mapped[str]
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))
    kind: Mapped[str]
    basket: Mapped[str]
    later_fen: Mapped[int]
    of_agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"), index=True)

    __table_args__ = (
        UniqueConstraint("school_id", "reference"),
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        CheckConstraint("later_fen BETWEEN 0 AND ceiling_fen", name="later"),
        CheckConstraint(
            "kind IN ('purchase', 'trial', 'renewal', 'raise', 'lower', 'bulk')", name="kind"
        ),
        CheckConstraint(
            "(kind IN ('renewal', 'raise', 'lower')) = (of_agreement_id IS NOT NULL)",
            name="of_agreement",
        ),
        CheckConstraint(
            "state IN ('requested', 'approved', 'returned', 'refused', 'cancelled')", name="state"
        ),
        CheckConstraint("(state = 'approved') = (agreement_id IS NOT NULL)", name="agreed"),
        Index("ix_selection_state", "state"),
    )


class SelectionSchool(Base):
    """A school or teaching point for which a bureau buys, and its own ceiling (R24)."""

    __tablename__ = "selection_school"

    selection_id: Mapped[UUID] = mapped_column(ForeignKey("selection.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    ceiling_fen: Mapped[int]

    __table_args__ = (CheckConstraint("ceiling_fen > 0", name="ceiling"),)


class ApprovalStep(Base):
    """One signature that a selection needs; a refusal carries its note (checked here, too).

    `due_on`: its last day once it is due; then it is overdue. `signed_for`: in whose place a
    delegate signed. `may_repeat` and `due_workdays` are those of the table that asked for it.
    """

    __tablename__ = "approval_step"

    selection_id: Mapped[UUID] = mapped_column(ForeignKey("selection.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    state: Mapped[str]
    signed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    signed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    may_repeat: Mapped[bool]
    due_workdays: Mapped[int]
    due_on: Mapped[date | None]
    signed_for: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'returned', 'refused')", name="state"),
        CheckConstraint("state NOT IN ('refused', 'returned') OR note <> ''", name="note"),
    )


class Delegation(Base):
    """A role that its holder lets somebody of the same organisation sign in, for some days (R22).

    `only_overdue`: a substitute, who may sign what has passed its last day. Only `revoked_at` may
    change (trigger).
    """

    __tablename__ = "delegation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    role: Mapped[str]
    from_person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    to_person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    only_overdue: Mapped[bool]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("ends_on >= starts_on", name="order"),
        CheckConstraint("from_person_id <> to_person_id", name="two_people"),
        Index("ix_delegation_organisation_id_role", "organisation_id", "role"),
    )


class SelectionDraft(Base):
    """What a person has typed of a request that is not made yet; theirs alone, and no record."""

    __tablename__ = "selection_draft"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    form: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]
