"""Tables of the machine interface: answers kept for repeated requests, and what a key has used."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Idempotency(Base):
    """The answer to a request that named a key: the same again gets the same answer."""

    __tablename__ = "idempotency"

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    response: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RateWindow(Base):
    """How much an owner has used of what it may send in the running window."""

    __tablename__ = "rate_window"

    owner: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    used: Mapped[int]
