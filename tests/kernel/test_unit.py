"""The unit of work: all of it or nothing, and tasks only for what was committed."""

from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import system_actor
from kernel.clock import FixedClock
from kernel.errors import Conflict, DatabaseUnavailable
from kernel.settings import Settings
from kernel.trail import TrailRow, record
from kernel.unit import Unit, Units

SYSTEM = system_actor("test")


def test_a_unit_that_rests_holds_no_connection_until_it_asks_again(units: Units) -> None:
    """What it wrote before is committed."""
    asked = "SELECT pg_backend_pid()"
    with units(SYSTEM) as unit:
        assert unit.session.scalar(text(asked))
        assert unit.session.in_transaction()
        do(unit, "before")
        unit.rest()
        assert not unit.session.in_transaction()
        assert acts(units) == ["before"]
        assert unit.session.scalar(text(asked))


class Interrupted(BaseException):
    """Stands for what ends a thread without being an error, such as Ctrl+C."""


def acts(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(select(TrailRow.act).order_by(TrailRow.id)))


def do(unit: Unit, act: str) -> None:
    record(unit, act, subject_kind="test", subject_id="1")
    unit.after_commit("test.follow", act=act)


def do_half(units: Units, error: BaseException, *, flushed: bool) -> None:
    with units(SYSTEM) as unit:
        do(unit, "half-done")
        if flushed:
            unit.session.flush()
        raise error


def do_what_is_refused_at_the_commit(units: Units) -> None:
    """Make a transfer without legs: a deferred trigger refuses it at the commit and no earlier."""
    with units(SYSTEM) as unit:
        do(unit, "half-done")
        unit.session.execute(
            text("INSERT INTO transfer VALUES (gen_random_uuid(), 'empty', now(), '')")
        )


def do_while_the_connection_is_lost(units: Units) -> None:
    with units(SYSTEM) as unit:
        do(unit, "half-done")
        unit.session.flush()
        pid = unit.session.scalar(text("SELECT pg_backend_pid()"))
        with units(SYSTEM) as other:
            other.session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def test_a_unit_gives_its_service_actor_clock_and_settings(units, clock, settings):
    with units(SYSTEM) as unit:
        assert unit.actor is SYSTEM
        assert unit.clock is clock and unit.settings is settings


def test_what_was_done_is_there_and_its_tasks_are_sent_in_order(units, dispatcher):
    with units(SYSTEM) as unit:
        do(unit, "first")
        do(unit, "second")

    assert acts(units) == ["first", "second"]
    assert dispatcher.sent == [
        ("test.follow", {"act": "first"}),
        ("test.follow", {"act": "second"}),
    ]


@pytest.mark.parametrize("error", [Conflict(), ValueError("a defect"), Interrupted()])
@pytest.mark.parametrize("flushed", [True, False])
def test_an_error_leaves_nothing_and_forgets_the_tasks(units, dispatcher, error, flushed):
    with pytest.raises(type(error)) as caught:
        do_half(units, error, flushed=flushed)

    assert caught.value is error
    assert acts(units) == []
    assert dispatcher.sent == []


def test_a_commit_that_the_database_refuses_sends_nothing(units, dispatcher):
    with pytest.raises(DBAPIError, match="has no legs"):
        do_what_is_refused_at_the_commit(units)

    assert acts(units) == []
    assert dispatcher.sent == []


class LookingDispatcher:
    """Looks, when it is told to send, for what the task will look for: from another connection."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seen: list[int] = []

    def send(self, name: str, arguments: dict[str, Any]) -> None:
        with self.engine.connect() as connection:
            self.seen.append(connection.scalar(select(func.count()).select_from(TrailRow)) or 0)


def test_tasks_are_sent_only_when_a_worker_can_see_what_they_are_about(
    engine: Engine, clock: FixedClock, settings: Settings
):
    looking = LookingDispatcher(engine)
    units = Units(engine, clock, settings, looking)

    with units(SYSTEM) as unit:
        do(unit, "done")
        unit.session.flush()
        assert looking.seen == []

    assert looking.seen == [1]


def test_units_do_not_see_each_other_before_the_commit(units):
    with units(SYSTEM) as one:
        do(one, "open")
        one.session.flush()
        assert acts(units) == []
    assert acts(units) == ["open"]


def test_what_a_unit_returned_can_be_read_after_it(units):
    with units(SYSTEM) as unit:
        do(unit, "done")
    with units(SYSTEM) as unit:
        row = unit.session.scalars(select(TrailRow)).one()

    assert row.act == "done", "nothing expires with the commit"


def test_a_lost_connection_is_said_and_leaves_nothing(units, dispatcher):
    with pytest.raises(DatabaseUnavailable):
        do_while_the_connection_is_lost(units)

    assert acts(units) == []
    assert dispatcher.sent == []
