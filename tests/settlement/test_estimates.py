"""The running estimate: it warns at four fifths, and launches stop where the terms say so (R33)."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import event, select

from kernel.clock import FixedClock, Month
from kernel.errors import CeilingReached
from kernel.settings import Settings
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.ceilings import CeilingUse
from settlement.closing import settle
from settlement.estimates import estimate_ceilings, nearly_used
from settlement.metering.launches import open_launch
from settlement.models import CeilingEstimate
from settlement.preview import preview
from settlement.queries.ceilings import running_ceilings
from settlement.tasks import estimate_running
from tests.support.database import fresh_units
from tests.support.launch_builders import Classroom, a_classroom
from tests.support.plan_builders import a_purchase
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_use,
    at,
    deliver,
)

PRICE, FITS = "0.1000", 10
"""Ten uses of 10 fen each make up a ceiling of one yuan."""
STOP = {"plan": "per_use", "unit_price": PRICE, "stop_at_ceiling": True}


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    clock.at = at(2)
    return a_classroom(units)


def a_stopping(units: Units, classroom: Classroom, *, stops: bool = True) -> Market:
    """Buy a resource whose ceiling ten uses make up; use stops there, or goes on."""
    terms = {**STOP, "stop_at_ceiling": stops}
    return a_purchase(units, classroom.market, sku="STOP", terms=terms, ceiling_fen=100)


def opens(units: Units, classroom: Classroom) -> bool:
    """Have the pupil open it a minute later; return whether it was opened."""
    assert isinstance(units.clock, FixedClock)
    units.clock.advance(timedelta(minutes=1))
    try:
        with units(classroom.pupil) as unit:
            open_launch(unit, vendor_code=classroom.market.vendor.code, sku="STOP")
    except CeilingReached:
        return False
    return True


def estimate(units: Units) -> int:
    with units(SYSTEM) as unit:
        return estimate_ceilings(unit)


def use_of(units: Units, market: Market) -> tuple[int, int, CeilingUse]:
    """Return (billed, estimated, how the ceiling stands)."""
    with units(SYSTEM) as unit:
        one = running_ceilings(unit, [market.agreement_id])[market.agreement_id]
    return one.billed_fen, one.estimated_fen, one.use


def test_launches_stop_within_the_month_once_the_estimate_is_at_the_ceiling(
    units: Units, classroom: Classroom
) -> None:
    """R33: the month is not stated, not even over; nothing more is opened."""
    market = a_stopping(units, classroom)
    for _ in range(FITS - 1):
        assert opens(units, classroom)
    estimate_running(units)
    assert use_of(units, market) == (0, 90, CeilingUse.NEARLY_USED)
    assert opens(units, classroom)  # the tenth brings it to the ceiling
    estimate_running(units)
    assert use_of(units, market) == (0, 100, CeilingUse.USED_UP)
    assert not opens(units, classroom)


def test_use_goes_on_where_the_terms_do_not_stop_it(units: Units, classroom: Classroom) -> None:
    """R33: use above the ceiling is kept, shown and unpaid."""
    market = a_stopping(units, classroom, stops=False)
    for _ in range(FITS):
        assert opens(units, classroom)
    estimate(units)
    assert opens(units, classroom)
    estimate(units)
    assert use_of(units, market) == (0, 100, CeilingUse.USED_UP)


def test_a_mark_that_is_reached_leaves_one_trail(units: Units, classroom: Classroom) -> None:
    """R33, R59: at four fifths, and when it is used up; not with each estimate."""
    market = a_stopping(units, classroom)
    for _ in range(FITS):
        opens(units, classroom)
        estimate(units)
        estimate(units)
    with units(SYSTEM) as unit:
        acts = unit.session.execute(
            select(TrailRow.act, TrailRow.facts).where(TrailRow.act.like("ceiling.%"))
        ).all()
    assert [(act, facts["estimated_fen"]) for act, facts in acts] == [
        ("ceiling.nearly_used", 80),
        ("ceiling.used_up", 100),
    ]
    with units(classroom.market.finance) as unit:
        (one,) = nearly_used(unit, classroom.school.id)
    assert (one.agreement_id, one.title) == (market.agreement_id, "资源STOP")


def test_the_estimate_is_the_previews(units: Units, classroom: Classroom) -> None:
    """R33: with repeats within 30 s, a second agreement, and late use of a stated month."""
    market = classroom.market
    other = a_purchase(units, market, terms={"plan": "per_learner", "unit_price": "1.0000"})
    rows = [a_use(units, market, f"m{n}", at(3, 8, n)) for n in range(4)]
    deliver(units, rows, name="march")
    assert isinstance(units.clock, FixedClock)
    units.clock.at = at(2, month=4)
    settle(units, SYSTEM, MARCH)
    late = [a_use(units, market, f"l{n}", at(9, 8, n)) for n in range(2)]
    april = [a_use(units, market, f"a{n}", at(1, 8, 0, n * 20, month=4)) for n in range(3)]
    april += [a_use(units, other, "o", at(1, 9, month=4), learner="L2")]
    deliver(units, [*late, *april], name="april")
    estimate(units)
    with units(SYSTEM) as unit:
        lines = preview(unit, APRIL).lines
    expected: dict[UUID, int] = {}
    for line in lines:
        expected[line.agreement_id] = expected.get(line.agreement_id, 0) + line.amount_fen
    assert {key: fen for key, (fen, month) in kept(units).items() if month == APRIL} == expected
    assert expected == {market.agreement_id: 67 + 33, other.agreement_id: 100}
    left = {line.agreement_id: line.left_after_fen for line in lines}
    for agreement_id in expected:
        with units(SYSTEM) as unit:
            assert (
                running_ceilings(unit, [agreement_id])[agreement_id].left_fen == left[agreement_id]
            )


def kept(units: Units) -> dict[UUID, tuple[int, Month]]:
    with units(SYSTEM) as unit:
        rows = unit.session.scalars(select(CeilingEstimate)).all()
        return {row.agreement_id: (row.amount_fen, Month(row.month)) for row in rows}


def test_a_month_that_waits_for_its_statement_and_the_running_one_count_together(
    units: Units, classroom: Classroom
) -> None:
    """R33: on 1 April March's use has taken its part already; stated, it is billed, not twice."""
    market = a_stopping(units, classroom)
    deliver(units, [a_use(units, market, f"m{n}", at(1, 8, n)) for n in range(6)], name="march")
    assert isinstance(units.clock, FixedClock)
    units.clock.at = at(2, month=4)
    rows = [a_use(units, market, f"a{n}", at(1, 8, n, month=4)) for n in range(4)]
    deliver(units, rows, name="april")
    estimate(units)
    assert use_of(units, market) == (0, 100, CeilingUse.USED_UP)
    assert not opens(units, classroom)
    settle(units, SYSTEM, MARCH)
    assert use_of(units, market) == (60, 40, CeilingUse.USED_UP)
    assert not opens(units, classroom)
    estimate(units)
    assert use_of(units, market) == (60, 40, CeilingUse.USED_UP)
    assert set(kept(units).values()) == {(40, APRIL)}


def test_only_payers_with_something_new_are_drafted_again(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    a_stopping(units, classroom)
    assert opens(units, classroom)
    assert estimate(units) == 1
    clock.advance(timedelta(minutes=11))
    assert estimate(units) == 1  # deliveries may take ten minutes to commit
    clock.advance(timedelta(minutes=11))
    assert estimate(units) == 0


def test_a_launch_asks_for_the_estimate_and_not_for_the_usage(
    units: Units, classroom: Classroom
) -> None:
    """R33: what a launch reads does not grow with what was used."""
    a_stopping(units, classroom)
    statements: list[str] = []

    def note(_connection, _cursor, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(units.engine, "before_cursor_execute", note)
    try:
        assert opens(units, classroom)
    finally:
        event.remove(units.engine, "before_cursor_execute", note)
    asked = [one for one in statements if "ceiling_estimate" in one]
    assert len(asked) == 1
    assert "usage_event" not in asked[0]
    assert not [one for one in statements if one.startswith("SELECT") and "FROM usage_event" in one]


@profile(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(["open", "open", "open", "estimate"]), max_size=30))
def test_what_is_opened_beyond_the_ceiling_was_opened_between_two_estimates(
    server: str, settings: Settings, acts: list[str]
) -> None:
    """R33: the guarantee, given how old an estimate may be.

    A launch is refused exactly if the last estimate found the ceiling used up. So no launch is
    refused while something is left by the last estimate, and beyond the ceiling there are at most
    those that were opened between the use that reached it and the end of the next estimate.
    """
    with fresh_units(server, settings, worlds=True) as units:
        assert isinstance(units.clock, FixedClock)
        units.clock.at = at(2)
        classroom = a_classroom(units)
        market = a_stopping(units, classroom)
        opened = known = since = 0
        for act in acts:
            if act == "estimate":
                estimate(units)
                known, since = opened, 0
                assert use_of(units, market)[1] == min(opened * 10, 100)
                continue
            was_opened = opens(units, classroom)
            assert was_opened is (known < FITS)
            opened += was_opened
            since += was_opened
            assert opened <= max(FITS, known + since)
            assert known < FITS or since == 0


def test_an_estimate_holds_no_late_use_that_was_stated_since(
    units: Units, classroom: Classroom, clock: FixedClock
) -> None:
    """R33: what a statement billed is not counted as running beside it."""
    market = a_stopping(units, classroom)
    deliver(units, [a_use(units, market, f"m{n}", at(1, 8, n)) for n in range(3)], name="march")
    clock.at = at(2, month=4)
    settle(units, SYSTEM, MARCH)
    clock.at = at(20, month=4)
    deliver(units, [a_use(units, market, f"l{n}", at(1, 9, n)) for n in range(3)], name="late")
    april = [a_use(units, market, f"a{n}", at(1, 8, n, month=4)) for n in range(3)]
    deliver(units, april, name="april")
    clock.at = at(2, month=5)
    estimate(units)
    settle(units, SYSTEM, APRIL)
    clock.advance(timedelta(hours=1))
    estimate(units)
    assert opens(units, classroom)
