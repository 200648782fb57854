"""COUNTER 5.1's 30-second rule, months, and uses outside the enrolment (R27, R30)."""

from datetime import date, timedelta

import pytest

from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.identity.people import RosterRow, record_roster
from kernel.unit import Units
from settlement.closing import settle
from settlement.queries.lines import LineView, line_view, lines_of
from settlement.queries.uses import uses_of
from settlement.verify.recompute import verify
from tests.support.builders import took
from tests.support.settlement_builders import (
    APRIL,
    LOG,
    MARCH,
    PLAYER,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    deliver,
)


def the_line(units: Units, month: date = MARCH) -> LineView:
    with units(SYSTEM) as unit:
        (line,) = lines_of(unit, month=month)
        return line_view(unit, line.id)


def departs(units: Units, market: Market, number: str, day: date) -> None:
    with units(SYSTEM) as unit:
        took(
            record_roster(
                unit,
                [
                    RosterRow(
                        person_no=number,
                        name="",
                        organisation_kind="",
                        organisation_code="",
                        roles=(Role.LEARNER,),
                        left_on=day,
                    )
                ],
            )
        )
    assert market


@pytest.mark.parametrize(
    ("seconds", "uses"),
    [
        ([0, 31], 2),
        ([0, 30], 1),
        ([0, 20, 40, 60], 1),
        ([0, 20, 51], 2),
        ([0, 0], 1),
    ],
)
def test_uses_within_thirty_seconds_of_the_next_are_one_and_the_window_slides(
    units: Units, seconds: list[int], uses: int
) -> None:
    market = a_market(units)
    start = at(2)
    deliver(
        units,
        [
            a_use(units, market, f"e{number}", start + timedelta(seconds=second))
            for number, second in enumerate(seconds)
        ],
    )
    settle(units, SYSTEM, MARCH)
    view = the_line(units)
    assert view.line.quantity == uses
    assert view.explanation["events"] == len(seconds)
    assert view.explanation["repeats"] == len(seconds) - uses


def test_the_later_of_two_counts(units: Units) -> None:
    market = a_market(units)
    deliver(
        units, [a_use(units, market, "first", at(2)), a_use(units, market, "later", at(2, 8, 0, 9))]
    )
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        rows, total = uses_of(unit, line_view(unit, lines_of(unit)[0].id))
    assert total == 2
    assert [(row.event_id, row.judgement) for row in rows] == [
        ("first", "repeat"),
        ("later", "counted"),
    ]


def test_two_learners_are_two_uses(units: Units) -> None:
    market = a_market(units)
    deliver(
        units,
        [
            a_use(units, market, "a", at(2), learner="L1"),
            a_use(units, market, "b", at(2), learner="L2"),
        ],
    )
    settle(units, SYSTEM, MARCH)
    assert the_line(units).line.quantity == 2


def test_a_chain_is_cut_at_the_start_of_the_month_in_shanghai(
    units: Units, clock: FixedClock
) -> None:
    market = a_market(units)
    last_second = at(31, 23, 59, 59)
    deliver(
        units,
        [
            a_use(units, market, "march", last_second),
            a_use(units, market, "april", last_second + timedelta(seconds=1)),
        ],
    )
    settle(units, SYSTEM, MARCH)
    settle(units, SYSTEM, APRIL)
    assert the_line(units, MARCH).line.quantity == 1
    assert the_line(units, APRIL).line.quantity == 1
    assert clock


def test_rows_that_are_counts_skip_the_rule_and_say_so(units: Units) -> None:
    market = a_market(units)
    deliver(
        units,
        [
            a_use(units, market, "a", at(2), quantity=5),
            a_use(units, market, "b", at(2), quantity=7),
        ],
        source=LOG,
        pre_counted=True,
    )
    settle(units, SYSTEM, MARCH)
    view = the_line(units)
    assert view.line.quantity == 12
    assert view.explanation["attested_uses"] == 12


def test_from_the_day_on_which_a_learner_left_use_is_shown_and_not_billed(units: Units) -> None:
    market = a_market(units)
    deliver(
        units,
        [
            a_use(units, market, "before", at(19, 23, 59, 0)),
            a_use(units, market, "on the day", at(20, 0, 0, 0)),
            a_use(units, market, "after", at(25)),
        ],
    )
    departs(units, market, "L1", date(2026, 3, 20))
    settle(units, SYSTEM, MARCH)
    view = the_line(units)
    assert view.line.quantity == 1
    assert view.explanation["excluded"] == {"outside": {"events": 2, "uses": 2}}


def test_a_departure_that_becomes_known_after_the_seal_changes_no_stated_line(
    units: Units,
) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{day}", at(day)) for day in range(2, 12)])
    settle(units, SYSTEM, MARCH)
    departs(units, market, "L1", date(2026, 3, 5))
    view = the_line(units)
    with units(SYSTEM) as unit:
        rows, _ = uses_of(unit, view)
    assert view.line.quantity == 10
    assert {row.judgement for row in rows} == {"counted"}
    assert verify(units, SYSTEM) == []


def test_events_of_one_instant_are_judged_alike_in_any_order(units: Units) -> None:
    """A player's use and an attested one at the same moment: which came first tells nothing."""
    market = a_market(units, learners=["L1", "L2"])
    for learner, sources in (("L1", (PLAYER, LOG)), ("L2", (LOG, PLAYER))):
        for source in sources:
            row = a_use(units, market, f"{learner}", at(2), learner=learner)
            deliver(units, [row], source=source, name=f"{learner} {source}")
    settle(units, SYSTEM, MARCH)
    view = the_line(units)
    with units(SYSTEM) as unit:
        rows, _ = uses_of(unit, view)
    counted = [row.source_code for row in rows if row.judgement == "counted"]
    assert view.line.quantity == 2
    assert counted == [LOG, LOG]


def test_the_first_use_of_all_after_an_early_seal_is_late(units: Units) -> None:
    market = a_market(units)
    settle(units, SYSTEM, MARCH)
    (outcome,) = deliver(units, [a_use(units, market, "first", at(2))])
    assert (outcome.outcome, outcome.reason) == ("accepted", "late")
    assert settle(units, SYSTEM, MARCH)["uses"] == 0
    assert verify(units, SYSTEM) == []
