"""Due steps: which signature each selection waits for now, and who may give it (R22).

Decides that the lowest open position is due, and whether the actor may give it: in a role of their
own, or in another's place; never for what they requested or recorded for somebody else, nor twice
for one selection unless its table says so.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from kernel.actors import Actor, Role
from kernel.clock import shanghai_day
from kernel.identity.grants import actors_of, in_force
from kernel.identity.models import Organisation, Person, RoleGrant
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import SelectionId
from kernel.unit import Unit
from procurement.delegations import Power, powers_of
from procurement.models import ApprovalStep, Selection
from procurement.states import SelectionKind, SelectionState, StepState


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingStep:
    """A signature that is due; `last` says that it opens or changes the agreement.

    `signs_for`: in whose place the actor would give it; None in a role of their own.
    """

    selection_id: SelectionId
    position: int
    role: Role
    organisation_id: UUID
    school_id: UUID
    school_code: str
    school_name: str
    reference: str
    basket: str
    kind: SelectionKind
    title: str
    ceiling_fen: int
    starts_on: date
    ends_on: date
    requested_by: UUID
    recorded_by: UUID | None
    due_on: date | None
    is_overdue: bool
    may_repeat: bool
    last: bool
    signs_for: UUID | None = None


DueStep = Select[ApprovalStep, Selection, Organisation, int]


def waiting_steps(unit: Unit, *, payer_code: str | None = None) -> list[WaitingStep]:
    """Return what the actor may sign now, oldest request first; for the system, all that is due."""
    wanted = due_steps()
    actor = unit.actor
    powers = [] if actor.is_system else powers_of(unit)
    if not actor.is_system:
        roles = {*actor.roles, *(power.role for power in powers)}
        wanted = wanted.where(
            ApprovalStep.organisation_id == actor.organisation_id, ApprovalStep.role.in_(roles)
        )
    if payer_code is not None:
        wanted = wanted.where(Organisation.code == payer_code)
    steps = read_steps(unit, wanted)
    return steps if actor.is_system else _signable(unit, steps, powers)


def signable(unit: Unit, steps: Iterable[WaitingStep]) -> list[WaitingStep]:
    """Return those of these steps that the actor may sign, each with whom for."""
    return _signable(unit, list(steps), powers_of(unit))


def _signable(
    unit: Unit, steps: Sequence[WaitingStep], powers: Sequence[Power]
) -> list[WaitingStep]:
    actor = unit.actor
    signers = signers_of(unit, {step.selection_id for step in steps})

    def bound(step: WaitingStep, person_id: UUID | None) -> bool:
        signed = person_id in signers.get(step.selection_id, set()) and not step.may_repeat
        return signed or (person_id is not None and person_id in makers_of(step))

    found = []
    for step in steps:
        if step.organisation_id != actor.organisation_id or bound(step, actor.person_id):
            continue
        if step.role in actor.roles:
            found.append(step)
            continue
        holder = next(
            (
                power.holder_id
                for power in powers
                if power.role is step.role
                and (step.is_overdue or not power.only_overdue)
                and not bound(step, power.holder_id)
            ),
            None,
        )
        if holder is not None:
            found.append(replace(step, signs_for=holder))
    return found


def makers_of(step: WaitingStep) -> set[UUID | None]:
    """Return whose selection it is: who requested it, and who recorded it in that person's name."""
    return {step.requested_by, step.recorded_by}


def signers_of(unit: Unit, selection_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Return who has signed each selection, and in whose place."""
    signers: dict[UUID, set[UUID]] = {}
    if not selection_ids:
        return signers
    rows = unit.session.execute(
        select(ApprovalStep.selection_id, ApprovalStep.signed_by, ApprovalStep.signed_for).where(
            among(ApprovalStep.selection_id, selection_ids),
            ApprovalStep.state == StepState.APPROVED,
        )
    )
    for selection_id, signed_by, signed_for in rows:
        signers.setdefault(selection_id, set()).update(
            one for one in (signed_by, signed_for) if one is not None
        )
    return signers


def signatories(unit: Unit) -> list[Actor]:
    """Return one person for each position that is due, by organisation and role.

    For commands that act for the named people in turn: of several who hold a role, the one who has
    held it longest, without who requested, recorded or has signed the selection. A position whose
    role nobody else holds has none. For operators and the system, over what they may see.
    """
    unit.actor.require("list who has to sign", Role.OPERATOR)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    due = (
        due_steps()
        .where(ApprovalStep.organisation_id.in_(visible))
        .with_only_columns(
            ApprovalStep.organisation_id,
            ApprovalStep.role,
            ApprovalStep.selection_id,
            ApprovalStep.may_repeat,
            Selection.requested_by,
            Selection.recorded_by,
        )
        .order_by(None)
        .subquery()
    )
    now = unit.clock.now()
    given = aliased(ApprovalStep)
    position = (RoleGrant.organisation_id, RoleGrant.role, due.c.selection_id)
    person_ids = unit.session.scalars(
        select(Person.id)
        .join(RoleGrant, RoleGrant.person_id == Person.id)
        .join(
            due,
            (due.c.organisation_id == RoleGrant.organisation_id) & (due.c.role == RoleGrant.role),
        )
        .where(
            Person.organisation_id == RoleGrant.organisation_id,
            Person.id != due.c.requested_by,
            Person.id.is_distinct_from(due.c.recorded_by),
            or_(
                due.c.may_repeat,
                ~exists().where(
                    given.selection_id == due.c.selection_id,
                    given.state == StepState.APPROVED,
                    or_(given.signed_by == Person.id, given.signed_for == Person.id),
                ),
            ),
            in_force(now),
        )
        .ext(distinct_on(*position))
        .order_by(*position, RoleGrant.granted_from, Person.id)
    ).all()
    actors = actors_of(unit, set(person_ids), via=unit.actor.via).values()
    return sorted(actors, key=lambda actor: (actor.organisation_code, actor.name))


def due_steps() -> DueStep:
    """Select each requested selection's lowest open step, and how many are open."""
    open_steps = (
        select(
            ApprovalStep.selection_id,
            func.min(ApprovalStep.position).label("position"),
            func.count().label("open"),
        )
        .join(Selection, Selection.id == ApprovalStep.selection_id)
        .where(Selection.state == SelectionState.REQUESTED, ApprovalStep.state == StepState.WAITING)
        .group_by(ApprovalStep.selection_id)
        .subquery()
    )
    return (
        select(ApprovalStep, Selection, Organisation, open_steps.c.open)
        .join(
            open_steps,
            (open_steps.c.selection_id == ApprovalStep.selection_id)
            & (open_steps.c.position == ApprovalStep.position),
        )
        .join(Selection, Selection.id == ApprovalStep.selection_id)
        .join(Organisation, Organisation.id == Selection.school_id)
        .order_by(Selection.requested_at, Organisation.code, Selection.reference)
    )


def read_steps(unit: Unit, wanted: DueStep) -> list[WaitingStep]:
    rows = unit.session.execute(wanted.execution_options(populate_existing=True))
    today = shanghai_day(unit.clock.now())
    return [
        WaitingStep(
            selection_id=SelectionId(selection.id),
            position=step.position,
            role=Role(step.role),
            organisation_id=step.organisation_id,
            school_id=school.id,
            school_code=school.code,
            school_name=school.name,
            reference=selection.reference,
            basket=selection.basket,
            kind=SelectionKind(selection.kind),
            title=selection.terms["title"],
            ceiling_fen=selection.ceiling_fen,
            starts_on=selection.starts_on,
            ends_on=selection.ends_on,
            requested_by=selection.requested_by,
            recorded_by=selection.recorded_by,
            due_on=step.due_on,
            is_overdue=step.due_on is not None and step.due_on < today,
            may_repeat=step.may_repeat,
            last=still_open == 1,
        )
        for step, selection, school, still_open in rows
    ]
