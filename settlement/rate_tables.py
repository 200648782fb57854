"""Tables of rates as versioned configuration: which one is in force where, from which day on.

A version is never changed: a later one follows it. What is shipped holds in the nation from its
day on, until a region, or the nation, records its own. What was reckoned names its version, so that
it can be reckoned again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MissingValue,
    NotFound,
    TableBackdated,
    TableHolds,
)
from kernel.identity.models import NATION, Region, RegionClosure
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.credit_rules import PARTS, CreditTable
from settlement.credit_rules import SHIPPED as REFERENCE_CREDITS
from settlement.payout_models import RateTable
from settlement.taxation import SHIPPED as PUBLISHED_WITHHOLDING
from settlement.taxation import WithholdingTable


class RateKind(StrEnum):
    """What a table says."""

    WITHHOLDING = "withholding"
    CREDITS = "credits"


class TablePlace(StrEnum):
    """Where a version stands among those of its region."""

    HOLDS = "holds"
    TO_COME = "to come"
    FOLLOWED = "followed"
    REPLACED = "replaced"  # another one, recorded later, holds from the same day on


@dataclass(frozen=True, kw_only=True, slots=True)
class RateVersion:
    """One version of a table: in force in `region_code` and below from `valid_from` on."""

    kind: RateKind
    version: str
    region_code: str
    valid_from: date
    source: str
    table: Any

    def body(self) -> dict[str, Any]:
        """Return the table as it is recorded: decimals as text."""
        body: dict[str, Any] = msgspec.to_builtins(self.table)
        return body


BODIES: Final[Mapping[RateKind, type[msgspec.Struct]]] = {
    RateKind.WITHHOLDING: WithholdingTable,
    RateKind.CREDITS: CreditTable,
}
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
        version="R47",
        region_code=NATION,
        valid_from=date(2019, 1, 1),
        source="教师继续教育学分参考标准，以各地核定的标准为准",
        table=REFERENCE_CREDITS,
    ),
)
MOST_CREDITED: Final = 1_000 * PARTS
"""What a table may give for one thing, or for a year's reading; the database says so, too."""
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("reading", "reading_cap", "adoption", "followers"), (0, MOST_CREDITED)),
    "followers_needed": (1, 10_000_000),
    "reading_seconds": (0, 86_400),
}
MAY_RECORD: Final = (Role.OPERATOR,)


def record_table(
    unit: Unit,
    kind: RateKind,
    *,
    version: str,
    region_code: str,
    valid_from: date,
    source: str,
    body: Mapping[str, Any],
    replaces: str = "",
    backdated: bool = False,
) -> None:
    """Record a version that follows those before it.

    `replaces`: the version that holds in the same region from the same day on; without it there may
    be none. `backdated`: that a table of credits is to hold from a day that is over, so that what
    was earned since is reckoned anew.
    Raises `Refused`, `MissingValue` without its source, `InvalidInput` for a table that does not
    hold together, `NotFound` for a region out of reach, `AlreadyExists` for a version of this name,
    `TableHolds`, `TableBackdated`.
    """
    unit.actor.require("rates.record", *MAY_RECORD)
    for field, value in (("version", version), ("source", source)):
        if not value.strip():
            raise MissingValue(field=field)
    try:
        table = msgspec.convert(dict(body), BODIES[kind], strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(field="table", value=version, expected=str(error)) from error
    if isinstance(table, CreditTable):
        _require_sensible(table, version)
    # Locked, so that of two who record at once the second sees the first's.
    reach = visible_regions(unit).where(Region.code == region_code).with_for_update()
    if unit.session.scalars(reach).first() is None:
        raise NotFound(what="region", key=region_code)
    versions = versions_of(unit, kind)
    if any(one.version == version for one in versions):
        raise AlreadyExists(what="table of rates", key=version)
    _require_place(versions, region_code, valid_from, replaces)
    is_past = valid_from < shanghai_day(unit.clock.now())
    if kind is RateKind.CREDITS and is_past and not backdated:
        raise TableBackdated(version=version, day=valid_from)
    unit.session.execute(
        insert(RateTable).values(
            id=new_id(),
            kind=kind,
            region_code=region_code,
            valid_from=valid_from,
            version=version,
            source=source.strip(),
            body=msgspec.to_builtins(table),
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
        )
    )
    record(
        unit,
        "rates.recorded",
        subject_kind="region",
        subject_id=region_code,
        kind=kind,
        version=version,
        valid_from=valid_from.isoformat(),
        source=source.strip(),
        replaces=replaces,
        backdated=is_past,
    )


def _require_sensible(table: CreditTable, version: str) -> None:
    """Raise `InvalidInput` for what no region means to give, and for what never earns anything.

    Not asked of what is recorded already: it holds as it is, until another one replaces it.
    """
    for field, (least, most) in BOUNDS.items():
        value = getattr(table, field)
        if not least <= value <= most:
            raise InvalidInput(
                field=field,
                value=value,
                expected="A whole number from {least} to {most}",
                limits={"least": least, "most": most},
            )
    if table.reading_cap < table.reading or (table.reading_cap and not table.reading):
        raise InvalidInput(
            field="reading_cap",
            value=table.reading_cap,
            expected="At least what one article earns, and 0 if that is nothing",
        )
    if not (table.reading or table.adoption or table.followers):
        raise InvalidInput(
            field="table", value=version, expected="A table by which something is earned"
        )


def _require_place(
    versions: Sequence[RateVersion], region_code: str, valid_from: date, replaces: str
) -> None:
    """Raise unless exactly what holds in the region from the day on, if anything, is replaced."""
    there = [
        one.version
        for one in versions
        if (one.region_code, one.valid_from) == (region_code, valid_from)
    ]
    held = there[-1] if there else ""
    if replaces == held:
        return
    if held:
        raise TableHolds(version=held, region=region_code, day=valid_from)
    raise NotFound(what="table of rates", key=f"{replaces} {region_code} {valid_from}")


def places_of(versions: Sequence[RateVersion], *, day: date) -> dict[str, TablePlace]:
    """Return where each version stands on a day, among those of its region."""
    found: dict[str, TablePlace] = {}
    for position, one in enumerate(versions):
        same = [
            (other.valid_from, at)
            for at, other in enumerate(versions)
            if other.region_code == one.region_code
        ]
        if any(begins == one.valid_from and at > position for begins, at in same):
            found[one.version] = TablePlace.REPLACED
        elif one.valid_from > day:
            found[one.version] = TablePlace.TO_COME
        elif any(one.valid_from < begins <= day for begins, _ in same):
            found[one.version] = TablePlace.FOLLOWED
        else:
            found[one.version] = TablePlace.HOLDS
    return found


def versions_of(unit: Unit, kind: RateKind) -> list[RateVersion]:
    """Return all versions of a table, what is shipped first, then as they were recorded."""
    rows = unit.session.scalars(
        select(RateTable).where(RateTable.kind == kind).order_by(RateTable.recorded_at)
    )
    recorded = [
        RateVersion(
            kind=kind,
            version=row.version,
            region_code=row.region_code,
            valid_from=row.valid_from,
            source=row.source,
            table=msgspec.convert(row.body, BODIES[kind], strict=False),
        )
        for row in rows
    ]
    return [*(one for one in SHIPPED if one.kind is kind), *recorded]


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
