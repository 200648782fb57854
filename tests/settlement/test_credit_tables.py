"""Tables of credits that are recorded: bounds, one for a day, what they move, two in a year."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.errors import (
    CreditsLeftOut,
    HoldsFromThatDay,
    InvalidInput,
    MovesBookings,
    NotFound,
)
from kernel.identity.models import Person
from kernel.unit import Units
from settlement.credits import book_credits
from settlement.rate_recording import Moved, record_table
from settlement.rate_tables import RateKind, replaced_by, versions_of
from settlement.verify.recompute import verify
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


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def recorded(units: Units, version: str, day: date, *, said: str = "", **changed: Any) -> Moved:
    """Record a table of the county, in place of the one of that day, if there is one."""
    with units(SYSTEM) as unit:
        known = versions_of(unit, RateKind.CREDITS)
        return record_table(
            unit,
            RateKind.CREDITS,
            version=version,
            region_code=COUNTY,
            valid_from=day,
            source="测试标准",
            body=SMALL | changed,
            replaces=next(
                (
                    one.version
                    for one in reversed(known)
                    if (one.region_code, one.valid_from) == (COUNTY, day)
                ),
                "",
            ),
            because=said,
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reading", 10**20),
        ("reading_cap", 10_000_001),
        ("reading_cap", 624),
        ("adoption", 10_000_001),
        ("followers", 10_000_001),
        ("followers_needed", 1_000_001),
        ("reading_seconds", 86_401),
    ],
)
def test_a_number_out_of_bounds_is_refused(
    units: Units, given: Contribution, field: str, value: int
) -> None:
    """R47: a slip of the pen would give everybody too much, or nothing; the database asks, too."""
    with pytest.raises(InvalidInput) as refused:
        recorded(units, "next", date(2027, 1, 1), **{field: value})
    assert str(refused.value.facts["field"]).startswith("reading" if "reading" in field else field)
    with pytest.raises(DBAPIError, match="ck_rate_table_credits"), units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO rate_table SELECT gen_random_uuid(), kind, region_code, valid_from,"
                " 'next', source, body || jsonb_build_object(CAST(:field AS text),"
                " CAST(:value AS numeric)), recorded_at, recorded_by FROM rate_table"
            ),
            {"field": field, "value": value},
        )


def test_a_table_of_the_same_day_says_which_it_replaces(units: Units, given: Contribution) -> None:
    """R47: so that it is known which one holds."""

    def record(version: str, replaces: str) -> None:
        with units(SYSTEM) as unit:
            record_table(
                unit,
                RateKind.CREDITS,
                version=version,
                region_code=COUNTY,
                valid_from=date(2026, 1, 1),
                source="测试标准",
                body=SMALL,
                replaces=replaces,
            )

    with pytest.raises(HoldsFromThatDay, match="small"):
        record("next", "")
    with pytest.raises(NotFound, match="nothing"):
        record("next", "nothing")
    record("next", "small")
    with pytest.raises(NotFound, match="small"):
        record("third", "small")
    with units(SYSTEM) as unit:
        assert replaced_by(versions_of(unit, RateKind.CREDITS)) == {"small": "next"}


def test_of_tables_of_one_day_that_come_at_once_one_is_told_of_the_other(
    units: Units, given: Contribution
) -> None:
    """R47: which of them holds is nobody's luck."""
    ready = Barrier(4)

    def record(number: int) -> str:
        try:
            with units(SYSTEM) as unit:
                ready.wait()
                record_table(
                    unit,
                    RateKind.CREDITS,
                    version=f"at once {number}",
                    region_code=COUNTY,
                    valid_from=date(2031, 1, 1),
                    source="测试标准",
                    body=SMALL,
                )
        except HoldsFromThatDay as told:
            return str(told)
        return ""

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(record, range(4)))
    first = told.index("")
    assert all(f"at once {first}" in one for one in told if one)
    assert told.count("") == 1


def test_a_table_that_moves_what_was_earned_needs_a_reason(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47, R48: it says how much it moves; one that moves nothing needs none."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    day = clock.at.date()
    with pytest.raises(
        MovesBookings, match=r"1 bookings of teachers: 0 credits more, 0\.0525 less"
    ):
        recorded(units, "low", day - timedelta(days=9), reading=100)
    assert recorded(units, "later", day + timedelta(days=9), reading=100) == Moved()
    assert recorded(units, "same", day - timedelta(days=9), reading_cap=2_000) == Moved()
    moved = recorded(units, "low", day - timedelta(days=8), reading=100, said="文件更正")
    assert moved == Moved(1, 0, 525)
    with units(SYSTEM) as unit:
        facts = unit.session.scalar(
            text(
                "SELECT facts FROM trail"
                " WHERE act = 'rates.recorded' AND facts ->> 'version' = 'low'"
            )
        )
    assert (facts["because"], facts["moves"], facts["less"]) == ("文件更正", 1, 525)
    assert (booked(units), credited(units, given.reader)) == (1, 100)


def test_the_earlier_of_two_caps_of_a_year_is_revised(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48: what was read under the later one takes nothing of it."""
    first = clock.at.date()
    recorded(units, "first", first, reading=600, reading_cap=1_250)
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(4)]
    for key in keys[:2]:
        read(units, given.reader, key, clock)
    clock.advance(timedelta(days=30))
    recorded(units, "second", clock.at.date(), reading_cap=10_000)
    for key in keys[2:]:
        read(units, given.reader, key, clock)
    booked(units)
    assert credited(units, given.reader) == 2 * 600 + 2 * 625
    recorded(units, "revised", first, reading_cap=1_250, said="文件更正")
    assert booked(units) == 2
    assert credited(units, given.reader) == 4 * 625
    assert verify(units, SYSTEM) == []


def test_whom_the_database_refuses_is_left_out_and_named(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48: all others are booked."""
    key = an_article(units, given.market, "TXT-1")
    read(units, given.reader, key, clock)
    with units(SYSTEM) as unit:
        reading = "person_id, resource_id, version_id, organisation_id, region_code, begun_at"
        refused = unit.session.scalars(
            text("SELECT id FROM person WHERE id <> :reader ORDER BY id LIMIT 1"),
            {"reader": given.reader.person_id},
        ).one()
        assert unit.session.get_one(Person, refused)
        unit.session.execute(
            text(
                f"INSERT INTO reading ({reading}, finished_at) SELECT :other, "
                f"{reading.removeprefix('person_id, ')}, finished_at FROM reading"
            ),
            {"other": refused},
        )
        unit.session.execute(
            text(
                f"ALTER TABLE credit_booking ADD CONSTRAINT nobody CHECK (person_id <> '{refused}')"
            )
        )
    with units(SYSTEM) as unit:
        found = book_credits(unit)
    assert (found.changes, list(found.left_out)) == (1, [refused])
    assert credited(units, given.reader) == 625
    with pytest.raises(CreditsLeftOut, match=str(refused)):
        found.require_all()
