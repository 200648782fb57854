"""Credits nobody earned, caps that no table has and readings too short are named (R47, R48)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, text

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import new_id
from kernel.unit import Units
from settlement.closing import settle
from settlement.credit_models import CreditBooking
from settlement.credit_rules import PARTS, CreditKey, CreditKind
from settlement.credits import GRANTED, transfer_key
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from settlement.verify.recompute import verify
from tests.support.builders import CITY, COUNTY, a_person, took
from tests.support.credit_builders import (
    SMALL,
    Contribution,
    a_contribution,
    an_article,
    booked,
    credited,
    read,
    taught,
)
from tests.support.settlement_builders import MARCH, SYSTEM

PLANTED = """
INSERT INTO reading
    (person_id, resource_id, version_id, organisation_id, region_code, begun_at, finished_at)
SELECT :person, r.id, v.id, :school, '990121', :begun, :finished
FROM resource r JOIN version v ON v.resource_id = r.id WHERE r.sku = 'TXT-1'
"""


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def behind(units: Units, *statements: str, **facts: object) -> None:
    """Carry statements out as somebody does who holds the database."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            unit.session.execute(text(statement), facts)


def two_read(units: Units, clock: FixedClock, given: Contribution) -> None:
    """Have the teacher read two articles: the second one earns a part, up to the cap."""
    for number in (1, 2):
        read(units, given.reader, an_article(units, given.market, f"TXT-{number}"), clock)
    booked(units)
    assert credited(units, given.reader) == SMALL["reading_cap"]
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("hours", [1, -1])
def test_credits_that_no_booking_booked_are_named(
    units: Units, clock: FixedClock, given: Contribution, hours: int
) -> None:
    """R48: of followers that an own work never had, with a balanced transfer; before the next
    booking takes it back, and in between two."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    key = CreditKey(given.author.person_id, CreditKind.FOLLOWERS, given.market.resource_id, 2026)
    with units(SYSTEM) as unit:
        unit.session.execute(
            insert(CreditBooking).values(
                **key._asdict(),
                id=new_id(),
                number=1,
                amount=30_000,
                most=None,
                version="small",
                at=clock.at,
                booked_at=clock.at + timedelta(hours=hours),
            )
        )
        entry = Entry(AccountKey(key.person_id, AccountKind.CREDITS), GRANTED, 30_000)
        post(unit, [TransferDraft(key=transfer_key(key, 1), memo="planted", entries=[entry])])
    (found,) = verify(units, SYSTEM)
    if hours > 0:
        assert found == (
            "credits booked after the last sum on the trail: 1 changes, 3 earned and 0 taken back; "
            "the trail has 0 changes, 0 earned and 0 taken back"
        )
    else:
        assert found == (
            f"credits booked at {clock.at.isoformat()}: 2 changes, 3.0625 earned and 0 taken back; "
            "the trail has 1 changes, 0.0625 earned and 0 taken back"
        )


def test_bookings_that_are_gone_are_named(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48: with all that the books had of them, so that only the trail remembers."""
    two_read(units, clock, given)
    behind(
        units,
        "DELETE FROM credit_booking",
        "DELETE FROM leg l USING transfer t WHERE t.id = l.transfer_id AND t.key LIKE 'learned:%'",
        "DELETE FROM transfer WHERE key LIKE 'learned:%'",
        "UPDATE account SET balance = 0 WHERE kind IN ('credits', 'credits_granted')",
    )
    (found,) = verify(units, SYSTEM)
    assert found.endswith("0 taken back; the trail has 2 changes, 0.1 earned and 0 taken back")


def test_what_was_booked_at_moments_of_its_own_is_no_difference(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48: bookings of before bear each its own moment, a little before that of their sum."""
    two_read(units, clock, given)
    clock.advance(timedelta(hours=1))
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version="half",
            region_code=COUNTY,
            valid_from=date(2026, 1, 1),
            source="测试标准",
            body=SMALL | {"reading": 300},
            replaces="small",
            because="文件更正",
        )
    assert booked(units) == 2
    behind(
        units,
        "UPDATE credit_booking SET booked_at = booked_at - number * interval '7 milliseconds'",
    )
    assert verify(units, SYSTEM) == []


def test_a_cap_that_the_named_table_does_not_have_is_named(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R48: the bookings' own word for the cap is held against their table."""
    two_read(units, clock, given)
    behind(units, "UPDATE credit_booking SET most = 240000")
    (found,) = verify(units, SYSTEM)
    assert found == (
        f"credits of {given.reader.person_id} by reading in 2026: booked with a cap of 24, "
        "by its table small it is 0.1"
    )


@pytest.mark.parametrize(
    ("region_code", "first", "is_named"),
    [
        ("990122", date(2026, 1, 1), True),
        (COUNTY, date(2027, 1, 1), True),
        (CITY, date(2026, 1, 1), False),
    ],
)
def test_a_table_of_elsewhere_or_of_later_is_named(
    units: Units,
    clock: FixedClock,
    given: Contribution,
    *,
    region_code: str,
    first: date,
    is_named: bool,
) -> None:
    """R47, R48: who names another table has another cap; a city's table holds in its county."""
    two_read(units, clock, given)
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        record_table(
            unit,
            RateKind.CREDITS,
            version="other",
            region_code=region_code,
            valid_from=first,
            source="测试标准",
            body=SMALL | {"reading_cap": 9_000},
        )
    behind(units, "UPDATE credit_booking SET version = 'other', most = 9000")
    named = f"credits of 1 people by reading in {COUNTY}: by the table other"
    found = [one for one in verify(units, SYSTEM) if one.startswith(named)]
    assert bool(found) is is_named


def test_a_reading_shorter_than_its_table_asks_is_named(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47: planted as begun a second ago, it earns; it could not have been finished."""
    an_article(units, given.market, "TXT-1")
    facts = {"person": given.reader.person_id, "school": given.market.school.id}
    moments = {"begun": clock.at - timedelta(seconds=1), "finished": clock.at}
    behind(units, PLANTED, **facts, **moments)
    booked(units)
    assert credited(units, given.reader) == 625
    (found,) = verify(units, SYSTEM)
    assert f"reading of {given.reader.person_id}" in found
    assert found.endswith("in 1 seconds, which its table makes 60 at the least")


def test_a_later_table_asks_nothing_of_what_was_read_before(
    units: Units, clock: FixedClock, given: Contribution
) -> None:
    """R47: one that asks for more time and holds from a day that is past names no reading."""
    two_read(units, clock, given)
    clock.advance(timedelta(minutes=1))
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version="slow",
            region_code=COUNTY,
            valid_from=date(2026, 1, 1),
            source="测试标准",
            body=SMALL | {"reading_seconds": 600},
            replaces="small",
        )
    booked(units)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        assert len(unit.session.scalars(select(CreditBooking)).all()) == 2


def test_verify_names_an_adoption_that_never_was(
    units: Units, clock: FixedClock, given: Contribution
):
    """R48: by no bill and by no work of anybody's, and of what is another's."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 1
    assert verify(units, SYSTEM) == []
    for change, back, why in (
        ("at = at + interval '1 day'", "at = at - interval '1 day'", "which nobody adopted then"),
        (f"person_id = '{given.reader.person_id}'", "", "which is not theirs"),
    ):
        with units(SYSTEM) as unit:
            unit.session.execute(text("ALTER TABLE credit_booking DISABLE TRIGGER USER"))
            unit.session.execute(text(f"UPDATE credit_booking SET {change}"))
        assert any(why in one for one in verify(units, SYSTEM)), why
        if back:
            with units(SYSTEM) as unit:
                unit.session.execute(text(f"UPDATE credit_booking SET {back}"))
            assert verify(units, SYSTEM) == []


def test_a_corrected_roster_takes_no_credits_from_who_managed_first(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47, R48: whatever day a file names for another manager later, and verify stays clean."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 1
    with units(SYSTEM) as unit:
        other = a_person(unit, given.market.vendor, [Role.VENDOR_MANAGER])
        unit.session.execute(
            text(
                "UPDATE role_grant SET granted_from = granted_from - interval '1 year' "
                "WHERE person_id = :id"
            ),
            {"id": other.person_id},
        )
    assert booked(units) == 0
    assert credited(units, given.author) == 3 * PARTS
    assert verify(units, SYSTEM) == []
