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
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base

usage_sequence = Sequence("usage_sequence", metadata=Base.metadata)


class UsageSource(Base):
    """Where reports of use come from. `trust`: player (the platform's own) | ticketed | attested.

    A ticketed source reports uses of launches that the platform signed. An attested source carries
    no tickets; the bureau that admitted it stands on the record, and every line made from it says
    so (R26). `organisation_id`: the vendor or school that may report by the API, if any.
    """

    __tablename__ = "usage_source"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    trust: Mapped[str]
    admitted_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    admitted_for: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    admitted_at: Mapped[datetime]
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"), index=True)

    __table_args__ = (CheckConstraint("trust IN ('player', 'attested', 'ticketed')", name="trust"),)


class UsageBatch(Base):
    """One delivery: who sent it, from which file, and up to which row it was taken in.

    `channel`: file | api | player | package. `signature`: the sender's, over what `file_digest`
    covers, where the channel asks for one.
    """

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
    channel: Mapped[str] = mapped_column(default="file")
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        CheckConstraint("channel IN ('file', 'api', 'player', 'package')", name="channel"),
    )


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
    launch_id: Mapped[UUID | None]
    in_class: Mapped[bool]

    __table_args__ = (
        PrimaryKeyConstraint("payer_id", "occurred_at", "sequence"),
        CheckConstraint("quantity > 0", name="quantity"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )


class UsageQuarantine(Base):
    """A row that can't be billed as it stands, with the reason; nothing that came in is lost.

    A row that waits for its launch names it; once matched it has `released_at` and an event (R28).
    """

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
    launch_id: Mapped[UUID | None]
    released_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_usage_quarantine_waiting",
            "launch_id",
            postgresql_where=text("launch_id IS NOT NULL AND released_at IS NULL"),
        ),
    )


class SigningKey(Base):
    """A public key under which launches were signed; kept so that old tickets can be checked."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    first_used_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class ClassroomDevice(Base):
    """A school's box for classrooms without a network; its packages are signed with its key (R31).

    It has no source until the bureau confirms it; the source is a player, since the platform's own
    player runs on it.
    """

    __tablename__ = "classroom_device"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    source_id: Mapped[UUID | None] = mapped_column(ForeignKey("usage_source.id"))
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    registered_by: Mapped[str]
    registered_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Launch(Base):
    """The platform opened a version for a learner or a class, and signed a ticket. Insert-only.

    `pseudonym` is the learner's for this vendor (R29). `session_id`: the class's lesson, or the
    learner's sitting. `device_id`: the box that issued it, if no network was there.
    """

    __tablename__ = "launch"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID]
    agreement_id: Mapped[UUID]
    vendor_id: Mapped[UUID]
    resource_id: Mapped[UUID]
    version_id: Mapped[UUID]
    school_id: Mapped[UUID]
    learner_id: Mapped[UUID]
    kind: Mapped[str]
    class_name: Mapped[str]
    session_id: Mapped[str]
    pseudonym: Mapped[str]
    device_id: Mapped[UUID | None]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("kind IN ('learner', 'class')", name="kind"),
        CheckConstraint("expires_at > issued_at", name="order"),
        Index("ix_launch_payer_issued", "payer_id", "issued_at"),
        Index("ix_launch_learner_issued", "learner_id", "issued_at"),
    )


class LaunchPresence(Base):
    """How long an opened resource was in use, as its player said; nothing is billed by it."""

    __tablename__ = "launch_presence"

    launch_id: Mapped[UUID] = mapped_column(primary_key=True)
    beats: Mapped[int]
    last_seen_at: Mapped[datetime]


class LateUse(Base):
    """Events of a sealed month that one delivery brought; `settled_in`: whose statement adjusts it.

    `sequence` is the last of these events'. A month is counted anew for the first statement whose
    seal is behind it (R37).
    """

    __tablename__ = "late_use"

    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[int]
    settled_in: Mapped[date | None]

    __table_args__ = (
        Index("ix_late_use_open", "payer_id", postgresql_where=text("settled_in IS NULL")),
    )


class UsageArchive(Base):
    """A month whose partition was written to a Parquet file; `state`: detached | attached."""

    __tablename__ = "usage_archive"

    month: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str]
    file_name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    rows: Mapped[int]
    archived_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("state IN ('detached', 'attached')", name="state"),)


TRUST_PLAYER = 1
TRUST_ATTESTED = 2
TRUST_ATTESTED_COUNTED = 3
"""Attested, and its rows are counts per day that skip the 30-second rule (R27)."""
TRUST_TICKETED = 4
"""Reported by a vendor and matched with a launch that the platform signed (R26)."""

Index("ix_usage_quarantine_identity", UsageQuarantine.source_id, UsageQuarantine.event_id)
