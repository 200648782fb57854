"""Search: what is listed, by typed words and facets, in the order that was asked for (R8).

Everybody sees the same: listed versions and nothing else. Nothing is pushed: without words the
order is that of use and renewal, and each row says why it stands where it stands. Of typed words
the first `CANDIDATES` by the stored prior that have them in their titles are ranked, where these
are fewer the first that have them anywhere, too; the others follow in the prior's order. So a very
common word costs no more than a rare one, and what is called so is found before what only speaks
of it. What fits is `catalog.matching`'s matter; listings are read here, where they are ranked or
shown.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row

from catalog.facets import Filters
from catalog.listing_models import UNPLACED_FROM
from catalog.matching import Matching, matching, statement
from catalog.tokens import DESCRIBED, NAMED, TITLE, any_of, only_in
from kernel.errors import InvalidInput
from kernel.unit import Unit

CANDIDATES: Final = 100
MOST: Final = 200
BEFORE_ALL: Final = (2**62, UUID(int=2**128 - 1))
"""Behind what every prior stands, as a cursor says it."""
RANK_WEIGHTS: Final = "CAST(ARRAY[0.05, 0.15, 0.4, 1.0] AS real[])"
"""Of the weights D, C, B and A: whose it is, what describes it, its title."""

AnyRow = Row[*tuple[Any, ...]]
Key = Sequence[object]
"""The values behind which a page begins, none for the first page."""


class Sort(StrEnum):
    RANKED = "ranked"
    RELEVANCE = "relevance"
    NEWEST = "newest"
    RENEWED = "renewed"
    PRICE = "price"


class Why(StrEnum):
    """What a row has that brought it where it is."""

    IN_TITLE = "in_title"
    DESCRIBES_IT = "describes_it"
    NAMED = "named"  # vendor, author, chapter, article number
    RENEWED = "renewed"
    USED = "used"
    NEW = "new"
    PRICED = "priced"
    RANKED = "ranked"
    KEPT_FOR_NEWCOMERS = "kept_for_newcomers"
    NOT_RANKED_YET = "not_ranked_yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for: `after` is the cursor of the page before, empty for the first page."""

    words: str = ""
    filters: Filters = field(default_factory=dict)
    sort: Sort = Sort.RELEVANCE
    after: str = ""
    limit: int = 50


class Hit(msgspec.Struct, frozen=True):
    """A listed resource in a result; `why` it stands here, the strongest reason first."""

    resource_id: UUID
    version_id: UUID
    vendor_code: str
    vendor_name: str
    sku: str
    title: str
    kind: str
    tier: str
    stage: str
    subject: str
    grade: str
    edition: str
    type: str
    language: str
    licence: str
    reach: str
    listed_at: datetime
    plan: str | None
    unit_price: Decimal | None
    schools: int
    renewals: int
    ratings: int
    stars: int
    is_newcomer: bool = False
    is_slot: bool = False
    why: tuple[Why, ...] = ()

    @property
    def key(self) -> str:
        """What forms and addresses name it by; a vendor's code holds no slash."""
        return f"{self.vendor_code}/{self.sku}"


@dataclass(frozen=True, slots=True)
class Results:
    """A page of hits; `next` is the cursor of the page after it, empty at the end."""

    hits: list[Hit]
    next: str


NAMES: Final = tuple(name for name in Hit.__struct_fields__ if name != "why")
COLUMNS: Final = len(NAMES)
SHOWN: Final = ", ".join(f"l.{name}" for name in NAMES)
PLACES: Final = ((Why.IN_TITLE, TITLE), (Why.DESCRIBES_IT, DESCRIBED), (Why.NAMED, NAMED))
"""Where in a listing the words are: its title, what describes it, whose it is; with its weight."""
FOUND_IN: Final = ", ".join(f"l.tokens @@ CAST(:in_{weight} AS tsquery)" for _, weight in PLACES)
FOUND_NOWHERE: Final = ", ".join("false" for _ in PLACES)
FOUND_AT: Final = slice(COLUMNS, COLUMNS + len(PLACES))
"""Where a row says it: behind the columns of its listing."""
RANKED: Final = f"""
WITH {{candidates}}, ranked AS (
    SELECT resource_id, candidate.position AS prior,
        CAST(1000000 * (ts_rank({RANK_WEIGHTS}, l.tokens, CAST(:query AS tsquery))
            + CAST(l.title ILIKE :phrase AS int)) AS bigint) AS rank
    FROM candidate JOIN listing l USING (resource_id)
), page AS MATERIALIZED (
    SELECT * FROM ranked WHERE {{behind}}
    ORDER BY rank DESC, prior DESC, resource_id DESC LIMIT :most
)
SELECT {SHOWN}, {FOUND_IN}, page.rank, page.prior,
    (SELECT count(*) FROM in_title) < {CANDIDATES}
        AND (SELECT count(*) FROM anywhere) < {CANDIDATES} AS are_all
FROM page JOIN listing l ON l.resource_id = page.resource_id
ORDER BY page.rank DESC, page.prior DESC, page.resource_id DESC
"""  # noqa: S608 - from texts of this module
CANDIDATE: Final = """
{in_title}, {anywhere}, candidate AS MATERIALIZED (
    SELECT resource_id, position FROM in_title UNION SELECT resource_id, position FROM anywhere
)
"""
TOO_FEW: Final = f"(SELECT count(*) FROM in_title) < {CANDIDATES}"  # noqa: S608 - our own number
NO_CANDIDATE: Final = "m.resource_id NOT IN (SELECT resource_id FROM candidate)"
ORDERED: Final = f"""
WITH {{before}}{{first}}
SELECT {SHOWN}, {{found_in}}, first.position
FROM first JOIN listing l ON l.resource_id = first.resource_id
ORDER BY first.position {{turn}}, first.resource_id {{turn}}
"""  # noqa: S608 - from texts of this module
BY_KEY: Final = f"""
SELECT {SHOWN} FROM listing l
WHERE (l.vendor_code, l.sku) IN (
    SELECT * FROM unnest(CAST(:codes AS text[]), CAST(:skus AS text[]))
)
"""  # noqa: S608 - from texts of this module
ORDERS: Final = {
    Sort.RELEVANCE: ("prior", "prior", "DESC"),
    Sort.NEWEST: ("newest", "listed_at", "DESC"),
    Sort.RENEWED: ("renewed", "renewals", "DESC"),
    Sort.PRICE: ("price", "price_order", "ASC"),
    Sort.RANKED: ("ranked", "place", "ASC"),
}
"""By sort: what its cursor is called, the column, and its direction."""
CURSORS: Final = {sort: {name} for sort, (name, _, _) in ORDERS.items()} | {
    Sort.RELEVANCE: {"rank", "prior"}
}
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "rank": (int, int, UUID),
    "prior": (int, UUID),
    "newest": (datetime, UUID),
    "renewed": (int, UUID),
    "price": (Decimal, UUID),
    "ranked": (int, UUID),
}
"""What the parts of a cursor are."""


def search(unit: Unit, wanted: Wanted) -> Results:
    """Return a page of what fits; raise `InvalidInput` for a cursor that is none of ours."""
    found = matching(wanted.words, wanted.filters)
    if found is None:
        return Results([], "")
    name, after = _decoded(wanted.after, wanted.sort) if wanted.after else ("", [])
    if found.query and wanted.sort is Sort.RELEVANCE and name != "prior":
        return _ranked(unit, wanted, found, after=after)
    return _ordered(unit, wanted, found, after=after)


def hits_by_key(unit: Unit, keys: Sequence[str]) -> list[Hit]:
    """Return the listed resources of these keys in their order, without what is not listed."""
    pairs = [key.partition("/") for key in keys]
    rows = unit.session.execute(
        statement(BY_KEY),
        {"codes": [code for code, _, _ in pairs], "skus": [sku for _, _, sku in pairs]},
    )
    found = {hit.key: hit for hit in (_hit(row, ()) for row in rows)}
    return [found[key] for key in dict.fromkeys(keys) if key in found]


def _ranked(unit: Unit, wanted: Wanted, found: Matching, *, after: Key) -> Results:
    """Rank the candidates; behind the last of them the order of the prior goes on."""
    behind = "(rank, prior, resource_id) < (:after_0, :after_1, :after_2)" if after else "true"
    sql = RANKED.format(candidates=_candidates(found), behind=behind)
    given = (
        found.given
        | _behind(after)
        | _places(wanted)
        | {
            "phrase": f"%{_escaped(wanted.words)}%",
            "most": wanted.limit + 1,
        }
    )
    rows = unit.session.execute(statement(sql), given).all()
    shown = rows[: wanted.limit]
    hits = [_hit(row, _why(row, Sort.RELEVANCE)) for row in shown]
    if len(rows) > wanted.limit:
        last = shown[-1]
        return Results(hits, _encoded("rank", last.rank, last.prior, last.resource_id))
    return Results(hits, "" if not rows or rows[0].are_all else _encoded("prior", *BEFORE_ALL))


def _candidates(found: Matching) -> str:
    """Return the expressions that end with `candidate`: what is ranked, with its prior."""
    return CANDIDATE.format(
        in_title=found.first("prior", most=CANDIDATES, name="in_title", is_titled=True),
        anywhere=found.first("prior", most=CANDIDATES, name="anywhere", behind=TOO_FEW),
    )


def _ordered(unit: Unit, wanted: Wanted, found: Matching, *, after: Key) -> Results:
    """Return what fits in the order of a column; by relevance, what is behind the candidates."""
    name, column, turn = ORDERS[wanted.sort]
    side = "<" if turn == "DESC" else ">"
    behind = f"(m.{column}, m.resource_id) {side} (:after_0, :after_1)" if after else "true"
    before = ""
    if found.query and wanted.sort is Sort.RELEVANCE:
        before, behind = f"{_candidates(found)}, ", f"{behind} AND {NO_CANDIDATE}"
    sql = ORDERED.format(
        before=before,
        first=found.first(column, turn=turn, behind=behind, most=wanted.limit + 1),
        turn=turn,
        found_in=FOUND_IN if found.query else FOUND_NOWHERE,
    )
    given = found.given | _behind(after)
    if found.query:
        given |= _places(wanted)
    rows = unit.session.execute(statement(sql), given).all()
    shown = rows[: wanted.limit]
    hits = [_hit(row, _why(row, wanted.sort)) for row in shown]
    if len(rows) <= wanted.limit:
        return Results(hits, "")
    last = shown[-1]
    return Results(hits, _encoded(name, last.position, last.resource_id))


def _places(wanted: Wanted) -> dict[str, str]:
    """Return what asks each place of a listing for any of the words."""
    asked = any_of(wanted.words)
    return {f"in_{weight}": only_in(asked, weight) for _, weight in PLACES}


def _behind(after: Key) -> dict[str, object]:
    return {f"after_{place}": value for place, value in enumerate(after)}


def _why(row: AnyRow, sort: Sort) -> tuple[Why, ...]:
    found = [place for (place, _), is_there in zip(PLACES, row[FOUND_AT], strict=True) if is_there]
    if sort is Sort.NEWEST:
        return (Why.NEW, *found)
    if sort is Sort.PRICE:
        return (Why.PRICED, *found)
    if sort is Sort.RANKED and row.is_slot:
        return (Why.KEPT_FOR_NEWCOMERS, *found)
    if sort is Sort.RANKED and row.is_newcomer:
        found.append(Why.NOT_RANKED_YET)
    if sort is Sort.RANKED and row.position < UNPLACED_FROM and not row.is_newcomer:
        found.append(Why.RANKED)
    if row.renewals:
        found.append(Why.RENEWED)
    elif row.schools:
        found.append(Why.USED)
    elif not found:
        found.append(Why.NEW)
    return tuple(found)


def _hit(row: AnyRow, why: tuple[Why, ...]) -> Hit:
    """Return a row's listing, whose columns come first."""
    return Hit(*(*row[:COLUMNS], why))


def _escaped(words: str) -> str:
    stripped = words.strip()
    return stripped.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _encoded(*parts: object) -> str:
    encoded = msgspec.json.encode([str(part) for part in parts])
    return base64.urlsafe_b64encode(encoded).decode().rstrip("=")


def _decoded(cursor: str, sort: Sort) -> tuple[str, list[object]]:
    """Return what a cursor is called and the values behind which its page begins."""
    try:
        encoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        name, *values = msgspec.json.decode(encoded, type=list[str])
        if name not in CURSORS[sort]:
            raise ValueError(name)
        return name, [_value(kind, one) for kind, one in zip(KINDS[name], values, strict=True)]
    except (binascii.Error, msgspec.DecodeError, ValueError, InvalidOperation):
        expected = "the cursor of a page before"
        raise InvalidInput(field="after", value=cursor[:40], expected=expected) from None


def _value(kind: type, part: str) -> object:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None:
            raise ValueError(part)
        return moment
    value = kind(part)
    if isinstance(value, int | Decimal) and not -(2**63) <= value < 2**63:
        raise ValueError(part)
    return value
