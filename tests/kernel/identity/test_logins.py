"""Logins: what may be one, and that it stays its first holder's (R56, R59)."""

from uuid import UUID

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from kernel.actors import OrganisationKind, Role, system_actor
from kernel.errors import AlreadyExists, InvalidInput, LoginTaken
from kernel.i18n import translate_error
from kernel.identity.credentials import set_password
from kernel.identity.grants import actor_of
from kernel.identity.models import Credential, LoginHolder, Organisation
from kernel.identity.names import names_of_actors
from kernel.identity.people import RosterRow, record_roster
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Units
from tests.support.builders import PASSWORD, a_person, a_region_tree, a_school

SYSTEM = system_actor("test")
UNUSABLE = [
    "a:b",
    "system:cli",
    "System",
    "person:0198c0de-0000-7000-8000-000000000000",
    "no:1",
    "key:abcd",
    "two words",
    "a\tb",
    "a\0b",
    "a\u200bb",
    "李华",
    "\u0430nn",  # a Cyrillic letter that looks like ours
    "ａｎｎ",
    ".ann",
    "a,b",
    'a"b',
    "a" * 65,
]


@pytest.fixture
def school(units: Units) -> Organisation:
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return a_school(unit)


def import_login(units: Units, school: Organisation, number: str, login: str) -> RowOutcome:
    row = RosterRow(
        person_no=number,
        name="卓玛",
        organisation_kind=OrganisationKind.SCHOOL,
        organisation_code=school.code,
        roles=(Role.TEACHER,),
        login=login,
    )
    with units(SYSTEM) as unit:
        (outcome,) = record_roster(unit, [row])
    return outcome


def person(units: Units, login: str) -> UUID:
    with units(SYSTEM) as unit:
        found = actor_of(unit, login=login, via="test").person_id
    assert found is not None
    return found


def rename(units: Units, person_id: UUID, login: str) -> None:
    with units(SYSTEM) as unit:
        set_password(unit, person_id, login=login, password=PASSWORD)


@pytest.mark.parametrize("login", UNUSABLE)
def test_a_login_that_a_header_or_a_name_could_not_carry_is_refused(
    units: Units, school: Organisation, login: str
) -> None:
    """Also one that reads like another's, the system's or a key's; the error says what may be."""
    outcome = import_login(units, school, "P-1", login)
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, "login")
    assert isinstance(outcome.error, InvalidInput)
    assert "拉丁字母" in translate_error(outcome.error, "zh_CN")
    with units(SYSTEM) as unit:
        person_id = a_person(unit, school, [Role.TEACHER]).person_id
    assert person_id is not None
    with pytest.raises(InvalidInput):
        rename(units, person_id, login)


@pytest.mark.parametrize("login", ["ann", " Ann ", "li.hua@school.edu.cn", "139123", "t_1-2+x"])
def test_what_people_are_called_elsewhere_may_be_a_login(
    units: Units, school: Organisation, login: str
) -> None:
    assert import_login(units, school, "P-1", login).fate is Fate.ACCEPTED
    assert person(units, login.strip().lower())


def test_a_former_login_is_given_to_nobody_else(units: Units, school: Organisation) -> None:
    """R59: what the trail says of “ann” is not to become another person's act."""
    import_login(units, school, "P-1", "ann")
    first = person(units, "ann")
    rename(units, first, "anna")
    taken = import_login(units, school, "P-2", "ann")
    assert (taken.fate, taken.field) == (Fate.CONFLICT, "login")
    assert isinstance(taken.error, LoginTaken)
    import_login(units, school, "P-3", "bob")
    with pytest.raises(LoginTaken):
        rename(units, person(units, "bob"), "ann")
    rename(units, first, "ann")  # one's own again
    assert person(units, "ann") == first


def test_the_login_of_who_has_left_is_given_to_nobody_else(
    units: Units, school: Organisation
) -> None:
    import_login(units, school, "P-1", "ann")
    first = person(units, "ann")
    with units(SYSTEM) as unit:
        unit.session.delete(unit.session.get_one(Credential, first))
    assert isinstance(import_login(units, school, "P-2", "ann").error, LoginTaken)
    assert import_login(units, school, "P-1", "ann").fate is Fate.ACCEPTED
    assert person(units, "ann") == first


def test_the_roster_gives_nobody_a_second_login(units: Units, school: Organisation) -> None:
    import_login(units, school, "P-1", "ann")
    assert isinstance(import_login(units, school, "P-1", "anna").error, AlreadyExists)
    assert import_login(units, school, "P-2", "anna").fate is Fate.ACCEPTED


def test_a_login_of_before_these_rules_goes_on(units: Units, school: Organisation) -> None:
    """Whoever has it keeps it, with a new password, too."""
    import_login(units, school, "P-1", "")
    import_login(units, school, "P-2", "ann")
    with units(SYSTEM) as unit:
        old = actor_of(unit, person_no="P-1", via="test").person_id
        held = {"login": "李 华", "person_id": old, "held_since": unit.clock.now()}
        unit.session.execute(insert(LoginHolder), [held])
    assert old is not None
    rename(units, old, "李 华")
    assert import_login(units, school, "P-1", "李 华").fate is Fate.DUPLICATE
    assert isinstance(import_login(units, school, "P-2", "李 华").error, AlreadyExists)


def test_the_database_itself_keeps_logins_with_their_people(
    units: Units, school: Organisation
) -> None:
    import_login(units, school, "P-1", "ann")
    import_login(units, school, "P-2", "bob")
    bob = person(units, "bob")
    rename(units, person(units, "ann"), "anna")
    with pytest.raises(IntegrityError), units(SYSTEM) as unit:
        unit.session.execute(
            update(Credential).where(Credential.login == "bob").values(login="ann")
        )
    with pytest.raises(DatabaseError), units(SYSTEM) as unit:
        unit.session.execute(update(LoginHolder).values(person_id=bob))
    with units(SYSTEM) as unit:
        assert unit.session.scalars(
            select(LoginHolder.login).order_by(LoginHolder.login)
        ).all() == [
            "ann",
            "anna",
            "bob",
        ]


def test_an_act_under_a_former_login_shows_who_it_was(units: Units, school: Organisation) -> None:
    import_login(units, school, "P-1", "ann")
    rename(units, person(units, "ann"), "anna")
    with units(SYSTEM) as unit:
        shown = names_of_actors(unit, {"ann", "anna"}, locale="zh_CN")
    assert shown == {"ann": "卓玛 ann", "anna": "卓玛 anna"}


@pytest.mark.parametrize("name", ["person:", "person:1", "person:ann", f"person:{'0' * 32}"])
def test_a_name_that_only_begins_like_a_person_s_number_is_shown_as_it_is(
    units: Units, school: Organisation, name: str
) -> None:
    with units(SYSTEM) as unit:
        assert names_of_actors(unit, {name}, locale="zh_CN") == {name: name}
