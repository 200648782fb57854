"""Facets: by which words results are narrowed, and how many there are of each (R5, R8).

Decides what a filter means. A resource without a stage or a grade suits every one, so it is found
under each of them. A count says how many results the facet's word would leave, with all other
filters as they are. Listings name their words by two numbers, one for whom they are made and one
for how: a filter is a choice among the few thousand combinations, not among the listings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Filters = Mapping[str, str]

SUITED: Final = ("stage", "subject", "grade", "edition", "kind")
MADE: Final = ("type", "language", "reach", "tier", "price", "plan", "licence")
FIELDS: Final = (
    *("stage", "subject", "grade", "edition", "type", "language", "reach", "kind", "tier"),
    *("price", "plan", "licence"),
)
"""Facets in the order in which they are shown."""
FILTERS: Final = (*FIELDS, "vendor")
SUITS_ANY: Final = frozenset({"stage", "grade"})
"""Facets whose empty word means every one."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The words of one field with their counts, the most frequent first."""

    field: str
    counts: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Half:
    """One half of the facets: its words, the table of their combinations, and who names these."""

    words: Sequence[str]
    table: str
    id: str

    def set_by(self, filters: Filters) -> list[str]:
        """Return which of its words are narrowed."""
        return [name for name in self.words if filters.get(name)]

    def having(self, condition: str) -> str:
        """Return that a row `m` names one of the combinations `w` for which this holds."""
        return f"m.{self.id} IN (SELECT w.id FROM {self.table} w WHERE {condition})"  # noqa: S608 - our own names


HALVES: Final = (
    Half(SUITED, "listing_suited", "suited_id"),
    Half(MADE, "listing_made", "made_id"),
)


def narrowed(filters: Filters) -> list[str]:
    """Return the filters as conditions on a row `m` of `listing_match`."""
    conditions = [half.having(all_of(names)) for half in HALVES if (names := half.set_by(filters))]
    return [*conditions, *of_vendor(filters)]


def of_vendor(filters: Filters) -> list[str]:
    if not filters.get("vendor"):
        return []
    return ["m.vendor_id IN (SELECT o.id FROM organisation o WHERE o.code = :is_vendor)"]


def all_of(names: Iterable[str], *, without: str = "") -> str:
    """Return that a combination `w` has the words that are set of these fields."""
    return " AND ".join(_fits(name) for name in names if name != without) or "true"


def given_by(filters: Filters) -> dict[str, str]:
    """Return the parameters of the conditions."""
    return {f"is_{name}": word for name, word in filters.items() if word}


def _fits(name: str) -> str:
    return f"w.{name} IN (:is_{name}, '')" if name in SUITS_ANY else f"w.{name} = :is_{name}"
