"""Credits of teachers in the books: read, adopted, followed, reversed, certified (R47, R48)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from catalog.listing_models import Favourite
from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import NotFound, ReadTooSoon, Refused
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.credit_models import CreditBooking
from settlement.credit_rules import PARTS, SHIPPED
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.models import StatementLine
from settlement.queries.credits import certificate_of, digest_of, own_years, years_of_teachers
from settlement.ratings import rate
from settlement.reading import articles, begin_reading, finish_reading, table_of_actor
from settlement.verify.recompute import verify
from tests.support.application import an_app
from tests.support.builders import (
    a_listed_version,
    a_person,
    a_resource,
    a_school,
    a_selling_teacher,
)
from tests.support.credit_builders import (
    Contribution,
    a_contribution,
    an_article,
    booked,
    credited,
    read,
    taught,
)
from tests.support.settlement_builders import MARCH, SYSTEM
from tests.support.site_builders import csrf_token, sign_in


@pytest.fixture
def given(units: Units) -> Contribution:
    return a_contribution(units)


def test_reading_earns_up_to_the_years_cap_and_begins_anew_with_the_year(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47: the region's own table; the article beyond the cap earns what is left of it."""
    keys = [an_article(units, given.market, f"TXT-{n}") for n in range(2)]
    for key in keys:
        read(units, given.reader, key, clock)
    assert booked(units) == 2, "the second earns what is left"
    assert credited(units, given.reader) == 1_000
    assert booked(units) == 0, "booked again nothing changes"

    clock.at = clock.at.replace(year=2027)
    another = an_article(units, given.market, "TXT-9")
    read(units, given.reader, another, clock)
    booked(units)
    assert credited(units, given.reader) == 1_625
    with units(given.reader) as unit:
        assert [(one.year, one.reading) for one in own_years(unit)] == [(2027, 625), (2026, 1_000)]
    assert verify(units, SYSTEM) == []


def test_an_article_is_read_no_sooner_than_it_can_be_and_once(
    units: Units, clock: FixedClock, given: Contribution
):
    key = an_article(units, given.market, "TXT-1")
    video = an_article(units, given.market, "VID-1", kind="视频")
    with units(given.reader) as unit:
        with pytest.raises(NotFound):
            finish_reading(unit, key)
        for wrong in (video, "nobody/nothing"):
            with pytest.raises(NotFound):
                begin_reading(unit, wrong)
        begin_reading(unit, key)
        with pytest.raises(ReadTooSoon, match="文章TXT-1"):
            finish_reading(unit, key)
        assert [one.key for one in articles(unit, table_of_actor(unit), limit=5)] == [key]
    with pytest.raises(Refused), units(given.author) as unit:
        begin_reading(unit, key)
    clock.advance(timedelta(minutes=1))
    for _ in range(2):
        with units(given.reader) as unit:
            begin_reading(unit, key)
            finish_reading(unit, key)
    booked(units)
    assert credited(units, given.reader) == 625


def test_an_adoption_by_another_school_earns_once_and_is_taken_back_when_it_is_reversed(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47, R48: three for settled use, three back with the bill's last fen; balanced all along."""
    taught(units, given, day=2)
    taught(units, given, day=3)
    assert booked(units) == 0, "nothing is settled yet"
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 1
    assert credited(units, given.author) == 3 * PARTS
    assert credited(units, given.reader) == 0

    with units(SYSTEM) as unit:
        line = unit.session.scalars(select(StatementLine)).one()
        judge = a_person(unit, given.market.bureau, [Role.BUREAU_FINANCE])
    with units(given.market.finance) as unit:
        dispute_id = dispute_line(
            unit, line.id, reason=DisputeReason.QUANTITY_WRONG, claim="没有使用", claimed_fen=0
        )
    clock.advance(timedelta(days=8))
    for credit_fen, left in ((line.amount_fen, 0),):
        with units(judge) as unit:
            decide_dispute(
                unit,
                dispute_id,
                outcome=DisputeOutcome.UPHELD,
                credit_fen=credit_fen,
                note="经核对，课堂未使用",
            )
        assert booked(units) == 1
        assert credited(units, given.author) == left
    with units(given.author) as unit:
        (year,) = own_years(unit)
        rows = certificate_of(unit, given.author.person_id, year.year).rows
    assert [row.amount for row in rows] == [3 * PARTS, -3 * PARTS]
    assert year.total == 0
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []


def test_use_by_the_authors_own_school_is_no_adoption(units: Units, given: Contribution):
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        vendor.facts = {**vendor.facts, "school_id": str(given.market.school.id)}
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 0


def test_a_teaching_point_and_its_school_are_one_school(units: Units, given: Contribution):
    """R47: an author at a point earns nothing by the school's use, its followers or its works."""
    with units(SYSTEM) as unit:
        point = a_school(unit, parent=given.market.school)
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        vendor.facts = {**vendor.facts, "school_id": str(point.id)}
        for place in (point, given.market.school):
            person = a_person(unit, place, [Role.TEACHER])
            unit.session.execute(
                insert(Favourite).values(
                    person_id=person.person_id,
                    resource_id=given.market.resource_id,
                    at=unit.clock.now(),
                )
            )
        for number, place in enumerate((a_school(unit, parent=given.market.school), point)):
            made = a_resource(unit, a_selling_teacher(unit, place), f"DER-{number}")
            unit.session.execute(
                text("INSERT INTO derivation (version_id, parent_id) VALUES (:child, :parent)"),
                {
                    "child": a_listed_version(unit, made),
                    "parent": a_listed_version(unit, given.market.resource_id),
                },
            )
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    assert booked(units) == 0
    assert credited(units, given.author) == 0


def test_rating_earns_nothing(units: Units, given: Contribution):
    """R47: neither who rates nor who is rated well."""
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    booked(units)
    before = credited(units, given.author), credited(units, given.reader)
    with units(given.reader) as unit:
        rate(unit, f"{given.market.vendor.code}/{given.market.sku}", stars=5)
    assert booked(units) == 0
    assert (credited(units, given.author), credited(units, given.reader)) == before


def test_enough_followers_earn_once_and_its_own_school_is_none_of_them(
    units: Units, clock: FixedClock, given: Contribution
):
    """R47: who stops following takes the credits back with them; who comes again brings them."""
    with units(SYSTEM) as unit:
        people = [a_person(unit, given.market.school, [Role.TEACHER]) for _ in range(2)]
        people.append(given.author)

    def follow(person: Actor) -> None:
        with units(SYSTEM) as unit:
            unit.session.execute(
                insert(Favourite).values(
                    person_id=person.person_id,
                    resource_id=given.market.resource_id,
                    at=unit.clock.now(),
                )
            )

    follow(people[0])
    follow(given.author)
    assert booked(units) == 0, "the author is no follower"
    follow(people[1])
    assert booked(units) == 1
    assert credited(units, given.author) == 3 * PARTS
    with units(SYSTEM) as unit:
        unit.session.execute(
            text("DELETE FROM favourite WHERE person_id = :id"), {"id": people[0].person_id}
        )
    assert booked(units) == 1
    assert credited(units, given.author) == 0
    follow(people[0])
    booked(units)
    assert credited(units, given.author) == 3 * PARTS
    assert verify(units, SYSTEM) == []


def test_another_schools_work_made_from_it_is_an_adoption_while_it_stands(
    units: Units, given: Contribution
):
    with units(SYSTEM) as unit:
        other = a_selling_teacher(unit, a_school(unit))
        made = a_resource(unit, other, "DER-1")
        unit.session.execute(
            text("INSERT INTO derivation (version_id, parent_id) VALUES (:child, :parent)"),
            {
                "child": a_listed_version(unit, made),
                "parent": a_listed_version(unit, given.market.resource_id),
            },
        )
    assert booked(units) == 1
    assert credited(units, given.author) == 3 * PARTS
    with units(SYSTEM) as unit:
        unit.session.execute(
            text("UPDATE version SET state = 'withdrawn' WHERE resource_id = :id"), {"id": made}
        )
    booked(units)
    assert credited(units, given.author) == 0


def test_the_database_refuses_more_than_the_cap_and_less_than_nothing(
    units: Units, clock: FixedClock, given: Contribution
):
    key = an_article(units, given.market, "TXT-1")
    read(units, given.reader, key, clock)
    booked(units)
    values = {
        "id": new_id(),
        "person_id": given.reader.person_id,
        "kind": "reading",
        "subject_id": given.market.resource_id,
        "year": 2026,
        "number": 1,
        "most": 1_000,
        "version": "small",
        "at": clock.at,
        "booked_at": clock.at,
    }
    for amount, why in ((626, "more than the cap"), (-1, "less than nothing")):
        with pytest.raises(DBAPIError, match=why), units(SYSTEM) as unit:
            unit.session.execute(insert(CreditBooking).values(**values, amount=amount))
    for statement in (
        "UPDATE credit_booking SET amount = 1",
        "DELETE FROM credit_booking",
        "UPDATE reading SET finished_at = begun_at",
        "DELETE FROM reading",
    ):
        with pytest.raises(DBAPIError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))


def test_verify_names_a_booking_that_the_books_do_not_have(
    units: Units, clock: FixedClock, given: Contribution
):
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE credit_booking DISABLE TRIGGER USER"))
        unit.session.execute(text("UPDATE credit_booking SET amount = 700"))
    found = verify(units, SYSTEM)
    assert found
    assert all("credits " in one for one in found)


def test_verify_names_a_booking_of_what_was_not_read(
    units: Units, clock: FixedClock, given: Contribution
):
    """R48: by a reading that is gone, or that ended at another time."""
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    booked(units)
    assert verify(units, SYSTEM) == []
    for statement in (
        "UPDATE reading SET finished_at = finished_at + interval '1 minute'",
        "DELETE FROM reading",
    ):
        with units(SYSTEM) as unit:
            unit.session.execute(text("ALTER TABLE reading DISABLE TRIGGER USER"))
            unit.session.execute(text(statement))
            unit.session.execute(text("ALTER TABLE reading ENABLE TRIGGER USER"))
        (found,) = verify(units, SYSTEM)
        assert "which was not read then" in found


@pytest.fixture
def client(settings: Settings, units: Units, given: Contribution) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as found:
        found.headers.update({"accept": "text/html", "accept-language": "en"})
        yield found


def test_a_teacher_reads_and_a_bureau_follows_it_to_the_certificate(
    client: TestClient[Litestar], units: Units, clock: FixedClock, given: Contribution
):
    """R48: page, interface and certificate say the same, with the digest of the bookings."""
    key = an_article(units, given.market, "TXT-1")
    sign_in(client, "reader-1")

    def send(act: str):
        form = {"csrf_token": csrf_token(client), "article": key}
        return client.post(f"/learn/credits/{act}", data=form, follow_redirects=False)

    assert "Begin reading" in client.get("/learn/credits").text
    assert send("begun").status_code == 303
    assert "marked as read in" in send("finished").text
    clock.advance(timedelta(minutes=1))
    assert "Open the article" in client.get("/learn/credits").text
    assert send("finished").status_code == 303
    waits = "0.0625 more will be booked within the hour"
    assert waits in client.get("/learn/credits").text
    booked(units)
    page = client.get("/learn/credits").text
    assert "0.0625" in page
    assert waits not in page
    assert "文章TXT-1" in client.get("/learn/credits/2026").text
    (own,) = client.get("/api/v1/credits").json()["items"]
    whole = client.get(f"/api/v1/credits/{own['person']}/2026").json()
    assert (own["total"], [one["amount"] for one in whole["bookings"]]) == (625, [625])
    assert own["parts_per_credit"] == whole["parts_per_credit"] == 10_000
    assert whole["digest"] in client.get("/learn/credits/2026/certificate").text
    with units(given.reader) as unit:
        found = certificate_of(unit, given.reader.person_id, 2026)
    assert found.digest == digest_of(given.reader.person_id, 2026, found.rows) == whole["digest"]

    sign_in(client, "author-1")
    assert client.get("/api/v1/credits").json()["items"] == []
    assert client.get(f"/api/v1/credits/{own['person']}/2026").status_code == 404
    sign_in(client, "auditor-1")
    assert "0.0625" in client.get("/bureau/credits").text
    assert client.get(f"/bureau/credits/{own['person']}/2026").status_code == 200
    address = f"/bureau/credits/{own['person']}/2026/certificate"
    assert whole["digest"] in client.get(address).text
    assert client.get("/api/v1/credits?year=2026").json()["items"] == [own]


def test_a_school_reads_nobodys_list(units: Units, given: Contribution):
    with pytest.raises(Refused), units(given.market.finance) as unit:
        years_of_teachers(unit)
    assert SHIPPED.reading_cap == 24 * PARTS
