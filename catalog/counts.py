"""Counting what fits: the total and the facets of a search, exactly, in one statement (R8).

What fits is counted once by its combinations of words, of which there are few; the combinations are
then added up, word by word. A facet's own words are counted as if it were not set: of each half of
the facets come, too, the combinations that one filter of it alone keeps out.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from catalog.facets import FIELDS, HALVES, SUITS_ANY, Facet, Half, all_of, of_vendor
from catalog.matching import Matching, matching, statement
from catalog.search import Wanted
from kernel.unit import Unit

COUNTED: Final = """
WITH counted AS MATERIALIZED (
    SELECT m.suited_id, m.made_id, {numbers} FROM listing_match m WHERE {fits}
    GROUP BY GROUPING SETS ((m.suited_id), (m.made_id))
)
"""
ADDED: Final = """
SELECT CASE {field} END AS field, coalesce({words}) AS word,
    sum(c.of_{id}) {all} AS total, CASE {results} ELSE sum(c.of_{id}) {all} END AS results
FROM counted c JOIN {table} w ON w.id = c.{id}
GROUP BY GROUPING SETS ({sets})
"""
TOTAL_BY: Final = "stage"
"""The facet whose counts are added up to the total: everything has one word of each."""


def count_results(unit: Unit, wanted: Wanted) -> tuple[int, list[Facet]]:
    """Return how many results there are, and how many each word of each facet would leave."""
    found = matching(wanted.words, wanted.filters)
    if found is None:
        return 0, []
    names = tuple(name for name in FIELDS if wanted.filters.get(name))
    sql = _counted(found, names, of_vendor(wanted.filters))
    counts: dict[str, dict[str, int]] = {name: {} for name in FIELDS}
    total = 0
    for field, word, fitting, results in unit.session.execute(statement(sql), found.given):
        if field == TOTAL_BY:
            total += fitting or 0
        if results:
            counts[field][word] = int(results)
    facets = [Facet(name, _shown(name, counts[name])) for name in FIELDS]
    return int(total), [facet for facet in facets if facet.counts]


def _counted(found: Matching, narrowed: Sequence[str], vendor: Sequence[str]) -> str:
    """Return the statement that counts with these facets set."""
    is_set = dict.fromkeys(narrowed, "set")
    conditions, numbers = [*vendor], []
    for half, other in (HALVES, HALVES[::-1]):
        if len(names := half.set_by(is_set)) > 1:
            nearly = [f"({all_of(names, without=name)})" for name in names]
            conditions.append(half.having(" OR ".join(nearly)))
        kept = other.set_by(is_set)
        only = f"FILTER (WHERE {other.having(all_of(kept))})" if kept else ""
        numbers.append(f"count(*) {only} AS of_{half.id}")
    counted = COUNTED.format(numbers=", ".join(numbers), fits=found.fitting(conditions))
    return counted + "UNION ALL".join(_added(half, half.set_by(is_set)) for half in HALVES)


def _added(half: Half, names: Sequence[str]) -> str:
    """Return the counts of a half's words; `results` leaves out what is set of the word's own."""
    own = [
        f"WHEN w.{name} IS NOT NULL THEN sum(c.of_{half.id}) "
        f"FILTER (WHERE {all_of(names, without=name)})"
        for name in names
    ]
    return ADDED.format(
        field=" ".join(f"WHEN w.{name} IS NOT NULL THEN '{name}'" for name in half.words),
        words=", ".join(f"w.{name}" for name in half.words),
        all=f"FILTER (WHERE {all_of(names)})" if names else "",
        results=" ".join(own) or "WHEN false THEN 0",
        sets=", ".join(f"(w.{name})" for name in half.words),
        table=half.table,
        id=half.id,
    )


def _shown(name: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the words with their counts, those that suit any counted under each."""
    any_of_them = counts.get("", 0) if name in SUITS_ANY else 0
    words = [(word, results + any_of_them) for word, results in counts.items() if word]
    return sorted(words, key=lambda one: (-one[1], one[0]))
