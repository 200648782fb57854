"""Agreements that a close and somebody else want at the same time: one waits, neither is undone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from sqlalchemy import text

import settlement.statements
from kernel.clock import FixedClock, parse_month
from kernel.unit import Units
from settlement.agreement_ends import end_what_is_over
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.models import Agreement
from settlement.verify.recompute import verify
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    across,
    asked,
    on,
    signed,
)
from tests.support.builders import a_resource
from tests.support.early_use_builders import JANUARY, posted
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    a_market,
    a_use,
    an_agreement,
    at,
    deliver,
)

FEBRUARY = parse_month("2027-02")


@contextmanager
def while_statements_are_stored(
    units: Units, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> Iterator[None]:
    """Have another thread act once a statement is drafted; its lines are stored when it waits."""
    failures: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 (told to the test)
            failures.append(failure)

    other = threading.Thread(target=acting)
    store = settlement.statements._store_lines

    def store_meanwhile(*args, **kwargs) -> None:
        if other.ident is None:
            other.start()
            wait_for_a_lock(units, other)
        store(*args, **kwargs)

    monkeypatch.setattr(settlement.statements, "_store_lines", store_meanwhile)
    yield
    other.join(timeout=60)
    assert not failures


def wait_for_a_lock(units: Units, other: threading.Thread) -> None:
    """Return once a transaction of this database waits for a lock, or the thread is done."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with units.engine.connect() as connection:
        while other.is_alive() and not connection.scalar(waiting):
            connection.rollback()
            other.join(timeout=0.02)


def test_a_close_and_the_sweep_of_what_is_over_do_not_wait_for_each_other_in_a_circle(
    units: Units, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R39: one agreement waits for money, another with a smaller id is used up by this month."""
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    line = a_line_of_2027(units, market, fen=200)
    with units(SYSTEM) as unit:
        first = an_agreement(
            unit,
            market.school,
            vendor_id=market.vendor.id,
            resource_id=a_resource(unit, market.vendor, "SKU-2", unit_price="1.0000"),
            draws=[Draw(line, 200)],
            unit_price="1.0000",
            reference="A-2",
            starts_on=date(2027, 2, 1),
            ends_on=date(2027, 2, 28),
        )
    second = across(units, market, first_fen=500, later_fen=800, ends_on=date(2027, 2, 28))
    assert str(first) < str(second)
    clock.at = on(2027, 1, 31)
    deliver(units, [a_use(units, market, f"j-{day}", on(2027, 1, day)) for day in (1, 2)], name="j")
    clock.at = on(2027, 2, 1)
    posted(units, market, JANUARY)
    clock.at = on(2027, 2, 28)
    uses = [a_use(units, market, f"f-{day}", on(2027, 2, day), sku="SKU-2") for day in (1, 2, 3)]
    deliver(units, uses, name="f")
    clock.at = on(2027, 3, 1)

    def sweep() -> None:
        with units(SYSTEM) as unit:
            end_what_is_over(unit)

    with while_statements_are_stored(units, monkeypatch, sweep):
        settle(units, SYSTEM, FEBRUARY)

    assert verify(units, SYSTEM) == []


def test_a_raise_signed_while_the_month_is_stated_opens_what_the_month_used_up(
    units: Units, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R33: launches go on under the new ceiling."""
    market = a_signing_market(units, clock)
    clock.at = at(31)
    uses = [a_use(units, market, f"u-{n}", at(1) + timedelta(minutes=n)) for n in range(100)]
    deliver(units, uses, name="u")
    selection = asked(units, market, {2026: 20_000})
    clock.at = at(2, month=4)

    with while_statements_are_stored(units, monkeypatch, lambda: signed(units, market, selection)):
        settle(units, SYSTEM, MARCH)

    with units(SYSTEM) as unit:
        found = unit.session.get_one(Agreement, market.agreement_id)
        assert (found.ceiling_fen, found.state) == (20_000, "open")
    assert verify(units, SYSTEM) == []
