"""The census: pupils counted at each school and teaching point, a fact of its day (R15, R19).

Decides what a count must be. Which census a term goes by is decided by the funding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select

from kernel.actors import OrganisationKind, Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Census, Organisation
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    require_word,
    trail_recording,
)
from kernel.identity.stages import STAGES
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
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

CENSUS_RECORDERS = (Role.OPERATOR, Role.BUREAU_FINANCE)
MOST_PUPILS = 100_000
"""More are not at one school: a slipped digit would be paid for."""


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
    unit.actor.require("record a census", *CENSUS_RECORDERS)
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
    trail_recording(unit, "census", outcomes, schools=len({key.school_id for key in fresh}))
    return outcomes


def _read(row: CensusRow, schools: dict[str, UUID]) -> _Key:
    school_id = schools.get(row.school_code)
    if school_id is None:
        raise FieldError(NotFound(what="school", key=row.school_code), field="school_code")
    require_word(row.kind, CENSUS_KINDS, field="kind")
    require_word(row.basis, BASES, field="basis")
    require_word(row.stage, STAGES, field="stage")
    if row.kind == CensusKind.ENROLLED:
        require_text(row.stage, field="stage", expected="a stage, since pupils count by stage")
    if not 0 <= row.pupils <= MOST_PUPILS:
        expected = f"0 to {MOST_PUPILS}"
        raise FieldError(
            InvalidInput(field="pupils", value=row.pupils, expected=expected), field="pupils"
        )
    return _Key(school_id, row.stage, row.kind, row.as_of, row.basis)
