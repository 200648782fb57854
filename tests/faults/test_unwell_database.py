"""A database that is full or goes away in the middle: a clear error, and the books as before."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text

from kernel.actors import Actor
from kernel.errors import DatabaseUnavailable, OutOfSpace
from kernel.unit import Unit, Units
from procurement.verification import verify
from settlement.closing import settle
from tests.support.settlement_builders import MARCH, SYSTEM, a_market, a_use, at, deliver

pytestmark = pytest.mark.faults

FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION disk_is_full();
"""


def facts(units: Units) -> list[tuple[object, ...]]:
    """What the books hold: a row per table that settling writes."""
    tables = ("statement", "statement_line", "transfer", "leg")
    with units(SYSTEM) as unit:
        return [
            (table, unit.session.scalar(text(f"SELECT count(*) FROM {table}"))) for table in tables
        ]


@pytest.mark.parametrize("table", ["statement_line", "statement_breakdown", "statement_draw"])
def test_a_full_disk_stops_a_close_and_leaves_the_books_as_they_were(
    units: Units, table: str
) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(5)])
    before = facts(units)
    with units(SYSTEM) as unit:
        unit.session.execute(text(FULL.format(table=table)))

    with pytest.raises(OutOfSpace) as refused:
        settle(units, SYSTEM, MARCH)
    assert "free some space" in str(refused.value)
    assert facts(units) == before

    with units(SYSTEM) as unit:
        unit.session.execute(text(f"DROP TRIGGER full_disk ON {table}"))
    assert settle(units, SYSTEM, MARCH)["uses"] == 5
    assert verify(units, SYSTEM) == []


class CutUnits(Units):
    """Units of work whose connection is cut by the server at a chosen one, before its commit."""

    url: str
    left: int

    @contextmanager
    def __call__(self, actor: Actor) -> Iterator[Unit]:
        self.left -= 1
        with super().__call__(actor) as unit:
            yield unit
            if self.left == 0:
                pid = unit.session.scalar(text("SELECT pg_backend_pid()"))
                with psycopg.connect(self.url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@pytest.mark.parametrize("at_unit", range(1, 7))
def test_a_database_that_goes_away_in_a_close_is_said_and_the_close_goes_on_later(
    units: Units, database_url: str, at_unit: int
) -> None:
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(5)])
    cut = CutUnits(units.engine, units.clock, units.settings, units.dispatcher)
    cut.url, cut.left = database_url, at_unit

    with pytest.raises(DatabaseUnavailable):
        settle(cut, SYSTEM, MARCH)

    assert settle(units, SYSTEM, MARCH)["uses"] == 5
    assert verify(units, SYSTEM) == []
