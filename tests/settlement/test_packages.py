"""Offline classrooms: boxes, their signed packages, and that nothing is counted twice (R31)."""

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import (
    DeviceNotReady,
    InvalidPackage,
    MarketError,
    NotFound,
    PackageSignatureWrong,
    Refused,
)
from kernel.identity.models import Learner, Person
from kernel.identity.secret import person_hash
from kernel.unit import Units
from settlement.metering.devices import revoke_device
from settlement.metering.launches import open_launch
from settlement.metering.models import Launch, UsageBatch
from settlement.metering.package_file import PackedUse
from settlement.metering.rematch import release_waiting
from settlement.verify.recompute import verify
from tests.support.builders import a_learner, a_person, a_school
from tests.support.launch_builders import CLASS, Classroom, a_classroom, a_pupil, events
from tests.support.package_builders import (
    Box,
    a_box,
    a_packed_launch,
    a_packed_use,
    packed,
    take,
)
from tests.support.settlement_builders import SYSTEM, at


@pytest.fixture
def clock() -> FixedClock:
    """The box's days are over: Friday, 6 March 2026, 09:00 in Shanghai."""
    return FixedClock(at(1, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    clock.at = at(6, 9)
    return found


@pytest.fixture
def box(units: Units, classroom: Classroom) -> Box:
    return a_box(units, classroom)


def refused(units: Units, content: bytes, *, actor: Actor = SYSTEM) -> type[MarketError]:
    """Return why a package was refused; nothing of it was taken in."""
    with pytest.raises(MarketError) as caught:
        take(units, content, actor=actor)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Launch.id)).all() == []
        assert unit.session.scalars(select(UsageBatch.id)).all() == []
    return type(caught.value)


def tally(units: Units, content: bytes) -> dict[str, object]:
    return take(units, content).as_json()


def launches_of(counted: dict[str, object]) -> tuple[object, object, object]:
    launches = counted["launches"]
    assert isinstance(launches, dict)
    return launches["accepted"], launches["duplicates"], launches["refused"]


# What comes in


def test_a_package_brings_launches_and_uses_and_again_only_duplicates(
    units: Units, classroom: Classroom, box: Box
) -> None:
    """R31: offline classrooms upload later, signed and deduplicated."""
    pupil = a_packed_launch(classroom.market)
    lesson = a_packed_launch(
        classroom.market, learner="T-7", kind="class", class_name=CLASS, session="lesson-1"
    )
    with units(SYSTEM) as unit:
        a_person(unit, classroom.school, [Role.TEACHER], person_no="T-7")
    content = packed(box, [pupil, lesson], [a_packed_use(pupil), a_packed_use(lesson, "u2")])
    first = tally(units, content)
    assert (first["received"], first["accepted"], launches_of(first)) == (2, 2, (2, 0, {}))
    again = tally(units, content)
    assert (again["received"], again["duplicates"], launches_of(again)) == (2, 2, (0, 2, {}))
    one, two = events(units)
    assert (one.agreement_id, one.launch_id) == (classroom.market.agreement_id, pupil.id)
    assert (two.in_class, two.session_id) == (True, "lesson-1")
    assert one.occurred_at == at(2, 8, 10)
    assert verify(units, SYSTEM) == []


def test_the_delivery_keeps_the_boxes_signature(
    units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    take(units, content, actor=box.keeper)
    with units(SYSTEM) as unit:
        batch = unit.session.scalars(select(UsageBatch)).one()
    signed = content[: content.rindex(b'{"signature"')]
    assert batch.signature is not None
    box.key.public_key().verify(batch.signature, signed)
    assert (batch.channel, batch.sent_by, batch.file_name) == (
        "package",
        box.keeper.name,
        "box.xyc",
    )


def test_a_use_that_comes_before_its_launch_waits_for_it(
    units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    early = tally(units, packed(box, [], [a_packed_use(launch)]))
    assert early["quarantined"] == {"no-launch": 1}
    take(units, packed(box, [launch], []))
    with units(SYSTEM) as unit:
        assert release_waiting(unit) == 1
    assert len(events(units)) == 1
    assert verify(units, SYSTEM) == []


def test_the_day_of_the_launch_decides_not_the_day_of_the_delivery(
    units: Units, classroom: Classroom, box: Box
) -> None:
    with units(SYSTEM) as unit:
        a_learner(unit, classroom.school, "L5", left_on=date(2026, 3, 4))
    make = partial(a_packed_launch, classroom.market, learner="L5")
    before, after = make(issued_at=at(3, 8)), make(issued_at=at(4, 8))
    counted = tally(
        units,
        packed(
            box,
            [before, after],
            [
                a_packed_use(before, "u1", time=at(3, 8, 5)),
                a_packed_use(after, "u2", time=at(4, 8, 5)),
            ],
        ),
    )
    assert launches_of(counted) == (1, 0, {"other-school": 1})
    assert (counted["accepted"], counted["quarantined"]) == (1, {"other-school": 1})


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"learner": "nobody"}, "unknown-learner"),
        ({"learner": "N1"}, "other-school"),
        ({"learner": "L1", "kind": "class", "class_name": CLASS}, "other-school"),
        ({"sku": "none"}, "unknown-resource"),
        ({"issued_at": at(28, month=2)}, "no-agreement"),
        ({"issued_at": at(7)}, "time-in-future"),
        ({"kind": "crowd"}, "malformed-launch"),
        ({"class_name": "x" * 201}, "malformed-launch"),
    ],
)
def test_a_launch_that_can_not_be_made_takes_its_uses_into_quarantine(
    units: Units, classroom: Classroom, box: Box, facts: dict[str, object], reason: str
) -> None:
    """R31, R32: every row of a package is accounted for, with its reason."""
    with units(SYSTEM) as unit:
        a_pupil(unit, a_school(unit), "N1")
    launch = a_packed_launch(classroom.market, **facts)
    counted = tally(units, packed(box, [launch], [a_packed_use(launch), a_packed_use(launch)]))
    assert launches_of(counted) == (0, 0, {reason: 1})
    assert (counted["received"], counted["quarantined"]) == (2, {reason: 2})
    assert events(units) == []
    assert verify(units, SYSTEM) == []


def test_times_that_can_not_be_are_quarantined(
    units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    uses = [
        a_packed_use(launch, "future", time=at(7)),
        a_packed_use(launch, "late", time=at(2, 12, 1)),
        PackedUse(id="unread", launch=launch.id, time="soon"),
    ]
    counted = tally(units, packed(box, [launch], uses))
    assert counted["quarantined"] == {
        "outside-launch": 1,
        "time-in-future": 1,
        "unreadable-time": 1,
    }


def test_a_launch_of_the_same_id_and_other_content_is_refused(
    units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    take(units, packed(box, [launch], [a_packed_use(launch)]))
    other = a_packed_launch(classroom.market, launch_id=launch.id, learner="L2")
    counted = tally(units, packed(box, [other], [a_packed_use(other, "u2")]))
    assert launches_of(counted) == (0, 0, {"launch-conflict": 1})
    assert counted["quarantined"] == {"launch-conflict": 1}


def test_a_box_reports_no_launch_of_another_school(
    units: Units, classroom: Classroom, box: Box
) -> None:
    with units(SYSTEM) as unit:
        other = a_school(unit)
    launch = a_packed_launch(classroom.market)
    foreign = a_box(units, replace(classroom, market=replace(classroom.market, school=other)))
    take(units, packed(box, [launch], []))
    counted = tally(units, packed(foreign, [], [a_packed_use(launch)]))
    assert counted["quarantined"] == {"other-school": 1}


def test_after_a_learner_is_erased_the_package_is_still_all_duplicates(
    units: Units, classroom: Classroom, box: Box
) -> None:
    """R58: erasure drops the mapping; the books, and what they know already, stay."""
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    take(units, content)
    with units(SYSTEM) as unit:
        number = person_hash(units.settings, "L1")
        learner = unit.session.scalars(
            select(Learner)
            .join(Person, Person.id == Learner.person_id)
            .where(Person.person_no_hash == number)
        ).one()
        person = unit.session.get_one(Person, learner.person_id)
        learner.person_id = None
        person.person_no_hash = b"erased"
    counted = tally(units, content)
    assert (counted["duplicates"], launches_of(counted)) == (1, (0, 1, {}))


def test_openings_here_and_uses_of_a_box_are_different_uses(
    units: Units, classroom: Classroom, box: Box, clock: FixedClock
) -> None:
    with units(classroom.pupil) as unit:
        open_launch(unit, vendor_code=classroom.market.vendor.code, sku="SKU-1")
    launch = a_packed_launch(classroom.market, learner="L3", issued_at=clock.now())
    use = a_packed_use(launch, "u9", time=clock.now() + timedelta(minutes=1))
    assert tally(units, packed(box, [launch], [use]))["accepted"] == 1
    assert len(events(units)) == 2


# What is refused as a whole


def test_a_changed_or_cut_package_is_refused_whole(
    units: Units, classroom: Classroom, box: Box
) -> None:
    launch = a_packed_launch(classroom.market)
    content = packed(box, [launch], [a_packed_use(launch)])
    lines = content.splitlines(keepends=True)
    assert refused(units, content.replace(b'"u1"', b'"u2"')) is PackageSignatureWrong
    assert refused(units, content[:-20]) is InvalidPackage
    assert refused(units, b"".join(lines[:-1])) is InvalidPackage
    assert refused(units, lines[0] + lines[2] + lines[3]) is InvalidPackage
    assert refused(units, b"") is InvalidPackage
    assert refused(units, b"\xff\n" + lines[-1]) is InvalidPackage
    assert refused(units, content + b"\n") is InvalidPackage


def test_what_the_header_says_must_be_so(units: Units, classroom: Classroom, box: Box) -> None:
    launch = a_packed_launch(classroom.market)
    lines = packed(box, [launch], [a_packed_use(launch)]).splitlines(keepends=True)
    header = json.loads(lines[0])
    for change in ({"uses": 2}, {"launches": -1, "uses": 3}, {"format": "x"}, {"more": 1}):
        changed = json.dumps({**header, **change}).encode() + b"\n"
        assert refused(units, changed + b"".join(lines[1:])) is InvalidPackage
    swapped = json.dumps({**header, "launches": 2, "uses": 0}).encode() + b"\n"
    assert refused(units, swapped + b"".join(lines[1:])) is InvalidPackage


def test_another_boxes_signature_does_not_do(units: Units, classroom: Classroom, box: Box) -> None:
    launch = a_packed_launch(classroom.market)
    forged = replace(box, key=Ed25519PrivateKey.generate())
    assert refused(units, packed(forged, [launch], [a_packed_use(launch)])) is PackageSignatureWrong


def test_only_a_confirmed_box_delivers_and_a_revoked_one_no_more(
    units: Units, classroom: Classroom, box: Box
) -> None:
    waiting = a_box(units, classroom, confirmed=False)
    assert refused(units, packed(waiting, [], [])) is DeviceNotReady
    assert refused(units, packed(replace(box, code="box-none"), [], [])) is NotFound
    with units(box.keeper) as unit:
        revoke_device(unit, box.code)
    assert refused(units, packed(box, [], [])) is DeviceNotReady


def test_who_may_hand_a_package_in(units: Units, classroom: Classroom, box: Box) -> None:
    content = packed(box, [], [])
    with units(SYSTEM) as unit:
        stranger = a_person(unit, a_school(unit), [Role.PRINCIPAL])
    assert refused(units, content, actor=classroom.teacher) is Refused
    assert refused(units, content, actor=stranger) is NotFound
    for actor in (box.keeper, box.reviewer):
        assert take(units, content, actor=actor).uses == []


def test_a_box_speaks_only_for_what_it_opened_itself(
    units: Units, classroom: Classroom, box: Box, clock: FixedClock
) -> None:
    """R31, R26: neither for the platform's launches of its school nor for another box's."""
    other = a_box(units, classroom)
    theirs = a_packed_launch(classroom.market)
    take(units, packed(other, [theirs], []))
    with units(classroom.pupil) as unit:
        online = open_launch(unit, vendor_code=classroom.market.vendor.code, sku="SKU-1").id
    before = len(events(units))
    uses = [
        a_packed_use(theirs, "of-another-box"),
        PackedUse(id="of-the-platform", launch=online, time=clock.at.isoformat()),
    ]
    counted = tally(units, packed(box, [], uses))
    assert counted["quarantined"] == {"other-device": 2}
    assert len(events(units)) == before


def test_a_use_that_waited_is_not_matched_with_another_boxs_launch(
    units: Units, classroom: Classroom, box: Box
) -> None:
    """R31: also if the launch becomes known only later."""
    other = a_box(units, classroom)
    theirs, own = a_packed_launch(classroom.market), a_packed_launch(classroom.market)
    uses = [a_packed_use(theirs, "theirs"), a_packed_use(own, "own", time=at(2, 8, 20))]
    counted = tally(units, packed(box, [], uses))
    assert counted["quarantined"] == {"no-launch": 2}
    take(units, packed(other, [theirs], []))
    take(units, packed(box, [own], []))
    with units(SYSTEM) as unit:
        assert release_waiting(unit) == 1
    assert [one.event_id for one in events(units)] == ["own"]
    assert verify(units, SYSTEM) == []
