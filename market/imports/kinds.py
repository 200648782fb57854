"""What a kind of import is: its columns, how each is read, and the row it makes.

A `Kind` decides which cells may be empty and what a value must look like. Whether what it says is
true (does the school exist, may this person do so) is decided by the service that records it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.vocabularies import Vocabulary
from kernel.errors import MarketError, MissingValue
from kernel.outcomes import RowOutcome
from kernel.unit import Unit
from market.imports.fields import Reader, text
from market.imports.translation import CellError


class _Needed:
    """Marks a column that has no default: each row must fill it."""


NEEDED: Final = _Needed()


@dataclass(frozen=True, slots=True)
class Column:
    """One of our columns: how a cell is read, what an empty one means, what an example looks like.

    `attribute` is the row's name for it where that differs: yuan in a file are fen inside.
    `vocabulary`: the words that its service reads; here only to tell all that is wrong with a row.
    """

    name: str
    example: str
    read: Reader = text
    blank: Any = NEEDED
    attribute: str = ""
    vocabulary: Vocabulary | None = None

    @property
    def needed(self) -> bool:
        return self.blank is NEEDED

    def value(self, cell: str) -> Any:
        """Read a cell; raise `CellError`."""
        stripped = cell.strip()
        if not stripped:
            if self.blank is NEEDED:
                raise CellError(self.name, MissingValue(field=self.name))
            return self.blank
        try:
            return self.read(stripped)
        except MarketError as error:
            if error.facts.get("field") == "":
                error.facts["field"] = self.name
            raise CellError(self.name, error) from None

    def require_known(self, value: Any) -> None:
        """Raise `CellError` for a word that is not in the column's vocabulary."""
        if self.vocabulary is None:
            return
        try:
            for word in value if isinstance(value, tuple) else (value,):
                self.vocabulary.read(word)
        except MarketError as error:
            error.facts["field"] = self.name
            raise CellError(self.name, error) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of master data: `make` builds its typed row, `record` is the service that takes it.

    `identity`: the row's attributes by which a second row is the same one. `warn` says what stands
    against the documents that the rows became part of, by their numbers, `warn_rows` what was
    taken otherwise than its sender may think.
    `by_row`: each row is taken or not by itself, and its service keeps account of what is not.
    `then`: what has to be done with what was taken before it counts.
    """

    name: str
    identity: tuple[str, ...]
    columns: tuple[Column, ...]
    make: Callable[..., Any]
    record: Callable[[Unit, Sequence[Any]], list[RowOutcome]]
    warn: Callable[[Unit, Sequence[str]], list[MarketError]] | None = None
    warn_rows: Callable[[Unit, Sequence[Any]], list[str]] | None = None
    by_row: bool = False
    then: str = ""
    _attributes: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(column.attribute or column.name for column in self.columns)
        object.__setattr__(self, "_attributes", names)

    def row(self, texts: dict[str, str]) -> Any:
        """Return the typed row of our texts; raise `CellError` for the first cell that is wrong."""
        values = [column.value(texts.get(column.name, "")) for column in self.columns]
        return self.make(**dict(zip(self._attributes, values, strict=True)))

    @property
    def words(self) -> tuple[Vocabulary, ...]:
        """The vocabularies of the columns."""
        return tuple(one.vocabulary for one in self.columns if one.vocabulary)

    def faults(self, texts: dict[str, str]) -> list[CellError]:
        """Return what is wrong with a row, cell by cell in the order of the columns."""
        found = []
        for column in self.columns:
            try:
                value = column.value(texts.get(column.name, ""))
                column.require_known(value)
            except CellError as wrong:
                found.append(wrong)
        return found

    def identity_of(self, row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in self.identity)


def field_names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def needed_names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns if column.needed]
