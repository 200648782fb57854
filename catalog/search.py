"""Search: what is listed, by typed words and facets, in the order that was asked for (R8).

Everybody sees the same: listed versions and nothing else. Nothing is pushed: without words the
order is that of use and renewal, and each row says why it stands where it stands. Of a very common
word the first `CANDIDATES` by the stored prior are ranked, the others follow in its order, so that
such a word costs no more than a rare one.
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
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from catalog.facets import Filters, narrowed
from catalog.listing_models import Listing
from catalog.tokens import any_of, query_of
from kernel.errors import InvalidInput
from kernel.unit import Unit

CANDIDATES: Final = 300
MOST: Final = 200
RANK_WEIGHTS: Final[ColumnElement[Any]] = literal_column("'{0.05,0.15,0.4,1.0}'::real[]")
"""Of the weights D, C, B and A: whose it is, what describes it, its title."""

AnyRow = Row[*tuple[Any, ...]]
Key = Sequence[ColumnElement[Any]]
"""The values behind which a page begins, none for the first page."""


class Sort(StrEnum):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for: `after` is the cursor of the page before, empty for the first page."""

    words: str = ""
    filters: Filters = field(default_factory=dict)
    sort: Sort = Sort.RELEVANCE
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
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


SHOWN: Final = tuple(getattr(Listing, name) for name in Hit.__annotations__ if name != "why")


def search(unit: Unit, wanted: Wanted) -> Results:
    """Return a page of what fits; raise `InvalidInput` for a cursor that is none of ours."""
    query = query_of(wanted.words)
    if wanted.words.strip() and not query:
        return Results([], "")
    name, after = _decoded(wanted.after, wanted.sort) if wanted.after else ("", [])
    if query and wanted.sort is Sort.RELEVANCE and name != "prior":
        return _ranked(unit, wanted, query, after=after)
    return _ordered(unit, wanted, query, after=after)


def hits_by_key(unit: Unit, keys: Sequence[str]) -> list[Hit]:
    """Return the listed resources of these keys in their order, without what is not listed."""
    pairs = [(code, sku) for code, _, sku in (key.partition("/") for key in keys)]
    rows = unit.session.execute(
        select(*SHOWN).where(tuple_(Listing.vendor_code, Listing.sku).in_(pairs))
    )
    found = {hit.key: hit for hit in (_hit(row, ()) for row in rows)}
    return [found[key] for key in dict.fromkeys(keys) if key in found]


def matching(wanted: Wanted, *, without: str = "") -> ColumnElement[bool] | None:
    """Return the condition of what fits, one filter left out; None where nothing can fit."""
    query = query_of(wanted.words)
    if wanted.words.strip() and not query:
        return None
    conditions = narrowed(wanted.filters, without=without)
    if query:
        conditions.append(Listing.tokens.op("@@")(_tsquery(query)))
    return and_(true(), *conditions)


def _ranked(unit: Unit, wanted: Wanted, query: str, *, after: Key) -> Results:
    """Rank the candidates; behind the last of them the order of the prior goes on."""
    fits = matching(wanted)
    assert fits is not None
    first = (
        select(Listing.resource_id, Listing.prior, Listing.title, Listing.tokens)
        .where(fits)
        .order_by(Listing.prior.desc(), Listing.resource_id.desc())
        .limit(CANDIDATES)
        .cte("candidates")
        .prefix_with("MATERIALIZED")
    )
    rank = cast(
        1_000_000
        * (
            func.ts_rank(RANK_WEIGHTS, first.c.tokens, _tsquery(query))
            + case((first.c.title.ilike(f"%{_escaped(wanted.words)}%", escape="\\"), 1), else_=0)
        ),
        BigInteger,
    )
    ranked = select(
        first.c.resource_id,
        first.c.prior,
        rank.label("rank"),
        func.count().over().label("candidates"),
    ).subquery()
    page = select(ranked)
    key = (ranked.c.rank, ranked.c.prior, ranked.c.resource_id)
    if after:
        page = page.where(tuple_(*key) < tuple_(*after))
    found = page.order_by(*(column.desc() for column in key)).limit(wanted.limit + 1).subquery()
    rows = unit.session.execute(
        select(*SHOWN, *_reasons(wanted.words), found.c.rank, found.c.prior, found.c.candidates)
        .join(Listing, Listing.resource_id == found.c.resource_id)
        .order_by(found.c.rank.desc(), found.c.prior.desc(), found.c.resource_id.desc())
    ).all()
    shown = rows[: wanted.limit]
    hits = [_hit(row, _why(row, Sort.RELEVANCE)) for row in shown]
    if len(rows) > wanted.limit:
        last = shown[-1]
        return Results(hits, _encoded("rank", last.rank, last.prior, last.resource_id))
    return Results(hits, _behind_candidates(unit, first) if _is_capped(unit, first, rows) else "")


def _is_capped(unit: Unit, first: Any, rows: Sequence[AnyRow]) -> bool:
    if rows:
        return bool(rows[0].candidates >= CANDIDATES)
    return (unit.session.scalar(select(func.count()).select_from(first)) or 0) >= CANDIDATES


def _behind_candidates(unit: Unit, first: Any) -> str:
    prior, resource_id = unit.session.execute(
        select(first.c.prior, first.c.resource_id)
        .order_by(first.c.prior, first.c.resource_id)
        .limit(1)
    ).one()
    return _encoded("prior", prior, resource_id)


def _ordered(unit: Unit, wanted: Wanted, query: str, *, after: Key) -> Results:
    fits = matching(wanted)
    assert fits is not None
    name, column, descending = ORDERS[wanted.sort]
    key = tuple_(column, Listing.resource_id)
    reasons = _reasons(wanted.words) if query else ()
    page = select(*SHOWN, *reasons, column.label("position")).where(fits)
    if after:
        page = page.where(key < tuple_(*after) if descending else key > tuple_(*after))
    order = (column, Listing.resource_id)
    page = page.order_by(*(one.desc() if descending else one for one in order))
    rows = unit.session.execute(page.limit(wanted.limit + 1)).all()
    shown = rows[: wanted.limit]
    hits = [_hit(row, _why(row, wanted.sort)) for row in shown]
    if len(rows) <= wanted.limit:
        return Results(hits, "")
    last = shown[-1]
    return Results(hits, _encoded(name, last.position, last.resource_id))


ORDERS: Final[dict[Sort, tuple[str, Any, bool]]] = {
    Sort.RELEVANCE: ("prior", Listing.prior, True),
    Sort.NEWEST: ("newest", Listing.listed_at, True),
    Sort.RENEWED: ("renewed", Listing.renewals, True),
    Sort.PRICE: ("price", Listing.price_order, False),
}
"""By sort: what its cursor is called, the column, and whether the highest comes first."""
CURSORS: Final = {sort: {name} for sort, (name, _, _) in ORDERS.items()} | {
    Sort.RELEVANCE: {"rank", "prior"}
}
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "rank": (int, int, UUID),
    "prior": (int, UUID),
    "newest": (datetime, UUID),
    "renewed": (int, UUID),
    "price": (Decimal, UUID),
}
"""What the parts of a cursor are."""


def _reasons(words: str) -> tuple[ColumnElement[Any], ...]:
    """Return where in a listing the words are: its title, what describes it, whose it is."""
    any_word = _tsquery(any_of(words))
    return tuple(
        func.ts_filter(Listing.tokens, literal_column(f"'{{{weight}}}'::\"char\"[]"))
        .op("@@")(any_word)
        .label(name)
        for name, weight in ((Why.IN_TITLE, "a"), (Why.DESCRIBES_IT, "b"), (Why.NAMED, "c"))
    )


def _why(row: AnyRow, sort: Sort) -> tuple[Why, ...]:
    named = row._mapping
    places = (Why.IN_TITLE, Why.DESCRIBES_IT, Why.NAMED)
    found = [place for place in places if named.get(place.value)]
    if sort is Sort.NEWEST:
        return (Why.NEW, *found)
    if sort is Sort.PRICE:
        return (Why.PRICED, *found)
    if row.renewals:
        found.append(Why.RENEWED)
    elif row.schools:
        found.append(Why.USED)
    elif not found:
        found.append(Why.NEW)
    return tuple(found)


def _hit(row: AnyRow, why: tuple[Why, ...]) -> Hit:
    return Hit(**{column.key: getattr(row, column.key) for column in SHOWN}, why=why)


def _tsquery(query: str) -> ColumnElement[Any]:
    return cast(literal(query), TSQUERY)


def _escaped(words: str) -> str:
    stripped = words.strip()
    return stripped.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _encoded(*parts: object) -> str:
    text = msgspec.json.encode([str(part) for part in parts])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(cursor: str, sort: Sort) -> tuple[str, list[ColumnElement[Any]]]:
    """Return what a cursor is called and the values behind which its page begins."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        name, *values = msgspec.json.decode(text, type=list[str])
        if name not in CURSORS[sort]:
            raise ValueError(name)
        return name, [
            literal(_value(kind, one)) for kind, one in zip(KINDS[name], values, strict=True)
        ]
    except (binascii.Error, msgspec.DecodeError, ValueError, InvalidOperation):
        expected = "the cursor of a page before"
        raise InvalidInput(field="after", value=cursor[:40], expected=expected) from None


def _value(kind: type, text: str) -> object:
    if kind is datetime:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment
    value = kind(text)
    if isinstance(value, int | Decimal) and not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value
