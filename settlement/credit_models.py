"""Tables of credits: articles that teachers read, and what was credited for what. Insert-only.

Credits are booked like money: each row here has one balanced transfer in the books (R48).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Reading(Base):
    """An article that a teacher reads for themselves; `finished_at` is written once.

    Of one person only the one that was begun last can be finished (trigger); begun again it begins
    anew. `organisation_id`, `region_code`: where its reader belonged then.
    """

    __tablename__ = "reading"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("finished_at >= begun_at", name="order"),
        Index("ix_reading_finished", "finished_at"),
    )


class CreditBooking(Base):
    """A change of what a person was credited for a resource in a year, in ten-thousandths.

    Below zero: taken back. `at`: the fact's moment; `version`: the table by which it was reckoned;
    `most`: the year's cap, of what is capped. `number` counts the changes of the same.
    """

    __tablename__ = "credit_booking"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[str]
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    year: Mapped[int]
    number: Mapped[int]
    amount: Mapped[int]
    most: Mapped[int | None]
    version: Mapped[str]
    at: Mapped[datetime]
    booked_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("person_id", "kind", "subject_id", "year", "number"),
        CheckConstraint("kind IN ('reading', 'adoption', 'followers')", name="kind"),
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("(kind = 'reading') = (most IS NOT NULL)", name="most"),
        Index("ix_credit_booking_person_year", "person_id", "year"),
    )
