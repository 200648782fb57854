"""Quotas: fen per pupil and year, by region, from a day on, known since a moment (R16).

Decides which row is in force. A row is never changed: a correction, a rise, a verification or its
withdrawal is a later row, and of the same region, kind, stage and day the last one stands for all.
It counts if it is verified, and the nearest region above a school that has one decides.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from kernel.actors import Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Region, RegionClosure
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    require_word,
)
from kernel.identity.stages import SCHOOL_STAGES
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.money import FEN_PER_YUAN, plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.rules import QuotaKey, QuotaKind
from procurement.models import Quota

RowKey = tuple[str, str, str, date]

QUOTA_RECORDERS: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)
LARGEST_QUOTA_FEN: Final = 1_000_000 * FEN_PER_YUAN
"""More for one pupil and year is a slipped digit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaRow:
    """One row to record; `stage` is empty unless `kind` is `base`."""

    region_code: str
    stage: str
    kind: str
    valid_from: date
    amount_fen: int
    source: str
    verified: bool

    @property
    def key(self) -> RowKey:
        return (self.region_code, self.kind, self.stage, self.valid_from)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaInForce:
    """The row that decides for one region, kind and stage."""

    amount_fen: int
    region_code: str
    valid_from: date
    source: str


def record_quotas(unit: Unit, rows: Sequence[QuotaRow]) -> list[RowOutcome]:
    """Record quotas, each as a new row known from now on; return each row's fate, in order.

    A row equal to what was last recorded for its region, kind, stage and day is a duplicate. An
    operator records for the regions below their own, and so confirms what was shipped unverified.
    """
    unit.actor.require("record quotas", *QUOTA_RECORDERS)
    lock_recording(unit)
    now = unit.clock.now()
    regions = regions_in_reach(unit, {row.region_code for row in rows})
    recorded = _last_recorded(unit, rows)
    fresh: dict[RowKey, QuotaRow] = {}
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            _check(row, regions)
        except FieldError as error:
            outcomes.append(error.outcome)
            continue
        last, last_at = recorded.get(row.key, (None, None))
        if row == fresh.get(row.key, last):
            outcomes.append(DUPLICATE)
        elif row.key in fresh or last_at == now:
            outcomes.append(conflicting(_taken(row), field="amount_yuan"))
        else:
            fresh[row.key] = row
            outcomes.append(ACCEPTED)
    if fresh:
        unit.session.execute(
            insert(Quota),
            [{"id": new_id(), "recorded_at": now, **asdict(row)} for row in fresh.values()],
        )
        for row in fresh.values():
            record(
                unit,
                "quota.recorded",
                subject_kind="quota",
                subject_id=f"{row.region_code}/{row.kind}/{row.stage or '-'}/{row.valid_from}",
                amount_fen=row.amount_fen,
                verified=row.verified,
                source=row.source,
            )
    return outcomes


def quotas_in_force(
    unit: Unit, region_codes: Collection[str], *, day: date, known_at: datetime
) -> dict[str, dict[QuotaKey, QuotaInForce]]:
    """Return for each region its verified quotas in force on `day`, as known at `known_at`.

    For each kind and stage the nearest region above (or the region itself) that has a row decides;
    among its rows the latest `valid_from`, then the latest recorded.
    """
    key = (Quota.region_code, Quota.kind, Quota.stage, Quota.valid_from)
    last = aliased(
        Quota,
        select(Quota)
        .where(Quota.valid_from <= day, Quota.recorded_at <= known_at)
        .ext(distinct_on(*key))
        .order_by(*key, Quota.recorded_at.desc())
        .subquery(),
    )
    rows = unit.session.execute(
        select(
            RegionClosure.region_code,
            last.kind,
            last.stage,
            last.amount_fen,
            last.region_code,
            last.valid_from,
            last.source,
        )
        .join(RegionClosure, RegionClosure.ancestor_code == last.region_code)
        .where(among(RegionClosure.region_code, region_codes), last.verified)
        .ext(distinct_on(RegionClosure.region_code, last.kind, last.stage))
        .order_by(
            RegionClosure.region_code,
            last.kind,
            last.stage,
            RegionClosure.distance,
            last.valid_from.desc(),
        )
    )
    found: dict[str, dict[QuotaKey, QuotaInForce]] = {code: {} for code in region_codes}
    for region, kind, stage, amount_fen, origin, valid_from, source in rows:
        found[region][(QuotaKind(kind), stage)] = QuotaInForce(
            amount_fen=amount_fen, region_code=origin, valid_from=valid_from, source=source
        )
    return found


def regions_in_reach(unit: Unit, codes: Collection[str]) -> set[str]:
    """Return those of `codes` that exist and that the actor answers for."""
    reach = visible_regions(unit).with_only_columns(Region.code).where(among(Region.code, codes))
    return set(unit.session.scalars(reach))


def _last_recorded(unit: Unit, rows: Sequence[QuotaRow]) -> dict[RowKey, tuple[QuotaRow, datetime]]:
    """Return what was last recorded under each row's key, and when."""
    key = (Quota.region_code, Quota.kind, Quota.stage, Quota.valid_from)
    found = unit.session.scalars(
        select(Quota)
        .where(among(Quota.region_code, {row.region_code for row in rows}))
        .ext(distinct_on(*key))
        .order_by(*key, Quota.recorded_at.desc())
    )
    known = [
        (
            QuotaRow(
                region_code=quota.region_code,
                stage=quota.stage,
                kind=quota.kind,
                valid_from=quota.valid_from,
                amount_fen=quota.amount_fen,
                source=quota.source,
                verified=quota.verified,
            ),
            quota.recorded_at,
        )
        for quota in found
    ]
    return {row.key: (row, recorded_at) for row, recorded_at in known}


def _taken(row: QuotaRow) -> AlreadyExists:
    return AlreadyExists(
        what="quota", key=f"{row.region_code} {row.kind} {row.stage} {row.valid_from}".strip()
    )


def _check(row: QuotaRow, regions: set[str]) -> None:
    """Raise `FieldError` for the first thing that is wrong with a row."""
    if row.region_code not in regions:
        raise FieldError(NotFound(what="region", key=row.region_code), field="region_code")
    require_word(row.kind, frozenset(QuotaKind), field="kind")
    stages = SCHOOL_STAGES if row.kind == QuotaKind.BASE else frozenset({""})
    require_word(row.stage, stages, field="stage")
    if not 0 <= row.amount_fen <= LARGEST_QUOTA_FEN:
        shown, expected = plain_yuan(row.amount_fen), f"0 to {plain_yuan(LARGEST_QUOTA_FEN)}"
        error = InvalidInput(value=shown, field="amount_yuan", expected=expected)
        raise FieldError(error, field="amount_yuan")
    if row.verified:
        require_text(row.source, field="source")
