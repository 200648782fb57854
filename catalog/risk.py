"""What brings a submitted version forward in the desk's queue: named factors, each with its cap.

Pure. Points say where to look first and what to look at; they decide nothing, and no factor alone
outweighs all others. What the counts are is found by `catalog.desk`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Factor(StrEnum):
    SCHOOL_NEED = "school_need"  # the fast channel: it answers what schools asked for (R61)
    NO_SELF_CHECK = "no_self_check"
    NEW_VENDOR = "new_vendor"
    EARLIER_REFUSALS = "earlier_refusals"
    EARLIER_TAKEDOWNS = "earlier_takedowns"
    OPEN_CLAIMS = "open_claims"
    OPENED_OUTSIDE = "opened_outside"
    FOR_THE_YOUNGEST = "for_the_youngest"
    FIRST_VERSION = "first_version"
    CONTENT_CHANGED = "content_changed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Weight:
    """Points for each count of a factor, and the most that it may bring."""

    points: int
    cap: int


WEIGHTS: Final[dict[Factor, Weight]] = {
    Factor.SCHOOL_NEED: Weight(15, 30),
    Factor.NO_SELF_CHECK: Weight(15, 15),
    Factor.NEW_VENDOR: Weight(10, 10),
    Factor.EARLIER_REFUSALS: Weight(5, 20),
    Factor.EARLIER_TAKEDOWNS: Weight(10, 30),
    Factor.OPEN_CLAIMS: Weight(10, 20),
    Factor.OPENED_OUTSIDE: Weight(10, 10),
    Factor.FOR_THE_YOUNGEST: Weight(5, 5),
    Factor.FIRST_VERSION: Weight(10, 10),
    Factor.CONTENT_CHANGED: Weight(8, 8),
    Factor.WAITING: Weight(1, 20),  # for each day
}


@dataclass(frozen=True, slots=True)
class Points:
    """One factor of one version: how often it counts, what it brings, what it could bring."""

    factor: Factor
    count: int
    points: int
    cap: int


def weigh(counts: Mapping[Factor, int]) -> list[Points]:
    """Return the factors that count, the heaviest first."""
    found = [
        Points(factor, count, min(count * weight.points, weight.cap), weight.cap)
        for factor, weight in WEIGHTS.items()
        if (count := counts.get(factor, 0)) > 0
    ]
    return sorted(found, key=lambda one: -one.points)
