"""Tables of the admission desk: what vendors declare, interests, takedowns, appeals.

The admission itself stands in `catalog.models`, beside the version that it is about.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class DeclaredInterest(Base):
    """A reviewer's own word that they have an interest in a vendor. Insert-only (trigger)."""

    __tablename__ = "declared_interest"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.id"), primary_key=True, index=True
    )
    reason: Mapped[str]
    declared_at: Mapped[datetime]


class Submission(Base):
    """The vendor's self-check and commitment, with which it submitted a version (R12). Insert-only.

    `self_check`: for each criterion what the vendor answers. `filing_number`: of the education app,
    where one is opened outside the platform.
    """

    __tablename__ = "submission"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True)
    self_check: Mapped[dict[str, Any]]
    commitment: Mapped[str]
    filing_number: Mapped[str]
    suits: Mapped[dict[str, Any]]
    submitted_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    submitted_at: Mapped[datetime]


class ProposedOffer(Base):
    """A price that a vendor proposes with a version; it is an offer once the version is listed.

    It may change while the version is a draft (trigger).
    """

    __tablename__ = "proposed_offer"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True)
    valid_from: Mapped[date]
    plan: Mapped[dict[str, Any]]


class Takedown(Base):
    """An emergency takedown of a resource, and who let it be opened again (R14).

    `versions`: the ids of those that were listed.
    """

    __tablename__ = "takedown"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), index=True)
    versions: Mapped[list[str]]
    ground: Mapped[str]
    reason: Mapped[str]
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    taken_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    taken_at: Mapped[datetime]
    restored_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    restored_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("taken_by <> restored_by", name="two_reviewers"),
        CheckConstraint("(restored_by IS NULL) = (restored_at IS NULL)", name="restored"),
        CheckConstraint("reason <> ''", name="reason"),
    )


class AdmissionAppeal(Base):
    """A vendor's appeal against a refusal or a takedown, decided by another reviewer.

    `against`: the id of the admission or the takedown.
    """

    __tablename__ = "admission_appeal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), index=True)
    kind: Mapped[str]
    against: Mapped[UUID] = mapped_column(unique=True)
    claim: Mapped[str]
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    outcome: Mapped[str | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("kind IN ('refusal', 'takedown')", name="kind"),
        CheckConstraint("outcome IN ('upheld', 'dismissed')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided"),
        CheckConstraint("claim <> ''", name="claim"),
        CheckConstraint("outcome IS NULL OR note <> ''", name="note"),
    )
