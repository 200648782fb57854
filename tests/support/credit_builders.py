"""A teacher's contribution that another school uses, and a teacher of that school who reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, text

from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.identity.models import Learner, Organisation
from kernel.identity.organisations import VendorRow, record_vendors
from kernel.ids import new_learner_id
from kernel.unit import Units
from settlement.credit_models import CreditBooking
from settlement.credits import book_credits
from settlement.ledger.models import Account
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind
from settlement.reading import begin_reading, finish_reading
from tests.support.accounts import PASSWORD
from tests.support.builders import COUNTY, a_listed_version, a_person, a_school, admit, took
from tests.support.passwords import cheap_passwords
from tests.support.settlement_builders import SYSTEM, Market, a_market, at, deliver
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source
from tests.support.worlds import a_world

SMALL = {
    "reading": 625,
    "reading_cap": 1_000,
    "adoption": 30_000,
    "followers": 30_000,
    "followers_needed": 2,
    "reading_types": ["文本"],
    "reading_seconds": 60,
}
"""A cap of one article and a part of the second, and two followers."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """A market whose vendor is a teacher of another school, and a teacher who uses their work."""

    market: Market
    author: Actor
    reader: Actor
    number: UUID


@a_world
def a_contribution(
    units: Units, *, unit_price: str = "0.3333", terms: Mapping[str, Any] | None = None
) -> Contribution:
    market = a_market(units, unit_price=unit_price, terms=terms)
    a_ticketed_source(units, market)
    with cheap_passwords(), units(SYSTEM) as unit:
        elsewhere = a_school(unit)
        vendor = unit.session.get_one(Organisation, market.vendor.id)
        vendor.facts = {"vendor_kind": "teacher", "school_id": str(elsewhere.id)}
        author = a_person(
            unit, market.vendor, [Role.VENDOR_MANAGER], login="author-1", password=PASSWORD
        )
        reader = a_person(unit, market.school, [Role.TEACHER], login="reader-1", password=PASSWORD)
        a_person(unit, market.bureau, [Role.AUDITOR], login="auditor-1", password=PASSWORD)
        number = new_learner_id()
        unit.session.add(Learner(id=number, person_id=reader.person_id))
        record_table(
            unit,
            RateKind.CREDITS,
            version="small",
            region_code=COUNTY,
            valid_from=date(2026, 1, 1),
            source="测试标准",
            body=SMALL,
        )
    return Contribution(market, author, reader, number)


def an_article(units: Units, market: Market, sku: str, *, kind: str = "文本") -> str:
    row = CatalogueRow(
        vendor_code=market.vendor.code,
        sku=sku,
        title=f"文章{sku}",
        kind="basic",
        tier="basic",
        type=kind,
    )
    with units(SYSTEM) as unit:
        took(record_catalogue(unit, [row]))
        resource_id = unit.session.execute(
            text("SELECT id FROM resource WHERE sku = :sku"), {"sku": sku}
        ).scalar_one()
        admit(unit, [a_listed_version(unit, resource_id)])
    return f"{market.vendor.code}/{sku}"


def read(units: Units, reader: Actor, key: str, clock: FixedClock) -> None:
    with units(reader) as unit:
        begin_reading(unit, key)
    clock.advance(timedelta(seconds=60))
    with units(reader) as unit:
        finish_reading(unit, key)


def taught(units: Units, given: Contribution, *, day: int, month: int = 3) -> None:
    """Have the other school's teacher use the contribution with a class."""
    launch_id = uuid4()
    a_launch(
        units,
        given.market,
        launch_id=launch_id,
        kind="class",
        class_name="三年级2班",
        learner_id=given.number,
        issued_at=at(day, 8, month=month),
    )
    report = a_report(
        launch_id, f"use-{launch_id}", occurred_at=at(day, 8, 10, month=month), session="s"
    )
    deliver(units, [report], source=TICKETS, name=f"{launch_id}.csv")


def moves(units: Units, given: Contribution, *, to: Organisation) -> None:
    """Record that the author teaches at another school now."""
    with units(SYSTEM) as unit:
        vendor = unit.session.get_one(Organisation, given.market.vendor.id)
        vendor.code = "T-1001"  # the market's vendor began as a firm
        unit.session.flush()
        row = VendorRow(
            code=vendor.code,
            name=vendor.name,
            region_code=vendor.region_code,
            vendor_kind="teacher",
            school_code=to.code,
        )
        took(record_vendors(unit, [row]))


def booked(units: Units) -> int:
    with units(SYSTEM) as unit:
        found = book_credits(unit)
    found.require_all()
    return found.changes


def credited(units: Units, person: Actor) -> int:
    """Return what a person's account holds; the other side of the books holds the same in all."""
    with units(SYSTEM) as unit:
        held = unit.session.scalar(
            select(Account.balance).where(
                Account.owner_id == person.person_id, Account.kind == "credits"
            )
        )
        made = unit.session.scalar(
            select(func.coalesce(func.sum(CreditBooking.amount), 0)).where(
                CreditBooking.person_id == person.person_id
            )
        )
    assert (held or 0) == made
    return int(held or 0)
