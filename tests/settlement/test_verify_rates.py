"""Tables of rates that were changed behind the product's back are named (R45, R47, R48, R64)."""

from datetime import date

import pytest
from sqlalchemy import text

from kernel.identity.models import NATION
from kernel.unit import Units
from settlement.closing import settle
from settlement.credit_rules import PARTS
from settlement.rate_recording import record_table
from settlement.rate_tables import RateKind, versions_of
from settlement.verify.recompute import verify
from tests.support.builders import a_region_tree
from tests.support.credit_builders import a_contribution, booked, credited, taught
from tests.support.settlement_builders import MARCH, SYSTEM

OF_BEFORE = "UPDATE trail SET facts = facts - 'body' - 'recorded_at' WHERE act = 'rates.recorded'"
"""Has the trail tell of tables as it did before it kept them whole."""


def behind(units: Units, statement: str) -> None:
    """Carry a statement out as somebody does who holds the database."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(text(statement))


def two_tables(units: Units) -> None:
    """Record a table of credits and one of tax, as they are shipped."""
    with units(SYSTEM) as unit:
        a_region_tree(unit)
        for kind in RateKind:
            record_table(
                unit,
                kind,
                version=f"own {kind}",
                region_code=NATION,
                valid_from=date(2027, 1, 1),
                source="测试标准",
                body=versions_of(unit, kind)[0].body(),
            )


def test_credits_by_a_table_that_was_changed_are_named(units: Units) -> None:
    """R47, R48: 900 credits for one adoption are booked by the table, and the table is named."""
    given = a_contribution(units)
    taught(units, given, day=2)
    settle(units, SYSTEM, MARCH)
    booked(units)
    assert verify(units, SYSTEM) == []
    behind(units, "UPDATE rate_table SET body = jsonb_set(body, '{adoption}', '9000000')")
    booked(units)
    assert credited(units, given.author) == 900 * PARTS
    assert verify(units, SYSTEM) == [
        "table of rates small (credits): not as it was recorded: adoption"
    ]


@pytest.mark.parametrize("kind", RateKind)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE rate_table SET region_code = '990000'", "not as it was recorded: region_code"),
        ("UPDATE rate_table SET valid_from = '2026-01-01'", "not as it was recorded: valid_from"),
        ("UPDATE rate_table SET source = '口头'", "not as it was recorded: source"),
        (
            "UPDATE rate_table SET recorded_at = recorded_at + interval '1 second'",
            "not as it was recorded: recorded_at",
        ),
        ("DELETE FROM rate_table", "the trail has it recorded, and it is gone"),
        ("UPDATE rate_table SET version = 'another'", "the trail has it recorded 0 times"),
    ],
)
def test_each_planted_difference_of_a_table_is_named(
    units: Units, kind: RateKind, change: str, named: str
) -> None:
    """R45, R48, R64: credits and tax are reckoned by it, so it is held against the trail."""
    two_tables(units)
    assert verify(units, SYSTEM) == []
    behind(units, f"{change} WHERE kind = '{kind}'")
    found = [one for one in verify(units, SYSTEM) if named in one]
    assert len(found) == 1
    assert f"({kind})" in found[0]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (
            "{reading_seconds}",
            "0",
            "own credits (credits): not as it was recorded: reading_seconds",
        ),
        ("{share}", '"0.99"', "own withholding (withholding): not as it was recorded: share"),
        (
            "{brackets,0,rate}",
            '"0.01"',
            "own withholding (withholding): not as it was recorded: brackets",
        ),
    ],
)
def test_a_number_that_was_changed_is_named_with_its_table(
    units: Units, path: str, value: str, named: str
) -> None:
    """R48, R64: of credits and of tax, however deep it stands."""
    two_tables(units)
    behind(
        units,
        f"UPDATE rate_table SET body = jsonb_set(body, '{path}', '{value}', false)",
    )
    assert verify(units, SYSTEM) == [f"table of rates {named}"]


def test_a_table_that_is_recorded_again_on_the_trail_is_named(units: Units) -> None:
    """R59: an entry can be added behind the product's back, too, and two don't hold for one."""
    two_tables(units)
    behind(
        units,
        "INSERT INTO trail SELECT gen_random_uuid(), at, actor_id, actor_name, via, act,"
        " subject_kind, subject_id, jsonb_set(facts, '{body,adoption}', '1') FROM trail"
        " WHERE act = 'rates.recorded' AND facts ->> 'kind' = 'credits'",
    )
    assert "table of rates own credits (credits): the trail has it recorded 2 times" in verify(
        units, SYSTEM
    )


def test_of_a_table_of_before_what_the_trail_told_is_compared(units: Units) -> None:
    """R48: nobody is alarmed by entries that tell no body; where and from when is still asked."""
    two_tables(units)
    behind(units, OF_BEFORE)
    assert verify(units, SYSTEM) == []
    behind(units, "UPDATE rate_table SET valid_from = '2026-01-01' WHERE kind = 'credits'")
    behind(units, "UPDATE rate_table SET recorded_at = '2999-01-01Z' WHERE kind = 'withholding'")
    assert verify(units, SYSTEM) == [
        "table of rates own credits (credits): not as it was recorded: valid_from",
        "table of rates own withholding (withholding): not as it was recorded: recorded_at",
    ]
