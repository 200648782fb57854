"""Tables of the ledger. Triggers refuse what does not balance and every UPDATE and DELETE.

Two books that never cross: `budget` (a line's available, committed, accrued, paid) and `money`
(payable, fee, retention, clearing). A balance is debits less credits, in fen.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Account(Base):
    """An account of one owner. Only those with a minimum keep a balance; the others are summed."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    book: Mapped[str]
    kind: Mapped[str]
    unit: Mapped[str]
    minimum: Mapped[int | None]
    balance: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("owner_id", "book", "kind", "unit"),
        CheckConstraint("book IN ('budget', 'money', 'credit')", name="book"),
        CheckConstraint("unit IN ('CNY', 'CREDIT')", name="unit"),
        CheckConstraint("minimum IS NULL OR balance >= minimum", name="minimum"),
    )


class Transfer(Base):
    """One business event in the books; `key` is unique, so nothing is posted twice."""

    __tablename__ = "transfer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime]
    memo: Mapped[str]


class Leg(Base):
    """One side of a transfer: a positive amount on the debit (D) or credit (C) side."""

    __tablename__ = "leg"

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account_id: Mapped[UUID]
    side: Mapped[str]
    amount_fen: Mapped[int]

    __table_args__ = (
        CheckConstraint("side IN ('D', 'C')", name="side"),
        CheckConstraint("amount_fen > 0", name="amount"),
        Index("ix_leg_account", "account_id"),
    )
