"""Whatever a box delivers, however often, split or reordered: a use is accepted once (R31, R32)."""

from collections import Counter
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.verification import verify
from settlement.metering.models import UsageEvent
from settlement.metering.rematch import release_waiting
from tests.support.launch_builders import Classroom, a_classroom
from tests.support.package_builders import Box, a_box, a_packed_launch, a_packed_use, packed, take
from tests.support.settlement_builders import SYSTEM, at

LAUNCHES, USES = 2, 5
indexes = st.tuples(
    st.lists(st.integers(0, LAUNCHES - 1), max_size=3), st.lists(st.integers(0, USES - 1))
)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at(1, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    clock.at = at(6, 9)
    return found


@pytest.fixture
def box(units: Units, classroom: Classroom) -> Box:
    return a_box(units, classroom)


def release(units: Units) -> None:
    with units(SYSTEM) as unit:
        release_waiting(unit)


# The database is one for all examples: each has launches and uses of its own.
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries=st.lists(st.tuples(indexes, st.booleans()), max_size=4))
def test_a_use_is_accepted_once_however_packages_are_repeated_split_and_reordered(
    units: Units,
    classroom: Classroom,
    box: Box,
    deliveries: list[tuple[tuple[list[int], list[int]], bool]],
) -> None:
    """R31: offline classrooms upload later, deduplicated; R32: every row is accounted for."""
    name = uuid4().hex
    launches = [
        a_packed_launch(classroom.market, learner=learner, issued_at=at(2, hour))
        for learner, hour in (("L1", 8), ("L2", 14))
    ]
    uses = [
        a_packed_use(
            launches[number % LAUNCHES],
            f"{name}-{number}",
            time=at(2, (8, 14)[number % LAUNCHES], 5 + number),
        )
        for number in range(USES)
    ]
    for (some_launches, some_uses), released in deliveries:
        content = packed(
            box, [launches[one] for one in some_launches], [uses[one] for one in some_uses]
        )
        assert len(take(units, content).uses) == len(some_uses)
        if released:
            release(units)
    everything = packed(box, launches, uses)
    take(units, everything)
    release(units)
    again = take(units, everything).as_json()
    assert (again["received"], again["duplicates"]) == (USES, USES)
    with units(SYSTEM) as unit:
        accepted = unit.session.scalars(
            select(UsageEvent.event_id).where(
                UsageEvent.launch_id.in_([launch.id for launch in launches])
            )
        ).all()
    assert Counter(accepted) == Counter(use.id for use in uses)
    assert verify(units, SYSTEM) == []
