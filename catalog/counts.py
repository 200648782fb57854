"""Counting what fits: the total and the facets of a search, exactly (R8)."""

from collections.abc import Mapping
from typing import Final

from catalog.facets import BETWEEN, FIELDS, MADE, SUITED, SUITS_ANY, Facet
from catalog.search import Matching, Wanted, matching
from kernel.unit import Unit

NAMES: Final = tuple(FIELDS)
COUNTED: Final = """
SELECT l.suited, l.made, count(*) AS results FROM listing l WHERE {fits}
GROUP BY GROUPING SETS ((l.suited), (l.made))
"""
"""How often the words of all facets stand together, in two halves: one pass over what fits."""


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
    counts: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    total = 0
    sql = COUNTED.format(fits=found.condition)
    for suited, made, results in unit.session.execute(found.statement(sql), found.given):
        names, together = (SUITED, suited) if suited is not None else (MADE, made)
        total += results if suited is not None else 0
        for name, word in zip(names, together.split(BETWEEN), strict=False):
            of_name = counts[name]
            of_name[word] = of_name.get(word, 0) + results
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
