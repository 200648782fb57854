"""Who opens a resource: a learner at the school of their enrolment, or a teacher for a class (R56).

Decides for whom a launch is made; under which agreement, and whether it may be, is the matter of
`launches`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert as insert_or_nothing

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NotEnrolled, NotFound, Refused
from kernel.identity.grants import enrolled_on
from kernel.identity.models import Enrolment, Learner, Organisation
from kernel.identity.visibility import require_visible
from kernel.ids import LearnerId, new_learner_id
from kernel.unit import Unit

OPENERS = (Role.LEARNER, Role.TEACHER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opener:
    """For whom a launch is made: `kind` learner | class; a class has its name."""

    kind: Literal["learner", "class"]
    learner_id: LearnerId
    school: Organisation
    class_name: str = ""


def opener_of(unit: Unit, *, class_name: str) -> Opener:
    """Return for whom the actor opens: with a class as its teacher, else for themselves.

    Raises `NotEnrolled` for a learner who is enrolled nowhere today, `NotFound` for a class that
    the school does not have, `InvalidInput` for a teacher who names none.
    """
    unit.actor.require("launch.open", *OPENERS)
    if unit.actor.person_id is None:
        raise Refused(act="launch.open", needs="a person of a school", actor=unit.actor.name)
    if class_name:
        return _teacher(unit, unit.actor.person_id, class_name)
    if not unit.actor.may(Role.LEARNER):
        raise InvalidInput(field="class_name", value="", expected="a class of the school")
    return _learner(unit, unit.actor.person_id)


def school_of_opener(unit: Unit) -> UUID | None:
    """Return the school at which the actor may open: of their enrolment today, or their own.

    A learner who is enrolled nowhere today has none.
    """
    if unit.actor.may(Role.TEACHER):
        return unit.actor.organisation_id
    found = unit.session.execute(_enrolments(unit, unit.actor.person_id)).first()
    return found.school_id if found else None


def classes_of(unit: Unit, school_id: UUID) -> list[str]:
    """Return the classes of a school that have learners today, by name."""
    found = unit.session.execute(
        select(Enrolment.stage, Enrolment.grade, Enrolment.class_name)
        .where(
            Enrolment.school_id == school_id,
            Enrolment.class_name != "",
            enrolled_on(shanghai_day(unit.clock.now())),
        )
        .distinct()
        .order_by(Enrolment.stage, Enrolment.grade, Enrolment.class_name)
    )
    return [f"{grade}{class_name}" for _, grade, class_name in found]


def _learner(unit: Unit, person_id: UUID) -> Opener:
    found = unit.session.execute(_enrolments(unit, person_id)).first()
    if found is None:
        raise NotEnrolled(
            act="launch.open",
            needs="an enrolment",
            actor=unit.actor.name,
            day=_today(unit).isoformat(),
        )
    return Opener(
        kind="learner",
        learner_id=LearnerId(found.learner_id),
        school=require_visible(unit, found.school_id),
    )


def _teacher(unit: Unit, person_id: UUID, class_name: str) -> Opener:
    unit.actor.require("launch.open-for-class", Role.TEACHER)
    assert unit.actor.organisation_id is not None, "people have an organisation"
    school = require_visible(unit, unit.actor.organisation_id)
    if class_name not in classes_of(unit, school.id):
        raise NotFound(what="class", key=class_name)
    return Opener(
        kind="class",
        learner_id=_number_of(unit, person_id),
        school=school,
        class_name=class_name,
    )


def _number_of(unit: Unit, person_id: UUID) -> LearnerId:
    """Return the person's random number; a teacher gets theirs with their first launch."""
    known = select(Learner.id).where(Learner.person_id == person_id)
    found = unit.session.scalar(known)
    if found is None:
        # Two first launches at once: the one that loses reads the number that won.
        unit.session.execute(
            insert_or_nothing(Learner)
            .values(id=new_learner_id(), person_id=person_id)
            .on_conflict_do_nothing(index_elements=[Learner.person_id])
        )
        found = unit.session.scalars(known).one()
    return LearnerId(found)


def _enrolments(unit: Unit, person_id: UUID | None) -> Select[UUID, UUID]:
    return (
        select(Enrolment.learner_id, Enrolment.school_id)
        .join(Learner, Learner.id == Enrolment.learner_id)
        .where(Learner.person_id == person_id, enrolled_on(_today(unit)))
        .order_by(Enrolment.joined_on.desc())
        .limit(1)
    )


def _today(unit: Unit) -> date:
    return shanghai_day(unit.clock.now())
