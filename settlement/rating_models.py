"""Teachers' ratings: insert-only; of a teacher's for a version the latest counts (R42)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Rating(Base):
    """A teacher's stars for a version that they used and whose use was settled. Insert-only.

    `launch_id`: the use that entitles them; `school_id`: the school for which they taught with it.
    """

    __tablename__ = "rating"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    school_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    launch_id: Mapped[UUID]
    stars: Mapped[int]
    at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
        Index("ix_rating_version", "version_id", "person_id", "at"),
        Index("ix_rating_resource", "resource_id", "person_id", "at"),
    )
