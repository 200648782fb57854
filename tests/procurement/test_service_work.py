"""A teacher's service work: whose it is, in the catalogue, in the terms and in each bill (R40)."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from catalog.models import Version
from catalog.resources import CatalogueRow, record_catalogue
from kernel.identity.models import Organisation
from kernel.outcomes import Fate
from kernel.unit import Unit, Units
from procurement.selection_terms import _school_share
from settlement.closing import settle
from settlement.exports import export_statements
from settlement.models import StatementLine
from tests.support.builders import a_region_tree, a_school, a_selling_teacher, a_vendor
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver


@pytest.fixture
def unit(units: Units) -> Iterator[Unit]:
    with units(SYSTEM) as unit:
        yield unit


@pytest.fixture
def school(unit: Unit) -> Organisation:
    a_region_tree(unit)
    return a_school(unit)


@pytest.fixture
def row(unit: Unit, school: Organisation) -> CatalogueRow:
    """A teacher's video, of which their school has three tenths."""
    teacher = a_selling_teacher(unit, school)
    return CatalogueRow(
        vendor_code=teacher.code,
        sku="V-1",
        title="二十讲",
        kind="school_based",
        tier="growth",
        ownership="service_work",
        school_share=Decimal("0.3"),
    )


def test_service_work_names_the_school_of_its_author(
    unit: Unit, school: Organisation, row: CatalogueRow
) -> None:
    assert [one.fate for one in record_catalogue(unit, [row, row])] == [
        Fate.ACCEPTED,
        Fate.DUPLICATE,
    ]
    version = unit.session.scalars(select(Version)).one()
    assert {name: version.metadata_[name] for name in ("ownership", "school_share")} == {
        "ownership": "service_work",
        "school_share": "0.3000",
    }
    assert _school_share(version) == {
        "school_rate": "0.3000",
        "author_school_id": str(school.id),
        "author_school_code": school.code,
    }


def test_another_share_is_another_version(unit: Unit, row: CatalogueRow) -> None:
    record_catalogue(unit, [row])
    changed = replace(row, school_share=Decimal("0.4"))
    personal = replace(row, ownership="personal", school_share=Decimal(0))
    for other in (changed, personal):
        assert [one.fate for one in record_catalogue(unit, [other])] == [Fate.ACCEPTED]
    versions = unit.session.scalars(select(Version).order_by(Version.number)).all()
    assert len(versions) == 3
    assert _school_share(versions[-1]) == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ownership": "shared"}, "ownership"),
        ({"school_share": Decimal("1.0001")}, "school_share"),
        ({"ownership": "personal"}, "school_share"),
    ],
)
def test_a_share_that_can_not_be_is_refused(
    unit: Unit, row: CatalogueRow, change: dict[str, object], field: str
) -> None:
    (outcome,) = record_catalogue(unit, [replace(row, **change)])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)


def test_a_firms_work_is_no_schools(unit: Unit, row: CatalogueRow) -> None:
    firm = a_vendor(unit)
    (outcome,) = record_catalogue(unit, [replace(row, vendor_code=firm.code)])
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, "ownership")


def test_the_author_and_their_school_share_what_fee_and_retention_leave(units: Units) -> None:
    """R38, R40: 10.33 drawn at 5 % and 5 %, three tenths of the rest for the school."""
    market = a_market(units, terms={"school_rate": "0.3000"})
    deliver(units, [a_use(units, market, f"u{n}", at(2, 8, n)) for n in range(31)])
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        line = unit.session.scalars(select(StatementLine)).one()
        exported = export_statements(unit, MARCH)
    # 650.79, 278.91, 51.65 and 51.65 fen: the three left over go to the largest remainders.
    shares = (line.vendor_fen, line.school_fen, line.fee_fen, line.retention_fen)
    assert shares == (651, 279, 52, 51)
    assert line.drawn_fen == sum(shares) == 1_033
    assert b'"school_fen":279' in exported
