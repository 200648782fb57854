"""Which version a school opens: what ends runs out, what is taken down stops at once (R4, R14)."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from catalog.submissions import withdraw
from catalog.takedowns import Ground, restore, take_down
from kernel.clock import FixedClock
from kernel.errors import MarketError, NoAgreement, VersionNotOpen
from kernel.identity.grants import actor_of
from kernel.ids import VersionId
from kernel.unit import Units
from settlement.metering.launches import Opened, open_launch, require_open
from settlement.queries.launches import openable_at
from tests.support.launch_builders import Classroom, a_classroom, events
from tests.support.settlement_builders import SYSTEM, at


@pytest.fixture
def clock() -> FixedClock:
    """Monday, 2 March 2026, 09:00 in Shanghai."""
    return FixedClock(at(2, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    return a_classroom(units)


def opened(units: Units, classroom: Classroom) -> Opened:
    """Have the pupil open what the school agreed on."""
    with units(classroom.pupil) as unit:
        return open_launch(unit, vendor_code=classroom.market.vendor.code, sku="SKU-1")


def refused(units: Units, classroom: Classroom) -> type[MarketError]:
    with pytest.raises(MarketError) as error:
        opened(units, classroom)
    return type(error.value)


def test_a_version_that_was_taken_down_is_not_opened(units: Units, classroom: Classroom) -> None:
    """R14: a takedown holds at once, for every agreement."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE version SET state = 'suspended'"))
    assert refused(units, classroom) is VersionNotOpen


def test_a_version_that_was_withdrawn_is_opened_until_the_agreement_ends(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    """R4: schools finish the term; what began is opened, listed and used as before."""
    found = opened(units, classroom)
    with units(SYSTEM) as unit:
        withdraw(unit, VersionId(found.launch.version_id), note="不再提供")
    with units(classroom.pupil) as unit:
        assert [row.sku for row in openable_at(unit, classroom.school.id)] == ["SKU-1"]
    again = opened(units, classroom)
    assert again.launch.version_id == found.launch.version_id
    assert len(events(units)) == 2
    clock.advance(timedelta(days=150))
    assert refused(units, classroom) is NoAgreement


def test_what_was_withdrawn_and_is_then_taken_down_stops_at_once(
    units: Units, classroom: Classroom
) -> None:
    """R14: no withdrawal keeps a takedown off, before or after it; it is lifted by another."""
    found = opened(units, classroom)
    version_id = VersionId(found.launch.version_id)
    with units(SYSTEM) as unit:
        withdraw(unit, version_id, note="不再提供")
        first, second = (actor_of(unit, person_no=number, via="test") for number in ("R-1", "R-2"))
    with units(first) as unit:
        take_down(unit, version_id, ground=Ground.RED_LINE, reason="有害内容")
    assert refused(units, classroom) is VersionNotOpen
    with pytest.raises(VersionNotOpen), units(classroom.pupil) as unit:
        require_open(unit, found.launch)
    with units(classroom.pupil) as unit:
        assert openable_at(unit, classroom.school.id) == []
    with units(second) as unit:
        restore(unit, version_id, note="查无问题")
    assert opened(units, classroom)


def test_what_was_taken_down_is_not_opened_by_withdrawing_it(
    units: Units, classroom: Classroom
) -> None:
    found = opened(units, classroom)
    version_id = VersionId(found.launch.version_id)
    with units(SYSTEM) as unit:
        reviewer = actor_of(unit, person_no="R-1", via="test")
    with units(reviewer) as unit:
        take_down(unit, version_id, ground=Ground.ERRORS, reason="有误")
    with units(SYSTEM) as unit:
        withdraw(unit, version_id, note="不再提供")
    assert refused(units, classroom) is VersionNotOpen
