"""Tables of the sandbox: what a gateway of practice knows. Nothing of the books rests on them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class SandboxObject(Base):
    """One object as the API shows it; `kind` is its `object`, `sequence` its place in lists.

    `account` is the connected account that it belongs to, None for the platform's own.
    """

    __tablename__ = "sandbox_object"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    sequence: Mapped[int] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    account: Mapped[str | None]

    __table_args__ = (Index("ix_sandbox_object_kind", "kind", "account", "sequence"),)


class SandboxAnswer(Base):
    """What a key of idempotency was answered, for the same body; another body is an error."""

    __tablename__ = "sandbox_answer"

    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime]


class SandboxMessage(Base):
    """A message that is to be delivered; `state` waiting → delivered, or withheld on demand."""

    __tablename__ = "sandbox_message"

    event_id: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(unique=True)
    state: Mapped[str]
    attempts: Mapped[int]
    copies: Mapped[int]
    due_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'withheld', 'given_up')", name="state"),
        Index("ix_sandbox_message_waiting", "due_at", postgresql_where=text("state = 'waiting'")),
    )


class SandboxFault(Base):
    """What goes wrong at the next `times` calls of a kind, in the order of `sequence`."""

    __tablename__ = "sandbox_fault"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    call: Mapped[str]
    fault: Mapped[str]
    times: Mapped[int]

    __table_args__ = (CheckConstraint("times >= 0", name="times"),)
