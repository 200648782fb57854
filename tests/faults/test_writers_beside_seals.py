"""Eight writers ingest while months are sealed: no event is lost or in two periods (R32, R39).

One database for all rounds: each seals another month of its own, while late and timely events of
earlier months come in as well.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from threading import Barrier

import pytest
from sqlalchemy import select, text

from kernel.clock import SHANGHAI, Month, months_between, next_month, parse_month
from kernel.unit import Units
from procurement.verification import verify
from settlement.closing import settle
from settlement.metering.ingest import UsageRow
from settlement.models import StatementLine
from tests.support.builders import a_learner
from tests.support.plan_builders import a_purchase
from tests.support.settlement_builders import SYSTEM, Market, a_market, a_use, deliver

pytestmark = pytest.mark.faults

WRITERS, ROUNDS, BATCHES = 8, 50, 3
FIRST = parse_month("2022-01")


@dataclass(frozen=True)
class Sent:
    event_id: str
    month: Month
    late: bool


def moment(month: Month, writer: int, number: int) -> datetime:
    """A time of its own for each writer and event, far from the next."""
    return datetime(month.year, month.month, 2 + writer, 8, number, tzinfo=SHANGHAI)


def write(units: Units, market: Market, month: Month, writer: int, ready: Barrier) -> list[Sent]:
    """Deliver small batches, each with an event of this month and one of the month before."""
    ready.wait()
    sent: list[Sent] = []
    for batch in range(BATCHES):
        months = (month, previous(month))
        rows: list[UsageRow] = [
            a_use(
                units,
                market,
                f"{one.isoformat()}/{month.isoformat()}/{writer}/{batch}",
                moment(one, writer, batch + (0 if one == month else 30)),
                learner=f"W{writer}",
            )
            for one in months
        ]
        outcomes = deliver(units, rows, name=f"{month} {writer} {batch}")
        for row, one, outcome in zip(rows, months, outcomes, strict=True):
            assert outcome.outcome == "accepted"
            sent.append(Sent(row.event_id, one, outcome.reason == "late"))
    return sent


def previous(month: Month) -> Month:
    return Month(
        date(month.year - 1, 12, 1) if month.month == 1 else month.replace(month=month.month - 1)
    )


@pytest.fixture
def market(units: Units) -> Market:
    found = a_market(units, learners=[])
    with units(SYSTEM) as unit:
        for writer in range(WRITERS):
            a_learner(unit, found.school, f"W{writer}", joined_on=date(2020, 9, 1))
    return a_purchase(
        units,
        found,
        terms={"plan": "per_use", "unit_price": "0.0001"},
        starts_on=date(2021, 1, 1),
        ends_on=date(2026, 12, 31),
    )


def rounds() -> Iterator[Month]:
    return islice(months_between(FIRST, parse_month("2026-07")), ROUNDS)


def test_what_races_a_seal_is_in_the_month_or_late_and_in_the_next_statement(
    units: Units, market: Market
) -> None:
    """R32, R37: sums by identity over fifty seals, each with eight writers beside it."""
    sent: list[Sent] = []
    settle(units, SYSTEM, previous(FIRST))
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        for month in rounds():
            ready = Barrier(WRITERS + 1)
            writers = [
                pool.submit(write, units, market, month, writer, ready) for writer in range(WRITERS)
            ]
            closing = pool.submit(close, units, month, ready)
            closing.result()
            for one in writers:
                sent += one.result()
    last = month
    settle(units, SYSTEM, next_month(last))
    settle(units, SYSTEM, next_month(next_month(last)))
    assert verify(units, SYSTEM) == []
    check_identities(units, sent)
    check_lines(units, market, sent)


def close(units: Units, month: Month, ready: Barrier) -> None:
    ready.wait()
    settle(units, SYSTEM, month)


def check_identities(units: Units, sent: list[Sent]) -> None:
    """Each accepted event is stored once, and in its month's seal unless its sender was told."""
    with units(SYSTEM) as unit:
        stored = unit.session.execute(
            text(
                "SELECT u.event_id, count(*) AS copies, bool_or(u.sequence > p.sealed_sequence) "
                "FROM usage_event u JOIN period p ON p.payer_id = u.payer_id AND p.month = "
                "date_trunc('month', u.occurred_at AT TIME ZONE 'Asia/Shanghai')::date "
                "GROUP BY u.event_id"
            )
        ).all()
    assert {(event_id, late) for event_id, _, late in stored} == {
        (one.event_id, one.late) for one in sent
    }
    assert all(copies == 1 for _, copies, _ in stored)
    # Those of the month before are late in any case: only the month that is sealed is raced for.
    raced = [one for one in sent if one.event_id.startswith(f"{one.month}/{one.month}/")]
    assert 0 < sum(one.late for one in raced) < len(raced)


def check_lines(units: Units, market: Market, sent: list[Sent]) -> None:
    """A month's own line has what came in time, its adjustments the rest; no use is in both."""
    with units(SYSTEM) as unit:
        lines = unit.session.execute(
            select(StatementLine.of_month, StatementLine.kind, StatementLine.quantity).where(
                StatementLine.agreement_id == market.agreement_id
            )
        ).all()
    for month in {one.month for one in sent}:
        of_month = [(kind, quantity) for found, kind, quantity in lines if found == month]
        own = sum(quantity for kind, quantity in of_month if kind == "use")
        late = sum(quantity for kind, quantity in of_month if kind == "adjustment")
        assert own == sum(1 for one in sent if one.month == month and not one.late)
        assert late == sum(1 for one in sent if one.month == month and one.late)
