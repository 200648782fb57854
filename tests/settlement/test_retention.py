"""Quality retention: held, released after its term, forfeited to the lines it came from (R63)."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update

from kernel.actors import Actor, Role
from kernel.clock import FixedClock
from kernel.errors import NotFound, ReasonRequired, Refused, RetentionDisputed, RetentionSettled
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import new_id
from kernel.trail import TrailRow
from kernel.unit import Units
from settlement.closing import settle
from settlement.dispute_models import CreditNote, Dispute
from settlement.funding_lines import LineBalance, issue_amount, line_balances
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Entry,
    TransferDraft,
    post,
)
from settlement.models import StatementDraw, StatementLine
from settlement.queries.earnings import earnings_of
from settlement.queries.retention import retention_of_payers, retention_of_vendor
from settlement.retention import (
    Ended,
    find_retained_line,
    forfeit_retention,
    give_back,
    payers_with_retention_due,
    release_all_due,
    release_due,
)
from settlement.tasks import release_retention
from settlement.verify.recompute import check_budgets, verify
from settlement.verify.retentions import check_retentions
from tests.support.builders import CITY, a_bureau, a_person, took
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.worlds import a_world

LAST_DAY_HELD = datetime(2026, 9, 30, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
DUE = datetime(2026, 9, 30, 16, tzinfo=UTC)
RETENTION = 51
"""What 31 uses at 0.3333 hold back: 5 % of 10.33 yuan, by largest remainder."""


@pytest.fixture
@a_world
def market(units: Units) -> Market:
    """A school whose March is posted."""
    market = a_market(units)
    deliver(units, [a_use(units, market, f"u{n}", at(2, 8, n)) for n in range(31)])
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    return market


def owed(units: Units, market: Market) -> tuple[int, int]:
    """Return what the vendor's payable and retention accounts hold."""
    with units(SYSTEM) as unit:
        earnings = earnings_of(unit, market.vendor.id)
    return earnings.payable_fen, earnings.retention_fen


def balance_of(units: Units, market: Market) -> LineBalance:
    with units(SYSTEM) as unit:
        return line_balances(unit, [market.line_id])[market.line_id]


def line_of(units: Units) -> UUID:
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(StatementLine.id)).one()


def a_finance_person(units: Units, market: Market) -> Actor:
    with units(SYSTEM) as unit:
        return a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="F-1")


def forfeit(units: Units, actor: Actor, line_id: UUID, *, because: str = "资源下架") -> Ended:
    with units(actor) as unit:
        return forfeit_retention(unit, line_id, because=because)


def test_retention_is_held_to_the_last_moment_of_its_term(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R63: six months from the end of March, in Shanghai: due as October begins, not before."""
    clock.at = LAST_DAY_HELD
    assert release_all_due(units, SYSTEM) == Ended()
    assert owed(units, market) == (930, RETENTION)

    clock.at = DUE
    release_retention(units)
    assert owed(units, market) == (930 + RETENTION, 0)
    assert balance_of(units, market).accrued_fen == 1_033
    assert verify(units, SYSTEM) == []


def test_releasing_again_changes_nothing(units: Units, market: Market, clock: FixedClock) -> None:
    clock.at = DUE
    assert release_all_due(units, SYSTEM) == Ended(1, RETENTION)
    assert release_all_due(units, SYSTEM) == Ended()
    with units(SYSTEM) as unit:
        assert payers_with_retention_due(unit) == []
        # A second sweeper that asked before the first had committed.
        assert release_due(unit, payer_ids=[market.school.id]) == Ended()
        acts = unit.session.scalars(select(TrailRow.act)).all()
    assert acts.count("retention.released") == 1
    assert owed(units, market) == (981, 0)


def test_the_term_is_the_agreements_own(units: Units, clock: FixedClock) -> None:
    """What is frozen into the terms stands, whatever the setting says later."""
    market = a_market(units, terms={"retention_months": 1})
    deliver(units, [a_use(units, market, f"u{n}", at(2, 8, n)) for n in range(31)])
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        (row,) = retention_of_vendor(unit, market.vendor.id)
    assert row.due_on == date(2026, 5, 1)
    assert release_all_due(units, SYSTEM).released_fen == RETENTION  # the clock says August


def test_a_disputed_months_retention_waits_for_the_decision(
    units: Units, market: Market, clock: FixedClock
) -> None:
    clock.at = DUE
    dispute(units, line_of(units), market)
    with units(SYSTEM) as unit:
        (row,) = retention_of_vendor(unit, market.vendor.id)
    assert (row.standing, row.disputed_fen) == ("disputed", RETENTION)
    assert release_all_due(units, SYSTEM) == Ended()
    with pytest.raises(RetentionDisputed):
        forfeit(units, a_finance_person(units, market), line_of(units))

    with units(SYSTEM) as unit:
        values = {"outcome": "dismissed", "decided_at": unit.clock.now()}
        unit.session.execute(update(Dispute).values(**values))
    assert release_all_due(units, SYSTEM).released_fen == RETENTION


def test_what_a_credit_note_took_off_is_not_released(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R41: the note's own part of the retention went back with it."""
    line_id = line_of(units)
    dispute_id = dispute(units, line_id, market, outcome="upheld", credit_fen=400)
    with units(SYSTEM) as unit:
        unit.session.execute(
            insert(CreditNote).values(
                id=new_id(),
                number="C-1",
                payer_id=market.school.id,
                line_id=line_id,
                dispute_id=dispute_id,
                issued_at=unit.clock.now(),
                amount_fen=400,
                uncovered_fen=0,
                drawn_fen=400,
                vendor_fen=360,
                school_fen=0,
                fee_fen=20,
                retention_fen=20,
            )
        )
    clock.at = DUE
    assert release_all_due(units, SYSTEM) == Ended(1, RETENTION - 20)
    assert owed(units, market)[0] == 930 + RETENTION - 20


def dispute(units: Units, line_id: UUID, market: Market, **decided: Any) -> UUID:
    """Record a dispute of a line, undecided unless told."""
    with units(SYSTEM) as unit:
        now = unit.clock.now()
        values = {
            "id": new_id(),
            "payer_id": market.school.id,
            "line_id": line_id,
            "vendor_id": market.vendor.id,
            "reason": "count",
            "claim": "多计",
            "claimed_fen": 0,
            "evidence": {},
            "opened_at": now,
            "opened_by": "school",
            "answer_by": date(2026, 8, 10),
            "offered_fen": 0,
            "decide_by": date(2026, 8, 20),
            "credit_fen": 0,
            **decided,
        }
        if decided:
            values["decided_at"] = now
        unit.session.execute(insert(Dispute).values(**values))
        return values["id"]


def test_forfeited_retention_returns_to_its_line(units: Units, market: Market) -> None:
    """R63: the payer owes it no more, and the funding line has it to spend again."""
    finance = a_finance_person(units, market)
    before = balance_of(units, market)

    assert forfeit(units, finance, line_of(units)) == Ended(1, 0, RETENTION)

    after = balance_of(units, market)
    assert after.accrued_fen == before.accrued_fen - RETENTION
    assert after.available_fen == before.available_fen + RETENTION
    assert after.committed_fen == before.committed_fen
    assert after.allocated_fen == before.allocated_fen
    assert owed(units, market) == (930, 0)
    assert verify(units, SYSTEM) == []
    with units(SYSTEM) as unit:
        (row,) = retention_of_payers(unit)
        act = unit.session.scalars(
            select(TrailRow).where(TrailRow.act == "retention.forfeited")
        ).one()
    assert (row.standing, row.forfeited_fen, row.held_fen) == ("forfeited", RETENTION, 0)
    assert (act.facts["because"], act.actor_name) == ("资源下架", finance.name)


def test_what_has_ended_can_not_be_forfeited(
    units: Units, market: Market, clock: FixedClock
) -> None:
    finance = a_finance_person(units, market)
    clock.at = DUE
    release_all_due(units, SYSTEM)
    with pytest.raises(RetentionSettled):
        forfeit(units, finance, line_of(units))


def test_only_a_bureaus_finance_person_above_the_payer_forfeits(
    units: Units, market: Market
) -> None:
    line_id = line_of(units)
    with units(SYSTEM) as unit:
        county = RegionRow(code="219909", name="邻县", parent_code=CITY, level="county")
        took(record_regions(unit, [county]))
        elsewhere = a_bureau(unit, region_code="219909")
        stranger = a_person(unit, elsewhere, [Role.BUREAU_FINANCE], person_no="F-2")
        auditor = a_person(unit, market.bureau, [Role.AUDITOR], person_no="F-3")
    with pytest.raises(NotFound):
        forfeit(units, stranger, line_id)
    for actor in (auditor, market.finance, SYSTEM):
        with pytest.raises(Refused):
            forfeit(units, actor, line_id)
    with pytest.raises(ReasonRequired):
        forfeit(units, a_finance_person(units, market), line_id, because=" ")
    assert owed(units, market) == (930, RETENTION)


def test_a_retention_is_found_by_its_agreement_and_month(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        assert find_retained_line(unit, "2199000001-A-1", MARCH) == line_of(units)
        with pytest.raises(NotFound):
            find_retained_line(unit, "2199000001-A-1", date(2026, 4, 1))


def test_an_end_that_the_books_do_not_show_is_found(units: Units, market: Market) -> None:
    with units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO retention_release SELECT id, payer_id, now(), 50, 0, 'by hand' "
                "FROM statement_line"
            )
        )
    (finding,) = verify(units, SYSTEM)
    assert "0.51 held back, 0.50 released" in finding


def adjust_down(units: Units, market: Market) -> None:
    """Post an adjustment of March by hand: 4 yuan less, of which 20 fen had been held back."""
    with units(SYSTEM) as unit:
        line = unit.session.scalars(select(StatementLine)).one()
        values = {
            column.name: getattr(line, column.name) for column in StatementLine.__table__.columns
        } | {
            "id": new_id(),
            "kind": "adjustment",
            **dict.fromkeys(("rated_fen", "amount_fen", "drawn_fen"), -400),
            "vendor_fen": -360,
            "fee_fen": -20,
            "retention_fen": -20,
        }
        unit.session.execute(insert(StatementLine).values(**values))
        draw = {"line_id": values["id"], "position": 1, "funding_line_id": market.line_id}
        unit.session.execute(insert(StatementDraw).values(**draw, amount_fen=-400))
        clearing = AccountKey(market.school.id, AccountKind.CLEARING)
        entries = [
            Entry(
                AccountKey(market.line_id, AccountKind.COMMITTED),
                AccountKey(market.line_id, AccountKind.ACCRUED),
                400,
            ),
            Entry(AccountKey(market.vendor.id, AccountKind.PAYABLE), clearing, 360),
            Entry(AccountKey(INSTALLATION, AccountKind.FEE), clearing, 20),
            Entry(AccountKey(market.vendor.id, AccountKind.RETENTION), clearing, 20),
        ]
        key = "post:2199000001-2026-03:2199000001-A-1:adjustment:2026-03"
        post(unit, [TransferDraft(key, "adjustment", entries)])


def test_an_adjustment_below_zero_reduces_what_is_released(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R41: together with its month; what comes after the release is taken back from the payable."""
    adjust_down(units, market)
    clock.at = DUE
    assert release_all_due(units, SYSTEM) == Ended(2, RETENTION - 20)
    assert owed(units, market) == (930 - 360 + RETENTION - 20, 0)
    assert retention_findings(units) == []


def test_an_adjustment_after_the_release_is_taken_back(
    units: Units, market: Market, clock: FixedClock
) -> None:
    clock.at = DUE
    release_all_due(units, SYSTEM)
    adjust_down(units, market)
    assert release_all_due(units, SYSTEM) == Ended(1, -20)
    assert owed(units, market) == (930 - 360 + RETENTION - 20, 0)
    assert retention_findings(units) == []


def test_an_adjustment_of_a_forfeited_month_follows_the_forfeit(
    units: Units, market: Market
) -> None:
    """The payer had all of it back already: what the adjustment gave once more is taken again."""
    forfeit(units, a_finance_person(units, market), line_of(units))
    adjust_down(units, market)
    before = balance_of(units, market)
    assert release_all_due(units, SYSTEM) == Ended(1, 0, -20)  # its term is of no matter
    after = balance_of(units, market)
    assert (after.available_fen, after.accrued_fen) == (
        before.available_fen - 20,
        before.accrued_fen + 20,
    )
    assert owed(units, market) == (930 - 360, 0)
    assert retention_findings(units) == []


def test_an_adjustment_waits_where_the_forfeited_money_was_spent(
    units: Units, market: Market
) -> None:
    forfeit(units, a_finance_person(units, market), line_of(units))
    adjust_down(units, market)
    with units(SYSTEM) as unit:
        balance = line_balances(unit, [market.line_id])[market.line_id]
        spent = Entry(
            AccountKey(market.line_id, AccountKind.COMMITTED),
            AccountKey(market.line_id, AccountKind.AVAILABLE),
            balance.available_fen,
        )
        post(unit, [TransferDraft("spent", "spent", [spent])])
    assert release_all_due(units, SYSTEM) == Ended()
    with units(SYSTEM) as unit:
        issue_amount(unit, market.line_id, amount_fen=20, key="more", memo="more")
    assert release_all_due(units, SYSTEM) == Ended(1, 0, -20)


def retention_findings(units: Units) -> list[str]:
    """Return what differs in budgets and retentions; the adjustment made by hand counts nothing."""
    with units(SYSTEM) as unit:
        return [*check_retentions(unit), *check_budgets(unit)]


amounts = st.integers(-(10**9), 10**9)


@given(st.dictionaries(st.uuids(), amounts.filter(bool), min_size=1, max_size=5), amounts)
def test_what_goes_back_is_what_was_forfeited(draws: dict[UUID, int], amount: int) -> None:
    parts = give_back(draws, amount)
    assert sum(parts.values()) == amount
    same_sign = [fen for fen in draws.values() if fen * amount > 0]
    if abs(sum(same_sign)) >= abs(amount):
        for line_id, fen in parts.items():
            assert abs(fen) <= abs(draws[line_id])
            assert fen * draws[line_id] >= 0
