"""How many signatures the actor may give now, as an expression: every page's navigation shows it.

Decides nothing of its own: it counts what `due_steps.waiting_steps` lists, but asks along with
another statement, so that a page asks no more of the database for it.
"""

from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    SQLColumnExpression,
    and_,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from kernel.clock import shanghai_day
from kernel.unit import Unit
from procurement.delegations import lent_to
from procurement.models import ApprovalStep, Delegation, Selection
from procurement.states import SelectionState, StepState


def count_waiting(unit: Unit, person_id: UUID) -> ScalarSelect[int]:
    """Return the number of selections that wait for the signature of the actor, this person."""
    actor, before = unit.actor, aliased(ApprovalStep)
    lent = exists().where(
        *lent_to(unit, person_id),
        Delegation.role == ApprovalStep.role,
        or_(
            ~Delegation.only_overdue,
            ApprovalStep.due_on < shanghai_day(unit.clock.now()),
        ),
        ~_bound(Delegation.from_person_id),
    )
    return (
        select(func.count())
        .select_from(ApprovalStep)
        .join(Selection, Selection.id == ApprovalStep.selection_id)
        .where(
            ApprovalStep.organisation_id == actor.organisation_id,
            ApprovalStep.state == StepState.WAITING,
            Selection.state == SelectionState.REQUESTED,
            ~exists().where(
                before.selection_id == ApprovalStep.selection_id,
                before.state == StepState.WAITING,
                before.position < ApprovalStep.position,
            ),
            ~_bound(person_id),
            or_(ApprovalStep.role.in_(actor.roles), lent),
        )
        .scalar_subquery()
    )


def _bound(person_id: UUID | SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Tell of whom a step is none to sign: who made the selection, or has signed it already."""
    given = aliased(ApprovalStep)
    signed = (
        exists()
        .where(
            given.selection_id == ApprovalStep.selection_id,
            given.state == StepState.APPROVED,
            or_(given.signed_by == person_id, given.signed_for == person_id),
        )
        .correlate(ApprovalStep, Delegation)  # by itself only with what encloses it next
    )
    return or_(
        Selection.requested_by == person_id,
        Selection.recorded_by.is_not_distinct_from(person_id),
        and_(~ApprovalStep.may_repeat, signed),
    )
