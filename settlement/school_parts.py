"""Schools' parts of a line: how it is shared over them, and cut at their own ceilings (R24). Pure.

Where the schools of an agreement have ceilings, a line's rated amount is shared over them as in any
breakdown. What a school's share has above what is left of its own ceiling is above the ceiling;
what all may still be billed is then cut at the agreement's own ceiling, shared by what each might
be. Of a correction it is each school's difference that is billed or given back, first what was
above the ceiling (R37).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from kernel.money import split_by_largest_remainder

Weights = Sequence[tuple[UUID, int]]
"""Schools with what each used, in the order of their parts."""


@dataclass(frozen=True, slots=True)
class SchoolPart:
    """A school's part of a line, or of a month so far, in fen: rated = above ceiling + billed."""

    school_id: UUID
    rated_fen: int = 0
    amount_fen: int = 0

    @property
    def above_ceiling_fen(self) -> int:
        return self.rated_fen - self.amount_fen


def break_down(amount_fen: int, weights: Sequence[int]) -> list[int]:
    """Share a line's amount over its schools by weight; the parts add up to it (R24)."""
    if not any(
        weights
    ):  # nothing is owed for use that is not billable; a rest stays with the first
        return [amount_fen if position == 0 else 0 for position in range(len(weights))]
    return split_by_largest_remainder(amount_fen, list(weights))


def cut_by_school(
    rated_fen: int,
    weights: Weights,
    *,
    left: Mapping[UUID, int],
    left_fen: int,
    before: Mapping[UUID, SchoolPart],
) -> list[SchoolPart]:
    """Return what a line adds for each school when its whole month is rated at `rated_fen`.

    `left`: of each school's own ceiling (one that is not named has none); `left_fen`: of the
    agreement's. `before`: what was stated of the month, credit notes taken off.
    """
    whole = break_down(rated_fen, [weight for _, weight in weights])
    differences, wanted = [], []
    for (school_id, _), share in zip(weights, whole, strict=True):
        known = before.get(school_id, SchoolPart(school_id))
        difference = share - known.rated_fen
        if difference >= 0:
            most = left.get(school_id, difference)
            wanted.append(min(difference, max(most, 0)))
        else:
            wanted.append(min(known.amount_fen, share) - known.amount_fen)
        differences.append(difference)
    given_back = -sum(fen for fen in wanted if fen < 0)
    more = _cut([max(fen, 0) for fen in wanted], max(left_fen, 0) + given_back)
    return [
        SchoolPart(school_id, difference, billed if fen >= 0 else fen)
        for (school_id, _), difference, fen, billed in zip(
            weights, differences, wanted, more, strict=True
        )
    ]


def credited_by_school(
    credit_fen: int, stated: Mapping[UUID, SchoolPart]
) -> list[tuple[UUID, int]]:
    """Share a credit over the schools by what each was billed of the month so far."""
    parts = [stated[school_id] for school_id in sorted(stated)]
    shares = break_down(credit_fen, [part.amount_fen for part in parts])
    return [(part.school_id, fen) for part, fen in zip(parts, shares, strict=True) if fen]


def _cut(wanted: list[int], most_fen: int) -> list[int]:
    """Return these amounts, or their shares of what all may have together."""
    return wanted if sum(wanted) <= most_fen else break_down(most_fen, wanted)
