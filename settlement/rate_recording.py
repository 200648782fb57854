"""Recording a version of a table of rates: within bounds, in whose place, and what it moves.

One at a time: of two that would hold from the same day, the second is told of the first. The trail
keeps the whole of it, which verify holds the table against.
A table of credits whose first day is past makes what was earned since be reckoned anew. What that
moves is told, and needs a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import insert, text

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import (
    AlreadyExists,
    HoldsFromThatDay,
    InvalidInput,
    MissingValue,
    MovesBookings,
    NotFound,
)
from kernel.identity.models import Region
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.credit_evidence import facts_of_credits
from settlement.credit_rules import CreditTable, credits_text, differences, entitled, limits_of
from settlement.payout_models import RateTable
from settlement.rate_tables import BODIES, RateKind, replaced_by, versions_of

MAY_RECORD: Final = (Role.OPERATOR,)
RECORDING_LOCK: Final = 0x7261_7465  # advisory lock: one table of rates is recorded at a time


@dataclass(frozen=True, slots=True)
class Moved:
    """What a table moves of what was earned: how many bookings, up and down in ten-thousandths."""

    bookings: int = 0
    more: int = 0
    less: int = 0


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
    because: str = "",
) -> Moved:
    """Record a version that follows those before it; return what it moves of what was earned.

    `replaces`: the version that holds from the same day on in the same region; `because`: why what
    was earned is moved. Raises `Refused`, `MissingValue` without its source, `InvalidInput` for a
    table that does not hold together or is out of bounds, `NotFound` for a region out of reach,
    `AlreadyExists` for a version of this name, `HoldsFromThatDay` where it does not say which
    version it replaces, `MovesBookings` without a reason.
    """
    unit.actor.require("rates.record", *MAY_RECORD)
    for field, value in (("version", version), ("source", source)):
        if not value.strip():
            raise MissingValue(field=field)
    table = _read(kind, version, body)
    reach = visible_regions(unit).where(Region.code == region_code)
    if unit.session.scalars(reach).first() is None:
        raise NotFound(what="region", key=region_code)
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RECORDING_LOCK})
    known = versions_of(unit, kind)
    if any(one.version == version for one in known):
        raise AlreadyExists(what="table of rates", key=version)
    replaced = replaced_by(known)
    holding = {
        one.version
        for one in known
        if (one.region_code, one.valid_from) == (region_code, valid_from)
        and one.version not in replaced
    }
    if replaces and replaces not in holding:
        raise NotFound(what="table of rates", key=f"{replaces} ({region_code}, {valid_from})")
    if holding and not replaces:
        raise HoldsFromThatDay(holding=holding.pop(), region=region_code, day=valid_from)
    moves = kind is RateKind.CREDITS and valid_from <= shanghai_day(unit.clock.now())
    before = entitled(facts_of_credits(unit)) if moves else {}
    recorded, recorded_at = msgspec.to_builtins(table), unit.clock.now()
    unit.session.execute(
        insert(RateTable).values(
            id=new_id(),
            kind=kind,
            region_code=region_code,
            valid_from=valid_from,
            version=version,
            source=source.strip(),
            body=recorded,
            recorded_at=recorded_at,
            recorded_by=unit.actor.name,
        )
    )
    moved = Moved()
    if moves:
        held = {key: one.amount for key, one in before.items()}
        changes = [by for _, by in differences(entitled(facts_of_credits(unit)), held)]
        moved = Moved(
            len(changes), sum(by for by in changes if by > 0), -sum(by for by in changes if by < 0)
        )
    if moved.bookings and not because.strip():
        raise MovesBookings(
            day=valid_from,
            count=moved.bookings,
            more=credits_text(moved.more),
            less=credits_text(moved.less),
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
        body=recorded,
        recorded_at=recorded_at.isoformat(),
        replaces=replaces,
        because=because.strip(),
        moves=moved.bookings,
        more=moved.more,
        less=moved.less,
    )
    return moved


def _read(kind: RateKind, version: str, body: Mapping[str, Any]) -> Any:
    try:
        table = msgspec.convert(dict(body), BODIES[kind], strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(field="table", value=version, expected=str(error)) from error
    if isinstance(table, CreditTable):
        for field, (least, most) in limits_of(table).items():
            value = getattr(table, field)
            if not least <= value <= most:
                raise InvalidInput(field=field, value=value, expected=f"{least} – {most}")
    return table
