"""Decisions: what people decide about selections, written into their steps and the trail.

Decides nothing itself; `approvals` has checked who may. With a signature the days of the next one
begin.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update

from kernel.clock import shanghai_day
from kernel.errors import Refused
from kernel.identity.recording import among
from kernel.ids import SelectionId
from kernel.trail import record
from kernel.unit import Unit
from procurement.due_steps import WaitingStep, due_steps
from procurement.models import ApprovalStep, Selection
from procurement.selection_steps import due_day
from procurement.states import StepState


def require_person(unit: Unit, act: str) -> UUID:
    """Return who acts: a signature is a person's, never the system's or a key's."""
    if unit.actor.person_id is None:
        raise Refused(act=act, needs="a person", actor=unit.actor.name)
    return unit.actor.person_id


def begin_next(unit: Unit, signed: Sequence[WaitingStep]) -> None:
    """Have the days of the signatures that are due next begin today."""
    if not signed:
        return
    today = shanghai_day(unit.clock.now())
    ids = [step.selection_id for step in signed]
    due = unit.session.execute(
        due_steps()
        .where(among(Selection.id, ids))
        .with_only_columns(
            ApprovalStep.selection_id, ApprovalStep.position, ApprovalStep.due_workdays
        )
        .order_by(None)
    ).all()
    for position, workdays in sorted({(row.position, row.due_workdays) for row in due}):
        unit.session.execute(
            update(ApprovalStep)
            .where(
                among(
                    ApprovalStep.selection_id,
                    [
                        row.selection_id
                        for row in due
                        if (row.position, row.due_workdays) == (position, workdays)
                    ],
                ),
                ApprovalStep.position == position,
            )
            .values(due_on=due_day(today, workdays))
            .execution_options(synchronize_session=False)
        )


def write_decisions(
    unit: Unit, steps: Sequence[WaitingStep], *, state: StepState, act: str, note: str
) -> None:
    """Write the actor's decision into the steps and the trail."""
    if not steps:
        return
    signed_by, now = require_person(unit, act), unit.clock.now()
    groups: dict[tuple[int, UUID | None], list[SelectionId]] = {}
    for step in steps:
        groups.setdefault((step.position, step.signs_for), []).append(step.selection_id)
    for (position, signed_for), ids in groups.items():
        unit.session.execute(
            update(ApprovalStep)
            .where(among(ApprovalStep.selection_id, ids), ApprovalStep.position == position)
            .values(
                state=state, signed_by=signed_by, signed_for=signed_for, signed_at=now, note=note
            )
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
            signed_for=str(step.signs_for) if step.signs_for else "",
            note=note,
        )
