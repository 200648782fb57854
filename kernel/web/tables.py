"""Tables: columns declared once, for the page and for its exports; the view's state in the address.

A page declares `Column`s, reads the `View` from the query string, lets its query fetch that view,
and hands a `Table` to the macro `data_table`. What a person filtered is exactly what is exported
(kernel.web.exports). Which keys may be sorted or filtered is decided by the declaration; what a key
means in SQL is the query's matter. An address that a person edited is never an error: what can't be
read is left out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlencode

from kernel.i18n import msgid

Row = TypeVar("Row")
Cell = str | int | Decimal | date | datetime | None

PER_PAGE: Final = 50


Kind = Literal[
    "text",
    "code",
    "money",
    "number",
    "ratio",
    "price",
    "day",
    "month",
    "moment",
    "second",
    "state",
    "label",
]
"""What a column holds: it decides alignment, format, and type when exported. A `state` is shown as
a badge, a `label` is a code that reads as words, a `second` is a moment to the second,
a `ratio` is a Decimal with the decimals it has, a `price` is in yuan, with all its decimals."""

FIGURES: Final = frozenset({"money", "number", "ratio", "price"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Column(Generic[Row]):
    """One column. `title` is a message id; money is in fen; `label_kind` is the context of states
    and labels in the catalogue.

    `secondary` columns give way on narrow screens, `export_only` ones on every screen. `href` leads
    to what the cell is made of. `help` is a message id that says what the figures mean.
    """

    key: str
    title: str
    value: Callable[[Row], Cell]
    kind: Kind = "text"
    href: Callable[[Row], str] | None = None
    sortable: bool = False
    secondary: bool = False
    export_only: bool = False
    label_kind: str = ""
    help: str = ""

    @property
    def is_figure(self) -> bool:
        return self.kind in FIGURES

    def link(self, row: Row) -> str:
        return self.href(row) if self.href else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """One field of the filter row; with options it is a choice, without them a text.

    With a `default` there is always one option chosen, this one if the address names none.
    """

    key: str
    title: str
    options: tuple[tuple[str, str], ...] = ()
    default: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Which part of a table is looked at. `filters` holds what is set, and only declared keys."""

    path: str
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    descending: bool = False
    page: int = 1
    per_page: int | None = PER_PAGE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page if self.per_page else 0

    def within(self, count: int) -> "View":
        """Return the view at its page, or at the last one if `count` rows do not reach so far."""
        last = max(1, -(-count // self.per_page)) if self.per_page else 1
        return replace(self, page=min(self.page, last))

    def everything(self) -> "View":
        """Return the same view without pages: what an export holds."""
        return replace(self, page=1, per_page=None)

    def sorted_by(self, key: str) -> str:
        """Return the address that sorts by `key`, or turns the order if that is the order now."""
        descending = key == self.sort and not self.descending
        return self._address(sort=f"-{key}" if descending else key)

    def at_page(self, page: int) -> str:
        return self._address(sort=self._sort(), page=str(page) if page > 1 else "")

    def exported_as(self, file_format: str) -> str:
        return self._address(sort=self._sort(), format=file_format)

    def hidden_fields(self) -> list[tuple[str, str]]:
        """Return what a filter form must carry along: the order, but not the page."""
        return [("sort", self._sort())] if self.sort else []

    def _sort(self) -> str:
        return f"-{self.sort}" if self.descending else self.sort

    def _address(self, **parameters: str) -> str:
        query = {**self.filters, **{key: value for key, value in parameters.items() if value}}
        return f"{self.path}?{urlencode(query)}" if query else self.path


def read_view(
    path: str,
    query: Mapping[str, str],
    *,
    columns: Sequence[Column[Any]],
    filters: Sequence[Filter] = (),
    sort: str = "",
) -> View:
    """Read a view from a query string; `sort` is the order where none is asked for."""
    sortable = {column.key for column in columns if column.sortable}
    wanted = query.get("sort", "")
    order = wanted if wanted.removeprefix("-") in sortable else sort
    chosen: dict[str, str] = {}
    for one in filters:
        value = query.get(one.key, "").strip()
        if value and (not one.options or value in {option for option, _ in one.options}):
            chosen[one.key] = value
        elif one.default:
            chosen[one.key] = one.default
    page = query.get("page", "")
    return View(
        path=path,
        filters=chosen,
        sort=order.removeprefix("-"),
        descending=order.startswith("-"),
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 10 else 1,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Table(Generic[Row]):
    """What the macro `data_table` shows: one page of rows of `count`, and totals over all of them.

    `totals` maps column keys to figures. `empty` says why there is nothing, `next_step` (a message
    id and an address) what to do about it. `caption` names the table, for those who hear it too.
    """

    caption: str
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    view: View
    count: int
    totals: Mapping[str, Cell] = field(default_factory=dict)
    filters: Sequence[Filter] = ()
    empty: str = msgid("There is nothing here yet.")
    next_step: tuple[str, str] | None = None
    exportable: bool = True

    @property
    def is_narrowed(self) -> bool:
        """Whether the filters leave out something that the table shows by itself."""
        defaults = {one.key: one.default for one in self.filters}
        return any(value != defaults.get(key) for key, value in self.view.filters.items())

    @property
    def first(self) -> int:
        return self.view.offset + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.view.offset + len(self.rows)

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.view.per_page)) if self.view.per_page else 1

    @property
    def shown(self) -> list[Column[Row]]:
        """The columns on the page; exports carry all of them."""
        return [column for column in self.columns if not column.export_only]

    @property
    def holds_money(self) -> bool:
        return any(column.kind in {"money", "price"} for column in self.columns)

    def order_of(self, column: Column[Row]) -> str:
        """Return the column's `aria-sort`."""
        if column.key != self.view.sort:
            return "none"
        return "descending" if self.view.descending else "ascending"


def tabulate(
    caption: str,
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    view: View,
    summed: Collection[str] = (),
    filters: Sequence[Filter] = (),
    empty: str = msgid("There is nothing here yet."),
    next_step: tuple[str, str] | None = None,
) -> Table[Row]:
    """Return the table of rows that a query brought whole: sorted, cut into pages, summed up.

    `summed` names the columns whose totals over all rows stand at the foot.
    """
    by_key = {column.key: column for column in columns}
    view = view.within(len(rows))
    return Table(
        caption=caption,
        columns=columns,
        rows=_page_of(_sorted(rows, by_key.get(view.sort), view), view),
        view=view,
        count=len(rows),
        totals={key: _sum([by_key[key].value(row) for row in rows]) for key in summed},
        filters=filters,
        empty=empty,
        next_step=next_step,
    )


def excerpt(
    caption: str,
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    path: str,
    summed: Collection[str] = (),
    empty: str = msgid("There is nothing here yet."),
) -> Table[Row]:
    """Return a table that stands beside others on a page: all its rows, in the order given."""
    fixed = [replace(column, sortable=False) for column in columns]
    view = View(path=path, per_page=None)
    table = tabulate(caption, fixed, rows, view=view, summed=summed, empty=empty)
    return replace(table, exportable=False)


def _sorted(rows: Sequence[Row], column: Column[Row] | None, view: View) -> Sequence[Row]:
    if column is None:
        return rows

    def order(row: Row) -> tuple[bool, Any]:
        value = column.value(row)
        return (value is not None, value)

    return sorted(rows, key=order, reverse=view.descending)


def _page_of(rows: Sequence[Row], view: View) -> Sequence[Row]:
    return rows[view.offset : view.offset + view.per_page] if view.per_page else rows


def _sum(values: Sequence[Cell]) -> int:
    return sum(value for value in values if isinstance(value, int))
