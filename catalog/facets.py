"""Facets: by which words results are narrowed, and how many there are of each (R5, R8).

Decides what a filter means. A resource without a stage or a grade suits every one, so it is found
under each of them. A count says how many results the facet's word would leave, with all other
filters as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, case

from catalog.listing_models import Listing

Filters = Mapping[str, str]

FREE, PRICED, UNPRICED = "free", "priced", "unpriced"
PRICE: Final = case(
    (Listing.unit_price.is_(None), UNPRICED), (Listing.unit_price == 0, FREE), else_=PRICED
)
FIELDS: Final[Mapping[str, Any]] = {
    "stage": Listing.stage,
    "subject": Listing.subject,
    "grade": Listing.grade,
    "edition": Listing.edition,
    "type": Listing.type,
    "language": Listing.language,
    "reach": Listing.reach,
    "kind": Listing.kind,
    "tier": Listing.tier,
    "price": PRICE,
    "plan": Listing.plan,
    "licence": Listing.licence,
}
"""Facets in the order in which they are shown."""
FILTERS: Final = (*FIELDS, "vendor")
SUITS_ANY: Final = frozenset({"stage", "grade"})
"""Facets whose empty word means every one."""


@dataclass(frozen=True, slots=True)
class Facet:
    """The words of one field with their counts, the most frequent first."""

    field: str
    counts: Sequence[tuple[str, int]]


def narrowed(filters: Filters, *, without: str = "") -> list[ColumnElement[bool]]:
    """Return the conditions of the filters, one of them left out."""
    conditions: list[ColumnElement[bool]] = []
    for name, word in filters.items():
        if name == without or not word:
            continue
        if name == "vendor":
            conditions.append(Listing.vendor_code == word)
        elif name in SUITS_ANY:
            conditions.append(FIELDS[name].in_((word, "")))
        else:
            conditions.append(FIELDS[name] == word)
    return conditions
