"""The roster: people by number, learners and their time at schools, staff and their roles (R56)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from kernel.actors import Role, system_actor
from kernel.errors import EnrolledElsewhere, NotFound, Refused
from kernel.identity.grants import actor_of, actors_of, grant_role, person_with_role
from kernel.identity.models import (
    Credential,
    Enrolment,
    Learner,
    Organisation,
    Person,
    PersonPrivate,
)
from kernel.identity.people import RosterRow, persons_by_no, record_roster
from kernel.identity.regions import RegionRow, record_regions
from kernel.identity.secret import person_hash
from kernel.outcomes import Fate
from kernel.trail import TrailRow
from tests.support.builders import (
    CITY,
    a_bureau,
    a_person,
    a_region_tree,
    a_school,
    a_vendor,
    took,
)
from tests.support.worlds import a_world

SYSTEM = system_actor("test")
SCHOOL, OTHER = "2199000001", "2199000002"
AUTUMN = date(2025, 9, 1)
NUMBER = "990121 2015 0101 001x"


def learner(person_no: str = NUMBER, code: str = SCHOOL, **more) -> RosterRow:
    values = {
        "name": "次仁",
        "organisation_kind": "school",
        "organisation_code": code,
        "roles": (Role.LEARNER,),
        "stage": "primary",
        "grade": "三年级",
        "joined_on": AUTUMN,
    }
    return RosterRow(person_no=person_no, **(values | more))


def staff(person_no: str, *roles: str, code: str = SCHOOL, kind: str = "school", **more):
    return RosterRow(
        person_no=person_no,
        name=more.pop("name", "卓玛"),
        organisation_kind=kind,
        organisation_code=code,
        roles=roles,
        **more,
    )


def fates(outcomes) -> list[Fate]:
    return [one.fate for one in outcomes]


def recorded(units, *rows: RosterRow, actor=SYSTEM) -> list[Fate]:
    with units(actor) as unit:
        return fates(record_roster(unit, rows))


def spells(units) -> list[tuple[str, date, date | None]]:
    """Every enrolment: school code, from, until."""
    with units(SYSTEM) as unit:
        rows = unit.session.execute(
            select(Organisation.code, Enrolment.joined_on, Enrolment.left_on)
            .join(Organisation, Organisation.id == Enrolment.school_id)
            .order_by(Enrolment.joined_on)
        )
        return [tuple(row) for row in rows]


@pytest.fixture
@a_world
def county(units):
    """The county's bureau, with two schools."""
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        a_school(unit, code=SCHOOL)
        a_school(unit, code=OTHER)
        return bureau


def test_a_learner_gets_a_random_number_and_no_number_is_kept_in_the_clear(units, county):
    assert recorded(units, learner()) == [Fate.ACCEPTED]
    with units(SYSTEM) as unit:
        person = unit.session.scalars(select(Person)).one()
        one = unit.session.scalars(select(Learner)).one()
        assert person.person_no_hash == person_hash(unit.settings, "99012120150101001X")
        assert unit.session.get_one(PersonPrivate, person.id).name == "次仁"
        typed = NUMBER.upper()
        assert persons_by_no(unit, [NUMBER, typed, "nobody"]).keys() == {NUMBER, typed}
    assert one.id.version == 4 and one.person_id == person.id
    assert spells(units) == [(SCHOOL, AUTUMN, None)]


def test_a_second_file_brings_departures_and_the_first_brings_nobody_back(units, county):
    gone = date(2026, 4, 10)
    departure = RosterRow(person_no=NUMBER, left_on=gone)
    assert recorded(units, learner()) == [Fate.ACCEPTED]
    assert recorded(units, departure) == [Fate.ACCEPTED]
    assert recorded(units, departure, learner()) == [Fate.DUPLICATE] * 2
    assert spells(units) == [(SCHOOL, AUTUMN, gone)]


def test_another_school_is_a_new_enrolment_and_ends_the_former(units, county):
    moved = date(2026, 3, 1)
    recorded(units, learner())
    assert recorded(units, learner(code=OTHER, joined_on=moved)) == [Fate.ACCEPTED]
    assert spells(units) == [(SCHOOL, AUTUMN, moved), (OTHER, moved, None)]
    with units(SYSTEM) as unit:
        assert unit.session.scalar(select(func.count()).select_from(Learner)) == 1


def test_coming_back_is_a_further_enrolment(units, county):
    recorded(units, learner(left_on=date(2025, 11, 1)))
    assert recorded(units, learner(joined_on=date(2026, 3, 1))) == [Fate.ACCEPTED]
    assert spells(units) == [
        (SCHOOL, AUTUMN, date(2025, 11, 1)),
        (SCHOOL, date(2026, 3, 1), None),
    ]


def test_nobody_is_enrolled_twice_on_one_day(units, county):
    recorded(units, learner())
    assert (
        recorded(
            units,
            learner(joined_on=date(2025, 10, 1)),
            learner(code=OTHER, joined_on=date(2025, 3, 1)),
        )
        == [Fate.CONFLICT] * 2
    )
    assert spells(units) == [(SCHOOL, AUTUMN, None)]


def test_a_new_grade_changes_the_enrolment(units, county):
    recorded(units, learner())
    assert recorded(units, learner(grade="四年级", class_name="2班")) == [Fate.ACCEPTED]
    with units(SYSTEM) as unit:
        one = unit.session.scalars(select(Enrolment)).one()
    assert (one.grade, one.class_name, one.stage) == ("四年级", "2班", "primary")


def test_rows_of_one_file_are_taken_in_order(units, county):
    assert recorded(
        units,
        learner(),
        learner(),
        learner(code=OTHER, joined_on=date(2026, 3, 1)),
        RosterRow(person_no=NUMBER, left_on=date(2026, 5, 1)),
    ) == [Fate.ACCEPTED, Fate.DUPLICATE, Fate.ACCEPTED, Fate.ACCEPTED]
    assert spells(units) == [
        (SCHOOL, AUTUMN, date(2026, 3, 1)),
        (OTHER, date(2026, 3, 1), date(2026, 5, 1)),
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (learner("  "), "person_no"),
        (learner(name=""), "name"),
        (learner(code="2199000009"), "organisation_code"),
        (learner(organisation_kind="club"), "organisation_kind"),
        (learner(stage="nursery"), "stage"),
        (learner(joined_on=None), "joined_on"),
        (learner(left_on=date(2025, 8, 31)), "left_on"),
        (learner(roles=()), "role"),
        (learner(roles=("auditor",)), "role"),
        (RosterRow(person_no="nobody", left_on=AUTUMN), "person_no"),
    ],
)
def test_a_row_that_is_not_right_is_rejected_with_its_field(units, county, row, field):
    with units(SYSTEM) as unit:
        (outcome,) = record_roster(unit, [row])
        assert unit.session.scalar(select(func.count()).select_from(Person)) == 0
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)
    assert row.person_no.strip() == "" or row.person_no not in str(outcome.error)


def test_staff_hold_roles_from_their_day_until_they_leave(units, county, clock):
    head = staff("P-1", Role.PRINCIPAL, Role.TEACHER, joined_on=AUTUMN, login="Head")
    assert recorded(units, head, head) == [Fate.ACCEPTED, Fate.DUPLICATE]
    with units(SYSTEM) as unit:
        actor = actor_of(unit, login="head", via="cli")
        assert actor.roles == {Role.PRINCIPAL, Role.TEACHER} and actor.via == "cli"
        assert actors_of(unit, [actor.person_id], via="x").keys() == {actor.person_id}
        assert person_with_role(unit, actor.organisation_id, Role.PRINCIPAL).login == "head"
        assert person_with_role(unit, actor.organisation_id, Role.ACADEMIC) is None
    assert recorded(units, RosterRow(person_no="P-1", left_on=date(2026, 8, 1))) == [Fate.ACCEPTED]
    assert recorded(units, head) == [Fate.DUPLICATE]
    with units(SYSTEM) as unit, pytest.raises(Refused):
        actor_of(unit, person_no="P-1", via="cli")
    with units(SYSTEM) as unit, pytest.raises(NotFound):
        actor_of(unit, login="nobody", via="cli")
    with units(SYSTEM) as unit:
        acts = unit.session.scalars(select(TrailRow.act).order_by(TrailRow.id)).all()
    granted, ended = ["role.granted"] * 2, ["role.ended"] * 2
    assert acts == [*granted, "roster.recorded", *ended, "roster.recorded"]


def test_a_move_of_staff_ends_the_roles_of_the_former_place(units, county):
    recorded(units, staff("P-1", Role.PRINCIPAL))
    assert recorded(units, staff("P-1", Role.TEACHER, code=OTHER)) == [Fate.ACCEPTED]
    with units(SYSTEM) as unit:
        actor = actor_of(unit, person_no="P-1", via="test")
    assert (actor.organisation_code, actor.roles) == (OTHER, {Role.TEACHER})


def test_an_old_file_sent_again_moves_nobody_back(units, county, clock):
    """Whether its rows bear a day or not, and whatever its departures say."""
    dated = staff("P-1", Role.TEACHER, joined_on=AUTUMN)
    undated = staff("P-2", Role.TEACHER)
    departure = RosterRow(person_no="P-1", left_on=date(2026, 8, 1))
    pupil = learner()
    old = (dated, undated, pupil, departure)
    assert recorded(units, *old) == [Fate.ACCEPTED] * 4
    clock.advance(timedelta(days=1))
    moves = (
        staff("P-1", Role.PRINCIPAL, code=OTHER, joined_on=date(2026, 8, 2), name="德吉"),
        staff("P-2", Role.ACADEMIC, code=OTHER),
        learner(code=OTHER, joined_on=date(2026, 8, 2)),
    )
    assert recorded(units, *moves) == [Fate.ACCEPTED] * 3
    clock.advance(timedelta(days=1))
    assert recorded(units, *old) == [Fate.DUPLICATE] * 4
    with units(SYSTEM) as unit:
        people = persons_by_no(unit, ["P-1", "P-2", NUMBER])
        homes = {
            unit.session.get_one(Organisation, one.organisation_id).code for one in people.values()
        }
        assert homes == {OTHER}
        assert (people["P-1"].roles, people["P-1"].name) == ({Role.PRINCIPAL}, "德吉")
        assert people["P-2"].roles == {Role.ACADEMIC}
    assert spells(units) == [(SCHOOL, AUTUMN, date(2026, 8, 2)), (OTHER, date(2026, 8, 2), None)]


def test_a_departure_without_a_school_ends_what_is_open_and_nothing_else(units, county):
    first, back = date(2025, 11, 1), date(2026, 3, 1)
    departure = RosterRow(person_no=NUMBER, left_on=first)
    recorded(units, learner(), departure, learner(code=OTHER, joined_on=back))
    assert recorded(units, departure) == [Fate.DUPLICATE]
    assert recorded(units, replace(departure, left_on=date(2026, 5, 1))) == [Fate.ACCEPTED]
    assert recorded(units, replace(departure, left_on=date(2026, 4, 1))) == [Fate.CONFLICT]
    assert spells(units) == [(SCHOOL, AUTUMN, first), (OTHER, back, date(2026, 5, 1))]


def test_a_lengthened_enrolment_is_at_no_two_places(units, county):
    first = learner(left_on=date(2026, 2, 1))
    recorded(units, first, learner(code=OTHER, joined_on=date(2026, 3, 1)))
    assert recorded(units, replace(first, left_on=date(2026, 4, 1))) == [Fate.CONFLICT]
    assert recorded(units, replace(first, left_on=date(2026, 3, 1))) == [Fate.ACCEPTED]


def test_another_bureau_ends_an_enrolment_from_today_on_at_the_earliest(units, county, clock):
    """What a learner used until then is the former bureau's to pay for."""
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        neighbour = a_bureau(unit, region_code="990122")
        a_school(unit, code="2199000003", region_code="990122")
        operator = a_person(unit, neighbour, [Role.OPERATOR])
    recorded(units, learner())
    today = date(2026, 8, 3)
    pull = learner(code="2199000003", joined_on=today - timedelta(days=1))
    with units(operator) as unit:
        (outcome,) = record_roster(unit, [pull])
    assert isinstance(outcome.error, EnrolledElsewhere) and outcome.field == "joined_on"
    assert spells(units) == [(SCHOOL, AUTUMN, None)]
    assert recorded(units, replace(pull, joined_on=today), actor=operator) == [Fate.ACCEPTED]
    assert spells(units) == [(SCHOOL, AUTUMN, today), ("2199000003", today, None)]


def test_a_roster_stands_in_the_trail_once_with_its_counts(units, county):
    recorded(units, learner("N1"), learner("N2"), learner("N2"), learner("N3", name=""))
    recorded(units, learner("N1"))
    with units(SYSTEM) as unit:
        (row,) = unit.session.scalars(select(TrailRow).where(TrailRow.act == "roster.recorded"))
    assert row.facts == {
        "accepted": 2,
        "duplicate": 1,
        "rejected": 1,
        "enrolled": 2,
        "changed": 0,
    }


def test_a_login_belongs_to_one_person_and_stays(units, county):
    assert recorded(
        units,
        staff("P-1", Role.TEACHER, login="ann"),
        staff("P-2", Role.TEACHER, login="ANN "),
        staff("P-1", Role.TEACHER, login="anna"),
    ) == [Fate.ACCEPTED, Fate.CONFLICT, Fate.CONFLICT]
    assert recorded(units, staff("P-3", Role.TEACHER, login="ann")) == [Fate.CONFLICT]
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Credential.login)).all() == ["ann"]


def test_an_importer_does_not_make_roles_for_itself_or_the_bureau(units, county):
    with units(SYSTEM) as unit:
        finance = a_person(unit, county, [Role.BUREAU_FINANCE], person_no="F")
        operator = a_person(unit, county, [Role.OPERATOR], person_no="O")
    grab = staff("X", Role.ADMISSION, code=county.code, kind="bureau")
    own = staff("O", Role.ADMISSION, code=county.code, kind="bureau")
    with pytest.raises(Refused):
        recorded(units, grab, actor=finance)
    assert recorded(units, grab, actor=operator) == [Fate.ACCEPTED]
    assert recorded(units, own, actor=operator) == [Fate.REJECTED]
    with units(operator) as unit, pytest.raises(Refused):
        grant_role(unit, operator.person_id, role=Role.ADMISSION)


def test_staff_is_not_moved_away_by_a_bureau_that_is_not_above_them(units, county):
    with units(SYSTEM) as unit:
        city = a_bureau(unit, region_code=CITY)
        a_person(unit, city, [Role.AUDITOR], person_no="A")
        operator = a_person(unit, county, [Role.OPERATOR])
    assert recorded(units, staff("A", Role.TEACHER), actor=operator) == [Fate.REJECTED]
    with units(SYSTEM) as unit:
        assert actor_of(unit, person_no="A", via="test").organisation_code == CITY


def test_a_vendor_has_its_manager(units, county):
    with units(SYSTEM) as unit:
        firm = a_vendor(unit)
    manager = staff("V", Role.VENDOR_MANAGER, code=firm.code, kind="vendor")
    assert recorded(units, manager) == [Fate.ACCEPTED]


def test_ten_thousand_learners_take_few_statements(units, county, statements):
    rows = [learner(f"N{index:05d}") for index in range(10_000)]
    with units(SYSTEM) as unit, statements() as sent:
        took(record_roster(unit, rows))
    assert len(sent) < 20
    again = [RosterRow(person_no=row.person_no, left_on=date(2026, 7, 1)) for row in rows]
    with units(SYSTEM) as unit, statements() as sent:
        assert set(fates(record_roster(unit, again))) == {Fate.ACCEPTED}
    assert len(sent) < 20
