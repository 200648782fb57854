"""A close that takes up earlier use, killed on the way, gives the same bytes (R25, R35, R39)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from kernel.clock import FixedClock, parse_month
from kernel.db import open_engine
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.trail import sequence_trail
from kernel.unit import Units
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.early_use_models import MemorandumEntry
from settlement.exports import export_statements
from tests.faults import closing_child
from tests.support.agreement_builders import a_line_of_2027, across, on
from tests.support.children import Run, children_of
from tests.support.database import fresh_database
from tests.support.early_use_builders import allowed, consented, who_agree
from tests.support.settlement_builders import SYSTEM, a_market, a_use, confirm_all, deliver

pytestmark = pytest.mark.faults

FEBRUARY, MARCH = parse_month("2027-02"), parse_month("2027-03")
AUGUST = datetime(2027, 8, 3, 2, tzinfo=UTC)
STATE, POST = 6, 7
"""The units of a close in which lines, memorandum and postings are written (see
test_killed_close)."""


@contextmanager
def money_has_come(server: str) -> Iterator[tuple[str, Units]]:
    """4.00 of February without a line, a line of its year since, and a March of 1.00 to close."""
    with fresh_database(server) as url:
        engine = open_engine(url)
        told = Settings.load({"DATABASE_URL": url, "MARKET_SECRET_KEY": "test"})
        clock = FixedClock(on(2026, 9, 1))
        units = Units(engine, clock, told, RecordingDispatcher())
        try:
            market = a_market(units)
            agreeing = who_agree(units, market)
            consented(units, agreeing, date(2026, 9, 1), cap_fen=600)
            allowed(units, agreeing, date(2026, 9, 1), total_fen=900, payer_fen=900)
            across(units, market, first_fen=500, later_fen=800)
            clock.at = on(2027, 3, 1)
            deliver(units, [a_use(units, market, f"f{n}", on(2027, 2, n + 1)) for n in range(4)])
            settle(units, SYSTEM, FEBRUARY)
            confirm_all(units, market, FEBRUARY)
            settle(units, SYSTEM, FEBRUARY)
            a_line_of_2027(units, market, fen=1_000)
            with units(SYSTEM) as unit:
                assert commit_waiting(unit) == 1
            clock.at = AUGUST
            deliver(units, [a_use(units, market, "m", on(2027, 3, 9))], name="march.csv")
            yield url, units
        finally:
            engine.dispose()


def close(units: Units) -> bytes:
    """Close the month, by silence; return its statements and what the memorandum says."""
    clock = FixedClock(AUGUST)
    again = Units(units.engine, clock, units.settings, RecordingDispatcher())
    settle(again, SYSTEM, MARCH)
    clock.advance(timedelta(days=30))
    assert settle(again, SYSTEM, MARCH)["waiting_fen"] == 0
    with again(SYSTEM) as unit:
        sequence_trail(unit)
    assert verify(again, SYSTEM) == []
    with again(SYSTEM) as unit:
        noted = unit.session.execute(
            select(
                MemorandumEntry.kind, MemorandumEntry.document, MemorandumEntry.amount_fen
            ).order_by(MemorandumEntry.id)
        ).all()
        return export_statements(unit, MARCH) + repr(noted).encode()


def test_a_close_that_takes_up_killed_on_the_way_ends_in_the_same_bytes(server: str) -> None:
    with money_has_come(server) as (_, units):
        plain = close(units)
    assert b"('take_up', '2027-03', -400)" in plain
    with children_of(closing_child) as run:
        killed_at_each(server, run, plain)


def killed_at_each(server: str, run: Run, plain: bytes) -> None:
    for unit, moment in ((STATE, "before"), (STATE, "after"), (POST, "before")):
        with money_has_come(server) as (url, units):
            assert run(url, unit, moment, "", "2027-03") == -signal.SIGKILL
            assert close(units) == plain, f"killed {moment} the commit of unit {unit}"
