"""Tables of attached files: what lies in the store, and to which versions it belongs.

The file's bytes are in the store; here is only what they are.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class StoredFile(Base):
    """One file in the store, whichever versions it is attached to; `digest` is SHA-256 in hex.

    `touched_at`: when it was last sent in. What nothing refers to is dropped a day after that; in
    state `dropping` nothing can be attached to it any more.
    """

    __tablename__ = "stored_file"

    digest: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int]
    media_type: Mapped[str]
    state: Mapped[str]
    touched_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("state IN ('kept', 'dropping')", name="state"),
        CheckConstraint("size_bytes > 0", name="size"),
        CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    )


class Attachment(Base):
    """A file of a version; changes only with the draft (trigger).

    `purpose`: a `preview` is everybody's, `content` is opened under an agreement.
    """

    __tablename__ = "attachment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("version.id"))
    name: Mapped[str]
    purpose: Mapped[str]
    digest: Mapped[str] = mapped_column(ForeignKey("stored_file.digest"), index=True)
    attached_by: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    attached_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("version_id", "name"),
        CheckConstraint("purpose IN ('content', 'preview')", name="purpose"),
        CheckConstraint("name <> ''", name="name"),
    )
