"""The census: pupils counted at each school and teaching point, a fact of its day (R15, R19).

Decides which count is the latest. Which census a fiscal year goes by is configuration of the
funding, not decided here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import OrganisationKind
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Census, Organisation
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_importer,
    require_text,
    require_word,
)
from kernel.identity.stages import STAGES
from kernel.identity.visibility import visible_organisations
from kernel.ids import OrganisationId, new_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit


class CensusKind(StrEnum):
    """What is counted; `enrolled` is by stage and leaves special-education pupils out."""

    ENROLLED = "enrolled"
    BOARDING = "boarding"
    HEATING = "heating"
    SPECIAL = "special"


class Basis(StrEnum):
    """The term whose census it is."""

    SPRING = "spring"
    AUTUMN = "autumn"


CENSUS_KINDS = frozenset(CensusKind)
BASES = frozenset(Basis)

CensusKey = tuple[OrganisationId, str, str]
"""School or teaching point, stage, kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CensusRow:
    """One count; `stage` may be empty unless `kind` is `enrolled`."""

    school_code: str
    stage: str
    kind: str
    as_of: date
    basis: str
    pupils: int


class _Key(NamedTuple):
    school_id: UUID
    stage: str
    kind: str
    as_of: date
    basis: str


def record_census(unit: Unit, rows: Sequence[CensusRow]) -> list[RowOutcome]:
    """Record counts of schools below the actor's bureau; return each row's fate, in order.

    A count is never rewritten: another number for the same day is a conflict, a correction is a
    row with a later day.
    """
    require_importer(unit, "record a census")
    lock_recording(unit)
    schools = {
        school.code: school.id
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                among(Organisation.code, {row.school_code for row in rows})
            )
        )
    }
    recorded = {
        _Key(one.school_id, one.stage, one.kind, one.as_of, one.basis): one.pupils
        for one in unit.session.scalars(
            select(Census).where(among(Census.school_id, set(schools.values())))
        )
    }
    fresh: dict[_Key, int] = {}
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            key = _read(row, schools)
        except FieldError as error:
            outcomes.append(error.outcome)
            continue
        before = recorded.get(key, fresh.get(key))
        if before is None:
            fresh[key] = row.pupils
            outcomes.append(ACCEPTED)
        elif before == row.pupils:
            outcomes.append(DUPLICATE)
        else:
            named = f"{row.school_code} {row.stage} {row.kind} {row.as_of}"
            taken = AlreadyExists(what="census", key=named)
            outcomes.append(conflicting(taken, field="pupils"))
    if fresh:
        unit.session.execute(
            insert(Census),
            [{"id": new_id(), "pupils": pupils, **key._asdict()} for key, pupils in fresh.items()],
        )
    return outcomes


def latest_census(
    unit: Unit, school_ids: Collection[UUID], *, basis: str, year: int
) -> dict[CensusKey, int]:
    """Return the pupils last counted in a calendar year for a term, by school, stage and kind."""
    rows = unit.session.execute(
        select(Census.school_id, Census.stage, Census.kind, Census.pupils)
        .where(
            among(Census.school_id, school_ids),
            Census.basis == basis,
            Census.as_of >= date(year, 1, 1),
            Census.as_of < date(year + 1, 1, 1),
        )
        .ext(distinct_on(Census.school_id, Census.stage, Census.kind))
        .order_by(Census.school_id, Census.stage, Census.kind, Census.as_of.desc())
    )
    return {(OrganisationId(school), stage, kind): pupils for school, stage, kind, pupils in rows}


def _read(row: CensusRow, schools: dict[str, UUID]) -> _Key:
    school_id = schools.get(row.school_code)
    if school_id is None:
        raise FieldError(NotFound(what="school", key=row.school_code), field="school_code")
    require_word(row.kind, CENSUS_KINDS, field="kind")
    require_word(row.basis, BASES, field="basis")
    require_word(row.stage, STAGES, field="stage")
    if row.kind == CensusKind.ENROLLED:
        require_text(row.stage, field="stage", expected="a stage, since pupils count by stage")
    if row.pupils < 0:
        raise FieldError(
            InvalidInput(
                field="pupils", value=row.pupils, expected="a number that is not negative"
            ),
            field="pupils",
        )
    return _Key(school_id, row.stage, row.kind, row.as_of, row.basis)
