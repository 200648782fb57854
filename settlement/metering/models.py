"""Tables of metering. Usage is partitioned by month; identity holds whatever the time (R28).

`usage_event` keeps no surrogate id and no foreign keys: rows are checked when they are classified,
and a row's key is (payer, time, sequence).
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

usage_sequence = Sequence("usage_sequence", metadata=Base.metadata)


class UsageSource(Base):
    """Where reports of use come from. `trust`: player (the platform's own) | attested (R26).

    An attested source carries no tickets; the bureau that admitted it stands on the record, and
    every line made from it says so.
    """

    __tablename__ = "usage_source"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    trust: Mapped[str]
    admitted_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    admitted_for: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    admitted_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("trust IN ('player', 'attested')", name="trust"),)


class UsageBatch(Base):
    """One delivery: who sent it, from which file, and up to which row it was taken in."""

    __tablename__ = "usage_batch"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("usage_source.id"), index=True)
    file_name: Mapped[str]
    file_digest: Mapped[bytes] = mapped_column(LargeBinary)
    sent_by: Mapped[str]
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    rows_taken: Mapped[int] = mapped_column(default=0)
    pre_counted: Mapped[bool] = mapped_column(default=False)


class UsageTally(Base):
    """How many rows of a batch met which fate, by month of the row's time (none if unreadable).

    accepted + duplicate + conflict + quarantined = received (R32). `reason` is set for quarantined
    rows; accepted rows that came after their month's seal have the reason `late`.
    """

    __tablename__ = "usage_tally"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("usage_batch.id"), index=True)
    month: Mapped[date | None] = mapped_column(index=True)
    outcome: Mapped[str]
    reason: Mapped[str]
    rows: Mapped[int]

    __table_args__ = (
        UniqueConstraint(
            "batch_id", "month", "outcome", "reason", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint(
            "outcome IN ('accepted', 'duplicate', 'conflict', 'quarantined')", name="outcome"
        ),
    )


class UsageIdentity(Base):
    """(source, event id) is an event's identity; the digest covers its content without the time."""

    __tablename__ = "usage_identity"

    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class UsageEvent(Base):
    """One accepted report of use, matched to the agreement it falls under."""

    __tablename__ = "usage_event"

    payer_id: Mapped[UUID]
    agreement_id: Mapped[UUID]
    school_id: Mapped[UUID]
    resource_id: Mapped[UUID]
    learner_id: Mapped[UUID]
    source_id: Mapped[UUID]
    batch_id: Mapped[UUID]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    sequence: Mapped[int]
    quantity: Mapped[int]
    trust: Mapped[int] = mapped_column(SmallInteger)
    event_id: Mapped[str]
    session_id: Mapped[str]

    __table_args__ = (
        PrimaryKeyConstraint("payer_id", "occurred_at", "sequence"),
        CheckConstraint("quantity > 0", name="quantity"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )


class UsageQuarantine(Base):
    """A row that can't be billed as it stands, with the reason; nothing that came in is lost."""

    __tablename__ = "usage_quarantine"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("usage_batch.id"), index=True)
    source_id: Mapped[UUID]
    event_id: Mapped[str]
    position: Mapped[int]
    reason: Mapped[str]
    school_id: Mapped[UUID | None] = mapped_column(index=True)
    month: Mapped[date | None]
    body: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]


TRUST_PLAYER = 1
TRUST_ATTESTED = 2
TRUST_ATTESTED_COUNTED = 3
"""Attested, and its rows are counts per day that skip the 30-second rule (R27)."""

Index("ix_usage_quarantine_identity", UsageQuarantine.source_id, UsageQuarantine.event_id)
