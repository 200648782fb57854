"""Tables of the catalogue. Titles are not keys: a resource is its vendor's own code (sku)."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Resource(Base):
    """What a vendor offers under one sku, whatever its version."""

    __tablename__ = "resource"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    sku: Mapped[str]
    is_sample: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (UniqueConstraint("vendor_id", "sku"),)


class Version(Base):
    """One immutable state of a resource's content and metadata (R4, R5).

    `metadata_` holds language, licence, author, keywords, conditions, address (where it can be
    seen), launch_url (where it is used, with a ticket; empty: in the platform's player); of a
    teacher's service work also ownership, school_share, author_school_id and author_school_code
    (R40);
    columns hold what is filtered by. After submission only `state` may change (trigger).
    """

    __tablename__ = "version"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    kind: Mapped[str]
    tier: Mapped[str]
    stage: Mapped[str]
    subject: Mapped[str]
    grade: Mapped[str]
    type: Mapped[str]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("resource_id", "number"),
        CheckConstraint("kind IN ('basic', 'personalised', 'school_based')", name="kind"),
        CheckConstraint("tier IN ('basic', 'growth', 'innovation')", name="tier"),
    )


class Offer(Base):
    """Price terms of a resource from a day on, until the next offer begins. Never changed.

    `plan`: {"plan": "per_use", "unit_price": "0.0200"} and what else `catalog.plans` knows; basic
    resources carry the price 0 (R1).
    """

    __tablename__ = "offer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    valid_from: Mapped[date]
    plan: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("resource_id", "valid_from"),)


class Admission(Base):
    """A bureau's review of one version: proposed by one reviewer, decided by another (R13).

    A version that was given back to the queue, or refused and reopened, has a further `round`.
    `depth` says how deep it goes, by what `changes` (R14); `findings` hold for each criterion a
    finding with its evidence (R11); `suits` for which schools and on which conditions (R60);
    `verdict` is what was proposed, `reasons` its canned ones. What is proposed stays so (trigger).
    """

    __tablename__ = "admission"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    round: Mapped[int] = mapped_column(default=1)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    state: Mapped[str]
    depth: Mapped[str]
    changes: Mapped[list[str]]
    claimed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    claimed_at: Mapped[datetime]
    findings: Mapped[dict[str, Any]]
    suits: Mapped[dict[str, Any]]
    verdict: Mapped[str | None]
    reasons: Mapped[list[str]]
    proposed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    proposed_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    decision_note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("version_id", "round"),
        CheckConstraint("proposed_by <> decided_by", name="two_reviewers"),
        CheckConstraint(
            "state IN ('claimed', 'proposed', 'released', 'admitted', 'refused', 'returned')",
            name="state",
        ),
        CheckConstraint("depth IN ('full', 'light')", name="depth"),
        CheckConstraint("verdict IN ('admitted', 'refused', 'returned')", name="verdict"),
        CheckConstraint("state <> 'admitted' OR verdict = 'admitted'", name="admitted_by_both"),
        Index(
            "uq_admission_open",
            "version_id",
            unique=True,
            postgresql_where=text("state IN ('claimed', 'proposed', 'admitted')"),
        ),
    )
