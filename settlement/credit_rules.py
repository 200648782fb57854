"""Continuing-education credits (学分): pure arithmetic over facts and a region's table (R47).

Amounts are whole ten-thousandths of a credit. Reading earns for each article, up to a cap within a
calendar year (Asia/Shanghai); a contribution earns once when another school adopts it, and once
when enough people follow it. Nothing is earned by rating. What somebody is entitled to is a
function of the facts that hold, whatever the order in which they became known.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from kernel.clock import shanghai_day

PARTS: Final = 10_000
"""Of one credit."""


class CreditKind(StrEnum):
    """What credits are earned by."""

    READING = "reading"
    ADOPTION = "adoption"
    FOLLOWERS = "followers"


class CreditTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a region gives, in ten-thousandths; `reading_types` are types of resources to be read.

    An article counts as read `reading_seconds` after it was begun, at the earliest.
    """

    reading: int
    reading_cap: int
    adoption: int
    followers: int
    followers_needed: int
    reading_types: list[str]
    reading_seconds: int

    def __post_init__(self) -> None:
        amounts = (self.reading, self.reading_cap, self.adoption, self.followers)
        if min(amounts) < 0 or self.followers_needed < 1 or self.reading_seconds < 0:
            raise ValueError("no amount is below zero, and followers are at least one")


MOST: Final = 1_000 * PARTS
"""What a table gives at most for anything; a slip of the pen is more."""


def limits_of(table: CreditTable) -> dict[str, tuple[int, int]]:
    """Return the least and the most of each number when a table is recorded (database, too).

    A cap below one article would have nobody earn what the table says of it.
    """
    return {
        "reading": (0, MOST),
        "reading_cap": (table.reading, MOST),
        "adoption": (0, MOST),
        "followers": (0, MOST),
        "followers_needed": (1, 1_000_000),
        "reading_seconds": (0, 86_400),
    }


SHIPPED: Final = CreditTable(
    reading=625,
    reading_cap=24 * PARTS,
    adoption=3 * PARTS,
    followers=3 * PARTS,
    followers_needed=500,
    reading_types=["文本", "案例", "教案"],
    reading_seconds=60,
)


class CreditKey(NamedTuple):
    """What is credited: to whom, by what, for which resource, in which year."""

    person_id: UUID
    kind: CreditKind
    subject_id: UUID
    year: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CreditFact:
    """One fact that earns while it holds; `version` and `table` are those in force at its time."""

    person_id: UUID
    kind: CreditKind
    subject_id: UUID
    at: datetime
    version: str
    table: CreditTable

    @property
    def year(self) -> int:
        return shanghai_day(self.at).year


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a key earns, by which fact; `most`: the cap of its year, for what is capped."""

    amount: int
    at: datetime
    version: str
    most: int | None = None


def entitled(facts: Iterable[CreditFact]) -> dict[CreditKey, Entitlement]:
    """Return what everybody earns by the facts, each resource once for a kind."""
    first: dict[tuple[UUID, CreditKind, UUID], CreditFact] = {}
    for fact in facts:
        known = first.get((fact.person_id, fact.kind, fact.subject_id))
        if known is None or (fact.at, fact.version) < (known.at, known.version):
            first[fact.person_id, fact.kind, fact.subject_id] = fact
    found: dict[CreditKey, Entitlement] = {}
    read: dict[tuple[UUID, int], int] = defaultdict(int)
    for fact in sorted(first.values(), key=lambda one: (one.at, one.kind, one.subject_id)):
        key = CreditKey(fact.person_id, fact.kind, fact.subject_id, fact.year)
        if fact.kind is CreditKind.READING:
            so_far = read[fact.person_id, fact.year]
            amount = max(0, min(fact.table.reading, fact.table.reading_cap - so_far))
            read[fact.person_id, fact.year] += amount
            found[key] = Entitlement(amount, fact.at, fact.version, fact.table.reading_cap)
        else:
            by_kind = {
                CreditKind.ADOPTION: fact.table.adoption,
                CreditKind.FOLLOWERS: fact.table.followers,
            }
            found[key] = Entitlement(by_kind[fact.kind], fact.at, fact.version)
    return found


def differences(
    wanted: Mapping[CreditKey, Entitlement], booked: Mapping[CreditKey, int]
) -> list[tuple[CreditKey, int]]:
    """Return by how much each key's bookings are to change: what is taken back comes first."""
    changes = [
        (key, (wanted[key].amount if key in wanted else 0) - booked.get(key, 0))
        for key in wanted.keys() | booked.keys()
    ]
    return sorted(
        ((key, change) for key, change in changes if change),
        key=lambda one: (one[1] > 0, one[0]),
    )


def credits_text(amount: int) -> str:
    """Show ten-thousandths as credits, with the decimals they have: 0.0625, 3, 24."""
    return f"{(Decimal(amount) / PARTS).normalize():f}"
