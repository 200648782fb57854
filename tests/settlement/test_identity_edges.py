"""Identity and time at their edges (R27, R28)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import SHANGHAI, FixedClock, parse_month
from kernel.errors import MissingValue
from kernel.unit import Units
from settlement.closing import settle
from settlement.metering.ingest import UsageOutcome
from settlement.metering.models import UsageEvent, UsageQuarantine
from settlement.metering.sources import admit_source
from settlement.verify.recompute import verify
from tests.support.builders import a_person, acting_as
from tests.support.plan_builders import a_purchase
from tests.support.settlement_builders import (
    APRIL,
    LOG,
    MARCH,
    PLAYER,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.statement_readings import lines_by_month


@pytest.fixture
def market(units: Units) -> Market:
    return a_market(units)


def fates(outcomes: list[UsageOutcome]) -> list[tuple[str, str]]:
    return [(one.outcome, one.reason) for one in outcomes]


def events(units: Units) -> list[UsageEvent]:
    with units(SYSTEM) as unit:
        found = list(unit.session.scalars(select(UsageEvent).order_by(UsageEvent.sequence)))
        unit.session.expunge_all()
    return found


@pytest.mark.parametrize("batch_size", [1, 9])
def test_the_same_id_with_another_time_is_the_same_event_and_the_first_time_stands(
    units: Units, market: Market, batch_size: int
) -> None:
    """R28: the event's time is outside the digest; even another month's."""
    times = [at(2), at(3), at(2, month=4), at(1)]
    rows = [a_use(units, market, "e", when) for when in times]
    outcomes = deliver(units, rows, batch_size=batch_size)
    assert fates(outcomes) == [("accepted", ""), *[("duplicate", "")] * 3]
    (event,) = events(units)
    assert event.occurred_at == at(2)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("batch_size", [1, 9])
def test_the_same_id_with_another_body_is_a_conflict_and_never_overwrites(
    units: Units, market: Market, batch_size: int
) -> None:
    """R28: another learner, another session, another school named."""
    first = a_use(units, market, "e", at(2), learner="L1")
    others = [
        a_use(units, market, "e", at(2), learner="L2"),
        a_use(units, market, "e", at(2), session="s"),
        a_use(units, market, "e", at(2), school_code=market.school.code),
    ]
    outcomes = deliver(units, [first, *others, first], batch_size=batch_size)
    assert [fate for fate, _ in fates(outcomes)] == [
        "accepted",
        "conflict",
        "conflict",
        "conflict",
        "duplicate",
    ]
    (event,) = events(units)
    assert event.session_id == ""
    assert verify(units, SYSTEM) == []


def test_the_same_id_of_another_source_is_another_event(units: Units, market: Market) -> None:
    """R28: (source, event id) is the identity."""
    row = a_use(units, market, "e", at(2))
    for source in (PLAYER, LOG):
        assert fates(deliver(units, [row], source=source, name=source)) == [("accepted", "")]
        assert fates(deliver(units, [row], source=source, name="2")) == [("duplicate", "")]
    assert len(events(units)) == 2


@pytest.mark.parametrize("joint", ["-", ":", "/", "|", "\x1f"])
def test_ids_that_would_be_one_if_joined_with_the_source_are_two(
    units: Units, market: Market, joint: str
) -> None:
    with units(SYSTEM) as unit:
        reviewer = a_person(unit, market.bureau, [Role.ADMISSION], person_no="S-1")
        with acting_as(unit, reviewer):
            for code in ("s", "s-a"):
                admit_source(unit, code=code, name="日志", trust="attested")
    for source, event_id in (("s", f"a{joint}b"), ("s-a", "b"), ("s", "a"), ("s-a", f"a{joint}b")):
        outcomes = deliver(
            units, [a_use(units, market, event_id, at(2))], source=source, name=source + event_id
        )
        assert fates(outcomes) == [("accepted", "")]
    assert len(events(units)) == 4
    assert verify(units, SYSTEM) == []


def test_ids_that_differ_only_in_case_width_or_accents_are_different(
    units: Units, market: Market
) -> None:
    ids = ["e", "E", "ｅ", "é", "e\u0301", " e", "e ", "0", "00"]
    outcomes = deliver(units, [a_use(units, market, one, at(2)) for one in ids])
    assert [fate for fate, _ in fates(outcomes)] == ["accepted"] * len(ids)


def test_the_first_and_the_last_microsecond_of_a_month_are_its_own(
    units: Units, market: Market
) -> None:
    """R27: months are Shanghai's, to the microsecond."""
    start, end = (datetime(2026, month, 1, tzinfo=SHANGHAI) for month in (3, 4))
    tick = timedelta(microseconds=1)
    rows = [
        a_use(units, market, name, when.astimezone(UTC), learner=learner)
        for name, when, learner in (
            ("first", start, "L1"),
            ("last", end - tick, "L2"),
            ("next", end, "L2"),
        )
    ]
    deliver(units, rows)
    settle(units, SYSTEM, MARCH)
    settle(units, SYSTEM, APRIL)
    lines = lines_by_month(units, market)
    assert lines["2026-03", "2026-03"].quantity == 2
    assert lines["2026-04", "2026-04"].quantity == 1
    assert verify(units, SYSTEM) == []


def test_the_microsecond_before_an_agreement_is_outside_it(units: Units, market: Market) -> None:
    before = datetime(2026, 3, 1, tzinfo=SHANGHAI) - timedelta(microseconds=1)
    (outcome,) = deliver(units, [a_use(units, market, "e", before)])
    assert (outcome.outcome, outcome.reason) == ("quarantined", "no-agreement")


def test_a_leap_day_is_a_day_of_february(units: Units, clock: FixedClock, market: Market) -> None:
    leap = a_purchase(
        units, market, starts_on=date(2028, 2, 29), ends_on=date(2028, 2, 29), ceiling_fen=100
    )
    clock.at = datetime(2028, 3, 1, 2, tzinfo=UTC)
    day = datetime(2028, 2, 29, tzinfo=SHANGHAI)
    tick = timedelta(microseconds=1)
    rows = [
        a_use(units, leap, name, when.astimezone(UTC))
        for name, when in (
            ("before", day - tick),
            ("first", day),
            ("last", day + timedelta(days=1) - tick),
            ("after", day + timedelta(days=1)),
        )
    ]
    assert fates(deliver(units, rows)) == [
        ("quarantined", "no-agreement"),
        ("accepted", ""),
        ("accepted", ""),
        ("quarantined", "no-agreement"),
    ]
    settle(units, SYSTEM, parse_month("2028-02"))
    assert lines_by_month(units, leap)["2028-02", "2028-02"].quantity == 2
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (datetime(2026, 8, 3, 3, tzinfo=UTC), "time-in-future"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "time-in-future"),
        (datetime(1970, 1, 1, tzinfo=UTC), "time-too-old"),
        (datetime(1, 1, 1, tzinfo=UTC), "time-too-old"),
    ],
)
def test_a_time_that_cannot_be_is_kept_apart_and_its_id_stays_free(
    units: Units, market: Market, when: datetime, reason: str
) -> None:
    """R28, R32: what was quarantined took no identity: the right time can come after it."""
    wrong, right = a_use(units, market, "e", when), a_use(units, market, "e", at(2))
    assert fates(deliver(units, [wrong, right])) == [("quarantined", reason), ("accepted", "")]
    with units(SYSTEM) as unit:
        kept = unit.session.scalars(select(UsageQuarantine)).one()
    assert (kept.event_id, kept.reason, kept.month) == ("e", reason, None)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("field", ["code", "name"])
def test_a_source_has_a_code_and_a_name(units: Units, market: Market, field: str) -> None:
    """R26: files and reports name it by its code, people by its name."""
    named = {"code": "log-2", "name": "日志"} | {field: " "}
    with pytest.raises(MissingValue) as error, units(SYSTEM) as unit:
        admit_source(unit, **named, trust="attested")
    assert error.value.facts["field"] == field
