"""Launches: who may open what, under which agreement; what is played is used (R26, R33)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from catalog.models import Version
from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import (
    AgreementOver,
    CeilingReached,
    InvalidInput,
    LaunchOver,
    MarketError,
    NoAddress,
    NoAgreement,
    NoPlayer,
    NotEnrolled,
    NotFound,
    Refused,
)
from kernel.identity.grants import actor_of
from kernel.identity.models import Learner
from kernel.unit import Units
from settlement.metering.launches import Opened, enter, open_launch, own_launch
from settlement.metering.models import Launch, LaunchPresence, UsageBatch
from settlement.metering.player import beat
from settlement.models import Agreement
from settlement.verify.recompute import verify
from tests.support.builders import a_learner, a_resource, a_school, a_vendor
from tests.support.launch_builders import (
    CLASS,
    ELSEWHERE,
    Classroom,
    a_classroom,
    a_free_agreement,
    a_pupil,
    a_resource_elsewhere,
    events,
)
from tests.support.settlement_builders import SYSTEM, at


@pytest.fixture
def clock() -> FixedClock:
    """Monday, 2 March 2026, 09:00 in Shanghai."""
    return FixedClock(at(2, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    return a_classroom(units)


def opened(
    units: Units, classroom: Classroom, actor: Actor, *, sku: str = "SKU-1", class_name: str = ""
) -> Opened:
    with units(actor) as unit:
        return open_launch(
            unit,
            vendor_code=classroom.market.vendor.code,
            sku=sku,
            class_name=class_name,
        )


def refused(units: Units, classroom: Classroom, actor: Actor, **facts: str) -> type[MarketError]:
    """Return why an opening was refused; nothing was written by it."""
    with units(SYSTEM) as unit:
        before = len(unit.session.scalars(select(Launch.id)).all())
    with pytest.raises(MarketError) as caught:
        opened(units, classroom, actor, **facts)
    with units(SYSTEM) as unit:
        assert len(unit.session.scalars(select(Launch.id)).all()) == before
    return type(caught.value)


def change(units: Units, statement: str, **values: object) -> None:
    with units(SYSTEM) as unit:
        unit.session.execute(text(statement), values)


# What an opening is


def test_a_learner_opens_a_resource_and_has_used_it_once(
    units: Units, classroom: Classroom
) -> None:
    """R26: the platform's own player reports the use of what it opened."""
    found = opened(units, classroom, classroom.pupil)
    assert found.address == ""
    assert (found.launch.kind, found.launch.school_id) == ("learner", classroom.school.id)
    assert found.launch.expires_at - found.launch.issued_at == timedelta(hours=4)
    (event,) = events(units)
    assert event.event_id == f"{found.id}:open"
    assert (event.launch_id, event.agreement_id) == (found.id, classroom.market.agreement_id)
    assert (event.learner_id, event.in_class) == (found.launch.learner_id, False)
    assert verify(units, SYSTEM) == []


def test_a_teacher_opens_for_a_class_under_a_number_of_their_own(
    units: Units, classroom: Classroom
) -> None:
    found = opened(units, classroom, classroom.teacher, class_name=CLASS)
    again = opened(units, classroom, classroom.teacher, class_name=CLASS)
    assert (found.launch.kind, found.launch.class_name) == ("class", CLASS)
    assert again.launch.learner_id == found.launch.learner_id
    with units(SYSTEM) as unit:
        person_id = unit.session.get_one(Learner, found.launch.learner_id).person_id
    assert person_id == classroom.teacher.person_id
    assert [event.in_class for event in events(units)] == [True, True]


def test_what_a_class_opens_in_one_lesson_is_one_session(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    first = opened(units, classroom, classroom.teacher, class_name=CLASS)
    clock.advance(timedelta(minutes=44))
    within = opened(units, classroom, classroom.teacher, class_name=CLASS)
    clock.advance(timedelta(minutes=2))
    after = opened(units, classroom, classroom.teacher, class_name=CLASS)
    assert within.launch.session_id == first.launch.session_id
    assert after.launch.session_id != first.launch.session_id


def test_each_opening_of_a_learner_is_a_sitting_of_its_own(
    units: Units, classroom: Classroom
) -> None:
    sessions = {opened(units, classroom, classroom.pupil).launch.session_id for _ in range(2)}
    assert len(sessions) == 2


def test_a_schools_openings_of_a_day_are_one_delivery(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    for _ in range(3):
        opened(units, classroom, classroom.pupil)
    clock.advance(timedelta(days=1))
    opened(units, classroom, classroom.pupil)
    with units(SYSTEM) as unit:
        batches = unit.session.scalars(select(UsageBatch).order_by(UsageBatch.file_name)).all()
    assert [(one.channel, one.rows_taken) for one in batches] == [("player", 3), ("player", 1)]
    assert {one.sent_by for one in batches} == {"system:player"}
    assert verify(units, SYSTEM) == []


def test_what_is_used_elsewhere_is_reported_by_its_vendor_and_not_here(
    units: Units, classroom: Classroom
) -> None:
    with units(SYSTEM) as unit:
        resource_id = a_resource_elsewhere(unit, classroom.market)
        a_free_agreement(unit, classroom.market, resource_id=resource_id, sku="OUT-1")
    found = opened(units, classroom, classroom.pupil, sku="OUT-1")
    assert found.address == ELSEWHERE
    assert events(units) == []


# Under which agreement (R33)


def second_agreement(units: Units, classroom: Classroom, **facts: object) -> str:
    with units(SYSTEM) as unit:
        return a_free_agreement(
            unit,
            classroom.market,
            resource_id=classroom.market.resource_id,
            sku="SKU-1",
            **facts,
        )


@pytest.mark.parametrize(
    ("terms", "starts_on", "goes_first"),
    [
        ({}, date(2026, 2, 1), True),
        ({}, date(2026, 3, 2), False),
        ({"kind": "pack"}, date(2026, 3, 2), True),
        ({"kind": "bulk"}, date(2026, 3, 2), True),
    ],
)
def test_a_launch_falls_under_bulk_then_pack_then_the_earliest_start(
    units: Units,
    classroom: Classroom,
    terms: dict[str, object],
    starts_on: date,
    goes_first: bool,
) -> None:
    """R33: a launch falls under one agreement: bulk, then pack, then single, then the earliest."""
    number = second_agreement(units, classroom, terms=terms, starts_on=starts_on)
    found = opened(units, classroom, classroom.pupil)
    assert (found.subject.agreement_number == number) is goes_first


def test_an_agreement_that_is_over_gives_way_to_the_next(
    units: Units, classroom: Classroom
) -> None:
    number = second_agreement(units, classroom, starts_on=date(2026, 2, 1))
    change(units, "UPDATE agreement SET state = 'terminated' WHERE number = :n", n=number)
    found = opened(units, classroom, classroom.pupil)
    assert found.subject.agreement_number == f"{classroom.school.code}-A-1"


@pytest.mark.parametrize("state", ["ended", "terminated"])
def test_nothing_is_opened_under_an_agreement_that_is_over(
    units: Units, classroom: Classroom, state: str
) -> None:
    change(units, "UPDATE agreement SET state = :state", state=state)
    assert refused(units, classroom, classroom.pupil) is AgreementOver


@pytest.mark.parametrize("day", [date(2026, 2, 28), date(2026, 7, 1)])
def test_nothing_is_opened_outside_the_agreements_days_in_shanghai(
    units: Units, classroom: Classroom, clock: FixedClock, day: date
) -> None:
    clock.at = at(day.day, 12, month=day.month)
    pupil = classroom.pupil
    assert refused(units, classroom, pupil) is NoAgreement
    # Eight hours before midnight in UTC the day has begun in Shanghai, or is not over yet.
    clock.at = at(1, 0, 1) if day.month == 2 else at(30, 23, 59, month=6)
    assert opened(units, classroom, pupil).subject.sku == "SKU-1"


def test_an_exhausted_agreement_goes_on_unless_its_terms_stop_it(
    units: Units, classroom: Classroom
) -> None:
    """R33: where the terms say so, launches stop at the ceiling; else use goes on, unpaid."""
    change(units, "UPDATE agreement SET state = 'exhausted'")
    assert opened(units, classroom, classroom.pupil).subject.sku == "SKU-1"
    with units(SYSTEM) as unit:
        resource_id = a_resource(unit, classroom.market.vendor, "STOP", unit_price="0")
        a_free_agreement(
            unit,
            classroom.market,
            resource_id=resource_id,
            sku="STOP",
            terms={"stop_at_ceiling": True, "unit_price": "0.1000"},
        )
    assert refused(units, classroom, classroom.pupil, sku="STOP") is CeilingReached


def test_a_teaching_point_opens_under_its_schools_agreement(
    units: Units, classroom: Classroom
) -> None:
    """R33: a teaching point uses its school's agreements, where it is among their users."""
    market = classroom.market
    with units(SYSTEM) as unit:
        point = a_school(unit, parent=market.school)
        resource_id = a_resource(unit, market.vendor, "POINT", unit_price="0")
        pupil = a_pupil(unit, point, "L9")
        a_free_agreement(
            unit, market, resource_id=resource_id, sku="POINT", schools=(market.school, point)
        )
    found = opened(units, classroom, pupil, sku="POINT")
    assert (found.launch.payer_id, found.launch.school_id) == (market.school.id, point.id)
    assert events(units)[0].payer_id == market.school.id
    assert refused(units, classroom, pupil) is NoAgreement


# Who may not, and why


def test_another_schools_pupil_has_no_agreement(units: Units, classroom: Classroom) -> None:
    with units(SYSTEM) as unit:
        pupil = a_pupil(unit, a_school(unit), "N1")
    assert refused(units, classroom, pupil) is NoAgreement


def test_a_learner_who_has_left_opens_nothing(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    """R56: accounts come from the roster, and so does their end."""
    with units(SYSTEM) as unit:
        pupil = a_pupil(unit, classroom.school, "L8", left_on=date(2026, 3, 3))
    assert opened(units, classroom, pupil).launch.kind == "learner"
    clock.advance(timedelta(days=1))
    assert refused(units, classroom, pupil) is NotEnrolled
    with units(SYSTEM) as unit, pytest.raises(Refused):
        actor_of(unit, person_no="L8", via="test")


def test_only_learners_and_teachers_open_and_a_teacher_names_a_class_of_the_school(
    units: Units, classroom: Classroom
) -> None:
    teacher = classroom.teacher
    assert refused(units, classroom, classroom.market.finance) is Refused
    assert refused(units, classroom, SYSTEM) is Refused
    assert refused(units, classroom, teacher) is InvalidInput
    assert refused(units, classroom, teacher, class_name="三年级9班") is NotFound
    assert refused(units, classroom, classroom.pupil, class_name=CLASS) is Refused
    assert refused(units, classroom, teacher, class_name=CLASS, sku="none") is NotFound


def test_a_later_version_does_not_replace_the_one_agreed(
    units: Units, classroom: Classroom
) -> None:
    found = opened(units, classroom, classroom.pupil)
    with units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, classroom.market.agreement_id)
        version = unit.session.get_one(Version, found.launch.version_id)
    assert (found.launch.version_id, found.subject.version) == (
        agreement.version_id,
        version.number,
    )


def test_without_an_admitted_player_the_school_is_told_whom_to_ask(
    units: Units, classroom: Classroom
) -> None:
    change(units, "UPDATE usage_source SET organisation_id = admitted_for WHERE trust = 'player'")
    assert refused(units, classroom, classroom.pupil) is NoPlayer


def test_another_vendors_sku_of_the_same_name_is_another_resource(
    units: Units, classroom: Classroom
) -> None:
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
        a_resource(unit, other, "SKU-1", unit_price="0")
    with units(classroom.pupil) as unit, pytest.raises(NoAgreement):
        open_launch(unit, vendor_code=other.code, sku="SKU-1")


# What comes after the opening


def test_a_launch_belongs_to_the_one_who_made_it(units: Units, classroom: Classroom) -> None:
    found = opened(units, classroom, classroom.pupil)
    with units(classroom.pupil) as unit:
        assert own_launch(unit, found.id).id == found.id
    with units(SYSTEM) as unit:
        a_learner(unit, classroom.school, "L7")
        other = actor_of(unit, person_no="L7", via="test")
    for actor in (other, classroom.teacher):
        with units(actor) as unit, pytest.raises(NotFound):
            own_launch(unit, found.id)


def test_a_heartbeat_shows_how_long_and_is_never_a_use(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    found = opened(units, classroom, classroom.pupil)
    for _ in range(3):
        clock.advance(timedelta(minutes=10))
        with units(classroom.pupil) as unit:
            beat(unit, own_launch(unit, found.id))
    clock.advance(timedelta(hours=4))
    with units(classroom.pupil) as unit:
        beat(unit, own_launch(unit, found.id))
        seen = unit.session.get_one(LaunchPresence, found.id)
        assert seen.last_seen_at == at(2, 9, 30)
    assert len(events(units)) == 1


def test_what_is_over_or_played_here_leads_nowhere(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    found = opened(units, classroom, classroom.pupil)
    with units(classroom.pupil) as unit, pytest.raises(NoAddress):
        enter(unit, found.id)
    clock.advance(timedelta(hours=4))
    with units(classroom.pupil) as unit, pytest.raises(LaunchOver):
        enter(unit, found.id)


def test_a_launch_is_never_changed(units: Units, classroom: Classroom) -> None:
    opened(units, classroom, classroom.pupil)
    for statement in ("UPDATE launch SET class_name = 'x'", "DELETE FROM launch"):
        with pytest.raises(Exception, match="launch"):
            change(units, statement)


def test_learners_and_teachers_have_their_roles_from_the_roster(
    units: Units, classroom: Classroom
) -> None:
    """R56: without registration: who is enrolled is a learner, who is not is none."""
    assert classroom.pupil.roles == {Role.LEARNER}
    assert classroom.teacher.roles == {Role.TEACHER}
