"""Tables around admission: claims of infringement, needs, works, lineage, samples."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class InfringementNotice(Base):
    """A claim that a version infringes a right: notice, counter-notice, decision (R14).

    Decided by somebody who did not bring it in. `contact` is the desk's alone.
    """

    __tablename__ = "infringement_notice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), index=True)
    claimant: Mapped[str]
    contact: Mapped[str]
    work: Mapped[str]
    claim: Mapped[str]
    given_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    given_at: Mapped[datetime]
    answer_by: Mapped[date]
    counter: Mapped[str] = mapped_column(default="")
    countered_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    countered_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("outcome IN ('upheld', 'dismissed')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided"),
        CheckConstraint("decided_by <> given_by", name="two_people"),
        CheckConstraint("outcome IS NULL OR note <> ''", name="note"),
    )


class SchoolNeed(Base):
    """What a school lacks and asks vendors and teachers for (R61)."""

    __tablename__ = "school_need"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    title: Mapped[str]
    stage: Mapped[str]
    subject: Mapped[str]
    description: Mapped[str]
    wanted_by: Mapped[date]
    posted_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    posted_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))


class NeedAnswer(Base):
    """A version that a vendor offers for a need; `chosen` by the school. One per version."""

    __tablename__ = "need_answer"

    need_id: Mapped[UUID] = mapped_column(ForeignKey("school_need.id"), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True, index=True)
    note: Mapped[str]
    answered_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    answered_at: Mapped[datetime]
    chosen: Mapped[bool] = mapped_column(default=False)


class WorkDeclaration(Base):
    """Whose work a teacher's version is, declared with it and confirmed by the school (R40)."""

    __tablename__ = "work_declaration"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    ownership: Mapped[str]
    school_share: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    declared_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    declared_at: Mapped[datetime]
    confirmed: Mapped[bool | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("ownership IN ('personal', 'service_work')", name="ownership"),
        CheckConstraint("(confirmed IS NULL) = (decided_at IS NULL)", name="decided"),
        CheckConstraint("declared_by <> decided_by", name="two_people"),
        CheckConstraint("confirmed IS NOT FALSE OR note <> ''", name="note"),
    )


class Derivation(Base):
    """A version made from another one, such as a personal plan from a shared one (R6)."""

    __tablename__ = "derivation"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True)
    parent_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True, index=True)

    __table_args__ = (CheckConstraint("version_id <> parent_id", name="another"),)


class BlindDraw(Base):
    """A bureau's draw for blind audits, one in a month: who could be drawn, by which seed (R42).

    `anchor` is the trail's last link of before the month (0: there was none), `anchor_digest` its
    digest, `reached` how many links there were when it was drawn; the database makes `seed` of the
    digest, the bureau's code and the month. `pool` holds the ids of the versions that could be
    drawn, in order. Insert-only (trigger).
    """

    __tablename__ = "blind_draw"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    month: Mapped[date]
    anchor: Mapped[int]
    anchor_digest: Mapped[str]
    reached: Mapped[int]
    seed: Mapped[str]
    size: Mapped[int]
    pool: Mapped[list[str]]
    drawn_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    drawn_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("bureau_id", "month"),
        CheckConstraint("size BETWEEN 5 AND 500", name="size"),
        CheckConstraint("jsonb_array_length(pool) > 0", name="pool"),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
    )


class BlindSample(Base):
    """A version drawn for a blind audit, and what an uninvolved reviewer found of it.

    Drawn by the order of SHA-256 over `seed` and the version's id, so that anybody can draw again.
    Without a `draw_id`: of before draws were the trail's, by a seed that somebody chose.
    """

    __tablename__ = "blind_sample"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    bureau_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"), index=True)
    draw_id: Mapped[UUID | None] = mapped_column(ForeignKey("blind_draw.id"), index=True)
    seed: Mapped[str]
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), index=True)
    drawn_by: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    drawn_at: Mapped[datetime]
    passed: Mapped[bool | None]
    judged_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    judged_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("bureau_id", "seed", "version_id"),
        CheckConstraint("(passed IS NULL) = (judged_at IS NULL)", name="judged"),
        CheckConstraint("drawn_by <> judged_by", name="two_people"),
    )
