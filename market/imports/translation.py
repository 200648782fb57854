"""A foreign row becomes ours: texts by our fields, made as the map says.

Decides what a row says, not whether it is right: that is for the kind's fields. Without a map,
our fields are the columns of the same name.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from string import Formatter

import msgspec

from kernel.errors import InvalidInput, MarketError, MissingColumns, UnmappedValue
from market.imports.maps import Days, FieldMap, Text, as_text, template_columns
from market.imports.reading import Record, Table

Values = dict[str, str]


class CellError(Exception):
    """One cell can't be translated; `field` is ours."""

    def __init__(self, field: str, error: MarketError) -> None:
        self.field = field
        self.error = error
        super().__init__(str(error))


@dataclass(slots=True)
class Translation:
    """A map made ready for one file: `records` picks its rows, `translate` reads one of them.

    `plain`: our fields are the file's columns, so that a row's texts are its values.
    """

    plain: bool = False
    outside: int = 0
    grouped: int = 0
    _where: dict[str, frozenset[str]] = field(default_factory=dict)
    _by: list[str] = field(default_factory=list)
    _makers: list[tuple[str, Callable[[Values], str]]] = field(default_factory=list)

    def records(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the rows that the map means; count the others, and gather groups."""
        meant = self._meant(records) if self._where else iter(records)
        return self._groups(meant) if self._by else meant

    def translate(self, values: Values) -> Values:
        """Return the row's texts by our fields; raise `CellError`."""
        return {name: make(values) for name, make in self._makers}

    def translate_one(self, wanted: str, values: Values) -> str:
        """Return the text of one of our fields, empty if nothing makes it; raise `CellError`."""
        return next((make(values) for name, make in self._makers if name == wanted), "")

    def _meant(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            values = record.values
            for column, wanted in self._where.items():
                if values.get(column, "").strip() not in wanted:
                    # A row that can't be taken apart can't be said to lie outside, either.
                    if record.error is not None and column not in values:
                        yield record
                    else:
                        self.outside += 1
                    break
            else:
                yield record

    def _groups(self, records: Iterable[Record]) -> Iterator[Record]:
        counts: Counter[tuple[str, ...]] = Counter()
        first: dict[tuple[str, ...], int] = {}
        for record in records:
            if record.error is not None:
                yield record
                continue
            key = tuple(record.values.get(column, "").strip() for column in self._by)
            counts[key] += 1
            first.setdefault(key, record.row)
            self.grouped += 1
        for key, count in counts.items():
            values = dict(zip(self._by, key, strict=True)) | {GROUP_COUNT: str(count)}
            yield Record(first[key], values)


GROUP_COUNT = "\0count"
"""Key of a group's count among its values; no column can bear that name."""


def prepare(
    table: Table, given: FieldMap, *, file: str, fields: Iterable[str], required: Iterable[str]
) -> Translation:
    """Make a map ready for `table`; raise `MissingColumns` for what its header row lacks.

    `required` are the fields that a file must have, be it as a column or through the map.
    """
    here = None if table.columns is None else set(table.columns)
    if given.group is not None:
        here = set(given.group.by) if here is None else here
    ready = Translation(
        plain=not any(
            (given.columns, given.constants, given.templates, given.days, given.values, given.group)
        ),
        _where={column: _texts(wanted) for column, wanted in given.where.items()},
        _by=list(given.group.by) if given.group else [],
    )
    needed = list(given.where) + ready._by
    within = set(ready._by) if ready._by else here
    required = set(required)
    for name in fields:
        columns = _columns_of(name, given)
        if columns is None:  # the map does not speak of this field
            if within is not None and name not in within:
                if name in required:
                    needed.append(name)
                continue
            columns = [name]
        needed += columns
        ready._makers.append((name, _maker(name, given)))
    if here is not None:
        missing = [column for column in dict.fromkeys(needed) if column not in here]
        if ready._by:
            missing += [c for c in dict.fromkeys(needed) if c in here and c not in _usable(ready)]
        if missing:
            raise MissingColumns(
                file=file, columns=", ".join(missing), found=", ".join(table.columns or [])
            )
    return ready


def _usable(ready: Translation) -> set[str]:
    """Columns that a group still has: those it is made by, and those that rows are picked by."""
    return set(ready._by) | set(ready._where)


def _texts(wanted: Text | list[Text]) -> frozenset[str]:
    return frozenset(as_text(one) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _columns_of(name: str, given: FieldMap) -> list[str] | None:
    """Return the foreign columns that make our field, None if the map says nothing of it."""
    if name in given.columns:
        return [given.columns[name]]
    if name in given.days:
        return [given.days[name].column]
    if name in given.templates:
        return template_columns(given.templates[name])
    if name in given.constants or (given.group is not None and given.group.count == name):
        return []
    return None


def _maker(name: str, given: FieldMap) -> Callable[[Values], str]:
    if name in given.constants:
        constant = as_text(given.constants[name])
        return lambda _: constant
    if given.group is not None and given.group.count == name:
        return lambda values: values.get(GROUP_COUNT, "")
    if name in given.days:
        return _day_maker(name, given.days[name])
    make = _plain_maker(name, given)
    if name in given.values:
        return _value_maker(name, make, given.values[name])
    return make


def _plain_maker(name: str, given: FieldMap) -> Callable[[Values], str]:
    if name in given.templates:
        parts = [(text, column) for text, column, _, _ in Formatter().parse(given.templates[name])]
        return lambda values: "".join(
            text + (values.get(column, "") if column else "") for text, column in parts
        )
    column = given.columns.get(name, name)
    return lambda values: values.get(column, "")


def _value_maker(
    name: str, make: Callable[[Values], str], known: dict[str, Text]
) -> Callable[[Values], str]:
    texts = {foreign: as_text(ours) for foreign, ours in known.items()}

    def translated(values: Values) -> str:
        foreign = make(values).strip()
        ours = texts.get(foreign)
        if ours is not None:
            return ours
        if not foreign:
            return ""
        raise CellError(name, UnmappedValue(field=name, value=foreign))

    return translated


def _day_maker(name: str, days: Days) -> Callable[[Values], str]:
    known: dict[str, str] = {}

    def counted(values: Values) -> str:
        text = values.get(days.column, "")
        found = known.get(text)
        if found is None:
            found = known[text] = _day(name, text.strip(), days.origin) if text.strip() else ""
        return found

    return counted


def _day(name: str, text: str, origin: date) -> str:
    try:
        return (origin + timedelta(days=int(text))).isoformat()
    except (ValueError, OverflowError):
        expected = f"a whole number of days from {origin}"
        raise CellError(name, InvalidInput(field=name, value=text, expected=expected)) from None


def row_identity(values: Values, key: bytes) -> str:
    """Return HMAC-SHA256 over all foreign columns with their names, whatever their order.

    Keyed, since one of the columns is the person number: of a plain digest it could be guessed.
    """
    canonical = msgspec.json.encode(sorted(values.items()))
    return hmac.digest(key, canonical, "sha256").hex()
