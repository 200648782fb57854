"""What money takes up later is shared as if it had been there at once, and reads as what it is."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.settings import Settings
from kernel.unit import Units
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.explaining import explain_statement
from settlement.exports import export_statements
from settlement.models import StatementLine
from settlement.preview import preview
from settlement.pricing import split
from settlement.rating import Fund, Rated, Room, Stated, rate, take_up
from tests.support.accounts import PASSWORD
from tests.support.agreement_builders import a_line_of_2027, across, on
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.early_use_builders import stated
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    confirm_all,
    deliver,
)
from tests.support.site_builders import sign_in

TERMS = {
    "plan": "per_use",
    "unit_price": "0.3333",
    "fee_rate": "0.0333",
    "retention_rate": "0.1250",
}
LAST_DAY, LINE = date(2027, 1, 31), uuid4()
JANUARY, FEBRUARY = parse_month("2027-01"), parse_month("2027-02")


def a_fund(fen: int, *, year: int = 2027, line_id: UUID = LINE) -> Fund:
    return Fund(line_id, fen, year, date(2028, 1, 1))


def taken_up(wanted_fen: int, stated: Stated, fund: Fund) -> Rated:
    return take_up(
        TERMS,
        wanted_fen,
        stated=stated,
        room=Room(0, [fund]),
        last_day=LAST_DAY,
        paid_on=LAST_DAY,
    )


@given(uses=st.integers(1, 400), parts=st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_taken_up_in_parts_it_is_shared_as_if_settled_at_once(
    uses: int, parts: Sequence[int]
) -> None:
    """R35, R38: billed stays, drawn + uncovered make it, the shares are those of what is drawn."""
    room = Room(10**6, [a_fund(0)])
    first = rate(TERMS, uses, room=room, last_day=LAST_DAY)
    assert (first.drawn_fen, first.uncovered_fen) == (0, first.amount_fen)
    month = Stated()
    month.take(first)
    for fen in parts:
        line = taken_up(10**6, month, a_fund(fen))
        assert (line.rated_fen, line.amount_fen) == (0, 0)
        assert line.drawn_fen == -line.uncovered_fen == min(fen, month.uncovered_fen)
        month.take(line)
        assert month.amount_fen == month.drawn_fen + month.uncovered_fen
        assert month.shares == split(TERMS, month.drawn_fen)


@pytest.mark.parametrize("year", [2026, 2028])
def test_no_line_of_another_year_takes_up(year: int) -> None:
    """R25: not even one that was carried over meanwhile and may pay for the day."""
    month = Stated(amount_fen=100, uncovered_fen=100)
    assert taken_up(100, month, a_fund(900, year=year)).drawn_fen == 0


def test_only_what_may_be_taken_up_is() -> None:
    month = Stated(amount_fen=100, uncovered_fen=100)
    line = taken_up(40, month, a_fund(900))
    assert line.drawn_fen == 40


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    """A January of 4.00 without money, which came before February's close."""
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 2, 1)
    deliver(units, [a_use(units, market, f"j{n}", on(2027, 1, n + 1)) for n in range(4)])
    settle(units, SYSTEM, JANUARY)
    return market


def money_comes(units: Units, clock: FixedClock, market: Market) -> None:
    clock.at = on(2027, 3, 1)
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1


def drafted(units: Units, market: Market) -> list[tuple[str, int, int]]:
    """Return (kind, billed, uncovered) of what February's statement would have now."""
    with units(SYSTEM) as unit:
        lines = preview(unit, FEBRUARY, payer_code=market.school.code).lines
    return [(line.kind, line.amount_fen, line.uncovered_fen) for line in lines]


def test_an_unconfirmed_line_waits_for_its_confirmation(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R35, R36: while the school may still object nothing is paid for it."""
    assert stated(units, JANUARY) == [("2027-01", "use", 400, 400, 400, 0)]
    money_comes(units, clock, market)
    assert drafted(units, market) == []
    confirm_all(units, market, JANUARY)
    assert drafted(units, market) == [("take_up", 0, -400)]


def test_what_takes_up_reads_as_that_everywhere(
    units: Units, clock: FixedClock, market: Market, settings: Settings
) -> None:
    """R35, R49: in the statement, on the line's page, in print, in sentences and in the export."""
    with units(SYSTEM) as unit:
        a_person(unit, market.school, [Role.SCHOOL_FINANCE], login="finance", password=PASSWORD)
    confirm_all(units, market, JANUARY)
    money_comes(units, clock, market)
    settle(units, SYSTEM, FEBRUARY)
    with units(SYSTEM) as unit:
        line = unit.session.scalars(
            select(StatementLine).where(StatementLine.kind == "take_up")
        ).one()
        (told,) = explain_statement(unit, f"{market.school.code}-2027-02")
        exported = export_statements(unit, FEBRUARY).decode()
    assert "  nothing more is billed: of 4.00 that waited for money, 4.00 is paid now" in (
        told.sentences
    )
    assert '"kind":"take_up"' in exported
    statement = "/school/statements/2027-02"
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html"})
        sign_in(client, "finance")
        for address, words in (
            (statement, "2027-01"),
            (f"{statement}/print", "经费到位补列 2027-01"),
            (f"{statement}/lines/{line.id}", "由同一年度到位的经费支付"),
            (f"{statement}/lines/{line.id}/uses", "2027-01"),
        ):
            answer = client.get(address)
            assert (answer.status_code, words in answer.text) == (200, True), address


def test_a_payer_whose_only_line_takes_up_is_previewed(
    units: Units, clock: FixedClock, market: Market
) -> None:
    """R35, R33: the agreement is over since June; July's statement will have one line."""
    confirm_all(units, market, JANUARY)
    money_comes(units, clock, market)
    clock.at = on(2027, 7, 20)
    with units(SYSTEM) as unit:
        (line,) = preview(unit, parse_month("2027-07"), payer_code=market.school.code).lines
    assert (line.kind, line.of_month, line.uncovered_fen) == ("take_up", JANUARY, -400)
