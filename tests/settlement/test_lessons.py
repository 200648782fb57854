"""What is paid by the lesson: how many there were is the platform's word (R26)."""

from uuid import uuid4

import pytest

from kernel.unit import Units
from settlement.closing import settle
from settlement.queries.lines import lines_of
from settlement.verify.recompute import verify
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, at, deliver
from tests.support.usage_builders import TICKETS, a_launch, a_report, a_ticketed_source


@pytest.mark.parametrize("waits", [False, True])
def test_a_vendor_makes_no_lessons_by_naming_sessions(units: Units, waits: bool) -> None:
    """One launch for a class is one lesson, whether its uses had to wait for it or not."""
    market = a_market(units, terms={"plan": "per_class"})
    a_ticketed_source(units, market)
    launch_id = uuid4()
    rows = [
        a_report(launch_id, f"e{n}", occurred_at=at(2, 8, 10 + n), session=f"s{n}")
        for n in range(5)
    ]
    facts = {"launch_id": launch_id, "kind": "class", "class_name": "三年二班"}
    if not waits:
        a_launch(units, market, **facts)
    deliver(units, rows, source=TICKETS)
    if waits:
        a_launch(units, market, **facts)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        (line,) = lines_of(unit)
    assert (line.metric, line.quantity) == ("class_sessions", 1)
    assert verify(units, SYSTEM) == []
