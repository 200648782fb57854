"""Bureaus, schools, teaching points and vendors; and who sees which (R49)."""

import pytest
from sqlalchemy import select

from kernel.actors import VISITOR, OrganisationKind, Role, system_actor
from kernel.errors import NotFound, Refused
from kernel.identity.models import Organisation
from kernel.identity.organisations import (
    BureauRow,
    SchoolRow,
    VendorRow,
    organisation_by_code,
    record_bureaus,
    record_schools,
    record_vendors,
)
from kernel.identity.regions import RegionRow, record_regions
from kernel.identity.visibility import require_visible, visible_organisations
from kernel.outcomes import Fate
from kernel.trail import TrailRow
from tests.support.builders import (
    CITY,
    COUNTY,
    PROVINCE,
    a_bureau,
    a_person,
    a_region_tree,
    a_school,
    a_selling_teacher,
    a_uscc,
    a_vendor,
)
from tests.support.worlds import a_world

SYSTEM = system_actor("test")


def school(code: str, name: str = "某校", **more) -> SchoolRow:
    return SchoolRow(code=code, name=name, region_code=more.pop("region_code", COUNTY), **more)


def fates(outcomes) -> list[Fate]:
    return [one.fate for one in outcomes]


@pytest.fixture
@a_world
def county(units):
    with units(SYSTEM) as unit:
        return a_region_tree(unit)


def test_a_teaching_point_is_paid_for_by_its_school_wherever_it_stands_in_the_file(units, county):
    with units(SYSTEM) as unit:
        rows = [
            school("2199000002", parent_code="2199000001"),
            school("2199000001", stages=("primary", "junior"), small_rural=True),
        ]
        assert fates(record_schools(unit, rows)) == [Fate.ACCEPTED] * 2
        point = organisation_by_code(unit, OrganisationKind.SCHOOL, code="2199000002")
        main = organisation_by_code(unit, OrganisationKind.SCHOOL, code="2199000001")
    assert point.parent_id == main.id
    assert main.facts == {"stages": ["primary", "junior"], "setting": "", "small_rural": True}


def test_what_is_no_school_is_rejected_with_the_field(units, county):
    rows = [
        school("219900001"),
        school("2199000001", ""),
        school("2199000001", region_code="440000"),
        school("2199000001", stages=("小学",)),
        school("2199000001", setting="moon"),
        school("2199000001", parent_code="2199000009"),
    ]
    with units(SYSTEM) as unit:
        outcomes = record_schools(unit, rows)
        assert not unit.session.scalars(visible_organisations(unit, OrganisationKind.SCHOOL)).all()
    assert fates(outcomes) == [Fate.REJECTED] * 6
    assert [one.field for one in outcomes] == [
        "code",
        "name",
        "region_code",
        "stages",
        "setting",
        "parent_code",
    ]


def test_a_teaching_point_has_no_teaching_points(units, county):
    with units(SYSTEM) as unit:
        rows = [
            school("2199000001"),
            school("2199000002", parent_code="2199000001"),
            school("2199000003", parent_code="2199000002"),
        ]
        assert fates(record_schools(unit, rows)) == [Fate.ACCEPTED, Fate.ACCEPTED, Fate.REJECTED]


def test_the_same_again_is_a_duplicate_a_new_name_is_trailed_a_new_place_a_conflict(units, county):
    with units(SYSTEM) as unit:
        record_schools(unit, [school("2199000001"), school("2199000002")])
    with units(SYSTEM) as unit:
        rows = [
            school("2199000001", "新名"),
            school("2199000001", "又一名"),
            school("2199000002"),
            school("2199000002", region_code=CITY),
            school("2199000002", parent_code="2199000001"),
        ]
        outcomes = record_schools(unit, rows)
    assert fates(outcomes) == [Fate.ACCEPTED, Fate.CONFLICT, Fate.DUPLICATE] + [Fate.CONFLICT] * 2
    assert [one.field for one in outcomes[3:]] == ["region_code", "parent_code"]
    with units(SYSTEM) as unit:
        assert organisation_by_code(unit, OrganisationKind.SCHOOL, code="2199000001").name == "新名"
        facts = unit.session.scalars(
            select(TrailRow.facts).where(TrailRow.act == "organisation.changed")
        ).one()
    assert facts["before"]["name"] == "某校" and facts["after"]["name"] == "新名"


def test_a_vendor_is_a_firm_with_a_right_check_digit_or_a_teacher_of_a_school(units, county):
    code = a_uscc()
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    with units(SYSTEM) as unit:
        at = a_school(unit, code="2199000001")
        rows = [
            VendorRow(code=code.lower(), name="公司", region_code=PROVINCE),
            VendorRow(code=wrong, name="公司", region_code=PROVINCE),
            VendorRow(code="T-7", name="教师", region_code=COUNTY, vendor_kind="teacher"),
            VendorRow(
                code="T-7",
                name="教师",
                region_code=COUNTY,
                vendor_kind="teacher",
                school_code="2199000001",
            ),
            VendorRow(code="T-x", name="教师", region_code=COUNTY, vendor_kind="teacher"),
        ]
        outcomes = record_vendors(unit, rows)
        firm = organisation_by_code(unit, OrganisationKind.VENDOR, code=code)
        teacher = organisation_by_code(unit, OrganisationKind.VENDOR, code="T-7")
    assert [(one.fate, one.field) for one in outcomes] == [
        (Fate.ACCEPTED, ""),
        (Fate.REJECTED, "code"),
        (Fate.REJECTED, "school_code"),
        (Fate.ACCEPTED, ""),
        (Fate.REJECTED, "code"),
    ]
    assert firm.facts == {"vendor_kind": "firm"}
    assert teacher.facts == {
        "vendor_kind": "teacher",
        "school_id": str(at.id),
        "school_code": "2199000001",
    }


def test_a_bureau_stands_for_its_region_once(units, county):
    with units(SYSTEM) as unit:
        rows = [
            BureauRow(region_code=CITY, name="云澜市教育局"),
            BureauRow(region_code=CITY, name="云澜市教育局"),
            BureauRow(region_code="440000", name="广东省教育厅"),
        ]
        assert fates(record_bureaus(unit, rows)) == [
            Fate.ACCEPTED,
            Fate.DUPLICATE,
            Fate.REJECTED,
        ]


def test_only_importers_record_and_only_below_their_bureau(units, county):
    with units(SYSTEM) as unit:
        record_regions(unit, [RegionRow(code="990122", name="邻县")])
        operator = a_person(unit, county, [Role.OPERATOR])
        auditor = a_person(unit, county, [Role.AUDITOR])
    with units(auditor) as unit, pytest.raises(Refused):
        record_schools(unit, [school("2199000001")])
    with units(operator) as unit:
        rows = [school("2199000001"), school("2199000002", region_code="990122")]
        assert fates(record_schools(unit, rows)) == [Fate.ACCEPTED, Fate.REJECTED]


def seen(units, actor) -> set[str]:
    with units(actor) as unit:
        return {one.name for one in unit.session.scalars(visible_organisations(unit))}


def test_each_actor_sees_what_lies_below_them(units, county):
    with units(SYSTEM) as unit:
        record_regions(unit, [RegionRow(code="990122", name="邻县")])
        city = a_bureau(unit, region_code=CITY)
        neighbour = a_bureau(unit, region_code="990122")
        main = a_school(unit)
        point = a_school(unit, parent=main)
        other = a_school(unit, region_code="990122")
        firm = a_vendor(unit)
        teacher = a_selling_teacher(unit, main)
        auditor = a_person(unit, county, [Role.AUDITOR])
        city_auditor = a_person(unit, city, [Role.AUDITOR])
        head = a_person(unit, main, [Role.PRINCIPAL])
        at_point = a_person(unit, point, [Role.TEACHER])
        manager = a_person(unit, firm, [Role.VENDOR_MANAGER])
    here = {county.name, main.name, point.name, firm.name, teacher.name}
    assert seen(units, auditor) == here
    assert seen(units, city_auditor) == here | {city.name, neighbour.name, other.name}
    assert seen(units, head) == {main.name, point.name}
    assert seen(units, at_point) == {point.name}
    assert seen(units, manager) == {firm.name}
    assert seen(units, VISITOR) == set()
    assert seen(units, SYSTEM) == here | {city.name, neighbour.name, other.name}
    with units(auditor) as unit:
        assert require_visible(unit, main.id).code == main.code
        with pytest.raises(NotFound):
            require_visible(unit, other.id)


def test_ten_thousand_schools_take_few_statements(units, county, statements):
    rows = [school(f"{3_000_000_000 + index}") for index in range(10_000)]
    with units(SYSTEM) as unit:
        with statements() as seen_statements:
            outcomes = record_schools(unit, rows)
        assert unit.session.query(Organisation).count() == 10_001
    assert fates(outcomes) == [Fate.ACCEPTED] * 10_000
    assert len(seen_statements) < 10
