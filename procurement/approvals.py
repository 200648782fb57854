"""Approvals: people sign, refuse or return selections, one position after the other (R22, R23).

Decides who may sign what now: the lowest open position counts, its role in its organisation. The
last signature opens the agreement in the same unit, or is not given. Which positions there are was
fixed when the selection was requested. Who requested it signs none of them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from kernel.actors import ROLES_OF, Actor, OrganisationKind, Role
from kernel.errors import Conflict, MarketError, NoteRequired, NotFound, OwnInterest, Refused
from kernel.identity.grants import actors_of, in_force
from kernel.identity.models import Organisation, Person, RoleGrant
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import AgreementId, SelectionId
from kernel.trail import record
from kernel.unit import Unit
from procurement.commitments import draft_agreements
from procurement.models import ApprovalStep, Selection
from procurement.states import SelectionState, StepState
from settlement.agreements import open_agreements


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingStep:
    """A signature that is due; `last` says that it opens the agreement."""

    selection_id: SelectionId
    position: int
    role: Role
    organisation_id: UUID
    school_id: UUID
    school_code: str
    school_name: str
    reference: str
    title: str
    ceiling_fen: int
    starts_on: date
    ends_on: date
    requested_by: UUID
    last: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What a signature led to; the agreement is there after the last one."""

    selection_id: SelectionId
    state: SelectionState
    agreement_id: AgreementId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningSummary:
    """How much was signed and opened, and what could not be, with its error."""

    signed: int = 0
    agreements: int = 0
    left: list[tuple[WaitingStep, MarketError]] = field(default_factory=list)


def waiting_steps(unit: Unit, *, payer_code: str | None = None) -> list[WaitingStep]:
    """Return what the actor may sign now, oldest request first; for the system, all that is due."""
    wanted = _due_steps()
    actor = unit.actor
    if not actor.is_system:
        wanted = wanted.where(
            ApprovalStep.organisation_id == actor.organisation_id,
            ApprovalStep.role.in_(actor.roles),
            Selection.requested_by != actor.person_id,
        )
    if payer_code is not None:
        wanted = wanted.where(Organisation.code == payer_code)
    return _read_steps(unit, wanted)


def sign(unit: Unit, selection_id: SelectionId, *, note: str = "") -> Signature:
    """Sign a selection's open position; the last signature opens its agreement.

    Raises `NotFound`, `Refused` if the position is another's, `OwnInterest` for one's own request,
    `Conflict` if nothing is to be signed
    any more, and what stands against the agreement: `BudgetExhausted`, `NoFundingLine`,
    `NotListed`.
    """
    step = _claim(unit, selection_id, act="sign a selection", wanted=SelectionState.APPROVED)
    if step.requested_by == unit.actor.person_id:
        raise OwnInterest(act="sign a selection", person=unit.actor.name)
    agreements, left = _sign_steps(unit, [step], note=note)
    for _, error in left:
        raise error
    agreement_id = agreements.get(selection_id)
    state = SelectionState.APPROVED if agreement_id else SelectionState.REQUESTED
    return Signature(selection_id=selection_id, state=state, agreement_id=agreement_id)


def sign_all(unit: Unit, *, payer_code: str | None = None) -> SigningSummary:
    """Sign all that the actor may sign now, and what thereby becomes theirs to sign.

    A last signature that the lines don't cover is not given: it is listed with its error and the
    others go on. Set-wise: the number of statements grows with payers and periods of use, not with
    selections (the trail's rows aside).
    """
    _require_person(unit, "sign selections")
    signed = agreements = 0
    left: dict[UUID, tuple[WaitingStep, MarketError]] = {}
    while True:
        seen = {
            step.selection_id
            for step in waiting_steps(unit, payer_code=payer_code)
            if step.selection_id not in left
        }
        if not seen:
            break
        _lock_selections(unit, seen)
        # Somebody may have signed, refused or returned since: look again, behind the lock.
        steps = [
            step for step in waiting_steps(unit, payer_code=payer_code) if step.selection_id in seen
        ]
        opened, failed = _sign_steps(unit, steps, note="")
        signed += len(steps) - len(failed)
        agreements += len(opened)
        left.update((step.selection_id, (step, error)) for step, error in failed)
    return SigningSummary(signed=signed, agreements=agreements, left=list(left.values()))


def refuse(unit: Unit, selection_id: SelectionId, *, note: str) -> Signature:
    """Refuse a selection at its open position, for good; the note says why."""
    return _end(
        unit,
        selection_id,
        note=note,
        act="refuse a selection",
        step_state=StepState.REFUSED,
        state=SelectionState.REFUSED,
    )


def return_(unit: Unit, selection_id: SelectionId, *, note: str) -> Signature:
    """Return a selection to who requested it; the note says what has to change.

    It is answered by a new selection under another reference.
    """
    return _end(
        unit,
        selection_id,
        note=note,
        act="return a selection",
        step_state=StepState.RETURNED,
        state=SelectionState.RETURNED,
    )


def signatories(unit: Unit) -> list[Actor]:
    """Return one person for each position that is due, by organisation and role.

    For commands that act for the named people in turn: of several who hold a role, the one who has
    held it longest, without who requested the selection. A position whose role nobody else holds
    has none. For operators and the system, over what they may see.
    """
    unit.actor.require("list who has to sign", Role.OPERATOR)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    due = (
        _due_steps()
        .where(ApprovalStep.organisation_id.in_(visible))
        .with_only_columns(ApprovalStep.organisation_id, ApprovalStep.role, Selection.requested_by)
        .order_by(None)
        .distinct()
        .subquery()
    )
    now = unit.clock.now()
    position = (RoleGrant.organisation_id, RoleGrant.role, due.c.requested_by)
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
            in_force(now),
        )
        .ext(distinct_on(*position))
        .order_by(*position, RoleGrant.granted_from, Person.id)
    ).all()
    actors = actors_of(unit, set(person_ids), via=unit.actor.via).values()
    return sorted(actors, key=lambda actor: (actor.organisation_code, actor.name))


def _due_steps() -> Select[ApprovalStep, Selection, Organisation, int]:
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


def _read_steps(
    unit: Unit, wanted: Select[ApprovalStep, Selection, Organisation, int]
) -> list[WaitingStep]:
    rows = unit.session.execute(wanted.execution_options(populate_existing=True))
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
            title=selection.terms["title"],
            ceiling_fen=selection.ceiling_fen,
            starts_on=selection.starts_on,
            ends_on=selection.ends_on,
            requested_by=selection.requested_by,
            last=still_open == 1,
        )
        for step, selection, school, still_open in rows
    ]


def _lock_selections(unit: Unit, ids: Collection[UUID]) -> Sequence[Selection]:
    return unit.session.scalars(
        select(Selection)
        .where(among(Selection.id, ids))
        .order_by(Selection.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _require_person(unit: Unit, act: str) -> UUID:
    """Return who acts: a signature is a person's, never the system's."""
    if unit.actor.person_id is None:
        raise Refused(act=act, needs="a person", actor=unit.actor.name)
    return unit.actor.person_id


def _claim(
    unit: Unit, selection_id: SelectionId, *, act: str, wanted: SelectionState
) -> WaitingStep:
    """Lock a selection and return its open step, if it is the actor's to decide."""
    _require_person(unit, act)
    visible = visible_organisations(unit, OrganisationKind.SCHOOL).with_only_columns(
        Organisation.id
    )
    known = unit.session.scalar(
        select(Selection.id).where(Selection.id == selection_id, Selection.school_id.in_(visible))
    )
    if known is None:
        raise NotFound(what="selection", key=selection_id)
    selection = _lock_selections(unit, [selection_id])[0]
    steps = _read_steps(unit, _due_steps().where(Selection.id == selection_id))
    if not steps:
        raise Conflict(
            what="selection", key=selection.reference, state=selection.state, wanted=wanted
        )
    step = steps[0]
    if step.organisation_id != unit.actor.organisation_id or step.role not in unit.actor.roles:
        bureau = step.role in ROLES_OF[OrganisationKind.BUREAU]
        needs = f"{step.role} ({'bureau' if bureau else step.school_code})"
        raise Refused(act=act, needs=needs, actor=unit.actor.name)
    return step


def _sign_steps(
    unit: Unit, steps: Sequence[WaitingStep], *, note: str
) -> tuple[dict[SelectionId, AgreementId], list[tuple[WaitingStep, MarketError]]]:
    """Sign steps of locked selections; return the agreements opened and what was left unsigned."""
    last = [step for step in steps if step.last]
    selections = {
        selection.id: selection
        for selection in unit.session.scalars(
            select(Selection).where(among(Selection.id, [step.selection_id for step in last]))
        )
    }
    drafts = draft_agreements(unit, [selections[step.selection_id] for step in last])
    failed: list[tuple[WaitingStep, MarketError]] = []
    ready = []
    for step, draft in zip(last, drafts, strict=True):
        if isinstance(draft, MarketError):
            failed.append((step, draft))
        else:
            ready.append((step, draft))
    unsigned = {step.selection_id for step, _ in failed}
    signed = [step for step in steps if step.selection_id not in unsigned]
    _write_decisions(unit, signed, state=StepState.APPROVED, act="selection.signed", note=note)
    opened = open_agreements(unit, [draft for _, draft in ready])
    agreements = {
        step.selection_id: agreement_id
        for (step, _), agreement_id in zip(ready, opened, strict=True)
    }
    if agreements:
        unit.session.execute(
            update(Selection),
            [
                {"id": selection_id, "state": SelectionState.APPROVED, "agreement_id": agreement_id}
                for selection_id, agreement_id in agreements.items()
            ],
        )
    return agreements, failed


def _end(
    unit: Unit,
    selection_id: SelectionId,
    *,
    note: str,
    act: str,
    step_state: StepState,
    state: SelectionState,
) -> Signature:
    if not note.strip():
        raise NoteRequired
    step = _claim(unit, selection_id, act=act, wanted=state)
    _write_decisions(unit, [step], state=step_state, act=f"selection.{state}", note=note.strip())
    unit.session.execute(
        update(Selection)
        .where(Selection.id == selection_id)
        .values(state=state)
        .execution_options(synchronize_session=False)
    )
    return Signature(selection_id=selection_id, state=state)


def _write_decisions(
    unit: Unit, steps: Sequence[WaitingStep], *, state: StepState, act: str, note: str
) -> None:
    """Write the actor's decision into the steps and the trail."""
    if not steps:
        return
    signed_by, now = _require_person(unit, act), unit.clock.now()
    for position in sorted({step.position for step in steps}):
        ids = [step.selection_id for step in steps if step.position == position]
        unit.session.execute(
            update(ApprovalStep)
            .where(among(ApprovalStep.selection_id, ids), ApprovalStep.position == position)
            .values(state=state, signed_by=signed_by, signed_at=now, note=note)
            .execution_options(synchronize_session=False)
        )
    for step in steps:
        record(
            unit,
            act,
            subject_kind="selection",
            subject_id=step.selection_id,
            school=step.school_code,
            reference=step.reference,
            position=step.position,
            role=step.role,
            note=note,
        )
