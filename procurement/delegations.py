"""Delegation and absence: who may sign in another's place, and from when on (R22).

The holder of a signing role lets a colleague sign in it for some days: at once, or as a substitute
only what has passed its last day. A head may name substitutes for every role of the school. Whoever
signs so signs for the holder, and is bound by what binds them both: not one's own request, not the
same selection twice.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, exists, or_, select, update

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.identity.grants import PersonView, in_force, select_actors, view_from
from kernel.identity.models import Person, RoleGrant
from kernel.ids import PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.approval_rules import SIGNING_ROLES
from procurement.models import Delegation

LONGEST_DAYS: Final = 366


@dataclass(frozen=True, kw_only=True, slots=True)
class DelegationView:
    """A delegation with the names of both; `is_running`: it may be used today."""

    id: UUID
    role: Role
    holder_id: PersonId
    holder_name: str
    delegate_id: PersonId
    delegate_name: str
    starts_on: date
    ends_on: date
    only_overdue: bool
    granted_at: datetime
    revoked_at: datetime | None
    is_running: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """A role that the actor may sign in today for its holder."""

    role: Role
    holder_id: UUID
    only_overdue: bool


def delegate(
    unit: Unit,
    *,
    role: Role,
    holder_id: UUID,
    delegate_id: UUID,
    starts_on: date,
    ends_on: date,
    only_overdue: bool = False,
) -> UUID:
    """Let a colleague sign in a role for its holder on these days, both included; return its id.

    One's own role, or as head any role of the school for a substitute. What was delegated can't be
    passed on: the holder holds it by grant. Raises `Refused`, `NotFound`, `InvalidInput`.
    """
    actor = unit.actor
    if role not in SIGNING_ROLES:
        expected = ", ".join(sorted(SIGNING_ROLES))
        raise InvalidInput(field="role", value=role, expected=expected)
    own = holder_id == actor.person_id and role in actor.roles
    if not (own or (only_overdue and Role.PRINCIPAL in actor.roles)):
        raise Refused(act="delegate a role", needs=role, actor=actor.name)
    people = {person.id: person for person in colleagues(unit)}
    holder, substitute = people.get(PersonId(holder_id)), people.get(PersonId(delegate_id))
    if holder is None or role not in holder.roles:
        raise NotFound(what="person", key=holder_id)
    if substitute is None:
        raise NotFound(what="person", key=delegate_id)
    if holder_id == delegate_id:
        raise InvalidInput(field="delegate", value=substitute.name, expected="a colleague")
    today = shanghai_day(unit.clock.now())
    if not max(starts_on, today) <= ends_on or (ends_on - starts_on).days >= LONGEST_DAYS:
        raise InvalidInput(
            field="ends_on",
            value=ends_on,
            expected="{first} or later, at most {days} days in all",
            limits={"first": max(starts_on, today), "days": LONGEST_DAYS},
        )
    found = Delegation(
        id=new_id(),
        organisation_id=actor.organisation_id,
        role=role,
        from_person_id=holder_id,
        to_person_id=delegate_id,
        starts_on=starts_on,
        ends_on=ends_on,
        only_overdue=only_overdue,
        granted_by=actor.name,
        granted_at=unit.clock.now(),
        revoked_at=None,
    )
    unit.session.add(found)
    unit.session.flush()
    record(
        unit,
        "delegation.granted",
        subject_kind="delegation",
        subject_id=found.id,
        role=role,
        holder=str(holder_id),
        delegate=str(delegate_id),
        starts_on=starts_on.isoformat(),
        ends_on=ends_on.isoformat(),
        only_overdue=only_overdue,
    )
    return found.id


def revoke_delegation(unit: Unit, delegation_id: UUID) -> None:
    """Take a delegation back now: by its holder, or a head. Raises `NotFound`."""
    wanted = update(Delegation).where(
        Delegation.id == delegation_id,
        Delegation.organisation_id == unit.actor.organisation_id,
        Delegation.revoked_at.is_(None),
    )
    if Role.PRINCIPAL not in unit.actor.roles:
        wanted = wanted.where(Delegation.from_person_id == unit.actor.person_id)
    revoked = unit.session.scalars(
        wanted.values(revoked_at=unit.clock.now())
        .returning(Delegation.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not revoked:
        raise NotFound(what="delegation", key=delegation_id)
    record(unit, "delegation.revoked", subject_kind="delegation", subject_id=delegation_id)


def powers_of(unit: Unit) -> list[Power]:
    """Return the roles that the actor may sign in today in another's place."""
    if unit.actor.person_id is None:
        return []
    now = unit.clock.now()
    rows = unit.session.execute(
        select(Delegation.role, Delegation.from_person_id, Delegation.only_overdue)
        .where(*lent_to(unit.actor.person_id, unit.actor.organisation_id, now, shanghai_day(now)))
        .order_by(Delegation.only_overdue, Delegation.granted_at, Delegation.id)
    )
    return [
        Power(role=Role(role), holder_id=holder_id, only_overdue=only_overdue)
        for role, holder_id, only_overdue in rows
    ]


def lent_to(
    person_id: UUID | SQLColumnExpression[UUID],
    organisation_id: UUID | SQLColumnExpression[UUID] | None,
    now: datetime | SQLColumnExpression[datetime],
    today: date | SQLColumnExpression[date],
) -> tuple[ColumnElement[bool], ...]:
    """Return what holds of delegations by which this person may sign there at `now`, of `today`."""
    return (
        Delegation.to_person_id == person_id,
        Delegation.organisation_id == organisation_id,
        Delegation.starts_on <= today,
        Delegation.ends_on >= today,
        Delegation.revoked_at.is_(None),
        exists().where(
            RoleGrant.person_id == Delegation.from_person_id,
            RoleGrant.organisation_id == Delegation.organisation_id,
            RoleGrant.role == Delegation.role,
            in_force(now),
        ),
    )


def delegations(unit: Unit) -> list[DelegationView]:
    """Return what concerns the actor's organisation and is not over yet, the latest first.

    A head sees all of the school's, others what they gave or were given.
    """
    actor = unit.actor
    today = shanghai_day(unit.clock.now())
    wanted = (
        select(Delegation)
        .where(Delegation.organisation_id == actor.organisation_id, Delegation.ends_on >= today)
        .order_by(Delegation.granted_at.desc(), Delegation.id)
        .execution_options(populate_existing=True)
    )
    if Role.PRINCIPAL not in actor.roles:
        wanted = wanted.where(
            or_(
                Delegation.from_person_id == actor.person_id,
                Delegation.to_person_id == actor.person_id,
            )
        )
    rows = unit.session.scalars(wanted).all()
    ids = {row.from_person_id for row in rows} | {row.to_person_id for row in rows}
    names = names_of(unit, ids)
    return [
        DelegationView(
            id=row.id,
            role=Role(row.role),
            holder_id=PersonId(row.from_person_id),
            holder_name=names.get(row.from_person_id, ""),
            delegate_id=PersonId(row.to_person_id),
            delegate_name=names.get(row.to_person_id, ""),
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            only_overdue=row.only_overdue,
            granted_at=row.granted_at,
            revoked_at=row.revoked_at,
            is_running=row.revoked_at is None and row.starts_on <= today,
        )
        for row in rows
    ]


def colleagues(unit: Unit) -> list[PersonView]:
    """Return the people who hold a role in the actor's organisation now, by name."""
    rows = unit.session.execute(
        select_actors(unit.clock.now()).where(
            Person.organisation_id == unit.actor.organisation_id,
            exists().where(
                RoleGrant.person_id == Person.id,
                RoleGrant.organisation_id == Person.organisation_id,
                in_force(unit.clock.now()),
            ),
        )
    )
    return sorted((view_from(row) for row in rows), key=lambda one: (one.name, one.login))


def names_of(unit: Unit, person_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of people, or their logins where a name was erased."""
    if not person_ids:
        return {}
    rows = unit.session.execute(
        select_actors(unit.clock.now()).where(Person.id.in_(person_ids))
    ).all()
    return {row.id: row.person_name or row.login for row in rows}
