"""Admissions of third parties that evaluate: by whom, for which region, until when and why (R65).

Decides that a bureau lets an evaluator in for a region of its own, with the interests that it
declares, and that it, or a bureau above it, ends that again with a reason that everybody reads
beside what was found until then: whom a bureau above sent to look at it, it does not send away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, select
from sqlalchemy.orm import aliased

from catalog.reviewers import answered_for
from kernel.actors import OrganisationKind, Role
from kernel.errors import AdmittedAlready, DoneAlready, NotFound, Refused
from kernel.identity.models import Organisation, Region
from kernel.identity.organisations import organisation_by_code
from kernel.identity.visibility import visible_regions
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.evaluation.models import EvaluatorAdmission, OutsideFinding
from settlement.texts import reason_of, words_of

ADMITTERS: Final = (Role.OPERATOR, Role.ADMISSION)
END: Final = "end an evaluator's admission"


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmissionView:
    """An admission as bureaus read it; `findings`: how many were filed under it.

    `may_end`: the reader's bureau, or one below it, let it in.
    """

    id: UUID
    code: str
    name: str
    region_code: str
    region: str
    bureau: str
    interest: str
    admitted_at: datetime
    ended_at: datetime | None
    ended_because: str
    findings: int
    may_end: bool

    @property
    def state(self) -> str:
        return "ended" if self.ended_at else "running"


def admit_evaluator(unit: Unit, code: str, *, region_code: str, interest: str) -> UUID:
    """Let a third party evaluate in a region of the actor's bureau; return the admission.

    `interest`: what it declares of its interests. After an end it may be let in anew. Raises
    `NotFound`, `MissingValue`, `AdmittedAlready`.
    """
    actor = unit.actor
    actor.require("admit an evaluator", *ADMITTERS)
    if actor.person_id is None or actor.organisation_id is None:
        raise Refused(act="admit an evaluator", needs="a person of a bureau", actor=actor.name)
    interest = words_of("interest", interest)
    evaluator = organisation_by_code(unit, OrganisationKind.EVALUATOR, code=code)
    region = unit.session.scalar(
        visible_regions(unit).where(Region.code == region_code).with_only_columns(Region.code)
    )
    if region is None:
        raise NotFound(what="region", key=region_code)
    known = unit.session.scalar(
        select(EvaluatorAdmission.id).where(
            EvaluatorAdmission.evaluator_id == evaluator.id,
            EvaluatorAdmission.region_code == region_code,
            EvaluatorAdmission.ended_at.is_(None),
        )
    )
    if known is not None:
        raise AdmittedAlready(what="evaluator", key=code, name=evaluator.name)
    admission = EvaluatorAdmission(
        id=new_id(),
        evaluator_id=evaluator.id,
        region_code=region_code,
        bureau_id=actor.organisation_id,
        interest=interest,
        admitted_by=actor.person_id,
        admitted_at=unit.clock.now(),
    )
    unit.session.add(admission)
    unit.session.flush()
    record(
        unit,
        "evaluator.admitted",
        subject_kind="evaluator",
        subject_id=evaluator.id,
        region=region_code,
        interest=interest,
    )
    return admission.id


def end_admission(unit: Unit, admission_id: UUID, *, because: str) -> None:
    """End what the actor's bureau, or one below it, let in; what was found stays, and says so.

    Raises `NotFound`, `Refused` for what another bureau let in, `ReasonRequired`, and
    `DoneAlready` for one that ended before.
    """
    actor = unit.actor
    actor.require(END, *ADMITTERS)
    if actor.person_id is None:
        raise Refused(act=END, needs="a person of a bureau", actor=actor.name)
    found = unit.session.scalars(
        select(EvaluatorAdmission)
        .where(
            EvaluatorAdmission.id == admission_id,
            EvaluatorAdmission.region_code.in_(_reach(unit)),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="admission", key=admission_id)
    if not unit.session.scalar(select(_is_ours(unit)).where(EvaluatorAdmission.id == found.id)):
        raise Refused(act=END, needs="the bureau that let it in, or one above it", actor=actor.name)
    because = reason_of("because", because)
    if found.ended_at is not None:
        raise DoneAlready(what="evaluator admission", done="ended")
    found.ended_because = because
    found.ended_by = actor.person_id
    found.ended_at = unit.clock.now()
    unit.session.flush()
    record(
        unit,
        "evaluator.ended",
        subject_kind="evaluator",
        subject_id=found.evaluator_id,
        region=found.region_code,
        because=found.ended_because,
    )


def running_admissions(unit: Unit, evaluator_id: UUID) -> Sequence[EvaluatorAdmission]:
    """Return the admissions of an evaluator that did not end, the first first.

    Held until the unit ends, so that none ends while something is filed under it.
    """
    return unit.session.scalars(
        select(EvaluatorAdmission)
        .where(
            EvaluatorAdmission.evaluator_id == evaluator_id,
            EvaluatorAdmission.ended_at.is_(None),
        )
        .order_by(EvaluatorAdmission.admitted_at, EvaluatorAdmission.id)
        .with_for_update(read=True)
    ).all()


def admissions(unit: Unit) -> list[AdmissionView]:
    """Return the admissions in the regions of the actor's bureau, those that run first."""
    unit.actor.require("list evaluators", *ADMITTERS)
    there = EvaluatorAdmission.region_code.in_(_reach(unit))
    return _read(unit, _views(may_end=_is_ours(unit)).where(there))


def own_admissions(unit: Unit) -> list[AdmissionView]:
    """Return the acting evaluator's admissions, those that run first."""
    unit.actor.require("list own admissions", Role.EVALUATOR)
    mine = EvaluatorAdmission.evaluator_id == unit.actor.organisation_id
    return _read(unit, _views(may_end=false()).where(mine))


def one_admission(unit: Unit, admission_id: UUID) -> AdmissionView:
    """Return one admission in the regions of the actor's bureau; raise `NotFound`."""
    found = [one for one in admissions(unit) if one.id == admission_id]
    if not found:
        raise NotFound(what="admission", key=admission_id)
    return found[0]


def _reach(unit: Unit) -> Select[str]:
    return visible_regions(unit).with_only_columns(Region.code)


def _is_ours(unit: Unit) -> ColumnElement[bool]:
    return EvaluatorAdmission.bureau_id.in_(answered_for(unit))


def _views(*, may_end: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    bureau = aliased(Organisation)
    filed = (
        select(func.count())
        .where(OutsideFinding.admission_id == EvaluatorAdmission.id)
        .scalar_subquery()
    )
    return (
        select(
            EvaluatorAdmission.id,
            Organisation.code,
            Organisation.name,
            EvaluatorAdmission.region_code,
            Region.name.label("region"),
            bureau.name.label("bureau"),
            EvaluatorAdmission.interest,
            EvaluatorAdmission.admitted_at,
            EvaluatorAdmission.ended_at,
            EvaluatorAdmission.ended_because,
            filed.label("findings"),
            may_end.label("may_end"),
        )
        .join(Organisation, Organisation.id == EvaluatorAdmission.evaluator_id)
        .join(Region, Region.code == EvaluatorAdmission.region_code)
        .join(bureau, bureau.id == EvaluatorAdmission.bureau_id)
        .order_by(
            EvaluatorAdmission.ended_at.is_not(None),
            Organisation.name,
            EvaluatorAdmission.region_code,
            EvaluatorAdmission.admitted_at.desc(),
        )
    )


def _read(unit: Unit, wanted: Select[*tuple[Any, ...]]) -> list[AdmissionView]:
    return [AdmissionView(**row._mapping) for row in unit.session.execute(wanted)]
