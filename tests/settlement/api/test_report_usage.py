"""A vendor reports uses by the API: each event has its fate, in order (R26, R28, R32)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from kernel.unit import Units
from settlement.metering.models import UsageBatch, UsageEvent
from settlement.metering.rematch import release_waiting
from settlement.verify.recompute import verify
from tests.support.api import USAGE, Machine, a_machine, an_event, fates
from tests.support.builders import a_vendor
from tests.support.settlement_builders import SYSTEM, Market, at
from tests.support.usage_builders import a_launch, a_ticketed_source


def times(units: Units) -> list[datetime]:
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(select(UsageEvent.occurred_at)))


def test_each_event_has_its_fate_in_order(units: Units, market: Market, vendor: Machine) -> None:
    """R32: accepted + duplicates + conflicts + quarantined = received."""
    launch_id = a_launch(units, market)
    answer = vendor.send(
        [
            an_event(launch_id, "e1"),
            an_event(launch_id, "e1"),
            an_event(launch_id, "e1", data={"session": "other"}),
            an_event(launch_id, "e2", subject="someone-else"),
            an_event(uuid4(), "e3"),
            {"id": "e4", "source": "vendor-tickets", "time": "yesterday"},
        ]
    )
    assert fates(answer) == [
        ("accepted", ""),
        ("duplicate", ""),
        ("conflict", ""),
        ("quarantined", "other-learner"),
        ("quarantined", "no-launch"),
        ("quarantined", "unreadable-time"),
    ]
    body = answer.json()
    assert [one["id"] for one in body["outcomes"]] == ["e1", "e1", "e1", "e2", "e3", "e4"]
    assert [body[name] for name in ("received", "accepted", "duplicates", "conflicts")] == [
        *(6, 1, 1, 1)
    ]
    assert body["quarantined"] == 3
    assert verify(units, SYSTEM) == []


def test_what_was_sent_stands_on_the_record_with_its_signature(
    units: Units, market: Market, vendor: Machine
) -> None:
    """R26: who sent it stands on the record."""
    vendor.send([an_event(a_launch(units, market))])
    with units(SYSTEM) as unit:
        batch = unit.session.scalars(select(UsageBatch)).one()
    assert (batch.channel, batch.sent_by) == ("api", f"key:{vendor.key.split('.')[1]}")
    assert batch.signature is not None and len(batch.signature) == 64
    assert batch.finished_at is not None and batch.rows_taken == 1


def test_the_sender_sees_what_became_of_a_batch_later(
    units: Units, market: Market, vendor: Machine
) -> None:
    launch_id = uuid4()
    sent = vendor.send([an_event(launch_id)]).json()
    path = f"{USAGE}/batches/{sent['batch']}"
    assert vendor.get(path).json()["reasons"] == {"no-launch": 1}
    a_launch(units, market, launch_id=launch_id)
    with units(SYSTEM) as unit:
        release_waiting(unit)
    state = vendor.get(path).json()
    assert (state["received"], state["accepted"], state["reasons"]) == (1, 1, {})
    assert state["source"] == "vendor-tickets"


def test_another_organisations_batch_is_not_there(
    client, units: Units, market: Market, vendor: Machine
) -> None:
    sent = vendor.send([an_event(a_launch(units, market))]).json()
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
    neighbour = a_machine(client, units, other.id)
    assert neighbour.get(f"{USAGE}/batches/{sent['batch']}").status_code == 404
    assert vendor.get(f"{USAGE}/batches/{uuid4()}").status_code == 404


def test_a_resend_with_another_timestamp_is_the_same_event_and_the_first_time_stands(
    units: Units, market: Market, vendor: Machine
) -> None:
    """R28: the event's time is outside its content's digest."""
    launch_id = a_launch(units, market)
    vendor.send([an_event(launch_id)])
    again = vendor.send([an_event(launch_id, time=at(2, 9).isoformat())])
    assert fates(again) == [("duplicate", "")]
    assert times(units) == [at(2, 8, 30)]


def test_the_same_id_from_another_source_is_another_event(
    units: Units, market: Market, vendor: Machine
) -> None:
    launch_id = a_launch(units, market)
    other = a_ticketed_source(units, market, code="second")
    assert fates(vendor.send([an_event(launch_id)])) == [("accepted", "")]
    assert fates(vendor.send([an_event(launch_id, source=other)])) == [("accepted", "")]


def test_one_batch_is_one_sources(units: Units, market: Market, vendor: Machine) -> None:
    launch_id = a_launch(units, market)
    a_ticketed_source(units, market, code="second")
    answer = vendor.send([an_event(launch_id), an_event(launch_id, "e2", source="second")])
    assert fates(answer) == [("accepted", ""), ("quarantined", "other-source")]


def test_ids_that_collide_when_joined_stay_apart(
    units: Units, market: Market, vendor: Machine
) -> None:
    launch_id = a_launch(units, market)
    with_dash = a_ticketed_source(units, market, code="vendor-tickets-a")
    first = vendor.send([an_event(launch_id, "a-b"), an_event(launch_id, "a:b")])
    second = vendor.send([an_event(launch_id, "b", source=with_dash)])
    assert fates(first) + fates(second) == [("accepted", "")] * 3


@pytest.mark.parametrize("digits", ["9999999", "999999999999"])
def test_a_time_finer_than_ours_is_cut_and_stays_in_its_month(
    units: Units, market: Market, vendor: Machine, digits: str
) -> None:
    """R27: as a file's is; rounded up, a use of the last moment would be the next month's."""
    last = at(1, 0, month=4) - timedelta(microseconds=1)
    launch_id = a_launch(units, market, issued_at=last)
    time = f"2026-03-31T23:59:59.{digits}+08:00"
    sent = vendor.send([an_event(launch_id, time=time), an_event(launch_id, "e2", time=time)])

    assert fates(sent) == [("accepted", "")] * 2
    with units(SYSTEM) as unit:
        assert set(unit.session.scalars(select(UsageEvent.occurred_at))) == {last}


@pytest.mark.parametrize(
    ("written", "twice"),
    [
        ('"id": "a"', '"id": "a", "id": "b"'),
        ('"id": "a"', '"id": "a", "\\u0069d": "b"'),  # the same name, written otherwise
        ('"quantity": 2', '"quantity": 2, "quantity": 9'),
    ],
)
def test_an_event_that_says_something_twice_is_put_aside(
    units: Units, market: Market, vendor: Machine, written: str, twice: str
) -> None:
    """R32: of two answers none is taken for the right one; the rest of the batch goes on."""
    launch_id = a_launch(units, market)
    first = an_event(launch_id, "a", data={"quantity": 2})
    body = json.dumps([first, an_event(launch_id, "id")]).replace(written, twice, 1).encode()
    sent = vendor.client.post(USAGE, content=body, headers=vendor.headers(body))
    assert fates(sent) == [("quarantined", "unreadable-row"), ("accepted", "")]
    assert sent.json()["outcomes"][0]["field"]


def test_what_can_not_be_read_is_told_with_its_member_and_what_belongs_there(
    units: Units, market: Market, vendor: Machine
) -> None:
    """R32: each by its own name, and never with a file's words alone."""
    launch_id = a_launch(units, market)
    sent = vendor.send(
        [
            an_event(launch_id, "a", time="2027-02-29T08:00:00+08:00"),
            an_event(launch_id, "b", data={"quantity": "1"}),
            an_event(launch_id, "c" * 101),
            an_event(launch_id, "d", data={"colour": "red"}),
        ]
    )
    told = [(one["reason"], one["field"]) for one in sent.json()["outcomes"]]

    assert told == [
        ("unreadable-time", "time"),
        ("unreadable-quantity", "data.quantity"),
        ("unreadable-event-id", "id"),
        ("unreadable-row", "data"),
    ]
    assert all(one["remedy"] for one in sent.json()["outcomes"])


@pytest.mark.parametrize(
    ("time", "fate"),
    [
        ("2026-03-31T23:59:59.999999+08:00", ("accepted", "")),
        ("2026-03-31T16:00:00Z", ("accepted", "")),  # midnight in Shanghai: April has begun
        ("2024-02-29T12:00:00+08:00", ("accepted", "")),
        ("2023-02-29T12:00:00+08:00", ("quarantined", "unreadable-time")),
        ("2026-03-02T08:30:00", ("quarantined", "unreadable-time")),
        ("2026-12-28T08:30:00+08:00", ("quarantined", "time-in-future")),
        ("9999-12-31T23:59:59-12:00", ("quarantined", "time-in-future")),
        ("1970-01-01T00:00:00Z", ("quarantined", "time-too-old")),
        ("0001-01-01T00:00:00+14:00", ("quarantined", "time-too-old")),
    ],
)
def test_times_at_the_edges(
    units: Units, market: Market, vendor: Machine, time: str, fate: tuple[str, str]
) -> None:
    moment = datetime.fromisoformat(time) if fate[0] == "accepted" else at(2)
    launch_id = a_launch(units, market, issued_at=moment.astimezone(UTC))
    assert fates(vendor.send([an_event(launch_id, time=time)])) == [fate]
    if fate[0] == "accepted":
        with units(SYSTEM) as unit:
            month = unit.session.scalar(text("SELECT to_char(month, 'YYYY-MM') FROM usage_tally"))
        shown = {"2026-03-31T16": "2026-04"}.get(time[:13], time[:7])
        assert month == shown


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "unreadable-event-id"),
        ({"id": 7}, "unreadable-event-id"),
        ({"id": "x" * 101}, "unreadable-event-id"),
        ({"id": "nul\0"}, "unreadable-row"),
        ({"id": "\ud800"}, "unreadable-row"),
        ({"type": "other"}, "unreadable-type"),
        ({"source": None}, "unreadable-source"),
        ({"subject": ""}, "missing-learner"),
        ({"extra": 1}, "unreadable-row"),
        ({"data": {"quantity": 0}}, "unreadable-quantity"),
        ({"data": {"quantity": 2**70}}, "unreadable-quantity"),
        ({"data": {"quantity": 2}}, "quantity-without-count"),
        ({"data": {"learner": "L1"}}, "unreadable-row"),
        ({"data": {"launch": "no-uuid"}}, "unreadable-launch"),
        ({"data": {"launch": None}}, "without-launch"),
    ],
)
def test_an_event_that_can_not_be_read_does_not_sink_the_others(
    units: Units, market: Market, vendor: Machine, change: dict[str, object], reason: str
) -> None:
    """R32: what can't be read is counted, too."""
    launch_id = a_launch(units, market)
    bad = an_event(
        launch_id, **{"event_id": "bad", **{k: v for k, v in change.items() if k != "id"}}
    )
    bad |= {"id": change["id"]} if "id" in change else {}
    answer = vendor.post(json.dumps([bad, an_event(launch_id, "good")]).encode())
    assert fates(answer) == [("quarantined", reason), ("accepted", "")]
    assert verify(units, SYSTEM) == []


def test_an_events_id_may_be_missing(units: Units, market: Market, vendor: Machine) -> None:
    event = an_event(a_launch(units, market))
    del event["id"]
    assert fates(vendor.send([event])) == [("quarantined", "missing-event-id")]


def test_two_posts_of_the_same_events_at_once_take_them_once(
    units: Units, market: Market, vendor: Machine
) -> None:
    launch_id = a_launch(units, market)
    events = [an_event(launch_id, f"e{n}") for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        answers = [one.result() for one in [pool.submit(vendor.send, events) for _ in range(4)]]
    found = [fate for answer in answers for fate in fates(answer)]
    assert (found.count(("accepted", "")), found.count(("duplicate", ""))) == (50, 150)
    assert len(times(units)) == 50
    assert verify(units, SYSTEM) == []
