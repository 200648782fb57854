"""A version with another word for its type is no other resource: what closes one closes both."""

from dataclasses import replace
from datetime import date

import pytest

from catalog.listing_models import Listing
from catalog.models import Version
from catalog.resources import CatalogueRow, record_catalogue
from kernel.clock import parse_month
from kernel.errors import NoNewSchools
from kernel.ids import VersionId
from kernel.unit import Unit, Units
from settlement.queries.closed import openings_of
from settlement.ranking.effects import require_open_to
from settlement.ranking.slots import publish_order
from tests.support.builders import a_listed_version, a_resource, a_school, admit, took
from tests.support.pack_builders import a_pack
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Seller,
    a_contest,
    lived,
    ranked,
    suspended,
)
from tests.support.settlement_builders import SYSTEM, an_agreement

MARCH, APRIL = parse_month("2026-03"), parse_month("2026-04")


def relabelled(unit: Unit, seller: Seller, **words: str) -> VersionId:
    """Have a vendor's resource let in once more, under other words."""
    before = unit.session.get_one(Version, a_listed_version(unit, seller.resource_id))
    facts = {
        name: getattr(before, name)
        for name in ("title", "kind", "tier", "stage", "subject", "grade", "type")
    }
    row = CatalogueRow(vendor_code=seller.organisation.code, sku=seller.sku, **{**facts, **words})
    took(record_catalogue(unit, [row]))
    version = a_listed_version(unit, seller.resource_id)
    assert version != before.id
    admit(unit, [version])
    return version


def test_another_word_for_its_type_opens_no_suspended_resource(units: Units) -> None:
    """R44: nor a pack with it; the schools that have it go on, with either version."""
    contest = suspended(units)
    seller = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        new, known = a_school(unit), contest.schools[0]
        version = relabelled(unit, seller, type="动画")
        a_resource(unit, seller.organisation, "P-8", subject="数学")
        pack = a_listed_version(
            unit, a_pack(unit, seller.organisation, ("P-8", seller.sku), sku="PACK-1")
        )
    for closed in (version, pack):
        with units(SYSTEM) as unit, pytest.raises(NoNewSchools, match=CELL):
            require_open_to(unit, [(closed, [new.id])])
        with units(SYSTEM) as unit:
            require_open_to(unit, [(closed, [known.id])])
            assert [one.cell for one in openings_of(unit, closed).closed] == [CELL]


def test_who_has_the_resource_under_its_new_word_goes_on(units: Units) -> None:
    """R44: an agreement on the new version, from before the suspension; on nothing else."""
    contest = suspended(units)
    seller = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        school, other = a_school(unit), a_resource(unit, seller.organisation, "P-7")
        drawn = a_resource(unit, seller.organisation, "P-9", subject="数学")
        moved = replace(seller, resource_id=drawn, sku="P-9")
        an_agreement(
            unit,
            school,
            vendor_id=seller.organisation.id,
            resource_id=moved.resource_id,
            draws=[],
            unit_price="0.0000",
            reference="BEFORE",
            starts_on=date(2026, 11, 1),
            ends_on=date(2026, 12, 31),
        )
        version = relabelled(unit, moved, subject="语文")

    with units(SYSTEM) as unit:
        require_open_to(unit, [(version, [school.id])])
        with pytest.raises(NoNewSchools, match=CELL):
            require_open_to(unit, [(a_listed_version(unit, other), [school.id])])


def test_relabelled_a_ranked_resource_keeps_no_newcomers_place(units: Units) -> None:
    """R43: who is known elsewhere is known."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    seller = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        relabelled(unit, seller, type="动画")
    with units(SYSTEM) as unit:
        publish_order(unit)
    with units(SYSTEM) as unit:
        listing = unit.session.get_one(Listing, seller.resource_id)

    assert (listing.type, listing.is_newcomer, listing.is_slot) == ("动画", False, False)
    assert listing.place == 3
