"""What is stored of an agreement's lines and credit notes, as its history holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.clock import Month
from settlement.rating import Draw, Fund
from settlement.verify.commitments import FundKey
from settlement.verify.moves import Carried, Moved
from settlement.verify.unfunded_facts import KeptDecision


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A school's part of a line as it is stored; what was rated and cut only where schools have
    ceilings of their own."""

    school_id: UUID
    code: str
    quantity: int
    amount_fen: int
    explanation: Mapping[str, Any]
    rated_fen: int | None = None
    above_ceiling_fen: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptLine:
    """A statement line as it is stored; `sealed_at` is when its statement's month was sealed."""

    id: UUID
    statement_id: UUID
    statement: str
    stated_at: datetime
    sealed_at: datetime | None
    agreement_id: UUID
    month: Month
    kind: str
    of_month: Month
    metric: str
    quantity: int
    unit_price: Decimal
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int
    explanation: Mapping[str, Any]
    draws: Sequence[Draw]
    parts: Sequence[Part]

    @property
    def place(self) -> tuple[date, bool, date, bool]:
        """Where the line stands among those of its agreement."""
        return (self.month, self.kind == "use", self.of_month, self.kind == "take_up")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptNote:
    """A credit note as it is stored."""

    id: UUID
    number: str
    line_id: UUID
    agreement_id: UUID
    of_month: Month
    issued_at: datetime
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    vendor_fen: int
    school_fen: int
    fee_fen: int
    retention_fen: int
    draws: Sequence[Draw]
    parts: Sequence[tuple[UUID, int]] = ()
    """What schools with ceilings of their own got back: (school, fen)."""
    school_codes: Mapping[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotTakenUp:
    """A statement that takes up nothing of a month that lines before it left uncovered."""

    statement_id: UUID
    statement: str
    stated_at: datetime
    sealed_at: datetime | None
    month: Month
    of_month: Month

    @property
    def place(self) -> tuple[date, bool, date, bool]:
        """Where the line that takes up would stand."""
        return (self.month, False, self.of_month, True)


Event = KeptLine | KeptNote | NotTakenUp


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """An agreement with its lines and credit notes, in the order of events.

    `funds`: what is committed for it now, in draw order. `fund_keys`: of all funding lines that
    anything here names. `years`: the ceilings by fiscal year now, where it has several. `changes`:
    of ceilings and commitments, in order; `freed`: what a year's end freed of the commitments;
    `carried`: by line, until when it was carried over. `settled`: from when on nobody could object
    any more, by line that left something uncovered; `decisions` on what they left, in order.
    `school_ceilings`: the schools' own now, where they have one, and `school_changes` in order.
    """

    number: str
    terms: Mapping[str, Any]
    ceiling_fen: int
    years: Mapping[int, int]
    changes: Sequence[Moved]
    freed: Sequence[Moved]
    carried: Mapping[UUID, Sequence[Carried]]
    funds: Sequence[Fund]
    fund_keys: Mapping[UUID, FundKey]
    events: Sequence[Event]
    settled: Mapping[UUID, datetime] = field(default_factory=dict)
    decisions: Sequence[KeptDecision] = ()
    school_ceilings: Mapping[UUID, int] = field(default_factory=dict)
    school_changes: Sequence[Moved] = ()
