"""Facets: by which words results are narrowed, and how many there are of each (R5, R8).

Decides what a filter means. A resource without a stage or a grade suits every one, so it is found
under each of them. A count says how many results the facet's word would leave, with all other
filters as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Filters = Mapping[str, str]

FREE, PRICED, UNPRICED = "free", "priced", "unpriced"
FIELDS: Final[Mapping[str, str]] = {
    **{name: f"l.{name}" for name in ("stage", "subject", "grade", "edition", "type")},
    **{name: f"l.{name}" for name in ("language", "reach", "kind", "tier")},
    "price": f"CASE WHEN l.unit_price IS NULL THEN '{UNPRICED}' "
    f"WHEN l.unit_price = 0 THEN '{FREE}' ELSE '{PRICED}' END",
    "plan": "l.plan",
    "licence": "l.licence",
}
"""Facets in the order in which they are shown, each with its word of a listing `l` in SQL."""
FILTERS: Final = (*FIELDS, "vendor")
SUITS_ANY: Final = frozenset({"stage", "grade"})
"""Facets whose empty word means every one."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The words of one field with their counts, the most frequent first."""

    field: str
    counts: Sequence[tuple[str, int]]


def narrowed(filters: Filters, *, without: str = "") -> tuple[list[str], dict[str, str]]:
    """Return the filters as conditions on a listing `l`, one left out, and their parameters."""
    conditions: list[str] = []
    given: dict[str, str] = {}
    for name, word in filters.items():
        if name == without or not word:
            continue
        parameter = f"is_{name}"
        given[parameter] = word
        if name == "vendor":
            conditions.append(f"l.vendor_code = :{parameter}")
        elif name in SUITS_ANY:
            conditions.append(f"{FIELDS[name]} IN (:{parameter}, '')")
        else:
            conditions.append(f"{FIELDS[name]} = :{parameter}")
    return conditions, given
