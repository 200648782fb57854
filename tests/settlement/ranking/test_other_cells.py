"""A version with another word for its type is no other resource: what closes one closes both."""

from dataclasses import replace
from datetime import date

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text

from catalog.listing_models import Listing
from catalog.models import Version
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Role
from kernel.clock import parse_month
from kernel.errors import NoNewSchools
from kernel.ids import VersionId
from kernel.settings import Settings
from kernel.unit import Unit, Units
from settlement.agreement_states import AgreementStanding
from settlement.models import Agreement
from settlement.queries.closed import Closed, closed_agreements, openings_of
from settlement.ranking.effects import require_open_to
from settlement.ranking.looks import leave_when_over
from settlement.ranking.slots import publish_order
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_listed_version, a_person, a_resource, a_school, admit, took
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
from tests.support.site_builders import counted_queries, sign_in

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


@pytest.mark.parametrize(
    ("standing", "label"), [("no_new_schools", "暂停新增"), ("exiting", "退出中")]
)
def test_a_school_is_told_of_what_is_closed_by_another_version(
    settings: Settings, units: Units, standing: str, label: str
) -> None:
    """R44: on its home, in its agreements and on the agreement's page; and its term is waited for.

    All of the closed cell is over; what runs is agreed on a version that has another subject.
    """
    contest = suspended(units)
    seller = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        school = a_school(unit)
        a_person(unit, school, [Role.PRINCIPAL], login="told", password=PASSWORD)
        drawn = a_resource(unit, seller.organisation, "P-9")
        relabelled(unit, replace(seller, resource_id=drawn, sku="P-9"), subject="数学")
        as_it_stands(unit, seller, "probation")
        agreement_id = an_agreement(
            unit,
            school,
            vendor_id=seller.organisation.id,
            resource_id=drawn,
            draws=[],
            unit_price="0.0000",
            reference="BEFORE",
            starts_on=date(2026, 11, 1),
            ends_on=date(2026, 12, 31),
        )
        number = unit.session.get_one(Agreement, agreement_id).number
        as_it_stands(unit, seller, standing)
    with units(SYSTEM) as unit:
        (told,) = closed_agreements(unit, school.code)
        assert (told.number, told.closed) == (number, Closed(CELL, standing))
    with TestClient(an_app(settings, units)) as client:
        sign_in(client, "told")
        for address in ("/school", "/school/agreements", f"/school/agreements/{number}"):
            with counted_queries(units.engine) as sent:
                page = client.get(address, headers={"accept": "text/html"})
            assert (page.status_code, len(sent) <= 12) == (200, True), (address, len(sent))
            assert label in page.text, address
    others = select(Agreement).where(Agreement.vendor_id == seller.organisation.id)
    with units(SYSTEM) as unit:
        for one in unit.session.scalars(others.where(Agreement.number != number)):
            one.state = AgreementStanding.ENDED
        unit.session.flush()
        assert leave_when_over(unit) == 0
    if standing != "exiting":
        return
    with units(SYSTEM) as unit:
        for one in unit.session.scalars(others.where(Agreement.number == number)):
            one.state = AgreementStanding.ENDED
        unit.session.flush()
        assert leave_when_over(unit) == 1


def as_it_stands(unit: Unit, seller: Seller, state: str) -> None:
    """Have a vendor stand so in the cell, as if due process had come there."""
    unit.session.execute(text("SET LOCAL session_replication_role = replica"))
    unit.session.execute(
        text("UPDATE standing SET state = :state WHERE vendor_id = :vendor AND cell = :cell"),
        {"state": state, "vendor": seller.organisation.id, "cell": CELL},
    )
    unit.session.execute(text("SET LOCAL session_replication_role = origin"))


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
