"""A catalogue goes out as the file that comes in, and what was not found goes out by its words."""

import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest

from catalog.exporting import catalogue_rows
from catalog.resources import record_catalogue
from kernel.actors import Role
from kernel.errors import NotFound, Refused
from kernel.outcomes import Fate
from kernel.unit import Units
from market.cli.exporting import catalogue_lines
from market.imports.registry import MASTER_KINDS
from tests.support.builders import a_person, a_region_tree, a_school, a_vendor
from tests.support.catalogue_builders import a_row, listed, submitted
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def firms(units: Units):
    """Two firms: one with a listed resource and a draft, the other with a draft."""
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        first, second = a_vendor(unit), a_vendor(unit)
        whole = a_row(
            first,
            "SX-1",
            "=小数乘法",
            grade="五年级",
            type="课件",
            keywords=("小数", "乘法"),
            edition="人教版",
            chapter="五年级上册/小数乘法",
            bandwidth_mbps=Decimal("2.5"),
            devices=("投影", "音箱"),
            offline="downloaded",
            licence="CC BY 4.0",
        )
        listed(unit, [whole])
        submitted(unit, [a_row(first, "D-1", "草稿甲"), a_row(second, "D-1", "草稿乙")])
        return first, second


def test_what_is_taken_out_comes_in_again_as_duplicates(units: Units, firms) -> None:
    kind = MASTER_KINDS["catalogue"]
    with units(SYSTEM) as unit:
        text = b"".join(catalogue_lines(catalogue_rows(unit))).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows[1]["title"] == "'=小数乘法"
        read = [
            kind.row({name: cell.removeprefix("'") for name, cell in row.items()}) for row in rows
        ]
        assert [one.fate for one in record_catalogue(unit, read)] == [Fate.DUPLICATE] * 3
        whole = {row.sku: row for row in catalogue_rows(unit)}
        assert replace(read[1], school_share=Decimal(0)) == whole["SX-1"]


def test_a_vendor_takes_out_its_own_and_nobody_elses(units: Units, firms) -> None:
    first, second = firms
    with units(SYSTEM) as unit:
        manager = a_person(unit, first, [Role.VENDOR_MANAGER])
        teacher = a_person(unit, a_school(unit), [Role.TEACHER])
    with units(manager) as unit:
        assert {row.title for row in catalogue_rows(unit)} == {"=小数乘法", "草稿甲"}
        with pytest.raises(NotFound):
            list(catalogue_rows(unit, vendor_code=second.code))
    with units(teacher) as unit, pytest.raises(Refused):
        list(catalogue_rows(unit))
    with units(SYSTEM) as unit:
        assert len(list(catalogue_rows(unit, vendor_code=second.code))) == 1
