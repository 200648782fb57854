"""Tables of use before the funds arrive: who agreed to it, up to what, and the memorandum (R25).

Nothing here is an account: what is billed beyond the lines never enters available, committed,
accrued or paid. It is owed by nobody until money of its own fiscal year takes it up.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class EarlyUseConsent(Base):
    """What a vendor lets each of its agreements use before the funds arrive, from a day on.

    `cap_fen` 0 takes the consent back. Never updated: a later row is what holds.
    """

    __tablename__ = "early_use_consent"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    valid_from: Mapped[date]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    cap_fen: Mapped[int]

    __table_args__ = (
        UniqueConstraint("vendor_id", "valid_from", "recorded_at"),
        CheckConstraint("cap_fen >= 0", name="cap"),
    )


class EarlyUseRule(Base):
    """What a region's bureau allows for use of a fiscal year, from a day on: made by one, checked
    by another, decided once (trigger).

    `total_cap_fen`: of all payers of the region; `payer_cap_fen`: of each. Both 0: not allowed.
    """

    __tablename__ = "early_use_rule"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    fiscal_year: Mapped[int]
    valid_from: Mapped[date]
    total_cap_fen: Mapped[int]
    payer_cap_fen: Mapped[int]
    origin: Mapped[str]
    state: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    made_by_name: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_by_name: Mapped[str | None]
    note: Mapped[str]

    __table_args__ = (
        CheckConstraint("payer_cap_fen >= 0 AND payer_cap_fen <= total_cap_fen", name="caps"),
        CheckConstraint("(total_cap_fen = 0) = (payer_cap_fen = 0)", name="allowed"),
        CheckConstraint("state IN ('waiting', 'in_force', 'returned', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("state IN ('waiting', 'withdrawn') OR decided_by <> made_by", name="two"),
        CheckConstraint("state <> 'returned' OR note <> ''", name="note"),
        Index("ix_early_use_rule_region_year", "region_code", "fiscal_year"),
    )


class Memorandum(Base):
    """What both agreed to for an agreement's fiscal year, frozen when it was opened (R25).

    `cap_fen`: how much of the year's use may be billed before its money arrives. `rule_id` and
    `consent_id` are what it rests on; withdrawn later, they stop launches, never what is owed.
    """

    __tablename__ = "memorandum"

    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    fiscal_year: Mapped[int] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID]
    vendor_id: Mapped[UUID] = mapped_column(index=True)
    cap_fen: Mapped[int]
    agreed_on: Mapped[date]
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("early_use_rule.id"))
    consent_id: Mapped[UUID] = mapped_column(ForeignKey("early_use_consent.id"))

    __table_args__ = (
        CheckConstraint("cap_fen > 0", name="cap"),
        Index("ix_memorandum_year_payer", "fiscal_year", "payer_id"),
    )


class MemorandumEntry(Base):
    """One movement of a memorandum, in fen: above zero billed beyond the lines, below it settled.

    `document` is what moved it within its kind: the statement's month, a credit note's or a
    decision's number. The sum of a year is never below zero nor above the cap (trigger).
    """

    __tablename__ = "memorandum_entry"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[UUID]
    fiscal_year: Mapped[int]
    of_month: Mapped[date]
    kind: Mapped[str]
    document: Mapped[str]
    amount_fen: Mapped[int]
    at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["agreement_id", "fiscal_year"],
            ["memorandum.agreement_id", "memorandum.fiscal_year"],
            name="fk_memorandum_entry_memorandum",
        ),
        UniqueConstraint("agreement_id", "of_month", "kind", "document"),
        CheckConstraint("amount_fen <> 0", name="amount"),
        CheckConstraint(
            "kind IN ('use', 'adjustment', 'take_up', 'credit', 'write_off')", name="kind"
        ),
        CheckConstraint("extract(year FROM of_month) = fiscal_year", name="own_year"),
    )


class UnfundedOutcome(StrEnum):
    """What becomes of use that no money came for before its year was closed."""

    WRITTEN_OFF = "written_off"
    CARRIED_OVER = "carried_over"


class DecisionState(StrEnum):
    """proposed → in_force | refused by the vendor's answer; to have it paid is at once in force."""

    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    REFUSED = "refused"


class UnfundedDecision(Base):
    """What becomes of an agreement's month that no money came for before its year was closed.

    `written_off`: proposed by a bureau with its reason, in force once the vendor agrees.
    `carried_over`: taken up from the same year's line, where that was carried over; at once.
    """

    __tablename__ = "unfunded_decision"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"))
    of_month: Mapped[date]
    payer_id: Mapped[UUID]
    vendor_id: Mapped[UUID] = mapped_column(index=True)
    outcome: Mapped[str]
    amount_fen: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("outcome IN ('written_off', 'carried_over')", name="outcome"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint("state IN ('proposed', 'in_force', 'refused')", name="state"),
        CheckConstraint("outcome = 'written_off' OR state = 'in_force'", name="proposed"),
        Index(
            "uq_unfunded_decision_proposed",
            "agreement_id",
            "of_month",
            unique=True,
            postgresql_where=sql("state = 'proposed'"),
        ),
        Index("ix_unfunded_decision_payer", "payer_id"),
    )
