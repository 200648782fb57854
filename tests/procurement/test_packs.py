"""A pack is selected, signed and agreed like any resource, and only while all of it is listed."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal
from catalog.models import Version
from catalog.offers import OfferRow, record_offers
from catalog.packs import parts_of
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Role
from kernel.errors import PartNotListed
from kernel.identity.models import Organisation
from kernel.ids import SelectionId
from kernel.unit import Units
from procurement.approvals import sign
from procurement.models import Selection
from settlement.models import Agreement
from tests.support.builders import a_person, acting_as, took
from tests.support.funding_builders import (
    SCHOOL,
    VENDOR,
    CountyBuilder,
    a_county,
    a_selection,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.worlds import a_world

ROLES = ("academic", "school_finance")


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    """A county whose vendor lists a pack of two, which the school has asked for."""
    county = a_county(units)
    county.issue()
    county.listed("maths-2")
    with units(SYSTEM) as unit:
        row = CatalogueRow(
            vendor_code=VENDOR,
            sku="PACK",
            title="数学资源包",
            kind="personalised",
            tier="growth",
            stage="primary",
            parts=("maths-1", "maths-2"),
        )
        offer = OfferRow(
            vendor_code=VENDOR,
            sku="PACK",
            valid_from=date(2026, 1, 1),
            plan="per_use",
            unit_price_yuan=Decimal("0.0500"),
        )
        took(record_catalogue(unit, [row]))
        took(record_offers(unit, [offer]))
        bureau = unit.session.scalars(
            select(Organisation).where(Organisation.kind == "bureau").limit(1)
        ).one()
        first, second = (a_person(unit, bureau, [Role.ADMISSION]) for _ in range(2))
        with acting_as(unit, first):
            propose_admission(unit, awaiting_proposal(unit), note="齐全")
        with acting_as(unit, second):
            decide_admission(unit, awaiting_decision(unit), note="同意")
    county.select(a_selection(sku="PACK"))
    return county


def signed_by(county: CountyBuilder, role: str) -> None:
    with county.units(SYSTEM) as unit:
        selection_id = SelectionId(unit.session.scalars(select(Selection.id)).one())
    with county.units(county.actor(f"{role}-{SCHOOL}")) as unit:
        sign(unit, selection_id)


def test_an_agreement_on_a_pack_says_that_it_is_one(county):
    """R33: so that its uses come before those of a single agreement."""
    for role in ROLES:
        signed_by(county, role)
    with county.units(SYSTEM) as unit:
        agreement = unit.session.scalars(select(Agreement)).one()
        parts = [one.sku for one in parts_of(unit, agreement.version_id)]

    assert (agreement.terms["kind"], agreement.terms["sku"]) == ("pack", "PACK")
    assert parts == ["maths-1", "maths-2"]


def test_a_pack_of_which_a_part_is_gone_is_not_agreed(county):
    """R14: nobody pays for what is listed no more."""
    signed_by(county, ROLES[0])
    with county.units(SYSTEM) as unit:
        (pack,) = unit.session.scalars(select(Version.id).where(Version.title == "数学资源包"))
        part = parts_of(unit, pack)[1]
        unit.session.execute(
            update(Version).where(Version.id == part.version_id).values(state="suspended")
        )

    with pytest.raises(PartNotListed, match="maths-2@1"):
        signed_by(county, ROLES[1])
