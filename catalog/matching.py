"""What a search matches: the condition of its words and filters, and the first of what fits (R8).

Decides how the first are come by, not what is done with them. All of it is asked of the narrow
`listing_match`, but for the words of very common ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import TextClause, text

from catalog.facets import Filters, given_by, narrowed
from catalog.tokens import query_of

SAMPLE: Final = 32
WALKED: Final = 4
FITS_WORDS: Final = "m.tokens @@ (SELECT CAST(:query AS tsquery))"
"""Asked for by a query of its own, words are hidden from the planner, which would weigh a plan for
each against the one for all, and keep planning where the one for all seems dearer.
"""
FIRST_OF_WORDS: Final = f"""
sample AS MATERIALIZED (
    SELECT count(*) FILTER (WHERE {{fits}}) AS fitting FROM (
        SELECT m.* FROM {{walked}} m WHERE {{behind}}
        ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT {SAMPLE}
    ) m
), dense AS MATERIALIZED (
    SELECT m.resource_id, m.{{column}} AS position FROM (
        SELECT m.* FROM {{walked}} m WHERE {{behind}}
        ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT (
            SELECT CASE WHEN fitting >= {SAMPLE} / {WALKED} THEN 2 * {WALKED} * {{most}} ELSE 0 END
            FROM sample
        )
    ) m WHERE {{fits}} ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT {{most}}
), first AS MATERIALIZED (
    SELECT resource_id, position FROM dense WHERE (SELECT count(*) FROM dense) = {{most}}
    UNION ALL (
        SELECT resource_id, position FROM (
            SELECT m.resource_id, m.{{column}} AS position FROM listing_match m
            WHERE {{fits}} AND {{behind}} AND (SELECT count(*) FROM dense) < {{most}} OFFSET 0
        ) m ORDER BY position {{turn}}, resource_id {{turn}} LIMIT {{most}}
    )
)
"""  # noqa: S608 - from texts of this module
"""The first of what words find, in an order.

What the index of words finds is sorted; but of a word that is common among the first of the order
(each `WALKED`th of a sample has it) the order is walked until there are enough. Planned by the
database, this choice would not know that the words of a row that is walked lie out of it.
"""
FIRST: Final = """
first AS MATERIALIZED (
    SELECT m.resource_id, m.{column} AS position FROM listing_match m WHERE {fits} AND {behind}
    ORDER BY m.{column} {turn}, m.resource_id {turn} LIMIT {most}
)
"""


@dataclass(frozen=True, slots=True)
class Matching:
    """What fits, as conditions on a row `m` of `listing_match`; `query`: the words of it."""

    by_filters: Sequence[str]
    given: dict[str, Any]
    query: str

    def fitting(self, filters: Sequence[str]) -> str:
        """Return what fits the words and these filters, as one condition.

        Beside words a filter is looked up for each row that they find, and leads to none itself:
        nobody knows before how many these are.
        """
        if not self.query:
            return " AND ".join(filters) or "true"
        return " AND ".join([FITS_WORDS, *(f"({one}) IS TRUE" for one in filters)])

    def first(self, column: str, *, most: int, turn: str = "DESC", behind: str = "true") -> str:
        """Return the expression `first`: so many of what fits, in the order of this column.

        Only the prior is in order among the listings, too, whose words lie in the row.
        """
        in_the_row = column == "prior" and not self.by_filters
        return (FIRST_OF_WORDS if self.query else FIRST).format(
            fits=self.fitting(self.by_filters),
            walked="listing" if in_the_row else "listing_match",
            column=column,
            turn=turn,
            behind=behind,
            most=most,
        )


@lru_cache(maxsize=256)
def statement(sql: str) -> TextClause:
    """Return a statement of this text, built once: all searches of its shape share it.

    Words come as a parameter, so that connections keep it prepared. One plan for all words is
    right, for how common they are is looked at while it runs.
    """
    return text(sql)


def matching(words: str, filters: Filters) -> Matching | None:
    """Return what fits; None where nothing can, for want of any word."""
    query = query_of(words)
    if words.strip() and not query:
        return None
    given: dict[str, Any] = dict(given_by(filters))
    if query:
        given["query"] = query
    return Matching(narrowed(filters), given, query)
