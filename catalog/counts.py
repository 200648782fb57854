"""Counting what fits: the total and the facets of a search, exactly (R8)."""

from collections.abc import Mapping
from typing import Final

from catalog.facets import FIELDS, SUITS_ANY, Facet
from catalog.search import Matching, Wanted, matching
from kernel.unit import Unit

NAMES: Final = tuple(FIELDS)
EVERYTHING: Final = (1 << len(NAMES)) - 1
COUNTED: Final = f"""
SELECT GROUPING({", ".join(NAMES)}) AS without, {", ".join(NAMES)}, count(*) AS results
FROM (SELECT {", ".join(f"{sql} AS {name}" for name, sql in FIELDS.items())}
      FROM listing l WHERE {{fits}}) words
GROUP BY GROUPING SETS ((), {", ".join(f"({name})" for name in NAMES)})
"""  # noqa: S608 - from texts of `facets`
"""By all facets in one pass over what fits; `without` names by its bits what is not grouped by."""


def count_results(unit: Unit, wanted: Wanted) -> tuple[int, list[Facet]]:
    """Return how many results there are, and how many each word of each facet would leave.

    One statement for all facets, and one more for each that is set: its own words are counted as if
    it were not.
    """
    found = matching(wanted)
    if found is None:
        return 0, []
    total, counts = _counted(unit, found)
    for name in NAMES:
        if wanted.filters.get(name):
            others = matching(wanted, without=name)
            assert others is not None
            counts[name] = _of_one(unit, name, others)
    facets = [Facet(name, _shown(name, counts.get(name, {}))) for name in NAMES]
    return total, [facet for facet in facets if facet.counts]


def _counted(unit: Unit, found: Matching) -> tuple[int, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, int]] = {}
    total = 0
    sql = COUNTED.format(fits=found.condition)
    for row in unit.session.execute(found.statement(sql), found.given):
        if row.without == EVERYTHING:
            total = row.results
            continue
        name = NAMES[len(NAMES) - (EVERYTHING ^ row.without).bit_length()]
        word = getattr(row, name)
        if word is not None:
            counts.setdefault(name, {})[word] = row.results
    return total, counts


def _of_one(unit: Unit, name: str, found: Matching) -> dict[str, int]:
    sql = (
        f"SELECT {FIELDS[name]} AS word, count(*) AS results "  # noqa: S608 - our own names
        f"FROM listing l WHERE {found.condition} GROUP BY 1"
    )
    rows = unit.session.execute(found.statement(sql), found.given)
    return {word: results for word, results in rows if word is not None}


def _shown(name: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the words with their counts, those that suit any counted under each."""
    any_of_them = counts.get("", 0) if name in SUITS_ANY else 0
    words = [(word, results + any_of_them) for word, results in counts.items() if word]
    return sorted(words, key=lambda one: (-one[1], one[0]))
