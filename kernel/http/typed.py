"""What people type into forms, read field by field: all that is wrong is said at once.

    typed = Typed(page.locale)
    amount_fen = typed.yuan("amount", form.amount)
    day = typed.day("approved_on", form.approved_on)
    if typed.errors: …show the form again

A value that can't be read leaves its error beside its field and stands as an empty one, so that
the others are still read; nothing may be done with it while there are errors. What a service
refuses is added with `refuse`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final, TypeVar

from kernel.clock import FIRST_YEAR, LAST_YEAR, parse_day
from kernel.errors import (
    InvalidInput,
    MarketError,
    MissingValue,
    NoteRequired,
    ReasonRequired,
)
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen, parse_signed_fen

EMPTY: Final = msgid("Fill this in.")
CHOOSE: Final = msgid("Choose one.")
NOT_VALID: Final = msgid("“{value}” is not valid.")
BEFORE_THE_FIRST: Final = msgid("The last day lies before the first.")

T = TypeVar("T")


class Typed:
    """The fields of one form as typed, what is wrong with them by field, and which are empty."""

    def __init__(self, locale: str) -> None:
        self.errors: dict[str, str] = {}
        self.empty: set[str] = set()
        self._locale = locale

    def text(self, field: str, typed: str) -> str:
        """Read a text that is needed."""
        return self._read(field, typed, str, "")

    def choice(self, field: str, typed: str, options: Iterable[T]) -> T | None:
        """Read which of some options was chosen; one has to be."""
        found = next((one for one in options if one == typed), None)
        if found is None:
            self.not_chosen(field)
        return found

    def not_chosen(self, field: str) -> None:
        """Say beside a field that one of its options has to be chosen."""
        self.empty.add(field)
        self.errors.setdefault(field, translate(CHOOSE, self._locale))

    def check(self, field: str, require: Callable[[], object]) -> None:
        """Say beside a field what `require` holds against it, unless it is wrong already."""
        if field in self.errors:
            return
        try:
            require()
        except InvalidInput as error:
            self.tell(field, error)

    def yuan(self, field: str, typed: str, *, may_be_below: bool = False) -> int:
        """Read an amount in yuan as fen; `may_be_below`: with a minus in front, below zero."""
        return self._read(field, typed, parse_signed_fen if may_be_below else parse_fen, 0)

    def day(self, field: str, typed: str) -> date:
        return self._read(field, typed, parse_day, date.min)

    def days(self, first: tuple[str, str], last: tuple[str, str]) -> tuple[date, date]:
        """Read a first and a last day, each as (field, typed); the last may not come before."""
        starts_on, ends_on = self.day(*first), self.day(*last)
        if not {first[0], last[0]} & self.errors.keys() and ends_on < starts_on:
            self.errors[last[0]] = translate(BEFORE_THE_FIRST, self._locale)
        return starts_on, ends_on

    def year(self, field: str, typed: str) -> int:
        return self._read(field, typed, _year, FIRST_YEAR)

    def tell(self, field: str, error: MarketError) -> None:
        """Say beside a field what is wrong; the first that was said of it stands."""
        if isinstance(error, MissingValue | ReasonRequired | NoteRequired):
            words = translate(EMPTY, self._locale)
        else:
            # The form calls its field by its label, so the service's name of it isn't said.
            summary = NOT_VALID if type(error) is InvalidInput else None
            words = translate_error(error, self._locale, summary=summary)
        self.errors.setdefault(field, words)

    def refuse(self, error: MarketError, names: Mapping[str, str], *, whole: str = "") -> None:
        """Say what a service refused beside the field that it names, `names` by its own names.

        What it says of no field concerns the whole form. Who may not do this, or does it to
        something that is not there, is answered by another page: the error is raised again.
        """
        if error.status in {403, 404} and "field" not in error.facts:
            raise error
        name = str(error.facts.get("field", ""))
        if not name and isinstance(error, ReasonRequired):
            name = "reason"
        self.tell(names.get(name, name) or whole, error)

    def _read(self, field: str, typed: str, read: Callable[[str], T], otherwise: T) -> T:
        stripped = typed.strip()
        if not stripped:
            self.empty.add(field)
            self.tell(field, MissingValue(field=field))
            return otherwise
        try:
            return read(stripped)
        except MarketError as error:
            self.tell(field, error)
            return otherwise


def _year(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit() and FIRST_YEAR <= int(typed[:5]) <= LAST_YEAR):
        raise InvalidInput(field="fiscal_year", value=typed, expected="a year such as 2026")
    return int(typed)
