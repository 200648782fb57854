"""The administrative tree: where regions hang, and what of them may change."""

from sqlalchemy import select

from kernel.actors import Role, system_actor
from kernel.identity.models import Region, RegionClosure
from kernel.identity.regions import RegionRow, ensure_nation, record_regions
from kernel.outcomes import Fate
from tests.support.builders import COUNTY, a_person, a_region_tree

SYSTEM = system_actor("test")


def region(code: str, name: str = "某地", **more: str) -> RegionRow:
    return RegionRow(code=code, name=name, **more)


def fates(outcomes) -> list[Fate]:
    return [one.fate for one in outcomes]


def above(unit, code: str) -> dict[str, int]:
    rows = unit.session.execute(
        select(RegionClosure.ancestor_code, RegionClosure.distance).where(
            RegionClosure.region_code == code
        )
    )
    return dict(rows.all())


def test_the_nation_is_always_there_and_made_once(units):
    with units(SYSTEM) as unit:
        ensure_nation(unit)
        ensure_nation(unit)
        assert unit.session.get_one(Region, "100000").name == "中华人民共和国"
        assert above(unit, "100000") == {"100000": 0}


def test_a_tree_is_derived_from_codes_in_whatever_order(units):
    with units(SYSTEM) as unit:
        rows = [region("990121"), region("9901"), region("99"), region("100000", "中华人民共和国")]
        assert fates(record_regions(unit, rows)) == [Fate.ACCEPTED] * 3 + [Fate.DUPLICATE]
        assert above(unit, "990121") == {"990121": 0, "990100": 1, "990000": 2, "100000": 3}
        levels = dict(unit.session.execute(select(Region.code, Region.level)).all())
    assert levels == {
        "100000": "nation",
        "990000": "province",
        "990100": "city",
        "990121": "county",
    }


def test_a_county_may_hang_directly_under_a_province(units):
    with units(SYSTEM) as unit:
        record_regions(unit, [region("990000"), region("999004")])
        assert above(unit, "999004") == {"999004": 0, "990000": 1, "100000": 2}


def test_a_level_and_a_parent_that_are_stated_count(units):
    with units(SYSTEM) as unit:
        rows = [
            region("990000"),
            region("990300", level="county", parent_code="990000"),
        ]
        assert fates(record_regions(unit, rows)) == [Fate.ACCEPTED] * 2
        assert unit.session.get_one(Region, "990300").level == "county"


def test_what_makes_no_tree_is_rejected(units):
    with units(SYSTEM) as unit:
        rows = [
            region("990000"),
            region("99012"),
            region("990121", ""),
            region("990122", level="village"),
            region("990123", parent_code="770000"),
            region("990124"),
            region("990125", parent_code="990124"),
            region("980000", level="nation"),
        ]
        outcomes = record_regions(unit, rows)
    assert fates(outcomes) == [
        Fate.ACCEPTED,
        Fate.REJECTED,
        Fate.REJECTED,
        Fate.REJECTED,
        Fate.REJECTED,
        Fate.ACCEPTED,
        Fate.REJECTED,
        Fate.REJECTED,
    ]
    assert [one.field for one in outcomes if one.error] == [
        "code",
        "name",
        "level",
        "parent_code",
        "parent_code",
        "level",
    ]
    assert "770000" in str(outcomes[4].error)


def test_a_name_may_change_but_not_the_place(units):
    with units(SYSTEM) as unit:
        record_regions(unit, [region("990000"), region("990100"), region("990121")])
        rows = [
            region("990121", "青禾区"),
            region("990121", "青禾区"),
            region("990121", "别名"),
            region("990121", "青禾区", parent_code="990000"),
        ]
        outcomes = record_regions(unit, rows)
        unit.session.expire_all()
        assert unit.session.get_one(Region, "990121").name == "青禾区"
    assert fates(outcomes) == [Fate.ACCEPTED, Fate.DUPLICATE, Fate.CONFLICT, Fate.CONFLICT]


def test_a_bureau_records_only_below_itself(units):
    with units(SYSTEM) as unit:
        operator = a_person(unit, a_region_tree(unit), [Role.OPERATOR])
    with units(operator) as unit:
        rows = [region("990122"), region("990199", parent_code=COUNTY), region("990100", "改名")]
        outcomes = record_regions(unit, rows)
    assert [one.error.code if one.error else "" for one in outcomes] == ["not-found"] * 1 + [
        "invalid-input",
        "not-found",
    ]
