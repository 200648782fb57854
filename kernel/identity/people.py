"""The roster: people by their number, learners with their enrolments, staff with their roles (R56).

Decides what a row of a roster changes; the rows are taken in order, as if each were recorded
before the next is read. What is known already, even if it has ended since, changes nothing: an old
file that is sent again brings nobody back. The database is read once and written once, however many
rows there are. Who may sign in with what is the matter of `credentials`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_

from kernel.actors import ROLES_OF, Actor, OrganisationKind, Role
from kernel.clock import shanghai_day, start_of_day
from kernel.errors import (
    AlreadyExists,
    EnrolledElsewhere,
    InvalidInput,
    LoginTaken,
    MissingValue,
    NotFound,
    Refused,
)
from kernel.identity.grants import PersonView, select_actors, view_from
from kernel.identity.logins import canonical_login, require_usable
from kernel.identity.models import Organisation, Person
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    require_word,
    trail_recording,
)
from kernel.identity.roster import Enrolled, Known, RosterState, load_roster, write_roster
from kernel.identity.secret import canonical, person_hash
from kernel.identity.stages import STAGES
from kernel.identity.visibility import visible_organisations
from kernel.ids import new_id
from kernel.outcomes import DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit

OrganisationKey = tuple[str, str]
"""Kind and code."""

ROSTER_RECORDERS = (Role.OPERATOR,)


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterRow:
    """One person in one organisation; without the organisation, only what ends for a known one.

    `left_on` is the first day on which the person no longer belongs there.
    """

    person_no: str
    name: str = ""
    organisation_kind: str = ""
    organisation_code: str = ""
    roles: tuple[str, ...] = ()
    stage: str = ""
    grade: str = ""
    class_name: str = ""
    joined_on: date | None = None
    left_on: date | None = None
    login: str = ""


def record_roster(unit: Unit, rows: Sequence[RosterRow]) -> list[RowOutcome]:
    """Record people, enrolments, roles and departures; return each row's fate, in order.

    Needs an operator of a bureau above the organisations.
    """
    unit.actor.require("record a roster", *ROSTER_RECORDERS)
    lock_recording(unit)
    hashes = [person_hash(unit.settings, row.person_no) for row in rows]
    state = load_roster(unit, hashes, logins=[canonical_login(row.login) for row in rows])
    reach = _Reach.of(unit, rows, state)
    outcomes: list[RowOutcome] = []
    for row, number in zip(rows, hashes, strict=True):
        try:
            outcomes.append(_record_row(unit, row, number, state=state, reach=reach))
        except FieldError as error:
            outcomes.append(error.outcome)
    written = write_roster(unit, state)
    trail_recording(unit, "roster", outcomes, enrolled=written.enrolled, changed=written.changed)
    return outcomes


def persons_by_no(unit: Unit, numbers: Collection[str]) -> dict[str, PersonView]:
    """Return the people of these numbers, by the number as it was given."""
    hash_of = {number: person_hash(unit.settings, number) for number in numbers}
    rows = unit.session.execute(
        select_actors(unit.clock.now()).where(among(Person.person_no_hash, set(hash_of.values())))
    )
    found = {row.person_no_hash: view_from(row) for row in rows}
    return {number: found[hashed] for number, hashed in hash_of.items() if hashed in found}


@dataclass(frozen=True, slots=True)
class _Reach:
    """The organisations that rows name or people are in, as far as the actor answers for them."""

    by_key: dict[OrganisationKey, Organisation]
    by_id: dict[UUID, Organisation]

    @classmethod
    def of(cls, unit: Unit, rows: Iterable[RosterRow], state: RosterState) -> "_Reach":
        codes = {row.organisation_code for row in rows if row.organisation_code}
        homes = {known.organisation_id for known in state.found.values()}
        homes |= {one.school_id for known in state.found.values() for one in known.enrolments}
        found = unit.session.scalars(
            visible_organisations(unit).where(
                or_(among(Organisation.code, codes), among(Organisation.id, homes))
            )
        ).all()
        return cls(
            by_key={(one.kind, one.code): one for one in found},
            by_id={one.id: one for one in found},
        )


def _record_row(
    unit: Unit, row: RosterRow, number: bytes, *, state: RosterState, reach: _Reach
) -> RowOutcome:
    require_text(canonical(row.person_no), field="person_no")
    known = state.now.get(number)
    if known is not None and _is_known_departure(row, known):
        return DUPLICATE
    organisation = _organisation(row, known, reach)
    roles = _roles(row, known, organisation)
    if row.joined_on and row.left_on and row.left_on < row.joined_on:
        raise _left_too_early(row, row.joined_on)
    if known is None:
        name = require_text(row.name, field="name")
        draft = Known(person_id=new_id(), organisation_id=organisation.id, name=name)
    else:
        draft = known.copy()
    if not roles and (known is None or not known.has_been_at(organisation.id)):
        raise FieldError(MissingValue(field="role"), field="role")
    taken = _take_login(row, draft, state)
    if taken is not None:
        return conflicting(taken, field="login")
    if Role.LEARNER in roles and not _enrol(unit, row, draft, organisation, reach=reach):
        key, field = (row.joined_on, "joined_on") if row.joined_on else (row.left_on, "left_on")
        return conflicting(AlreadyExists(what="enrolment", key=key), field=field)
    _hold_posts(unit, row, draft, organisation, posts=roles - {Role.LEARNER})
    if draft.organisation_id == organisation.id:
        draft.name = row.name.strip() or draft.name
    if row.left_on is not None:
        draft.depart(organisation.id, at=start_of_day(row.left_on))
    if draft != known:
        _require_may_change(unit, known, draft, reach=reach)
    return state.keep(number, draft)


def _take_login(row: RosterRow, draft: Known, state: RosterState) -> AlreadyExists | None:
    """Give a person the login of a row; return what stands against another one than they have."""
    login = canonical_login(row.login)
    if login in {"", draft.login}:
        return None
    if draft.login:
        return AlreadyExists(what="login", key=draft.login)
    holder = state.holders.get(login)
    if holder not in {None, draft.person_id}:
        return LoginTaken(what="login", key=login)
    if holder is None:
        try:
            require_usable(login)
        except InvalidInput as error:
            raise FieldError(error, field="login") from error
    draft.login = login
    return None


def _is_known_departure(row: RosterRow, known: Known) -> bool:
    """Return whether a row without a school says when a known enrolment ended."""
    return not row.organisation_code and any(
        one.left_on is not None and one.left_on == row.left_on for one in known.enrolments
    )


def _hold_posts(
    unit: Unit, row: RosterRow, draft: Known, organisation: Organisation, *, posts: frozenset[Role]
) -> None:
    """Grant the roles of a row, and move the person there, unless all of it is known already.

    A file that is sent again brings nobody back: what it says was recorded once, even if it has
    ended since. Without a day, a role that was ever held there is known; a return needs its day.
    """
    now = unit.clock.now()
    since = start_of_day(row.joined_on) if row.joined_on else None
    if all(draft.was_granted(role, organisation.id, since=since) for role in posts):
        return
    is_over = row.left_on is not None and start_of_day(row.left_on) <= now
    if not is_over:
        _move(draft, organisation, at=now)
    for role in sorted(posts):
        draft.grant(role, organisation.id, since=since or now)


def _move(draft: Known, organisation: Organisation, *, at: datetime) -> None:
    """Make an organisation the one where the person is; roles at the former one end."""
    if draft.organisation_id != organisation.id:
        draft.end_grants(draft.organisation_id, at=at)
        draft.organisation_id = organisation.id


def _enrol(
    unit: Unit, row: RosterRow, draft: Known, organisation: Organisation, *, reach: _Reach
) -> bool:
    """Change the enrolment that a row speaks of, or make it, which ends an open one elsewhere.

    Returns False if the learner would be at two places, or twice at one, on the same day.
    """
    spells = draft.spells_at(organisation.id)
    joined_on = row.joined_on or (spells[-1].joined_on if spells else None)
    if joined_on is None:
        raise FieldError(MissingValue(field="joined_on"), field="joined_on")
    if row.left_on is not None and row.left_on < joined_on:
        raise _left_too_early(row, joined_on)
    spell = next((one for one in spells if one.joined_on == joined_on), None)
    if spell is None:
        for other in draft.enrolments:
            is_elsewhere = other.school_id != organisation.id
            if is_elsewhere and other.left_on is None and other.joined_on < joined_on:
                _require_may_end(unit, other, at=joined_on, reach=reach)
                other.left_on = joined_on
            elif other.overlaps(joined_on, row.left_on):
                return False
        spell = Enrolled(school_id=organisation.id, joined_on=joined_on)
        draft.enrolments.append(spell)
        if joined_on == max(one.joined_on for one in draft.enrolments):
            _move(draft, organisation, at=unit.clock.now())
    elif spell.left_on is not None and row.left_on is not None and row.left_on > spell.left_on:
        others = [one for one in draft.enrolments if one is not spell]
        if any(other.overlaps(joined_on, row.left_on) for other in others):
            return False
    if not row.organisation_code and row.left_on is not None and spell.left_on is not None:
        return False  # It ends what is open; to correct an end, a row names the school.
    # What a row leaves empty stays: the first file, sent again, brings nobody back.
    spell.left_on = row.left_on or spell.left_on
    spell.stage = row.stage or spell.stage
    spell.grade = row.grade.strip() or spell.grade
    spell.class_name = row.class_name.strip() or spell.class_name
    return True


def _require_may_end(unit: Unit, spell: Enrolled, *, at: date, reach: _Reach) -> None:
    """Refuse to end an enrolment in the past at a school that the actor does not answer for.

    Its uses until today may be counted already, and are another bureau's to pay for.
    """
    today = shanghai_day(unit.clock.now())
    if at < today and spell.school_id not in reach.by_id:
        raise FieldError(EnrolledElsewhere(act="end an enrolment", today=today), field="joined_on")


def _organisation(row: RosterRow, known: Known | None, reach: _Reach) -> Organisation:
    """Return the organisation that a row names, else where a learner is enrolled or a person is."""
    if row.organisation_code:
        kind = require_word(row.organisation_kind, KINDS, field="organisation_kind")
        found = reach.by_key.get((kind, row.organisation_code))
        if found is None:
            missing = NotFound(what=kind, key=row.organisation_code)
            raise FieldError(missing, field="organisation_code")
        return found
    home = None
    if known is not None:
        spell = known.open_spell()
        home = reach.by_id.get(spell.school_id if spell else known.organisation_id)
    if home is None:
        raise FieldError(NotFound(what="person", key="…"), field="person_no")
    return home


def _roles(row: RosterRow, known: Known | None, organisation: Organisation) -> frozenset[Role]:
    """Return the roles of a row; one without any speaks of an enrolment if there is one."""
    kind = OrganisationKind(organisation.kind)
    for role in row.roles:
        require_word(role, frozenset(ROLES_OF[kind]), field="role")
    roles = frozenset(Role(role) for role in row.roles)
    if not roles and known is not None and known.spells_at(organisation.id):
        roles = frozenset({Role.LEARNER})
    if Role.LEARNER in roles:
        require_word(row.stage, STAGES, field="stage")
    return roles


def _require_may_change(unit: Unit, known: Known | None, draft: Known, *, reach: _Reach) -> None:
    """Refuse what an importer could use to take over roles.

    Nobody changes their own grants; and whoever holds a role or a login elsewhere can't be moved
    from there by one who does not answer for that place.
    """
    actor = unit.actor
    if known is None or actor.is_system:
        return
    grants_change = draft.grants != known.grants
    is_self = actor.person_id == known.person_id
    _require(
        actor, not (grants_change and is_self), act="change one's own roles", needs="another person"
    )
    has_post = bool(known.login) or known.holds_a_role(unit.clock.now())
    _require(
        actor,
        not has_post or known.organisation_id in reach.by_id,
        act="move a member of staff",
        needs="both organisations below one's bureau",
    )


def _require(actor: Actor, may: bool, *, act: str, needs: str) -> None:
    if not may:
        raise FieldError(Refused(act=act, needs=needs, actor=actor.name), field="role")


def _left_too_early(row: RosterRow, joined_on: date) -> FieldError:
    expected = f"a day from {joined_on} on"
    return FieldError(
        InvalidInput(field="left_on", value=row.left_on, expected=expected), field="left_on"
    )


KINDS = frozenset(OrganisationKind)
