"""How many signatures the actor may give now, as an expression: every page's navigation shows it.

Decides nothing of its own: it counts what `due_steps.waiting_steps` lists, but asks along with
another statement, so that a page asks no more of the database for it. The expression is built
once, as building it took a third of a page's time; who asks, and when, are its values.
"""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    SQLColumnExpression,
    and_,
    bindparam,
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


@cache
def count_waiting() -> ScalarSelect[int]:
    """Return the number of selections that wait for one's signature; takes `waiting_values`."""
    person = bindparam("waiting_person", type_=ApprovalStep.signed_by.type)
    organisation = bindparam("waiting_organisation", type_=ApprovalStep.organisation_id.type)
    roles = bindparam("waiting_roles", type_=ApprovalStep.role.type, expanding=True)
    now = bindparam("waiting_now", type_=Delegation.granted_at.type)
    today = bindparam("waiting_today", type_=Delegation.starts_on.type)
    before = aliased(ApprovalStep)
    lent = exists().where(
        *lent_to(person, organisation, now, today),
        Delegation.role == ApprovalStep.role,
        or_(~Delegation.only_overdue, ApprovalStep.due_on < today),
        ~_bound(Delegation.from_person_id),
    )
    return (
        select(func.count())
        .select_from(ApprovalStep)
        .join(Selection, Selection.id == ApprovalStep.selection_id)
        .where(
            ApprovalStep.organisation_id == organisation,
            ApprovalStep.state == StepState.WAITING,
            Selection.state == SelectionState.REQUESTED,
            ~exists().where(
                before.selection_id == ApprovalStep.selection_id,
                before.state == StepState.WAITING,
                before.position < ApprovalStep.position,
            ),
            ~_bound(person),
            or_(ApprovalStep.role.in_(roles), lent),
        )
        .scalar_subquery()
    )


def waiting_values(unit: Unit) -> dict[str, Any]:
    """Return what `count_waiting` takes: who the actor is, and what time it is."""
    now = unit.clock.now()
    return {
        "waiting_person": unit.actor.person_id,
        "waiting_organisation": unit.actor.organisation_id,
        "waiting_roles": sorted(unit.actor.roles),
        "waiting_now": now,
        "waiting_today": shanghai_day(now),
    }


def _bound(person_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
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
