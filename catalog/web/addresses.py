"""Addresses of the storefront: a search with its state, a resource, a vendor, a comparison."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, quote_plus, urlencode

from catalog.facets import FILTERS
from catalog.search import Sort, Wanted

CATALOGUE: Final = "/catalog"
COMPARISON: Final = f"{CATALOGUE}/compare"
SHOWN: Final = "show"
DIFFERENCES: Final = "differences"
"""Of a comparison, what differs alone."""
FAVOURITES: Final = f"{CATALOGUE}/favourites"
WORDS, SORT, AFTER, RESOURCE = "q", "sort", "after", "r"


def read_wanted(query: Mapping[str, str], *, limit: int) -> Wanted:
    """Read a search from an address; what can't be read is left out."""
    sort, words = query.get(SORT, ""), query.get(WORDS, "").strip()
    return Wanted(
        words=words,
        filters={name: word for name in FILTERS if (word := query.get(name, "").strip())},
        sort=Sort(sort) if sort in set(Sort) else usual_sort(words),
        after=query.get(AFTER, ""),
        limit=limit,
    )


def usual_sort(words: str) -> Sort:
    """Return the order where none is asked for: by the words, or without any by the ranking."""
    return Sort.RELEVANCE if words else Sort.RANKED


def search_address(wanted: Wanted, *, after: str = "", **changed: str) -> str:
    """Return the address of a search with some filters changed; an empty word takes one off."""
    query = {WORDS: wanted.words, **wanted.filters, SORT: wanted.sort.value, **changed}
    if query[SORT] == usual_sort(wanted.words):
        del query[SORT]
    if after:
        query[AFTER] = after
    kept = urlencode({name: word for name, word in query.items() if word})
    return f"{CATALOGUE}?{kept}" if kept else CATALOGUE


def narrowed_address(base: str, name: str, word: str) -> str:
    """Return the address of a search, narrowed by one word more of a facet that is not set yet."""
    return f"{base}{'&' if '?' in base else '?'}{name}={quote_plus(word)}"


def resource_address(vendor_code: str, sku: str) -> str:
    return f"{CATALOGUE}/resources/{quote(vendor_code, safe='')}/{quote(sku)}"


def vendor_address(vendor_code: str) -> str:
    return f"{CATALOGUE}/vendors/{quote(vendor_code, safe='')}"


def comparison_of_versions(vendor_code: str, sku: str, *, after: int | None = None) -> str:
    """Return where two versions of a resource are compared; `after`: the later one of them."""
    address = f"{CATALOGUE}/differences/{quote(vendor_code, safe='')}/{quote(sku)}"
    return f"{address}?after={after}" if after is not None else address


def comparison_address(keys: Sequence[str], *, shown: str = "") -> str:
    """Return where resources are compared; `shown`: `DIFFERENCES` for what differs alone."""
    kept = [(SHOWN, shown)] if shown == DIFFERENCES else []
    return f"{COMPARISON}?{urlencode([*((RESOURCE, key) for key in keys), *kept])}"
