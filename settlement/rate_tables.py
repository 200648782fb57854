"""Tables of rates as versioned configuration: which one is in force where, from which day on.

A version is never changed: a later one follows it. What is shipped holds in the nation from its
day on, until a region, or the nation, records its own. What was reckoned names its version, so that
it can be reckoned again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import select

from kernel.errors import NotFound
from kernel.identity.models import NATION, RegionClosure
from kernel.unit import Unit
from settlement.credit_rules import SHIPPED as REFERENCE_CREDITS
from settlement.credit_rules import CreditTable
from settlement.payout_models import RateTable
from settlement.taxation import SHIPPED as PUBLISHED_WITHHOLDING
from settlement.taxation import WithholdingTable


class RateKind(StrEnum):
    """What a table says."""

    WITHHOLDING = "withholding"
    CREDITS = "credits"


@dataclass(frozen=True, kw_only=True, slots=True)
class RateVersion:
    """One version of a table: in force in `region_code` and below from `valid_from` on.

    `recorded_at`: None of what is shipped, which was always known.
    """

    kind: RateKind
    version: str
    region_code: str
    valid_from: date
    source: str
    table: Any
    recorded_at: datetime | None = None

    def body(self) -> dict[str, Any]:
        """Return the table as it is recorded: decimals as text."""
        body: dict[str, Any] = msgspec.to_builtins(self.table)
        return body


BODIES: Final[Mapping[RateKind, type[msgspec.Struct]]] = {
    RateKind.WITHHOLDING: WithholdingTable,
    RateKind.CREDITS: CreditTable,
}
REFERENCE_STANDARD: Final = "R47"
"""The version of credits that is shipped, as bookings name it."""
SHIPPED: Final[tuple[RateVersion, ...]] = (
    RateVersion(
        kind=RateKind.WITHHOLDING,
        version="2018-61",
        region_code=NATION,
        valid_from=date(2019, 1, 1),
        source="国家税务总局公告2018年第61号《个人所得税扣缴申报管理办法（试行）》附件2",
        table=PUBLISHED_WITHHOLDING,
    ),
    RateVersion(
        kind=RateKind.CREDITS,
        version=REFERENCE_STANDARD,
        region_code=NATION,
        valid_from=date(2019, 1, 1),
        source="教师继续教育学分参考标准，以各地核定的标准为准",
        table=REFERENCE_CREDITS,
    ),
)


def versions_of(unit: Unit, kind: RateKind) -> list[RateVersion]:
    """Return all versions of a table, what is shipped first, then as they were recorded."""
    rows = unit.session.scalars(
        select(RateTable)
        .where(RateTable.kind == kind)
        .order_by(RateTable.recorded_at, RateTable.id)
    )
    recorded = [
        RateVersion(
            kind=kind,
            version=row.version,
            region_code=row.region_code,
            valid_from=row.valid_from,
            source=row.source,
            table=msgspec.convert(row.body, BODIES[kind], strict=False),
            recorded_at=row.recorded_at,
        )
        for row in rows
    ]
    return [*(one for one in SHIPPED if one.kind is kind), *recorded]


def replaced_by(versions: Sequence[RateVersion]) -> dict[str, str]:
    """Return which versions hold no more, and which of the same region and day does instead."""
    last = {(one.region_code, one.valid_from): one.version for one in versions}
    return {
        one.version: by
        for one in versions
        if (by := last[one.region_code, one.valid_from]) != one.version
    }


def table_in_force(
    unit: Unit, kind: RateKind, *, day: date, region_code: str = NATION
) -> RateVersion:
    """Return the version in force on a day in a region: the nearest region's, of it the latest.

    Raises `NotFound` before the first of them.
    """
    distances = region_distances(unit, region_code)
    version = in_force(versions_of(unit, kind), distances, day=day)
    if version is None:
        raise NotFound(what="table of rates", key=f"{kind} {day}")
    return version


def region_distances(unit: Unit, region_code: str) -> dict[str, int]:
    """Return how far a region is below each that it is part of, itself at 0."""
    above = select(RegionClosure.ancestor_code, RegionClosure.distance).where(
        RegionClosure.region_code == region_code
    )
    distances: dict[str, int] = dict(unit.session.execute(above).all())
    return {NATION: max(distances.values(), default=0) + 1, **distances}


def in_force(
    versions: list[RateVersion], distances: Mapping[str, int], *, day: date
) -> RateVersion | None:
    """Return which version counts: later recorded ones come later in `versions`."""
    known = [
        (-distances[one.region_code], one.valid_from, position, one)
        for position, one in enumerate(versions)
        if one.region_code in distances and one.valid_from <= day
    ]
    return max(known, key=lambda entry: entry[:3])[3] if known else None
