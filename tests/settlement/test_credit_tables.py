"""Which tables of credits are recorded, and which of several holds (R47)."""

import json
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock, shanghai_day
from kernel.errors import (
    CreditsBeyondBounds,
    InvalidInput,
    NotFound,
    ReadTooSoon,
    TableBackdated,
    TableHolds,
)
from kernel.unit import Units
from settlement.rate_tables import RateKind, places_of, record_table, table_in_force, versions_of
from settlement.reading import begin_reading, finish_reading
from tests.support.builders import COUNTY
from tests.support.credit_builders import (
    SMALL,
    Contribution,
    a_contribution,
    an_article,
    booked,
    credited,
    read,
)
from tests.support.settlement_builders import SYSTEM

LATER = date(2027, 1, 1)


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def recorded(units: Units, version: str, *, day: date = LATER, **facts: object) -> None:
    how = {key: facts.pop(key) for key in ("replaces", "backdated") if key in facts}
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version=version,
            region_code=COUNTY,
            valid_from=day,
            source="测试标准",
            body=SMALL | facts,
            **how,
        )


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"reading": 10**20, "reading_cap": 10**21}, "reading"),
        ({"reading_cap": 10_000_001}, "reading_cap"),
        ({"adoption": -1}, "adoption"),
        ({"followers": 10**19}, "followers"),
        ({"followers_needed": 0}, "followers_needed"),
        ({"reading_seconds": 86_401}, "reading_seconds"),
        ({"reading_cap": 100}, "reading_cap"),
        ({"reading": 0}, "reading_cap"),
        ({"reading": 0, "reading_cap": 0, "adoption": 0, "followers": 0}, "table"),
    ],
)
def test_a_table_gives_within_bounds_and_something(units: Units, given: Contribution, facts, field):
    """R47."""
    with pytest.raises(InvalidInput) as refused:
        recorded(units, "odd", **facts)
    assert refused.value.facts["field"] == field
    with pytest.raises(DBAPIError, match="ck_rate_table_credits"):
        recorded_behind(units, facts)


def recorded_behind(units: Units, facts: dict[str, object], *, is_old: bool = False) -> None:
    """Have a row in the table of tables, past the service; `is_old`: from before it had bounds."""
    with units(SYSTEM) as unit:
        if is_old:
            unit.session.execute(
                text("ALTER TABLE rate_table DROP CONSTRAINT ck_rate_table_credits")
            )
        unit.session.execute(
            text(
                "INSERT INTO rate_table (id, kind, region_code, valid_from, version, source, body, "
                "recorded_at, recorded_by) SELECT gen_random_uuid(), kind, region_code, "
                "valid_from, 'behind', source, body || CAST(:facts AS jsonb), "
                "recorded_at + interval '1 s', '' FROM rate_table WHERE version = 'small'"
            ),
            {"facts": json.dumps(facts)},
        )


def test_one_table_holds_in_a_region_from_a_day_on(units: Units, given: Contribution) -> None:
    """R47: another one for the same day says which it replaces."""
    recorded(units, "next")
    with pytest.raises(TableHolds, match="next"):
        recorded(units, "other")
    with pytest.raises(TableHolds, match="next"):
        recorded(units, "other", replaces="small")
    with pytest.raises(NotFound, match="next"):
        recorded(units, "other", day=date(2027, 2, 1), replaces="next")
    recorded(units, "other", replaces="next")
    with units(SYSTEM) as unit:
        versions = versions_of(unit, RateKind.CREDITS)
        before = places_of(versions, day=date(2026, 12, 31))
        assert before == {"R47": "holds", "small": "holds", "next": "replaced", "other": "to come"}
        after = places_of(versions, day=LATER)
        assert (after["small"], after["other"]) == ("followed", "holds")
        held = table_in_force(unit, RateKind.CREDITS, day=LATER, region_code=COUNTY)
        assert held.version == "other"


def test_what_was_earned_is_reckoned_anew_only_where_that_is_meant(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47, R48: a table holds from a day that is over only if who records it says so."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    day = date(2026, 1, 2)
    with pytest.raises(TableBackdated, match="2026-01-02"):
        recorded(units, "lower", day=day, reading=100)
    recorded(units, "today", day=shanghai_day(clock.now()))
    recorded(units, "lower", day=day, reading=100, backdated=True)
    with units(SYSTEM) as unit:
        told = unit.session.scalars(
            text("SELECT facts ->> 'backdated' FROM trail WHERE act = 'rates.recorded' ORDER BY id")
        ).all()
    assert told[-2:] == ["false", "true"]


def test_a_table_of_before_the_bounds_is_named_when_it_stops_the_booking(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    recorded_behind(units, {"reading": 10**20, "reading_cap": 10**21}, is_old=True)
    with pytest.raises(CreditsBeyondBounds, match="behind") as refused:
        booked(units)
    assert refused.value.facts["person"]
    recorded(units, "mended", day=date(2026, 1, 1), replaces="behind", backdated=True)
    booked(units)
    assert credited(units, given.reader) == 625


def test_a_refusal_names_an_article_by_its_title(units: Units, given: Contribution) -> None:
    key = an_article(units, given.market, "TXT-1")
    with units(given.reader) as unit:
        begin_reading(unit, key)
    with pytest.raises(ReadTooSoon, match="文章TXT-1"), units(given.reader) as unit:
        finish_reading(unit, key)
