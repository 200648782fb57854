"""The catalogue: versions by content, prices by day, and who records them (R1, R4)."""

import hashlib
from dataclasses import asdict, fields, replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from catalog.models import Offer, Version
from catalog.offers import OfferRow, offer_in_force, record_offers
from catalog.plans import parse_tiers
from catalog.queries import latest_versions, listed_versions, resources_by_key
from catalog.resources import STATED, CatalogueRow, content_digest, record_catalogue
from catalog.self_checks import SelfCheckColumns
from kernel.actors import OrganisationKind, Role, system_actor
from kernel.errors import Refused
from kernel.identity.organisations import organisation_by_code
from kernel.identity.regions import RegionRow, record_regions
from kernel.outcomes import Fate
from kernel.trail import TrailRow
from tests.support.builders import (
    COUNTY,
    a_bureau,
    a_person,
    a_region_tree,
    a_resource,
    a_school,
    a_uscc,
    a_vendor,
    took,
)
from tests.support.worlds import a_world

SYSTEM = system_actor("test")
FIRM = a_uscc()
DAY = date(2026, 3, 1)

ROW = CatalogueRow(
    vendor_code=FIRM,
    sku="YW-1",
    title="藏语文识字",
    kind="personalised",
    tier="growth",
    stage="primary",
    subject="语文",
    grade="三年级",
    type="video",
    language="bo",
    licence="CC BY 4.0",
    keywords=("识字", "藏语"),
)
OFFER = OfferRow(
    vendor_code=FIRM, sku="YW-1", valid_from=DAY, plan="per_use", unit_price_yuan=Decimal("0.02")
)


def fates(outcomes) -> list[Fate]:
    return [one.fate for one in outcomes]


@pytest.fixture
@a_world
def firm(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        return a_vendor(unit, code=FIRM)


def test_new_content_is_a_new_version_and_the_same_a_duplicate(units, firm):
    with units(SYSTEM) as unit:
        assert fates(record_catalogue(unit, [ROW, ROW])) == [Fate.ACCEPTED, Fate.DUPLICATE]
    changed = replace(ROW, licence="CC BY-NC 4.0")
    with units(SYSTEM) as unit:
        assert fates(record_catalogue(unit, [ROW, changed])) == [Fate.DUPLICATE, Fate.ACCEPTED]
    with units(SYSTEM) as unit:
        assert fates(record_catalogue(unit, [changed, ROW])) == [Fate.DUPLICATE] * 2
        versions = unit.session.scalars(select(Version).order_by(Version.number)).all()
        resource = resources_by_key(unit, [(FIRM, "YW-1"), (FIRM, "none")])[FIRM, "YW-1"]
        assert latest_versions(unit, [resource.id])[resource.id].number == 2
        assert listed_versions(unit, [resource.id]) == {}
    assert [(one.number, one.state) for one in versions] == [(1, "submitted"), (2, "submitted")]
    assert versions[0].metadata_ == {
        "language": "bo",
        "licence": "CC BY 4.0",
        "author": "",
        "keywords": ["识字", "藏语"],
        "conditions": "",
        "address": "",
        "launch_url": "",
    }


def test_two_contents_of_one_resource_in_one_file_are_a_conflict(units, firm):
    with units(SYSTEM) as unit:
        outcomes = record_catalogue(unit, [ROW, replace(ROW, title="另一题")])
    assert fates(outcomes) == [Fate.ACCEPTED, Fate.CONFLICT]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vendor_code": "nobody"}, "vendor_code"),
        ({"sku": " "}, "sku"),
        ({"title": ""}, "title"),
        ({"kind": "free"}, "kind"),
        ({"tier": "top"}, "tier"),
        ({"stage": "nursery"}, "stage"),
        ({"address": "javascript:alert(1)"}, "address"),
        ({"address": "/preview"}, "address"),
        ({"launch_url": "http://vendor.example/open"}, "launch_url"),
        ({"launch_url": "javascript:alert(1)"}, "launch_url"),
        ({"launch_url": "https://user:word@vendor.example/"}, "launch_url"),
        ({"launch_url": "https://vendor.example/a b"}, "launch_url"),
        ({"launch_url": "https://vendor.example/#part"}, "launch_url"),
        ({"launch_url": "https://[vendor"}, "launch_url"),
    ],
)
def test_a_row_that_is_not_right_is_rejected_with_its_field(units, firm, change, field):
    with units(SYSTEM) as unit:
        (outcome,) = record_catalogue(unit, [replace(ROW, **change)])
        assert unit.session.scalars(select(Version)).all() == []
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)


def test_an_address_to_launch_is_content_and_none_changes_nothing(units, firm):
    """R26: where tickets go is reviewed like all content; rows from before it are duplicates."""
    with units(SYSTEM) as unit:
        took(record_catalogue(unit, [ROW]))
        (again,) = record_catalogue(unit, [replace(ROW, launch_url="")])
        elsewhere = replace(ROW, launch_url="https://vendor.example:8443/open?from=xuanyong")
        (changed,) = record_catalogue(unit, [elsewhere])
        (here,) = record_catalogue(unit, [replace(ROW, launch_url="http://127.0.0.1:8000/")])
    assert [again.fate, changed.fate, here.fate] == [
        Fate.DUPLICATE,
        Fate.ACCEPTED,
        Fate.ACCEPTED,
    ]
    later = {"vendor_code", "sku", "launch_url", "ownership", "school_share", *STATED}
    later |= {one.name for one in fields(SelfCheckColumns)}
    content = {name: value for name, value in asdict(ROW).items() if name not in later}
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).digest()
    assert content_digest(ROW) == digest


def test_what_was_submitted_can_not_be_edited_in_the_database_either(units, firm):
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
    with pytest.raises(DBAPIError, match="only state may change"), units(SYSTEM) as unit:
        unit.session.execute(update(Version).values(title="x"))


def test_an_offer_holds_from_its_day_until_the_next_begins(units, firm):
    later = replace(OFFER, valid_from=date(2026, 9, 1), unit_price_yuan=Decimal("0.0305"))
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
        assert fates(record_offers(unit, [OFFER, OFFER, later])) == [
            Fate.ACCEPTED,
            Fate.DUPLICATE,
            Fate.ACCEPTED,
        ]
        resource_id = resources_by_key(unit, [(FIRM, "YW-1")])[FIRM, "YW-1"].id

        def price(day: date) -> str | None:
            offer = offer_in_force(unit, [resource_id], day=day).get(resource_id)
            return offer.plan["unit_price"] if offer else None

        assert price(date(2026, 2, 28)) is None
        assert price(DAY) == price(date(2026, 8, 31)) == "0.0200"
        assert price(date(2026, 9, 1)) == "0.0305"


def test_a_price_is_never_changed(units, firm):
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
        record_offers(unit, [OFFER])
    with units(SYSTEM) as unit:
        cheaper = replace(OFFER, unit_price_yuan=Decimal("0.01"))
        same = replace(OFFER, unit_price_yuan=Decimal("0.0200"))
        assert fates(record_offers(unit, [cheaper, same])) == [Fate.CONFLICT, Fate.DUPLICATE]
    with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
        unit.session.execute(update(Offer).values(valid_from=DAY))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sku": "none"}, "sku"),
        ({"vendor_code": "nobody"}, "sku"),
        ({"plan": "per_month"}, "plan"),
        ({"tiers": parse_tiers("1000:0.0200")}, "tiers"),
        ({"tiers": parse_tiers("1000:0.0200;500:0.0150;*:0.0100")}, "tiers"),
        ({"tiers": parse_tiers("1000:0.0300;*:0.0100")}, "unit_price_yuan"),
        ({"free_allowance": 0}, "free_allowance"),
        ({"period_cap_yuan": Decimal(0)}, "period_cap_yuan"),
        ({"period_cap_yuan": Decimal("1.00001")}, "period_cap_yuan"),
        ({"plan": "flat", "period_cap_yuan": Decimal(1)}, "period_cap_yuan"),
        ({"plan": "per_learner", "learner_cap": 5}, "learner_cap"),
        ({"unit_price_yuan": Decimal("0.00005")}, "unit_price_yuan"),
        ({"unit_price_yuan": Decimal("-1")}, "unit_price_yuan"),
        ({"unit_price_yuan": Decimal("100000.0001")}, "unit_price_yuan"),
        ({"unit_price_yuan": Decimal("NaN")}, "unit_price_yuan"),
    ],
)
def test_an_offer_that_is_not_right_is_rejected_with_its_field(units, firm, change, field):
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
        (outcome,) = record_offers(unit, [replace(OFFER, **change)])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)


def test_basic_resources_are_free_by_policy(units, firm):
    """R1."""
    with units(SYSTEM) as unit:
        record_catalogue(unit, [replace(ROW, kind="basic")])
        free = replace(OFFER, unit_price_yuan=Decimal(0))
        later_tier = replace(free, tiers=parse_tiers("10:0;*:0.01"))
        assert fates(record_offers(unit, [OFFER, later_tier, free])) == [
            Fate.REJECTED,
            Fate.REJECTED,
            Fate.ACCEPTED,
        ]


def test_a_whole_plan_is_stored_as_text_that_compares_exactly(units, firm):
    """The same plan, written with fewer decimals, is the same offer."""
    whole = replace(
        OFFER,
        tiers=parse_tiers("1000:0.02; *:0.01"),
        free_allowance=100,
        period_cap_yuan=Decimal(300),
        learner_cap=40,
    )
    same = replace(whole, tiers=parse_tiers("1000:0.0200;*:0.0100"))
    with units(SYSTEM) as unit:
        record_catalogue(unit, [ROW])
        assert fates(record_offers(unit, [whole, same])) == [Fate.ACCEPTED, Fate.DUPLICATE]
        (offer,) = unit.session.scalars(select(Offer))
        assert offer.plan == {
            "plan": "per_use",
            "unit_price": "0.0200",
            "tiers": [
                {"up_to": 1000, "unit_price": "0.0200"},
                {"up_to": None, "unit_price": "0.0100"},
            ],
            "free_allowance": 100,
            "period_cap": "300.0000",
            "learner_cap": 40,
        }


def test_a_vendor_records_its_own_catalogue_and_no_other(units, firm):
    with units(SYSTEM) as unit:
        manager = a_person(unit, firm, [Role.VENDOR_MANAGER])
        other = a_person(unit, a_vendor(unit), [Role.VENDOR_MANAGER])
        teacher = a_person(unit, a_school(unit), [Role.TEACHER])
    with units(other) as unit:
        assert fates(record_catalogue(unit, [ROW])) == [Fate.REJECTED]
    with units(manager) as unit:
        assert fates(record_catalogue(unit, [ROW])) == [Fate.ACCEPTED]
        assert fates(record_offers(unit, [OFFER])) == [Fate.ACCEPTED]
    with units(other) as unit:
        assert fates(record_offers(unit, [OFFER])) == [Fate.REJECTED]
    with units(teacher) as unit, pytest.raises(Refused):
        record_catalogue(unit, [ROW])


def test_a_bureau_records_prices_only_of_vendors_in_its_regions_and_that_is_on_the_trail(
    units, firm
):
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        neighbour = a_bureau(unit, region_code="990122")
        own = organisation_by_code(unit, OrganisationKind.BUREAU, code=COUNTY)
        foreign = a_person(unit, neighbour, [Role.OPERATOR, Role.ADMISSION])
        reviewer = a_person(unit, own, [Role.ADMISSION])
        finance = a_person(unit, own, [Role.BUREAU_FINANCE])
        record_catalogue(unit, [ROW])
    with units(foreign) as unit:
        assert fates(record_offers(unit, [OFFER])) == [Fate.REJECTED]
    with units(finance) as unit, pytest.raises(Refused):
        record_offers(unit, [OFFER])
    with units(reviewer) as unit:
        assert fates(record_offers(unit, [OFFER, OFFER])) == [Fate.ACCEPTED, Fate.DUPLICATE]
    with units(SYSTEM) as unit:
        (row,) = unit.session.scalars(select(TrailRow).where(TrailRow.act == "offers.recorded"))
    assert (row.actor_id, row.subject_id) == (reviewer.person_id, COUNTY)
    assert row.facts == {"accepted": 1, "duplicate": 1, "resources": 1}


def test_a_builder_makes_a_listed_resource(units, firm):
    with units(SYSTEM) as unit:
        resource_id = a_resource(unit, firm, "X-1", unit_price="0.0300")
        assert listed_versions(unit, [resource_id])[resource_id].state == "listed"
        assert a_resource(unit, firm, "X-2", unit_price="0", listed=False)
