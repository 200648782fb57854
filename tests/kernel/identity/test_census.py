"""The census: facts of their day, never rewritten (R15, R19)."""

from datetime import date

from sqlalchemy import select

from kernel.actors import system_actor
from kernel.identity.census import CensusRow, record_census
from kernel.outcomes import Fate
from kernel.trail import TrailRow
from tests.support.builders import a_region_tree, a_school

SYSTEM = system_actor("test")


def count(pupils: int, **more) -> CensusRow:
    values = {
        "school_code": "2199000001",
        "stage": "primary",
        "kind": "enrolled",
        "as_of": date(2026, 3, 1),
        "basis": "spring",
    }
    return CensusRow(pupils=pupils, **(values | more))


def fates(outcomes) -> list[Fate]:
    return [one.fate for one in outcomes]


def test_a_count_is_never_rewritten_and_a_later_day_corrects_it(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        a_school(unit, code="2199000001")
        rows = [
            count(96),
            count(96),
            count(97),
            count(98, as_of=date(2026, 3, 20)),
            count(40, kind="boarding", stage=""),
            count(90, as_of=date(2025, 3, 1)),
            count(99, basis="autumn", as_of=date(2026, 9, 1)),
        ]
        assert fates(record_census(unit, rows)) == [
            Fate.ACCEPTED,
            Fate.DUPLICATE,
            Fate.CONFLICT,
            Fate.ACCEPTED,
            Fate.ACCEPTED,
            Fate.ACCEPTED,
            Fate.ACCEPTED,
        ]
    with units(SYSTEM) as unit:
        assert fates(record_census(unit, [count(96), count(95)])) == [
            Fate.DUPLICATE,
            Fate.CONFLICT,
        ]
        trailed = unit.session.scalars(select(TrailRow).where(TrailRow.act == "census.recorded"))
        assert [one.facts for one in trailed] == [
            {"accepted": 5, "duplicate": 1, "conflict": 1, "schools": 1}
        ]


def test_a_count_that_is_none_is_rejected(units):
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        a_school(unit, code="2199000001")
        rows = [
            count(1, school_code="2199000009"),
            count(1, kind="absent"),
            count(1, basis="winter"),
            count(1, stage=""),
            count(-1),
            count(100_001),
        ]
        outcomes = record_census(unit, rows)
    assert [(one.fate, one.field) for one in outcomes] == [
        (Fate.REJECTED, "school_code"),
        (Fate.REJECTED, "kind"),
        (Fate.REJECTED, "basis"),
        (Fate.REJECTED, "stage"),
        (Fate.REJECTED, "pupils"),
        (Fate.REJECTED, "pupils"),
    ]
