"""Tables of third parties that evaluate: where they were admitted, and what they found (R65)."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class EvaluatorAdmission(Base):
    """A bureau let a third party evaluate in a region; it ends once, with a reason (trigger).

    `interest`: what the evaluator declared of conflicts of interest, `none` included. One runs at a
    time for an evaluator and region; after an end there may be a further one.
    """

    __tablename__ = "evaluator_admission"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evaluator_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    interest: Mapped[str]
    admitted_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    admitted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    ended_because: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("interest <> ''", name="interest"),
        CheckConstraint(
            "(ended_at IS NULL) = (ended_because = '') AND (ended_at IS NULL) = (ended_by IS NULL)",
            name="ended",
        ),
        Index(
            "uq_evaluator_admission_running",
            "evaluator_id",
            "region_code",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class OutsideFinding(Base):
    """What a third party found of a subject; shown beside ours and never part of a score.

    `admission_id`: the admission under which it was filed, which ran then (trigger).
    `subject_id`: the organisation that may reply, of a resource its vendor; none for the platform.
    Only a withdrawal with its reason and one reply come later, each once (trigger).
    """

    __tablename__ = "outside_finding"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evaluator_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    admission_id: Mapped[UUID] = mapped_column(ForeignKey("evaluator_admission.id"), index=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    subject_kind: Mapped[str]
    subject_key: Mapped[str]
    subject_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    finding: Mapped[str]
    source: Mapped[str]
    found_on: Mapped[date]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    filed_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    filed_at: Mapped[datetime]
    withdrawn_because: Mapped[str] = mapped_column(default="")
    withdrawn_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(default="")
    replied_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    replied_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("evaluator_id", "digest"),
        CheckConstraint(
            "subject_kind IN ('vendor', 'resource', 'school', 'bureau', 'platform')",
            name="subject_kind",
        ),
        CheckConstraint("(subject_kind = 'platform') = (subject_id IS NULL)", name="subject"),
        CheckConstraint("finding <> '' AND source <> ''", name="said"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_because = '')", name="withdrawn"),
        CheckConstraint("(replied_at IS NULL) = (reply = '')", name="replied"),
        CheckConstraint("(replied_at IS NULL) = (replied_by IS NULL)", name="replier"),
        Index("ix_outside_finding_subject", "subject_kind", "subject_key"),
    )
