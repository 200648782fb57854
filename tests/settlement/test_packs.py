"""Packs under agreements: one agreement for all parts, each opened as it was agreed."""

from collections.abc import Sequence
from typing import Any

import pytest

from catalog.listing_models import ResourceSignal
from catalog.packs import parts_of
from catalog.takedowns import Ground, take_down
from kernel.clock import FixedClock
from kernel.errors import InvalidInput, MarketError, NoAgreement, VersionNotOpen
from kernel.identity.grants import actor_of
from kernel.ids import ResourceId, VersionId
from kernel.unit import Units
from procurement.choices import standings
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.metering.launches import Opened, open_launch
from settlement.metering.remedies import mending
from settlement.queries.launches import openable_at
from settlement.queries.lines import LineRow, line_head, lines_of
from settlement.queries.uses import uses_of
from settlement.signals import publish
from settlement.verify.recompute import verify
from tests.support.builders import a_listed_version, a_resource
from tests.support.launch_builders import Classroom, a_classroom, events
from tests.support.pack_builders import a_pack
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    SYSTEM,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)


@pytest.fixture
def clock() -> FixedClock:
    """Monday, 2 March 2026, 09:00 in Shanghai."""
    return FixedClock(at(2, 9))


@pytest.fixture
def classroom(units: Units, clock: FixedClock) -> Classroom:
    found = a_classroom(units)
    with units(SYSTEM) as unit:
        for sku in ("P-1", "P-2"):
            a_resource(unit, found.market.vendor, sku, unit_price="0.3000")
    return found


def bought(
    units: Units, classroom: Classroom, *, plan: str = "per_use", **facts: Any
) -> ResourceId:
    """Have the school agree on a pack of P-1 and P-2 at 0.50 yuan a unit, up to 50 yuan."""
    market = classroom.market
    with units(SYSTEM) as unit:
        pack = a_pack(unit, market.vendor, ("P-1", "P-2"))
        an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=pack,
            draws=[Draw(market.line_id, 5_000)],
            unit_price="0.5000",
            reference="PACK",
            terms={"kind": "pack", "sku": "PACK", "plan": plan, **facts},
        )
    return pack


def opened(units: Units, classroom: Classroom, sku: str) -> Opened:
    with units(classroom.pupil) as unit:
        return open_launch(unit, vendor_code=classroom.market.vendor.code, sku=sku)


def refused(units: Units, classroom: Classroom, sku: str) -> type[MarketError]:
    with pytest.raises(MarketError) as error:
        opened(units, classroom, sku)
    return type(error.value)


def stated(units: Units, clock: FixedClock) -> dict[str, LineRow]:
    """Close March; return its lines by the end of their agreements' numbers."""
    clock.at = at(2, month=4)
    settle(units, SYSTEM, MARCH)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        return {line.agreement_number.rpartition("-")[2]: line for line in lines_of(unit)}


def test_each_part_is_opened_and_all_are_billed_on_one_line(units, classroom, clock):
    """R33: what is used of a pack falls under its agreement, at its price."""
    bought(units, classroom)
    launches = [opened(units, classroom, sku) for sku in ("P-1", "P-2")]
    with units(classroom.pupil) as unit:
        openable = [row.sku for row in openable_at(unit, classroom.school.id)]

    assert [one.subject.sku for one in launches] == ["P-1", "P-2"]
    assert {one.subject.agreement_number[-4:] for one in launches} == {"PACK"}
    assert sorted(openable) == ["P-1", "P-2", "SKU-1"], "a pack is its parts"
    line = stated(units, clock)["PACK"]
    assert (line.quantity, line.amount_fen) == (2, 100)
    with units(SYSTEM) as unit:
        uses, total = uses_of(unit, line_head(unit, line.id))
    assert (len(uses), total) == (2, 2)
    confirm_all(units, classroom.market)


def test_a_row_of_a_file_falls_under_the_pack_too(units, classroom, clock):
    """R33: bulk, then pack, then single, for what was not launched here as well."""
    bought(units, classroom)
    market = classroom.market
    rows = [
        a_use(units, market, f"e{n}", at(3, 8 + n), sku=sku)
        for n, sku in enumerate(("P-1", "P-2", "P-1", "SKU-1"))
    ]
    clock.at = at(2, month=4)
    outcomes = deliver(units, rows, source=LOG)
    lines = stated(units, clock)

    assert [one.outcome for one in outcomes] == ["accepted"] * 4
    assert lines["PACK"].quantity == 3 and lines["1"].quantity == 1


def test_a_row_that_names_the_pack_beside_its_part_is_not_a_second_use(units, classroom, clock):
    """R32, R33: a pack is not opened, so that nothing of it is used but its parts."""
    bought(units, classroom)
    market = classroom.market
    rows = [
        a_use(units, market, f"e{n}", at(3, 8), sku=sku) for n, sku in enumerate(("PACK", "P-1"))
    ]
    clock.at = at(2, month=4)
    outcomes = deliver(units, rows, source=LOG)

    assert [(one.outcome, one.reason) for one in outcomes] == [
        ("quarantined", "pack-named"),
        ("accepted", ""),
    ]
    assert mending("pack-named").field == "sku"
    assert stated(units, clock)["PACK"].quantity == 1


@pytest.mark.parametrize(
    ("terms", "quantity"),
    [
        ({"plan": "per_use", "learner_cap": 2}, 2),
        ({"plan": "per_unique_use"}, 3),
        ({"plan": "per_learner"}, 1),
        ({"plan": "flat"}, 1),
    ],
)
def test_every_plan_counts_over_all_parts(units, classroom, clock, terms, quantity):
    """R27, R33: unique once for each resource and session; a learner once for the pack."""
    bought(units, classroom, **terms)
    market = classroom.market
    uses: Sequence[tuple[str, str]] = (("P-1", "s1"), ("P-2", "s1"), ("P-1", "s1"), ("P-1", "s2"))
    rows = [
        a_use(units, market, f"e{n}", at(3, 8 + n), sku=sku, session=session)
        for n, (sku, session) in enumerate(uses)
    ]
    clock.at = at(2, month=4)
    deliver(units, rows, source=LOG)

    assert stated(units, clock)["PACK"].quantity == quantity


def test_a_later_version_of_a_part_is_not_what_was_agreed(units, classroom):
    """R4: a pack's parts are frozen with it."""
    pack = bought(units, classroom)
    before = opened(units, classroom, "P-1")
    with units(SYSTEM) as unit:
        found = parts_of(unit, a_listed_version(unit, pack))

    assert before.launch.version_id == found[0].version_id
    assert events(units)[0].resource_id == found[0].resource_id


def test_a_takedown_of_a_part_stops_the_part_and_one_of_the_pack_all(units, classroom):
    """R14."""
    pack = bought(units, classroom)
    with units(SYSTEM) as unit:
        pack_version = a_listed_version(unit, pack)
        part = VersionId(parts_of(unit, pack_version)[0].version_id)
        reviewer = actor_of(unit, person_no="R-1", via="test")
    with units(reviewer) as unit:
        take_down(unit, part, ground=Ground.ERRORS, reason="有误")
    assert refused(units, classroom, "P-1") is VersionNotOpen
    assert opened(units, classroom, "P-2")
    with units(reviewer) as unit:
        take_down(unit, pack_version, ground=Ground.ERRORS, reason="有误")
    assert refused(units, classroom, "P-2") is VersionNotOpen
    with units(classroom.pupil) as unit:
        assert [row.sku for row in openable_at(unit, classroom.school.id)] == ["SKU-1"]


def test_the_pack_itself_is_not_opened_and_nothing_else_of_the_vendor_is(units, classroom):
    bought(units, classroom)
    with units(SYSTEM) as unit:
        a_resource(unit, classroom.market.vendor, "P-3")

    assert refused(units, classroom, "PACK") is InvalidInput
    assert refused(units, classroom, "P-3") is NoAgreement


def test_parts_count_as_agreed_and_used(units, classroom):
    pack = bought(units, classroom)
    with units(SYSTEM) as unit:
        ids = [one.resource_id for one in parts_of(unit, a_listed_version(unit, pack))]
        agreed = standings(unit, classroom.school.id)
        publish(unit)
        schools = [unit.session.get_one(ResourceSignal, one).schools for one in ids]

    assert {agreed[one] for one in (*ids, pack)} == {"agreed"}
    assert schools == [1, 1]
