"""One article at a time, and a move that changes nothing of what was earned before (R47, R48)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.errors import ReadingPutAside, ReadTooSoon
from kernel.identity.models import Organisation, Person
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.credit_models import CreditBooking
from settlement.credit_rules import PARTS
from settlement.queries.credits import certificate_of, own_years
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from settlement.reading import articles, begin_reading, finish_reading, table_of_actor
from settlement.verify.recompute import verify
from tests.support.builders import a_person, a_resource, a_school, took
from tests.support.credit_builders import (
    SMALL,
    Contribution,
    a_contribution,
    an_article,
    booked,
    credited,
    moves,
    read,
    taught,
)
from tests.support.pack_builders import a_pack
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    SYSTEM,
    a_use,
    an_agreement,
    at,
    deliver,
)

PACKED = ("P-1", "P-2")
BEFORE_PARTS = """
UPDATE statement_breakdown SET
    explanation = explanation - 'parts' || jsonb_build_object('uses', CAST(:uses AS int))
"""
"""Has bills be as they were before they told parts."""


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def test_one_article_is_read_at_a_time(units: Units, clock: FixedClock, given: Contribution):
    """R47: 384 articles that are begun together are read one after the other, or not at all."""
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(3)]
    for key in keys:
        with units(given.reader) as unit:
            begin_reading(unit, key)
    with units(given.reader) as unit:
        shown = articles(unit, table_of_actor(unit), limit=5)
    assert [one.key for one in shown if one.is_open] == [keys[2]]
    assert [one.begun_at is not None for one in shown] == [True] * 3
    clock.advance(timedelta(hours=1))
    for key in keys[:2]:
        with pytest.raises(ReadingPutAside, match="文章TXT-"), units(given.reader) as unit:
            finish_reading(unit, key)
        with pytest.raises(DBAPIError, match="begun since"), units(SYSTEM) as unit:
            unit.session.execute(
                text(
                    "UPDATE reading SET finished_at = :now FROM resource r "
                    "WHERE r.id = resource_id AND r.sku = :sku"
                ),
                {"now": clock.now(), "sku": key.partition("/")[2]},
            )
    with units(given.reader) as unit:
        finish_reading(unit, keys[2])
        begin_reading(unit, keys[0])
        with pytest.raises(ReadTooSoon):
            finish_reading(unit, keys[0])
    clock.advance(timedelta(seconds=59))
    with pytest.raises(ReadTooSoon), units(given.reader) as unit:
        finish_reading(unit, keys[0])
    clock.advance(timedelta(seconds=1))
    with units(given.reader) as unit:
        begin_reading(unit, keys[0])  # what is open is not begun anew
        finish_reading(unit, keys[0])
    booked(units)
    assert credited(units, given.reader) == 1_000, "two were read"


def test_a_teacher_who_moves_keeps_the_table_of_what_was_read_before(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47, R48: an article earns by the table of the region where it was read."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version="city",
            region_code="990100",
            valid_from=date(2026, 1, 1),
            source="测试标准",
            body=SMALL | {"reading": 100, "reading_cap": 100},
        )
        elsewhere = a_school(unit, region_code="990100")
        person = unit.session.get_one(Person, given.reader.person_id)
        person.organisation_id = elsewhere.id
    assert booked(units) == 0
    assert credited(units, given.reader) == 625
    moved = replace(given.reader, organisation_id=elsewhere.id, region_code=elsewhere.region_code)
    clock.at = clock.at.replace(year=2027)
    read(units, moved, an_article(units, given.market, "TXT-2"), clock)
    booked(units)
    assert credited(units, given.reader) == 725
    assert verify(units, SYSTEM) == []


def test_a_reading_takes_as_long_as_is_asked_where_it_was_begun(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47: who moves while they read is not done sooner, and verify asks the same of it."""
    with units(SYSTEM) as unit:
        record_table(
            unit,
            RateKind.CREDITS,
            version="city",
            region_code="990100",
            valid_from=date(2026, 1, 1),
            source="测试标准",
            body=SMALL | {"reading_seconds": 0},
        )
        elsewhere = a_school(unit, region_code="990100")
    key = an_article(units, given.market, "TXT-1")
    moved = replace(given.reader, organisation_id=elsewhere.id, region_code=elsewhere.region_code)
    with units(given.reader) as unit:
        begin_reading(unit, key)
    with pytest.raises(ReadTooSoon), units(moved) as unit:
        finish_reading(unit, key)
    clock.advance(timedelta(seconds=60))
    with units(moved) as unit:
        finish_reading(unit, key)
    booked(units)
    assert credited(units, given.reader) == 625
    assert verify(units, SYSTEM) == []


def test_an_author_who_moves_keeps_what_other_schools_adopted_before(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47, R48: neither is it taken back, nor does the school that was the own one adopt."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 1
    clock.advance(timedelta(days=1))
    moves(units, given, to=given.market.school)
    assert booked(units) == 0
    assert credited(units, given.author) == 3 * PARTS


def of_a_pack(
    units: Units,
    given: Contribution,
    *,
    price: str = "0.3333",
    terms: Mapping[str, Any] | None = None,
) -> tuple[list[UUID], UUID]:
    """Bill the use of the first of a pack's two parts; return the parts and the pack."""
    market = given.market
    with units(SYSTEM) as unit:
        parts = [a_resource(unit, market.vendor, sku, unit_price="0.3000") for sku in PACKED]
        pack = a_pack(unit, market.vendor, PACKED)
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=pack,
            draws=[Draw(market.line_id, 5_000)],
            unit_price=price,
            reference="PACK",
            terms=terms,
        )
    rows = [a_use(units, market, f"e{n}", at(3, 8 + n), sku=PACKED[0]) for n in range(3)]
    deliver(units, rows, source=LOG, name="parts.csv")
    settle(units, SYSTEM, MARCH)
    return parts, pack


def test_a_part_that_is_used_under_a_pack_is_adopted_and_the_pack_is_not(
    units: Units, given: Contribution
):
    """R47: as if it had been agreed on by itself; a part that nobody opened earns nothing."""
    parts, _ = of_a_pack(units, given)
    assert booked(units) == 1
    with units(SYSTEM) as unit:
        (booking,) = unit.session.scalars(select(CreditBooking)).all()
    assert (booking.subject_id, booking.kind, booking.amount) == (parts[0], "adoption", 3 * PARTS)
    assert credited(units, given.author) == 3 * PARTS
    assert booked(units) == 0
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("uses", [3, 0])
def test_a_pack_billed_before_its_parts_were_told_stays_adopted_if_it_was_used(
    units: Units, given: Contribution, uses: int
):
    """R47, R48: what was booked for it is not taken back by the next reckoning."""
    _, pack = of_a_pack(units, given)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE statement_breakdown DISABLE TRIGGER USER"))
        unit.session.execute(text(BEFORE_PARTS), {"uses": uses})
        unit.session.execute(text("ALTER TABLE statement_breakdown ENABLE TRIGGER USER"))

    assert booked(units) == (1 if uses else 0)
    with units(SYSTEM) as unit:
        adopted = unit.session.scalars(select(CreditBooking.subject_id)).all()
    assert adopted == ([pack] if uses else [])
    assert booked(units) == 0


def test_a_certificate_names_the_school_of_then(
    units: Units, clock: FixedClock, given: Contribution
):
    """R48: a teacher who moved since keeps the years of before with the school of before."""
    with units(SYSTEM) as unit:
        reader = a_person(unit, given.market.school, [Role.TEACHER], person_no="MOVES")
        elsewhere = a_school(unit)
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(2)]
    read(units, reader, keys[0], clock)
    booked(units)
    clock.at = clock.at.replace(year=2027)
    with units(SYSTEM) as unit:
        row = RosterRow(
            person_no="MOVES",
            name="调动教师",
            organisation_kind="school",
            organisation_code=elsewhere.code,
            roles=(Role.TEACHER,),
            joined_on=date(2027, 2, 1),
        )
        took(record_roster(unit, [row]))
        assert unit.session.get_one(Person, reader.person_id).organisation_id == elsewhere.id
    clock.advance(timedelta(days=1))
    moved = replace(reader, organisation_id=elsewhere.id)
    read(units, moved, keys[1], clock)
    booked(units)
    with units(moved) as unit:
        certificates = [certificate_of(unit, reader.person_id, year) for year in (2026, 2027)]
        years = {one.year: one.organisation for one in own_years(unit)}
    named = [one.year.organisation for one in certificates]
    assert named == [given.market.school.name, elsewhere.name]
    assert years == dict(zip((2026, 2027), named, strict=True))


def test_use_by_the_school_that_an_author_left_is_no_adoption(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47: what the own school used before a move stays the own school's."""
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        elsewhere = unit.session.get_one(Organisation, UUID(vendor.facts["school_id"]))
        vendor.facts = {**vendor.facts, "school_id": str(given.market.school.id)}
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 0
    clock.advance(timedelta(days=1))
    moves(units, given, to=elsewhere)
    assert booked(units) == 0


def test_a_certificate_of_an_author_names_the_school_at_which_they_taught_then(
    units: Units, clock: FixedClock, given: Contribution
):
    """R48: not the name under which they sell; a move since changes nothing of the year before."""
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        before = unit.session.get_one(Organisation, UUID(vendor.facts["school_id"]))
        after = a_school(unit)
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    booked(units)
    clock.advance(timedelta(days=1))
    with units(given.author) as unit:
        assert [one.organisation for one in own_years(unit)] == [before.name]
    clock.at = clock.at.replace(year=2027)
    moves(units, given, to=after)
    clock.advance(timedelta(days=1))
    with units(given.author) as unit:
        found = certificate_of(unit, given.author.person_id, 2026)
    assert found.year.organisation == before.name
