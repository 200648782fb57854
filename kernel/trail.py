"""The trail: every act that matters, who did it, when, to what, from where (R59).

Rows are written inside the act's own unit of work and can't be changed or removed: the database
refuses it. `sequence_trail` chains them afterwards, so that no lock is held to a commit and a row
that commits late is still chained, after those that were visible before it.
"""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ForeignKey, LargeBinary, select, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base
from kernel.ids import TrailId, new_id
from kernel.unit import Unit

CHAIN_LOCK = 0x7472_6169  # advisory lock: one sequencer at a time


class TrailRow(Base):
    """One act. Insert-only (trigger)."""

    __tablename__ = "trail"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    via: Mapped[str]
    act: Mapped[str] = mapped_column(index=True)
    subject_kind: Mapped[str]
    subject_id: Mapped[str] = mapped_column(index=True)
    facts: Mapped[dict[str, Any]]


class TrailPending(Base):
    """Rows that are not chained yet; a trigger on `trail` fills it, the sequencer empties it."""

    __tablename__ = "trail_pending"

    trail_id: Mapped[UUID] = mapped_column(ForeignKey("trail.id"), primary_key=True)


class TrailLink(Base):
    """The chain over the trail: each digest covers the row and the digest before it."""

    __tablename__ = "trail_link"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trail_id: Mapped[UUID] = mapped_column(ForeignKey("trail.id"), unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    previous_digest: Mapped[bytes] = mapped_column(LargeBinary)


def record(unit: Unit, act: str, *, subject_kind: str, subject_id: object, **facts: Any) -> TrailId:
    """Write one act of the unit's actor; `facts` are what a reader needs to follow it."""
    trail_id = TrailId(new_id())
    unit.session.add(
        TrailRow(
            id=trail_id,
            at=unit.clock.now(),
            actor_id=unit.actor.person_id,
            actor_name=unit.actor.name,
            via=unit.actor.via,
            act=act,
            subject_kind=subject_kind,
            subject_id=str(subject_id),
            facts=msgspec.to_builtins(facts, str_keys=True),
        )
    )
    return trail_id


def row_digest(row: TrailRow, previous: bytes) -> bytes:
    """Return SHA-256 over the previous digest and the row's canonical JSON."""
    body = msgspec.json.encode(
        {
            "id": str(row.id),
            "at": row.at.isoformat(),
            "actor_id": str(row.actor_id) if row.actor_id else None,
            "actor_name": row.actor_name,
            "via": row.via,
            "act": row.act,
            "subject_kind": row.subject_kind,
            "subject_id": row.subject_id,
            "facts": row.facts,
        },
        order="deterministic",
    )
    return hashlib.sha256(previous + body).digest()


def sequence_trail(unit: Unit, *, at_most: int = 10_000) -> int:
    """Chain what is visible and not chained yet; return how many rows that were."""
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})
    last = unit.session.scalars(
        select(TrailLink).order_by(TrailLink.sequence.desc()).limit(1)
    ).first()
    sequence, previous = (last.sequence, last.digest) if last else (0, b"")
    rows = unit.session.scalars(
        select(TrailRow)
        .join(TrailPending, TrailPending.trail_id == TrailRow.id)
        .order_by(TrailRow.id)
        .limit(at_most)
    ).all()
    for row in rows:
        sequence += 1
        digest = row_digest(row, previous)
        unit.session.add(
            TrailLink(sequence=sequence, trail_id=row.id, digest=digest, previous_digest=previous)
        )
        previous = digest
    unit.session.flush()
    unit.session.execute(
        text("DELETE FROM trail_pending WHERE trail_id = ANY(:ids)"),
        {"ids": [row.id for row in rows]},
    )
    return len(rows)


def broken_links(unit: Unit) -> list[str]:
    """Recompute the chain; return one finding per link that does not fit, none if all do."""
    findings: list[str] = []
    previous = b""
    expected = 0
    rows = unit.session.execute(
        select(TrailLink, TrailRow)
        .join(TrailRow, TrailRow.id == TrailLink.trail_id)
        .order_by(TrailLink.sequence)
        .execution_options(yield_per=5_000)
    )
    for link, row in rows:
        expected += 1
        if link.sequence != expected:
            findings.append(f"trail: link {expected} is missing")
            expected = link.sequence
        if link.previous_digest != previous or link.digest != row_digest(row, previous):
            findings.append(
                f"trail: link {link.sequence} ({row.act}, {row.id}) does not match its row"
            )
        previous = link.digest
    unchained = unit.session.scalars(
        select(TrailRow.id)
        .outerjoin(TrailLink, TrailLink.trail_id == TrailRow.id)
        .outerjoin(TrailPending, TrailPending.trail_id == TrailRow.id)
        .where(TrailLink.trail_id.is_(None), TrailPending.trail_id.is_(None))
        .order_by(TrailRow.id)
    )
    findings.extend(f"trail: {row_id} is neither chained nor waiting" for row_id in unchained)
    return findings
