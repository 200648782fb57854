"""Counting what fits: the total and the facets of a search, exactly (R8)."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, literal_column, select

from catalog.facets import FIELDS, SUITS_ANY, Facet
from catalog.listing_models import Listing
from catalog.search import Wanted, matching
from kernel.unit import Unit


def count_results(unit: Unit, wanted: Wanted) -> tuple[int, list[Facet]]:
    """Return how many results there are, and how many each word of each facet would leave.

    One statement for all facets, and one more for each that is set: its own words are counted as if
    it were not.
    """
    fits = matching(wanted)
    if fits is None:
        return 0, []
    total, counts = _counted(unit, fits)
    for name in FIELDS:
        if wanted.filters.get(name):
            others = matching(wanted, without=name)
            assert others is not None
            counts[name] = _of_one(unit, name, others)
    facets = [Facet(name, _shown(name, counts.get(name, {}))) for name in FIELDS]
    return total, [facet for facet in facets if facet.counts]


def _counted(unit: Unit, fits: ColumnElement[bool]) -> tuple[int, dict[str, dict[str, int]]]:
    """Count by all facets in one pass over what fits."""
    columns = [column.label(name) for name, column in FIELDS.items()]
    narrow = select(*columns).select_from(Listing).where(fits).subquery()
    names = list(FIELDS)
    rows = unit.session.execute(
        select(
            func.grouping(*(narrow.c[name] for name in names)).label("without"),
            *(narrow.c[name] for name in names),
            func.count().label("results"),
        ).group_by(func.grouping_sets(*(narrow.c[name] for name in names), literal_column("()")))
    )
    found: dict[str, dict[str, int]] = {}
    total = 0
    everything = (1 << len(names)) - 1
    for row in rows:
        if row.without == everything:
            total = row.results
            continue
        name = names[len(names) - (everything ^ row.without).bit_length()]
        word = getattr(row, name)
        if word is not None:
            found.setdefault(name, {})[word] = row.results
    return total, found


def _of_one(unit: Unit, name: str, fits: ColumnElement[bool]) -> dict[str, int]:
    column = FIELDS[name]
    rows = unit.session.execute(
        select(column, func.count()).select_from(Listing).where(fits).group_by(column)
    )
    return {word: results for word, results in rows if word is not None}


def _shown(name: str, counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the words with their counts, those that suit any counted under each."""
    any_of_them = counts.get("", 0) if name in SUITS_ANY else 0
    words = [(word, results + any_of_them) for word, results in counts.items() if word]
    return sorted(words, key=lambda one: (-one[1], one[0]))
