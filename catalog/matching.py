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
from catalog.tokens import TITLE, only_in, query_of, titled

SAMPLE: Final = 32
WALKED: Final = 4
FITS: Final = "m.tokens @@ (SELECT CAST(:{words} AS tsquery))"
"""Asked for by a query of its own, words are hidden from the planner, which would weigh a plan for
each against the one for all, and keep planning where the one for all seems dearer.
"""
FIRST_OF_WORDS: Final = f"""
{{name}}_sample AS MATERIALIZED (
    SELECT count(*) FILTER (WHERE {{fits_there}}) AS fitting FROM (
        SELECT m.* FROM {{walked}} m WHERE {{behind}}
        ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT {SAMPLE}
    ) m
), {{name}}_dense AS MATERIALIZED (
    SELECT m.resource_id, m.{{column}} AS position FROM (
        SELECT m.* FROM {{walked}} m WHERE {{behind}}
        ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT (
            SELECT CASE WHEN fitting >= {SAMPLE} / {WALKED} THEN 2 * {WALKED} * {{most}} ELSE 0 END
            FROM {{name}}_sample
        )
    ) m WHERE {{fits_there}} ORDER BY m.{{column}} {{turn}}, m.resource_id {{turn}} LIMIT {{most}}
), {{name}} AS MATERIALIZED (
    SELECT resource_id, position FROM {{name}}_dense
    WHERE (SELECT count(*) FROM {{name}}_dense) = {{most}}
    UNION ALL (
        SELECT resource_id, position FROM (
            SELECT m.resource_id, m.{{column}} AS position FROM listing_match m
            WHERE {{fits}} AND {{behind}} AND (SELECT count(*) FROM {{name}}_dense) < {{most}}
            OFFSET 0
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
{name} AS MATERIALIZED (
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

    def fitting(self, filters: Sequence[str], *, words: str = "query") -> str:
        """Return what fits the words and these filters, as one condition.

        Beside words a filter is looked up for each row that they find, and leads to none itself:
        nobody knows before how many these are.
        """
        if not self.query:
            return " AND ".join(filters) or "true"
        return " AND ".join([FITS.format(words=words), *(f"({one}) IS TRUE" for one in filters)])

    def first(
        self,
        column: str,
        *,
        most: int,
        name: str = "first",
        turn: str = "DESC",
        behind: str = "true",
        is_titled: bool = False,
    ) -> str:
        """Return the expression `name`: so many of what fits, in the order of this column.

        `is_titled`: of what has the words in its title. Only the prior is in order among the
        listings, too, whose words lie in the row, with their weights.
        """
        in_the_row = column == "prior" and not self.by_filters
        words, words_there = "query", "query"
        if is_titled:
            words, words_there = "titled", "weighted" if in_the_row else "titled"
        return (FIRST_OF_WORDS if self.query else FIRST).format(
            name=name,
            fits=self.fitting(self.by_filters, words=words),
            fits_there=self.fitting(self.by_filters, words=words_there),
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
        given |= {"query": query, "titled": titled(query), "weighted": only_in(query, TITLE)}
    return Matching(narrowed(filters), given, query)
