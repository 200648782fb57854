"""Roles: who holds which, since when, until when; and the `Actor` made of those held now.

A grant says what a person may do in an organisation. An actor acts in the person's own
organisation, with the roles granted there at this moment; a grant elsewhere gives nothing. What a
role may do is decided by the services. Learners hold no grant: their enrolment is their standing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    and_,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, aggregate_order_by, array

from kernel.actors import ROLES_OF, Actor, OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.identity.logins import canonical_login
from kernel.identity.models import (
    Credential,
    Enrolment,
    Learner,
    Organisation,
    Person,
    PersonPrivate,
    RoleGrant,
)
from kernel.identity.secret import person_hash
from kernel.identity.visibility import require_visible
from kernel.ids import OrganisationId, PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonView:
    """A person as services need them; `name` is empty once it was erased."""

    id: PersonId
    organisation_id: OrganisationId
    name: str
    login: str
    roles: frozenset[Role]


def in_force(now: datetime | SQLColumnExpression[datetime]) -> ColumnElement[bool]:
    """Return the condition that a grant is in force: from its moment on, until before its end."""
    return and_(
        RoleGrant.granted_from <= now,
        or_(RoleGrant.granted_until.is_(None), RoleGrant.granted_until > now),
    )


def select_actors(now: datetime) -> Select[*tuple[Any, ...]]:
    """Select people with organisation, name, login and present roles; `actor_from` reads it."""
    return select_actors_on(now, shanghai_day(now))


def select_actors_on(
    now: datetime | SQLColumnExpression[datetime], today: date | SQLColumnExpression[date]
) -> Select[*tuple[Any, ...]]:
    """Select what `select_actors` does, for a statement whose time is a value of it."""
    roles = (
        select(func.array_agg(aggregate_order_by(RoleGrant.role, RoleGrant.role)))
        .where(
            RoleGrant.person_id == Person.id,
            RoleGrant.organisation_id == Person.organisation_id,
            in_force(now),
        )
        .correlate(Person)
        .scalar_subquery()
    )
    none = func.cast(array([]), ARRAY(TEXT))
    learner = func.cast(array([Role.LEARNER.value]), ARRAY(TEXT))
    standing = case((_enrolled(today), learner), else_=none)
    return (
        select(
            Person.id,
            Person.organisation_id,
            Person.person_no_hash,
            Organisation.kind,
            Organisation.code,
            Organisation.name.label("organisation_name"),
            Organisation.region_code,
            func.coalesce(PersonPrivate.name, "").label("person_name"),
            func.coalesce(Credential.login, "").label("login"),
            func.array_cat(func.coalesce(roles, none), standing).label("roles"),
        )
        .join(Organisation, Organisation.id == Person.organisation_id)
        .outerjoin(PersonPrivate, PersonPrivate.person_id == Person.id)
        .outerjoin(Credential, Credential.person_id == Person.id)
    )


def _enrolled(day: date | SQLColumnExpression[date]) -> ColumnElement[bool]:
    """Return the condition that a person is a learner of their own school on a day."""
    enrolment = (
        select(Enrolment.learner_id)
        .join(Learner, Learner.id == Enrolment.learner_id)
        .where(
            Learner.person_id == Person.id,
            Enrolment.school_id == Person.organisation_id,
            enrolled_on(day),
        )
        .correlate(Person)
    )
    return enrolment.exists()


def enrolled_on(day: date | SQLColumnExpression[date]) -> ColumnElement[bool]:
    """Return the condition that an enrolment covers a day: from its first, until before its end."""
    return and_(
        Enrolment.joined_on <= day, or_(Enrolment.left_on.is_(None), Enrolment.left_on > day)
    )


def actor_from(row: Row[Any], *, via: str) -> Actor:
    """Make the actor of a row of `select_actors`.

    It is named by its login, not by the person's name: what the trail keeps can't be erased.
    """
    return Actor(
        name=row.login or f"person:{row.id}",
        roles=frozenset(Role(role) for role in row.roles),
        person_id=PersonId(row.id),
        organisation_id=OrganisationId(row.organisation_id),
        organisation_kind=OrganisationKind(row.kind),
        organisation_code=row.code,
        organisation_name=row.organisation_name,
        region_code=row.region_code,
        via=via,
    )


def view_from(row: Row[Any]) -> PersonView:
    return PersonView(
        id=PersonId(row.id),
        organisation_id=OrganisationId(row.organisation_id),
        name=row.person_name,
        login=row.login,
        roles=frozenset(Role(role) for role in row.roles),
    )


def actor_of(
    unit: Unit,
    *,
    login: str | None = None,
    person_no: str | None = None,
    person_id: UUID | None = None,
    via: str,
) -> Actor:
    """Return the actor of the one person named by login, number or id.

    Raises `NotFound` for a person nobody knows, `Refused` for one who holds no role now.
    """
    wanted = select_actors(unit.clock.now())
    if login is not None:
        wanted = wanted.where(Credential.login == canonical_login(login))
    if person_no is not None:
        wanted = wanted.where(Person.person_no_hash == person_hash(unit.settings, person_no))
    if person_id is not None:
        wanted = wanted.where(Person.id == person_id)
    given = [key for key in (login, person_no, person_id) if key is not None]
    if len(given) != 1:
        raise ValueError("name the person by exactly one of login, person_no, person_id")
    row = unit.session.execute(wanted).one_or_none()
    if row is None:
        # A person number is not repeated in an error, which may be logged.
        raise NotFound(what="person", key="…" if person_no is not None else given[0])
    actor = actor_from(row, via=via)
    if not actor.roles:
        raise Refused(act="act for an organisation", needs="a role", actor=actor.name)
    return actor


def actors_of(unit: Unit, person_ids: Collection[UUID], *, via: str) -> dict[PersonId, Actor]:
    """Return the actors of several people, without those who are unknown or hold no role now."""
    rows = unit.session.execute(
        select_actors(unit.clock.now()).where(Person.id.in_(person_ids))
    ).all()
    actors = (actor_from(row, via=via) for row in rows if row.roles)
    return {actor.person_id: actor for actor in actors if actor.person_id is not None}


def person_with_role(unit: Unit, organisation_id: UUID, role: Role) -> PersonView | None:
    """Return who has held `role` in the organisation for longest, of those who hold it now."""
    row = unit.session.execute(
        select_actors(unit.clock.now())
        .join(
            RoleGrant,
            and_(
                RoleGrant.person_id == Person.id,
                RoleGrant.organisation_id == Person.organisation_id,
            ),
        )
        .where(
            Person.organisation_id == organisation_id,
            RoleGrant.role == role,
            in_force(unit.clock.now()),
        )
        .order_by(RoleGrant.granted_from, Person.id)
        .limit(1)
    ).first()
    return view_from(row) if row else None


def grant_role(unit: Unit, person_id: UUID, *, role: Role) -> None:
    """Grant a role in the person's own organisation from now on; nothing happens if it is held.

    Needs an operator who sees the organisation, and not for oneself. Raises `InvalidInput` for a
    role that this kind of organisation does not have.
    """
    organisation = _organisation_to_manage(unit, person_id)
    require_role_fits(OrganisationKind(organisation.kind), role)
    now = unit.clock.now()
    held = select(RoleGrant.id).where(
        RoleGrant.person_id == person_id,
        RoleGrant.organisation_id == organisation.id,
        RoleGrant.role == role,
        in_force(now),
    )
    if unit.session.scalars(held).first() is not None:
        return
    unit.session.add(
        RoleGrant(
            id=new_id(),
            person_id=person_id,
            role=role,
            organisation_id=organisation.id,
            granted_from=now,
            granted_until=None,
            granted_by=unit.actor.name,
        )
    )
    record(
        unit,
        "role.granted",
        subject_kind="person",
        subject_id=person_id,
        role=role,
        organisation=organisation.code,
    )
    unit.session.flush()


def end_role(unit: Unit, person_id: UUID, *, role: Role) -> None:
    """End a role in the person's own organisation now; raise `NotFound` if it is not held."""
    organisation = _organisation_to_manage(unit, person_id)
    now = unit.clock.now()
    ended = unit.session.scalars(
        update(RoleGrant)
        .where(
            RoleGrant.person_id == person_id,
            RoleGrant.organisation_id == organisation.id,
            RoleGrant.role == role,
            in_force(now),
        )
        .values(granted_until=now)
        .returning(RoleGrant.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not ended:
        raise NotFound(what="role", key=role)
    record(
        unit,
        "role.ended",
        subject_kind="person",
        subject_id=person_id,
        role=role,
        organisation=organisation.code,
    )


def require_role_fits(kind: OrganisationKind, role: Role) -> None:
    """Raise `InvalidInput` for a role that organisations of this kind do not have."""
    if role not in ROLES_OF[kind]:
        raise InvalidInput(
            field="role", value=role, expected=", ".join(sorted(ROLES_OF[kind])), kind=kind
        )


def _organisation_to_manage(unit: Unit, person_id: UUID) -> Organisation:
    unit.actor.require("grant a role", Role.OPERATOR)
    if unit.actor.person_id == person_id:
        raise Refused(
            act="grant a role to oneself", needs="another operator", actor=unit.actor.name
        )
    organisation_id = unit.session.scalar(
        select(Person.organisation_id).where(Person.id == person_id)
    )
    if organisation_id is None:
        raise NotFound(what="person", key=person_id)
    return require_visible(unit, organisation_id)
