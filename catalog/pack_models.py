"""Table of packs: which versions a pack's version bundles, in which order."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class PackPart(Base):
    """One part of a pack: `version_id` as it was when the pack's version was written.

    Says by keys what the version's metadata say in words; the database keeps the two alike, and
    parts change only with the draft (trigger).
    """

    __tablename__ = "pack_part"

    pack_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"), index=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"), index=True)

    __table_args__ = (
        UniqueConstraint("pack_id", "resource_id"),
        CheckConstraint("position > 0", name="position"),
        CheckConstraint("pack_id <> version_id", name="not_itself"),
    )
