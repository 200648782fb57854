"""Master data is taken in whole or not at all, and one run names everything there is to mend."""

import csv
from pathlib import Path

import pytest
from sqlalchemy import func, select

from catalog.models import Offer
from kernel.actors import system_actor
from kernel.errors import MissingColumns, RowsRejected, UnwritableFile
from kernel.identity.models import Census, Organisation
from kernel.unit import Units
from market.imports.maps import NO_MAP
from market.imports.master import import_master
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Rejects, Tally
from procurement.models import Selection
from tests.support.builders import (
    COUNTY,
    a_person,
    a_region_tree,
    a_resource,
    a_school,
    a_vendor,
)
from tests.support.funding_builders import COUNTY as FUNDED
from tests.support.funding_builders import SCHOOL, CountyBuilder, a_county
from tests.support.worlds import a_world

SYSTEM = system_actor("test")
SCHOOLS = "code,name,region_code,stages\n"


@pytest.fixture
@a_world
def county(units: Units) -> None:
    with units(SYSTEM) as unit:
        a_region_tree(unit)


def _import(units, tmp_path, kind, content, *, rejects=None, dry_run=False) -> Tally:
    actor = SYSTEM
    if isinstance(units, CountyBuilder):  # a person of its bureau, where the system may not act
        units, actor = units.units, units.actor("bureau")
    path = tmp_path / f"{kind}.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with Rejects(rejects) as gathered:
        return import_master(
            units,
            actor,
            MASTER_KINDS[kind],
            path=path,
            field_map=NO_MAP,
            rejects=gathered,
            dry_run=dry_run,
        )


def _count(units: Units, model: type) -> int:
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.usefixtures("county")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_each_encoding_that_is_read_gives_the_same_names(units, tmp_path, encoding):
    content = f"{SCHOOLS}9901210001,青禾县第一小学,{COUNTY},小学\n".encode(encoding)
    tally = _import(units, tmp_path, "schools", content)
    assert (tally.received, tally.accepted) == (1, 1)
    with units(SYSTEM) as unit:
        found = unit.session.scalars(select(Organisation).where(Organisation.kind == "school"))
        assert [school.name for school in found] == ["青禾县第一小学"]


@pytest.mark.usefixtures("county")
def test_one_wrong_row_keeps_the_whole_file_out_and_all_wrong_rows_are_named(units, tmp_path):
    content = (
        f"{SCHOOLS}9901210001,一小,{COUNTY},primary\n"
        f"99012,二小,{COUNTY},primary\n"
        "9901210003,三小,110101,primary\n"
        f"9901210004,,{COUNTY},primary\n"
        f"9901210005,五小,{COUNTY}\n"
    )
    path = tmp_path / "rejects.csv"
    with pytest.raises(RowsRejected) as caught:
        _import(units, tmp_path, "schools", content, rejects=path)
    assert caught.value.facts == {"rejected": 4, "received": 5, "file": "schools.csv"}
    before = _count(units, Organisation)
    assert before == 1, "only the bureau"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [(one["row"], one["field"], one["reject_code"]) for one in rejects] == [
        ("3", "code", "invalid-input"),
        ("4", "region_code", "not-found"),
        ("5", "name", "missing-value"),
        ("6", "stages", "uneven-row"),
    ]
    assert rejects[0]["code"] == "99012" and rejects[0]["name"] == "二小"


@pytest.mark.usefixtures("county")
def test_rejects_that_were_mended_can_be_imported_as_they_are(units, tmp_path):
    path = tmp_path / "rejects.csv"
    with pytest.raises(RowsRejected):
        _import(units, tmp_path, "schools", f"{SCHOOLS}99,一小,{COUNTY},\n", rejects=path)
    mended = path.read_bytes().replace(b"99,", b"9901210001,", 1)
    assert _import(units, tmp_path, "schools", mended).accepted == 1


@pytest.mark.usefixtures("county")
def test_a_dry_run_reports_as_the_real_one_and_keeps_nothing(units, tmp_path):
    content = f"{SCHOOLS}9901210001,一小,{COUNTY},primary\n"
    rehearsed = _import(units, tmp_path, "schools", content, dry_run=True)
    assert (rehearsed.accepted, rehearsed.dry_run, _count(units, Organisation)) == (1, True, 1)
    real = _import(units, tmp_path, "schools", content)
    assert (real.accepted, _count(units, Organisation)) == (1, 2)


@pytest.mark.usefixtures("county")
def test_the_same_file_again_is_duplicates(units, tmp_path):
    content = f"{SCHOOLS}9901210001,一小,{COUNTY},primary\n"
    _import(units, tmp_path, "schools", content)
    again = _import(units, tmp_path, "schools", content)
    assert (again.accepted, again.duplicates) == (0, 1)


def test_a_missing_column_is_named_with_those_that_are_there(units, tmp_path):
    with pytest.raises(MissingColumns) as caught:
        _import(units, tmp_path, "schools", "code,title\n1,2\n")
    assert caught.value.facts == {
        "file": "schools.csv",
        "columns": "name, region_code",
        "found": "code, title",
    }


def test_a_header_without_rows_imports_nothing(units, tmp_path):
    assert _import(units, tmp_path, "schools", SCHOOLS).received == 0


def test_an_unknown_school_code_is_a_reject_of_the_census(units, tmp_path):
    content = (
        "school_code,stage,kind,as_of,basis,pupils\n"
        "9999999999,primary,enrolled,2026-03-01,spring,100\n"
    )
    with pytest.raises(RowsRejected):
        _import(units, tmp_path, "enrolment", content)
    assert _count(units, Census) == 0


def test_a_negative_price_and_a_broken_date_are_rejects(units, tmp_path):
    content = (
        "vendor_code,sku,valid_from,plan,unit_price_yuan\n"
        "T-1,A,2026-01-01,per_use,-0.02\n"
        "T-1,A,2026-13-01,per_use,0.02\n"
    )
    rejects = Rejects(None)
    path = tmp_path / "offers.csv"
    path.write_text(content)
    with pytest.raises(RowsRejected):
        import_master(
            units,
            SYSTEM,
            MASTER_KINDS["offers"],
            path=path,
            field_map=NO_MAP,
            rejects=rejects,
        )
    assert [one.line() for one in rejects.first] == [
        (
            "row 2, unit_price_yuan: “-0.02” is not an amount (negative). "
            "Write it in plain digits, not negative, with at most 4 decimals."
        ),
        (
            "row 3, valid_from: “2026-13-01” is not a date or time. "
            "Write it like 2026-03-01 or 2026-03-01T08:30:00+08:00."
        ),
    ]
    assert _count(units, Offer) == 0


def test_a_ceiling_with_three_decimals_is_a_reject(units: Units, tmp_path: Path):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        school, vendor = a_school(unit), a_vendor(unit)
        a_resource(unit, vendor, "A")
        a_person(unit, school, ["teacher"], person_no="T1")
    row = f"{school.code},{vendor.code},A,2026-03-01,2026-06-30"
    header = (
        "reference,school_code,vendor_code,sku,starts_on,ends_on,ceiling_yuan,reason,requested_by\n"
    )
    with pytest.raises(RowsRejected):
        _import(units, tmp_path, "selections", f"{header}1,{row},10.005,巩固,T1\n")
    assert _count(units, Selection) == 0


def test_a_row_that_repeats_one_of_its_file_names_that_row(units: Units, tmp_path: Path):
    """R32: what stands in the way is not recorded, but a row above it."""
    county = a_county(units)
    header = "payer_code,fiscal_year,source,document,amount_yuan\n"
    rows = "".join(f"{SCHOOL},2026,surcharge,8号,{amount}.00\n" for amount in (1, 2))
    rejects = tmp_path / "rejects.csv"
    with pytest.raises(RowsRejected):
        _import(county, tmp_path, "allocations", header + rows, rejects=rejects)
    assert "Row 2 of this file is the same allocation" in rejects.read_text(encoding="utf-8-sig")
    assert ",repeated-row," in rejects.read_text(encoding="utf-8-sig")


def test_an_import_of_allocations_says_which_proposals_it_made_and_what_they_lack(
    units: Units, tmp_path: Path
):
    """R20: the number to be checked, and by how much the budget is too small."""
    county = a_county(units)
    rows = f"payer_code,fiscal_year,source,document,amount_yuan\n{SCHOOL},2024,own_funds,8号,9.00\n"
    tally = _import(county, tmp_path, "allocations", rows)
    assert tally.documents == [f"{FUNDED}-2024-001"]
    assert len(tally.warnings) == 1 and "own_funds" in tally.warnings[0]
    assert tally.as_lines()[-1] == f"part of      {FUNDED}-2024-001"
    again = _import(county, tmp_path, "allocations", rows)
    assert (again.duplicates, again.documents) == (1, tally.documents)
    tried = _import(county, tmp_path, "allocations", rows.replace("8号", "9号"), dry_run=True)
    assert "documents" not in tried.as_json()


def test_rejects_that_can_not_be_written_stop_the_import_before_it_begins(tmp_path):
    with pytest.raises(UnwritableFile), Rejects(tmp_path / "nowhere" / "rejects.csv"):
        pass


CATALOGUE = "vendor_code,sku,title,kind,tier,subject,devices,bandwidth_mbps,licence\n"


@pytest.mark.usefixtures("county")
def test_all_that_is_wrong_with_a_row_of_a_catalogue_is_told_at_once(units, tmp_path):
    """R5: words of no vocabulary beside what can't be read, and beside what can't be shown."""
    with units(SYSTEM) as unit:
        code = a_vendor(unit).code
    content = (
        f"{CATALOGUE}{code},A,一,personalised,growth,数学课,投影;hologram,fast,CC BY 3\n"
        f"{code},B,{'长' * 201},personalised,growth,数学课,hologram,2,CC BY 4.0\n"
        f"{code},C,三,personalised,growth,数学,投影,2,CC BY 4.0\n"
    )
    path = tmp_path / "rejects.csv"
    with pytest.raises(RowsRejected) as refused:
        _import(units, tmp_path, "catalogue", content, rejects=path)

    assert refused.value.facts["rejected"] == 2
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["field"] == "bandwidth_mbps"
    assert second["field"] == "subject"
    for row, others in ((first, ("subject", "devices", "licence")), (second, ("devices", "title"))):
        found = [row["reason"].count(f" {name}: ") for name in others]
        assert found == [1] * len(others), row["reason"]
