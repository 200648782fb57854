"""A use of a launch takes everything from it, and must agree with it (R26, R28)."""

from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from kernel.errors import InvalidInput, MissingValue
from kernel.unit import Units
from settlement.closing import settle
from settlement.metering.models import LateUse, UsageEvent, UsageQuarantine
from settlement.metering.rematch import release_waiting
from settlement.metering.sources import admit_source
from settlement.summaries import tally
from settlement.verify.recompute import verify
from tests.support.builders import a_vendor
from tests.support.settlement_builders import (
    MARCH,
    PLAYER,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source
from tests.support.worlds import a_world


@pytest.fixture
@a_world
def market(units: Units) -> Market:
    found = a_market(units)
    a_ticketed_source(units, found)
    return found


def fates(outcomes):
    return [(one.outcome, one.reason) for one in outcomes]


def report(units: Units, *rows, name="report"):
    return fates(deliver(units, rows, source=TICKETS, name=name))


def release(units: Units) -> int:
    with units(SYSTEM) as unit:
        return release_waiting(unit)


def test_a_reported_use_takes_all_from_its_launch(units: Units, market: Market) -> None:
    """R26: a vendor's report that matches the platform's launch is billable."""
    launch_id = a_launch(units, market, kind="class", class_name="三年二班")
    assert report(units, a_report(launch_id)) == [("accepted", "")]
    with units(SYSTEM) as unit:
        event = unit.session.scalars(select(UsageEvent)).one()
        assert (event.agreement_id, event.school_id) == (market.agreement_id, market.school.id)
        assert (event.launch_id, event.in_class, event.session_id) == (launch_id, True, "sitting-1")
        assert event.trust == 4
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pseudonym": "ps-2"}, "other-learner"),
        ({"pseudonym": ""}, "other-learner"),
        ({"occurred_at": at(2, 7, 54, 59)}, "outside-launch"),
        ({"occurred_at": at(2, 10, 0, 1)}, "outside-launch"),
        ({"launch_id": uuid4()}, "no-launch"),
        ({"launch_id": None}, "without-launch"),
        ({"occurred_at": at(28, month=12)}, "time-in-future"),
        ({"quantity": 2}, "quantity-without-count"),
    ],
)
def test_a_report_that_does_not_match_its_launch_is_quarantined(
    units: Units, market: Market, change: dict[str, object], reason: str
) -> None:
    """R26: what does not match is kept apart with its reason, and counted."""
    row = a_report(**{"launch_id": a_launch(units, market), **change})
    assert report(units, row) == [("quarantined", reason)]
    assert verify(units, SYSTEM) == []


def test_the_edges_of_a_launch_belong_to_it(units: Units, market: Market) -> None:
    launch_id = a_launch(units, market)
    early, last = at(2, 7, 55), at(2, 10)
    rows = [a_report(launch_id, str(when), occurred_at=when) for when in (early, last)]
    assert report(units, *rows) == [("accepted", "")] * 2


def test_another_vendors_launch_is_not_a_sources_to_report(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
    row = a_report(a_launch(units, market, vendor_id=other.id))
    assert report(units, row) == [("quarantined", "other-vendor")]


def test_the_players_use_of_a_launch_needs_no_pseudonym(units: Units, market: Market) -> None:
    row = a_report(a_launch(units, market), pseudonym="")
    assert fates(deliver(units, [row], source=PLAYER)) == [("accepted", "")]


def test_uses_with_and_without_a_launch_may_come_in_one_delivery(
    units: Units, market: Market
) -> None:
    launch_id, unknown = a_launch(units, market), uuid4()
    rows = [
        a_use(units, market, "e3", at(2)),
        a_report(launch_id, "e2", pseudonym=""),
        a_use(units, market, "e1", at(2), learner="nobody"),
        a_report(unknown, "e0", pseudonym=""),
        a_use(units, market, "e3", at(3)),
    ]
    assert fates(deliver(units, rows, source=PLAYER)) == [
        ("accepted", ""),
        ("accepted", ""),
        ("quarantined", "unknown-learner"),
        ("quarantined", "no-launch"),
        ("duplicate", ""),
    ]
    with units(SYSTEM) as unit:
        events = unit.session.scalars(select(UsageEvent).order_by(UsageEvent.sequence)).all()
        assert [(one.event_id, one.launch_id) for one in events] == [
            ("e3", None),
            ("e2", launch_id),
        ]
    assert verify(units, SYSTEM) == []


def test_a_launch_in_a_region_that_the_source_does_not_serve_is_refused(
    units: Units, market: Market
) -> None:
    with units(SYSTEM) as unit:
        unit.session.execute(
            text("UPDATE organisation SET region_code = '990100' WHERE id = :id"),
            {"id": market.school.id},
        )
    assert report(units, a_report(a_launch(units, market))) == [
        ("quarantined", "source-not-admitted")
    ]


def test_another_launch_under_the_same_id_is_a_conflict(units: Units, market: Market) -> None:
    first, second = a_launch(units, market), a_launch(units, market)
    assert report(units, a_report(first), a_report(second), a_report(first)) == [
        ("accepted", ""),
        ("conflict", ""),
        ("duplicate", ""),
    ]


def test_the_digest_of_a_use_without_a_launch_is_what_it_always_was(units: Units) -> None:
    """R28: what is in the books already must meet its resend as a duplicate."""
    row = a_use(units, a_market(units), "e1", at(2), learner="L1", session="s")
    content = f'["{row.learner_hash.hex()}","","{row.vendor_code}","SKU-1","s",1]'
    assert row.digest() == sha256(content.encode()).digest()


# What waits for its launch


def test_a_use_that_came_before_its_launch_is_matched_later(units: Units, market: Market) -> None:
    """R28: a use that waits for its launch is counted as quarantined, and matched again."""
    launch_id = uuid4()
    assert report(units, a_report(launch_id)) == [("quarantined", "no-launch")]
    assert release(units) == 0
    a_launch(units, market, launch_id=launch_id)
    assert release(units) == 1
    assert release(units) == 0
    with units(SYSTEM) as unit:
        counted = tally(unit, MARCH)
        assert (counted["accepted"], counted["quarantined"]) == (1, {})
        assert unit.session.scalars(select(UsageEvent.launch_id)).one() == launch_id
        assert unit.session.scalars(select(UsageQuarantine.released_at)).one() is not None
    assert verify(units, SYSTEM) == []
    assert report(units, a_report(launch_id), name="again") == [("duplicate", "")]


def test_what_does_not_match_its_late_launch_stays_apart_for_its_present_reason(
    units: Units, market: Market
) -> None:
    launch_id = uuid4()
    wrong = a_report(launch_id, "e1", pseudonym="ps-2")
    late = a_report(launch_id, "e2", occurred_at=at(3))
    report(units, wrong, late)
    a_launch(units, market, launch_id=launch_id)
    assert release(units) == 0
    with units(SYSTEM) as unit:
        assert tally(unit, MARCH)["quarantined"] == {"other-learner": 1, "outside-launch": 1}
    assert verify(units, SYSTEM) == []


def test_a_waiting_event_that_was_sent_twice_is_taken_once(units: Units, market: Market) -> None:
    launch_id = uuid4()
    row, changed = a_report(launch_id), a_report(launch_id, session="other")
    report(units, row, name="first")
    report(units, row, changed, name="second")
    a_launch(units, market, launch_id=launch_id)
    assert release(units) == 1
    with units(SYSTEM) as unit:
        counted = tally(unit, MARCH)
    assert (counted["accepted"], counted["duplicates"], counted["conflicts"]) == (1, 1, 1)
    assert verify(units, SYSTEM) == []


def test_a_waiting_event_that_was_taken_meanwhile_is_a_duplicate(
    units: Units, market: Market
) -> None:
    launch_id = uuid4()
    report(units, a_report(launch_id), name="first")
    a_launch(units, market, launch_id=launch_id)
    assert report(units, a_report(launch_id), name="second") == [("accepted", "")]
    assert release(units) == 0
    with units(SYSTEM) as unit:
        counted = tally(unit, MARCH)
    assert (counted["accepted"], counted["duplicates"], counted["quarantined"]) == (1, 1, {})
    assert verify(units, SYSTEM) == []


# What comes after the seal


def late_uses(units: Units):
    with units(SYSTEM) as unit:
        return [
            (one.month, one.rows, one.settled_in) for one in unit.session.scalars(select(LateUse))
        ]


def test_what_comes_after_the_seal_is_noted_as_late_use_of_its_month(
    units: Units, market: Market
) -> None:
    deliver(units, [a_use(units, market, "e1", at(2))])
    assert late_uses(units) == []
    settle(units, SYSTEM, MARCH)
    rows = [a_use(units, market, f"late-{n}", at(3, 8, n)) for n in range(3)]
    rows.append(a_use(units, market, "april", at(3, month=4)))
    assert [one.reason for one in deliver(units, rows, name="late")] == ["late"] * 3 + [""]
    assert late_uses(units) == [(MARCH, 3, None)]
    with units(SYSTEM) as unit:
        last = unit.session.scalar(select(LateUse.sequence))
        assert last == unit.session.scalar(
            text("SELECT max(sequence) FROM usage_event WHERE event_id LIKE 'late-%'")
        )


def test_what_is_matched_after_the_seal_is_late(units: Units, market: Market) -> None:
    deliver(units, [a_use(units, market, "e1", at(2))])
    launch_id = uuid4()
    report(units, a_report(launch_id))
    settle(units, SYSTEM, MARCH)
    a_launch(units, market, launch_id=launch_id)
    release(units)
    assert late_uses(units) == [(MARCH, 1, None)]
    with units(SYSTEM) as unit:
        assert tally(unit, MARCH)["late"] == 1
    assert verify(units, SYSTEM) == []


# Who may report


def test_a_ticketed_source_belongs_to_a_vendor(units: Units, market: Market) -> None:
    with pytest.raises(InvalidInput):
        a_ticketed_source(units, market, code="x", organisation_id=market.school.id)
    with pytest.raises(MissingValue), units(SYSTEM) as unit:
        admit_source(unit, code="y", name="y", trust="ticketed")
