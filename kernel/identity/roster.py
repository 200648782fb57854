"""What is known of people, read at once; and what a roster changed of it, written at once.

Between the two, plain values are changed row by row: `people` decides how.
"""

import copy
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_update

from kernel.actors import Role
from kernel.identity.credentials import NO_PASSWORD
from kernel.identity.logins import hold_logins, holders_of
from kernel.identity.models import (
    Credential,
    Enrolment,
    Learner,
    Person,
    PersonPrivate,
    RoleGrant,
)
from kernel.identity.recording import among
from kernel.ids import new_id, new_learner_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome
from kernel.trail import record
from kernel.unit import Unit


@dataclass(slots=True)
class Enrolled:
    """A learner's time at one school: from `joined_on` on, until before `left_on`."""

    school_id: UUID
    joined_on: date
    left_on: date | None = None
    stage: str = ""
    grade: str = ""
    class_name: str = ""

    def overlaps(self, joined_on: date, left_on: date | None) -> bool:
        ends_after = self.left_on is None or self.left_on > joined_on
        return ends_after and (left_on is None or self.joined_on < left_on)


@dataclass(slots=True)
class Granted:
    """A role held in an organisation for a time."""

    id: UUID
    role: Role
    organisation_id: UUID
    granted_from: datetime
    granted_until: datetime | None = None


@dataclass(slots=True)
class Known:
    """One person with everything that a roster says of people."""

    person_id: UUID
    organisation_id: UUID
    name: str = ""
    login: str = ""
    learner_id: UUID | None = None
    enrolments: list[Enrolled] = field(default_factory=list)
    grants: list[Granted] = field(default_factory=list)

    def copy(self) -> "Known":
        draft = copy.copy(self)
        draft.enrolments = [copy.copy(one) for one in self.enrolments]
        draft.grants = [copy.copy(one) for one in self.grants]
        return draft

    def spells_at(self, school_id: UUID) -> list[Enrolled]:
        """Return the enrolments at one school, the earliest first."""
        spells = [one for one in self.enrolments if one.school_id == school_id]
        return sorted(spells, key=lambda one: one.joined_on)

    def has_been_at(self, organisation_id: UUID) -> bool:
        places = [self.organisation_id]
        places += [one.organisation_id for one in self.grants]
        places += [one.school_id for one in self.enrolments]
        return organisation_id in places

    def open_spell(self) -> Enrolled | None:
        """Return the enrolment that has no end yet; there is one at most."""
        return next((one for one in self.enrolments if one.left_on is None), None)

    def was_granted(self, role: Role, organisation_id: UUID, *, since: datetime | None) -> bool:
        """Return whether the role is held there at a moment, or began then and has ended since.

        Without a moment, whether it was ever held there.
        """
        return any(
            since is None
            or one.granted_from == since
            or one.granted_until is None
            or one.granted_until > since
            for one in self.grants
            if one.role is role and one.organisation_id == organisation_id
        )

    def grant(self, role: Role, organisation_id: UUID, *, since: datetime) -> None:
        """Grant a role unless it is known for that moment; what has ended stays ended."""
        if self.was_granted(role, organisation_id, since=since):
            return
        granted = Granted(
            id=new_id(), role=role, organisation_id=organisation_id, granted_from=since
        )
        self.grants.append(granted)

    def end_grants(self, organisation_id: UUID, *, at: datetime) -> None:
        """End what is held in an organisation at a moment, or at its start if that is later."""
        self._end([one for one in self.grants if one.organisation_id == organisation_id], at)

    def depart(self, organisation_id: UUID, *, at: datetime) -> None:
        """End what is held in an organisation at a moment; what began there later goes on.

        Where nothing at all had begun by then, the departure became known before the day of
        arrival: what is there ends at its start.
        """
        begun = [one for one in self.grants if one.granted_from < at]
        here = [one for one in begun or self.grants if one.organisation_id == organisation_id]
        self._end(here, at)

    def _end(self, grants: Iterable[Granted], at: datetime) -> None:
        for one in grants:
            if one.granted_until is None or one.granted_until > at:
                one.granted_until = max(at, one.granted_from)

    def holds_a_role(self, at: datetime) -> bool:
        return any(one.granted_until is None or one.granted_until > at for one in self.grants)


@dataclass(slots=True)
class RosterState:
    """The people that a roster speaks of, by the hash of their number: as found, and as changed."""

    found: dict[bytes, Known]
    holders: dict[str, UUID]
    now: dict[bytes, Known] = field(init=False)

    def __post_init__(self) -> None:
        self.now = dict(self.found)

    def keep(self, number: bytes, draft: Known) -> RowOutcome:
        """Take a changed person over; return whether anything was changed."""
        if draft == self.now.get(number):
            return DUPLICATE
        self.now[number] = draft
        if draft.login:
            self.holders[draft.login] = draft.person_id
        return ACCEPTED

    def changes(self) -> Iterator[tuple[bytes, Known | None, Known]]:
        """Yield each number whose person is new or changed, with the person before and after."""
        for number, after in self.now.items():
            before = self.found.get(number)
            if before != after:
                yield number, before, after


def load_roster(unit: Unit, numbers: Collection[bytes], *, logins: Collection[str]) -> RosterState:
    """Read the people of these hashed numbers, and whose these logins are or were."""
    session = unit.session
    rows = session.execute(
        select(
            Person.person_no_hash,
            Person.id,
            Person.organisation_id,
            func.coalesce(PersonPrivate.name, ""),
            func.coalesce(Credential.login, ""),
            Learner.id,
        )
        .outerjoin(PersonPrivate, PersonPrivate.person_id == Person.id)
        .outerjoin(Credential, Credential.person_id == Person.id)
        .outerjoin(Learner, Learner.person_id == Person.id)
        .where(among(Person.person_no_hash, set(numbers)))
    ).all()
    found = {
        number: Known(person_id, home, name, login, learner_id)
        for number, person_id, home, name, login, learner_id in rows
    }
    by_person = {known.person_id: known for known in found.values()}
    by_learner = {known.learner_id: known for known in found.values() if known.learner_id}
    enrolments = session.scalars(
        select(Enrolment)
        .where(among(Enrolment.learner_id, by_learner))
        .order_by(Enrolment.joined_on)
        .execution_options(populate_existing=True)
    )
    for row in enrolments:
        by_learner[row.learner_id].enrolments.append(
            Enrolled(
                school_id=row.school_id,
                joined_on=row.joined_on,
                left_on=row.left_on,
                stage=row.stage,
                grade=row.grade,
                class_name=row.class_name,
            )
        )
    grants = session.scalars(
        select(RoleGrant)
        .where(among(RoleGrant.person_id, by_person))
        .order_by(RoleGrant.id)
        .execution_options(populate_existing=True)
    )
    for grant in grants:
        by_person[grant.person_id].grants.append(
            Granted(
                id=grant.id,
                role=Role(grant.role),
                organisation_id=grant.organisation_id,
                granted_from=grant.granted_from,
                granted_until=grant.granted_until,
            )
        )
    return RosterState(found=found, holders=holders_of(unit, logins))


class Written(NamedTuple):
    """How many enrolments were made and changed."""

    enrolled: int
    changed: int


def write_roster(unit: Unit, state: RosterState) -> Written:
    """Write what was changed, a statement per table and kind of change; trail every grant."""
    rows = _Rows()
    for number, before, after in state.changes():
        _collect(unit, rows, number, before, after)
    session = unit.session
    if rows.persons:
        session.execute(insert(Person), rows.persons)
    hold_logins(unit, [(row["login"], row["person_id"]) for row in rows.credentials])
    for table, values in (
        (Credential, rows.credentials),
        (Learner, rows.learners),
        (Enrolment, rows.enrolments),
        (RoleGrant, rows.grants),
    ):
        if values:
            session.execute(insert(table), values)
    if rows.names:
        upsert = insert_or_update(PersonPrivate)
        session.execute(
            upsert.on_conflict_do_update(
                index_elements=[PersonPrivate.person_id], set_={"name": upsert.excluded.name}
            ),
            rows.names,
        )
    for changed, values in (
        (Person, rows.moved_persons),
        (Enrolment, rows.changed_enrolments),
        (RoleGrant, rows.ended_grants),
    ):
        if values:
            session.execute(update(changed), values)
    session.flush()
    return Written(enrolled=len(rows.enrolments), changed=len(rows.changed_enrolments))


@dataclass(slots=True)
class _Rows:
    """Rows to write, by table and kind of change."""

    persons: list[dict[str, Any]] = field(default_factory=list)
    moved_persons: list[dict[str, Any]] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)
    credentials: list[dict[str, Any]] = field(default_factory=list)
    learners: list[dict[str, Any]] = field(default_factory=list)
    enrolments: list[dict[str, Any]] = field(default_factory=list)
    changed_enrolments: list[dict[str, Any]] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    ended_grants: list[dict[str, Any]] = field(default_factory=list)


def _collect(unit: Unit, rows: _Rows, number: bytes, before: Known | None, after: Known) -> None:
    person_id = after.person_id
    home = {"id": person_id, "organisation_id": after.organisation_id}
    if before is None:
        rows.persons.append(home | {"person_no_hash": number})
    elif before.organisation_id != after.organisation_id:
        rows.moved_persons.append(home)
    if before is None or before.name != after.name:
        rows.names.append({"person_id": person_id, "name": after.name, "contact": ""})
    if after.login and (before is None or not before.login):
        rows.credentials.append(
            {
                "person_id": person_id,
                "login": after.login,
                "password_hash": NO_PASSWORD,
            }
        )
    _collect_enrolments(rows, before, after)
    _collect_grants(unit, rows, before, after)


def _collect_enrolments(rows: _Rows, before: Known | None, after: Known) -> None:
    if not after.enrolments:
        return
    learner_id = after.learner_id
    if learner_id is None:
        learner_id = new_learner_id()
        rows.learners.append({"id": learner_id, "person_id": after.person_id})
    known = {(one.school_id, one.joined_on): one for one in before.enrolments} if before else {}
    for one in after.enrolments:
        values = {
            "learner_id": learner_id,
            "school_id": one.school_id,
            "joined_on": one.joined_on,
            "left_on": one.left_on,
            "stage": one.stage,
            "grade": one.grade,
            "class_name": one.class_name,
        }
        earlier = known.get((one.school_id, one.joined_on))
        if earlier is None:
            rows.enrolments.append(values)
        elif earlier != one:
            rows.changed_enrolments.append(values)


def _collect_grants(unit: Unit, rows: _Rows, before: Known | None, after: Known) -> None:
    known = {one.id: one for one in before.grants} if before else {}
    for one in after.grants:
        earlier = known.get(one.id)
        if earlier is None:
            rows.grants.append(
                {
                    "id": one.id,
                    "person_id": after.person_id,
                    "role": one.role,
                    "organisation_id": one.organisation_id,
                    "granted_from": one.granted_from,
                    "granted_until": one.granted_until,
                    "granted_by": unit.actor.name,
                }
            )
        elif earlier != one:
            rows.ended_grants.append({"id": one.id, "granted_until": one.granted_until})
        if earlier != one:
            record(
                unit,
                "role.ended" if one.granted_until else "role.granted",
                subject_kind="person",
                subject_id=after.person_id,
                role=one.role,
                organisation=one.organisation_id,
                since=one.granted_from,
                until=one.granted_until,
            )
