"""Every row that comes in has one fate, whoever sends it, however it is cut (R26, R28, R32)."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.errors import NotFound, Refused
from kernel.unit import Units
from settlement.metering.ingest import begin_batch
from settlement.summaries import tally
from settlement.verify.recompute import verify
from tests.support.builders import a_learner
from tests.support.settlement_builders import (
    LOG,
    MARCH,
    PLAYER,
    SYSTEM,
    a_market,
    a_use,
    at,
    deliver,
)


def fates(outcomes):
    return [(one.outcome, one.reason) for one in outcomes]


def test_the_same_event_again_is_a_duplicate_and_another_content_a_conflict(units: Units) -> None:
    market = a_market(units)
    first = a_use(units, market, "e1", at(2))
    resent = a_use(units, market, "e1", at(2, 9))
    changed = a_use(units, market, "e1", at(2), session="other")

    assert fates(deliver(units, [first, resent, changed])) == [
        ("accepted", ""),
        ("duplicate", ""),
        ("conflict", ""),
    ]
    again = deliver(units, [first, changed], name="again.csv")
    assert fates(again) == [("duplicate", ""), ("conflict", "")]


def test_a_resend_with_another_time_is_the_same_event_and_the_first_time_stands(
    units: Units,
) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, "e1", at(2))])
    deliver(units, [a_use(units, market, "e1", at(5, month=4))], name="later.csv")

    with units(SYSTEM) as unit:
        assert tally(unit, MARCH)["accepted"] == 1
        assert unit.session.connection().exec_driver_sql(
            "SELECT count(*), min(occurred_at) FROM usage_event"
        ).one() == (1, at(2))


def test_the_same_id_from_another_source_is_another_event(units: Units) -> None:
    market = a_market(units)
    row = a_use(units, market, "e1", at(2))
    deliver(units, [row])
    assert fates(deliver(units, [row], source=LOG)) == [("accepted", "")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"learner": "nobody"}, "unknown-learner"),
        ({"sku": "NONE"}, "unknown-resource"),
        ({"occurred_at": at(1, month=7)}, "no-agreement"),
        ({"occurred_at": at(28, month=12)}, "time-in-future"),
        ({"occurred_at": at(1) - timedelta(days=365 * 56)}, "time-too-old"),
        ({"occurred_at": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)}, "time-in-future"),
        ({"quantity": 2_000_000}, "quantity-too-large"),
        ({"occurred_at": None}, "unreadable-time"),
        ({"school_code": "2199009999"}, "unknown-school"),
        ({"vendor_code": "91990121MA0000000X"}, "unknown-vendor"),
        ({"quantity": 2}, "quantity-without-count"),
        ({"error": "unreadable-quantity"}, "unreadable-quantity"),
    ],
)
def test_what_cannot_be_billed_is_quarantined_with_its_reason(
    units: Units, change: dict[str, object], reason: str
) -> None:
    market = a_market(units)
    facts = {"occurred_at": at(2), **change}
    row = a_use(units, market, "e1", facts.pop("occurred_at"), **facts)

    assert fates(deliver(units, [row])) == [("quarantined", reason)]
    assert verify(units, SYSTEM) == []


def test_a_quarantined_event_is_accepted_once_its_cause_is_mended(units: Units) -> None:
    market = a_market(units, learners=["L1"])
    row = a_use(units, market, "e1", at(2), learner="L9")
    deliver(units, [row])
    from_roster(units, market, "L9")
    assert fates(deliver(units, [row], name="again.csv")) == [("accepted", "")]


def from_roster(units: Units, market, number: str) -> None:
    with units(SYSTEM) as unit:
        a_learner(unit, market.school, number)


def test_rows_are_judged_alike_however_the_file_is_cut(units: Units) -> None:
    market = a_market(units)
    rows = [
        a_use(units, market, f"e{number % 7}", at(2, 8, number), session=str(number % 3))
        for number in range(40)
    ]
    whole = fates(deliver(units, rows))
    # Another source sees the same rows in batches of three.
    assert fates(deliver(units, rows, source=LOG, batch_size=3)) == whole


@pytest.mark.parametrize(
    "again",
    [
        [("new", {})],
        [("known", {}), ("new", {})],
        [("known", {"session": "other"})],
        [("known", {"learner": "nobody"})],
        [("put-aside", {"learner": "nobody"}), ("known", {"sku": "NONE"}), ("new", {})],
        [("new", {}), ("new", {}), ("new", {"session": "other"}), ("known", {"quantity": 2})],
        [("known", {"error": "unreadable-quantity"}), ("put-aside", {"occurred_at": None})],
    ],
)
def test_rows_fare_alike_whether_their_ids_are_looked_up_or_expected_to_be_new(
    units: Units, again: list[tuple[str, dict[str, object]]]
) -> None:
    """R28, R32: what is expected of ids saves time and decides nothing."""
    market = a_market(units)
    known = [
        a_use(units, market, "known", at(2)),
        a_use(units, market, "put-aside", at(2), learner="nobody"),
    ]
    rows = [
        a_use(units, market, event_id, facts.get("occurred_at", at(3)), **without_time(facts))
        for event_id, facts in again
    ]
    fared = []
    for source, all_new in ((PLAYER, False), (LOG, True)):
        deliver(units, known, source=source)
        fared.append(fates(deliver(units, rows, source=source, name="more", all_new=all_new)))

    assert fared[0] == fared[1]
    assert verify(units, SYSTEM) == []


def without_time(facts: dict[str, object]) -> dict[str, object]:
    return {name: fact for name, fact in facts.items() if name != "occurred_at"}


def test_every_received_row_is_accounted_for(units: Units) -> None:
    market = a_market(units)
    rows = [
        a_use(units, market, "a", at(2)),
        a_use(units, market, "a", at(2)),
        a_use(units, market, "a", at(2), session="x"),
        a_use(units, market, "b", at(2), learner="nobody"),
    ]
    deliver(units, rows)
    with units(SYSTEM) as unit:
        counted = tally(unit, MARCH)
    assert counted == {
        "received": 4,
        "accepted": 1,
        "duplicates": 1,
        "conflicts": 1,
        "quarantined": {"unknown-learner": 1},
        "late": 0,
    }


def test_an_interrupted_delivery_is_resumed_where_it_stood(units: Units) -> None:
    market = a_market(units)
    with units(SYSTEM) as unit:
        begun = begin_batch(unit, LOG, file_name="f.csv", file_digest=b"x")
    with units(SYSTEM) as unit:
        resumed = begin_batch(unit, LOG, file_name="f.csv", file_digest=b"x")
    assert resumed.id == begun.id
    assert market.school.code


def test_a_source_reports_only_for_its_bureaus_schools(units: Units) -> None:
    market = a_market(units)
    with units(SYSTEM) as unit:
        unit.session.connection().exec_driver_sql(
            "UPDATE usage_source SET admitted_for = (SELECT id FROM organisation WHERE code = %s)",
            (market.vendor.code,),
        )
        unit.session.connection().exec_driver_sql(
            "UPDATE organisation SET region_code = '990100' WHERE code = %s", (market.school.code,)
        )
    row = a_use(units, market, "e1", at(2))
    assert fates(deliver(units, [row])) == [("quarantined", "source-not-admitted")]


def test_only_a_bureau_delivers_usage(units: Units) -> None:
    market = a_market(units)
    with pytest.raises(Refused), units(market.finance) as unit:
        begin_batch(unit, LOG, file_name="f.csv", file_digest=b"x")
    with pytest.raises(NotFound), units(SYSTEM) as unit:
        begin_batch(unit, "nowhere", file_name="f.csv", file_digest=b"x")
