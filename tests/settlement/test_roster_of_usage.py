"""A row without a launch: where its learner was that day, and under which agreement it falls."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, text

from kernel.identity.models import Organisation
from kernel.unit import Units
from settlement.metering.models import UsageEvent
from settlement.models import Agreement
from tests.support.builders import a_learner, a_school
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, an_agreement, at
from tests.support.settlement_builders import deliver as deliver_rows


def _second_agreement(units: Units, market: Market, **facts: Any) -> None:
    with units(SYSTEM) as unit:
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=market.resource_id,
            draws=[],
            reference="A-2",
            **facts,
        )


def _agreements_used(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        found = unit.session.scalars(
            select(Agreement.number)
            .join(UsageEvent, UsageEvent.agreement_id == Agreement.id)
            .order_by(UsageEvent.sequence)
        )
        return [number.rsplit("-", 1)[1] for number in found]


@pytest.mark.parametrize(
    ("terms", "starts_on", "taken"),
    [
        ({}, date(2026, 2, 1), "2"),
        ({}, date(2026, 3, 2), "1"),
        ({"kind": "pack"}, date(2026, 3, 2), "2"),
        ({"kind": "bulk"}, date(2026, 3, 2), "2"),
    ],
)
def test_a_use_falls_under_bulk_then_pack_then_the_earliest_start(
    units: Units, terms: dict[str, str], starts_on: date, taken: str
) -> None:
    """R33: the same precedence for a row of a file as for a launch."""
    market = a_market(units)
    _second_agreement(units, market, terms=terms, starts_on=starts_on)
    deliver_rows(units, [a_use(units, market, "e1", at(5))])
    assert _agreements_used(units) == [taken]


def test_a_use_before_the_preferred_agreement_starts_falls_under_the_other(units: Units) -> None:
    market = a_market(units)
    _second_agreement(units, market, terms={"kind": "bulk"}, starts_on=date(2026, 3, 10))
    rows = [a_use(units, market, f"e{day}", at(day)) for day in (9, 10)]
    deliver_rows(units, rows)
    assert _agreements_used(units) == ["1", "2"]


def _moved_learner(units: Units, market: Market) -> Organisation:
    """Have L1 go to another school, which has no agreement, on 10 March."""
    with units(SYSTEM) as unit:
        other = a_school(unit)
        unit.session.execute(
            text("UPDATE enrolment SET left_on = '2026-03-10' WHERE school_id = :school"),
            {"school": market.school.id},
        )
        a_learner(unit, other, "L1", joined_on=date(2026, 3, 10))
        return other


def test_a_learner_who_moved_is_at_the_school_of_the_day(units: Units) -> None:
    market = a_market(units)
    _moved_learner(units, market)
    rows = [a_use(units, market, f"e{day}", at(day)) for day in (9, 10)]
    assert [one.outcome for one in deliver_rows(units, rows)] == ["accepted", "quarantined"]


def test_a_learner_who_moved_is_at_the_school_that_the_row_names(units: Units) -> None:
    market = a_market(units)
    other = _moved_learner(units, market)
    rows = [
        a_use(units, market, "named", at(10), school_code=market.school.code),
        a_use(units, market, "other", at(9), school_code=other.code),
        a_use(units, market, "nowhere", at(9), school_code="0000000000"),
    ]
    fates = [(one.outcome, one.reason) for one in deliver_rows(units, rows)]
    assert fates == [
        ("accepted", ""),
        ("quarantined", "no-agreement"),
        ("quarantined", "unknown-school"),
    ]


def test_what_a_quarantined_row_said_is_kept_of_that_row(units: Units) -> None:
    market = a_market(units)
    rows = [
        a_use(units, market, "sound", at(2), session="first"),
        a_use(units, market, "lost", at(3), learner="nobody", session="second", quantity=1),
    ]
    deliver_rows(units, rows)
    with units(SYSTEM) as unit:
        body = unit.session.scalar(text("SELECT body FROM usage_quarantine"))
    assert body["session"] == "second"
    assert body["sku"] == market.sku
    assert body["quantity"] == 1
    assert body["learner"] == rows[1].learner_hash.hex()[:16]
