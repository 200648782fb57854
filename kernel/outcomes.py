"""What became of one row of an import: each row that is received has exactly one fate (R32)."""

from dataclasses import dataclass
from enum import StrEnum

from kernel.errors import MarketError


class Fate(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # same key, same content: nothing was written
    CONFLICT = "conflict"  # same key, other content, and what is recorded can't change
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One row's fate; `error` and `field` say what is wrong and where, `others` what else is.

    `became`: the number of the document that it is a part of, where recording makes documents.
    """

    fate: Fate
    error: MarketError | None = None
    field: str = ""
    became: str = ""
    others: tuple[tuple[str, MarketError], ...] = ()


ACCEPTED = RowOutcome(Fate.ACCEPTED)
DUPLICATE = RowOutcome(Fate.DUPLICATE)


def rejected(error: MarketError, *, field: str) -> RowOutcome:
    return RowOutcome(Fate.REJECTED, error, field)


def conflicting(error: MarketError, *, field: str) -> RowOutcome:
    return RowOutcome(Fate.CONFLICT, error, field)
