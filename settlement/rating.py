"""Rating: a counted quantity becomes a line's money, pure and without the database.

rated = above ceiling + billed; billed = drawn + uncovered; drawn = vendor + fee + retention. The
ceilings and what earlier lines used of them come in; nothing is looked up here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.money import split_by_largest_remainder
from settlement.arithmetic import Step
from settlement.pricing import Split, price, split


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of an agreement before this line: in all, and on each line that may pay."""

    ceiling_left_fen: int
    draws: Sequence[tuple[UUID, int]]
    """(funding line, fen still committed there), in draw order (R34)."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A line's amounts in fen and the draws that cover it."""

    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    shares: Split
    unit_price: Decimal
    arithmetic: str
    steps: Sequence[Step]
    draws: Sequence[tuple[UUID, int]]


def rate(terms: Mapping[str, Any], quantity: int, *, room: Room) -> Rated:
    """Price a quantity, cut it at the ceiling, and draw it from the lines in their order (R33)."""
    priced = price(terms, quantity)
    billed = min(priced.amount_fen, max(room.ceiling_left_fen, 0))
    left = billed
    draws: list[tuple[UUID, int]] = []
    for line_id, committed_fen in room.draws:
        taken = min(left, committed_fen)
        if taken > 0:
            draws.append((line_id, taken))
            left -= taken
    drawn = billed - left
    return Rated(
        rated_fen=priced.amount_fen,
        above_ceiling_fen=priced.amount_fen - billed,
        amount_fen=billed,
        uncovered_fen=left,
        drawn_fen=drawn,
        shares=split(terms, drawn),
        unit_price=priced.unit_price,
        arithmetic=priced.arithmetic,
        steps=priced.steps,
        draws=draws,
    )


def break_down(amount_fen: int, uses: Sequence[int]) -> list[int]:
    """Share a line's amount over its schools by their uses; the parts add up to it (R24)."""
    if not any(uses):
        return [0 for _ in uses]
    return split_by_largest_remainder(amount_fen, list(uses))
