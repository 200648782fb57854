"""What the recording of master data has in common: one at a time, what is wrong where, the trail.

Who may record what is decided by each service: a tuple of roles next to it.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, literal, text
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import UserDefinedType

from kernel.arrays import UuidArray
from kernel.errors import InvalidInput, MarketError, MissingValue
from kernel.identity.models import NATION
from kernel.outcomes import Fate, RowOutcome, rejected
from kernel.trail import record
from kernel.unit import Unit

RECORDING_LOCK = 0x6D61_7374  # advisory lock: one recording of master data at a time


class FieldError(Exception):
    """One row can't be recorded; `field` is the column at fault."""

    def __init__(self, error: MarketError, *, field: str) -> None:
        self.error = error
        self.field = field
        super().__init__(str(error))

    @property
    def outcome(self) -> RowOutcome:
        return rejected(self.error, field=self.field)


def lock_recording(unit: Unit) -> None:
    """Wait for other recordings to commit: what is compared here must not change meanwhile."""
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RECORDING_LOCK})


def trail_recording(unit: Unit, what: str, outcomes: Iterable[RowOutcome], **facts: object) -> None:
    """Write one row into the trail for a recording that changed something, with its counts (R59).

    The subject is the region whose bureau recorded, the nation for the system.
    """
    counts = Counter(outcome.fate for outcome in outcomes)
    if counts[Fate.ACCEPTED]:
        record(
            unit,
            f"{what}.recorded",
            subject_kind="region",
            subject_id=unit.actor.region_code or NATION,
            **{fate.value: count for fate, count in counts.items()},
            **facts,
        )


def among(column: InstrumentedAttribute[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Return the condition that the column is one of `values`, sent as one array.

    `IN` sends a parameter per value, and the protocol carries at most 65,535 of them.
    """
    if isinstance(column.type, Uuid):
        sent = literal(UuidArray.of(list(values)), _Ready())
        return column == any_(cast(sent, ARRAY(column.type)))
    return column == any_(literal(list(values), ARRAY(column.type)))


class _Ready(UserDefinedType[Any]):
    """A value that is in the driver's form already; a cast says what it is."""

    cache_ok = True


def require_text(value: str, *, field: str, expected: str = "") -> str:
    """Return the text without outer blanks; raise `FieldError` if nothing is left.

    `expected` says what belongs there where it is not needed in every row.
    """
    stripped = value.strip()
    if not stripped:
        error = (
            InvalidInput(field=field, value="", expected=expected)
            if expected
            else MissingValue(field=field)
        )
        raise FieldError(error, field=field)
    return stripped


def require_word(value: str, words: frozenset[str], *, field: str) -> str:
    """Return `value` if it is one of `words`, else raise `FieldError`."""
    if value not in words:
        expected = " | ".join(sorted(words))
        raise FieldError(InvalidInput(field=field, value=value, expected=expected), field=field)
    return value
