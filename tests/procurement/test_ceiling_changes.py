"""Another ceiling, another term, and what the database guarantees of both (R19, R22, R23)."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Role
from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    AlreadyExists,
    BelowWhatIsUsed,
    BudgetExhausted,
    InvalidInput,
    NotFound,
    Refused,
)
from kernel.ids import SelectionId
from kernel.unit import Units
from procurement.agreement_requests import ceilings_of, request_ceiling, request_renewal
from procurement.approval_rules import record_approval_rules
from procurement.policy import Threshold
from procurement.queries import selection
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_states import TRANSITIONS, AgreementStanding
from settlement.funding_lines import LineBalance
from settlement.models import Agreement
from settlement.queries.agreements import agreement_life
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    a_teacher,
    across,
    asked,
    balances,
    closed,
    number,
    on,
    signed,
    state,
    the_line,
    used,
)
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    at,
)

JUNE = parse_month("2026-06")
MONTHS = [parse_month(f"2026-{month:02d}") for month in (3, 4, 5, 6)]


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    return a_signing_market(units, clock)


def test_a_raised_ceiling_is_signed_for_and_commits_the_difference(
    units: Units, market: Market
) -> None:
    """R22, R23: available to committed by the difference; the request says what it changed."""
    selection_id = asked(units, market, {2026: 15_000})
    assert the_line(units, market).committed_fen == 10_000
    signed(units, market, selection_id)
    assert the_line(units, market) == LineBalance(available_fen=85_000, committed_fen=15_000)
    with units(SYSTEM) as unit:
        view = selection(unit, selection_id)
        life = agreement_life(unit, number(market))
        agreement = unit.session.get_one(Agreement, market.agreement_id)
        assert ceilings_of(unit, agreement) == {2026: 15_000}
    assert (view.kind, view.state, view.ceiling_fen) == ("raise", "approved", 5_000)
    assert view.agreement_id == market.agreement_id
    assert life is not None
    (change,) = life.changes
    assert (change.kind, change.ceiling_fen, change.committed_fen) == ("raised", 5_000, 5_000)
    assert (change.reference, change.reason) == (view.reference, "使用量高于预期")
    assert verify(units, SYSTEM) == []


def test_raises_are_signed_for_by_the_ceiling_that_they_add_up_to(
    units: Units, market: Market
) -> None:
    """R22: the principal signs from 200.00 on: 100.00 + 60.00 need none, the next 60.00 do."""
    chain = [
        Threshold(position=1, role=Role.SCHOOL_FINANCE, from_amount_fen=0),
        Threshold(position=2, role=Role.PRINCIPAL, from_amount_fen=20_000),
    ]
    with units(SYSTEM) as unit:
        record_approval_rules(unit, "100000", valid_from=date(2026, 2, 1), thresholds=chain)
    first = asked(units, market, {2026: 16_000})
    assert steps_of(units, first) == ["school_finance"]
    signed(units, market, first)
    second = asked(units, market, {2026: 22_000})
    assert steps_of(units, second) == ["school_finance", "principal"]
    signed(units, market, second)
    assert the_line(units, market).committed_fen == 16_000  # the principal has not signed


def test_a_lower_ceiling_is_signed_for_by_what_goes(units: Units, market: Market) -> None:
    """R22: who gives 10.00 of 300.00 back needs no principal."""
    signed(units, market, asked(units, market, {2026: 30_000}))
    chain = [
        Threshold(position=1, role=Role.SCHOOL_FINANCE, from_amount_fen=0),
        Threshold(position=2, role=Role.PRINCIPAL, from_amount_fen=20_000),
    ]
    with units(SYSTEM) as unit:
        record_approval_rules(unit, "100000", valid_from=date(2026, 2, 1), thresholds=chain)
    assert steps_of(units, asked(units, market, {2026: 29_000})) == ["school_finance"]


def steps_of(units: Units, selection_id: SelectionId) -> list[str]:
    wanted = text("SELECT role FROM approval_step WHERE selection_id = :id ORDER BY position")
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(wanted, {"id": selection_id}))


def test_a_raised_ceiling_is_billed_up_to_and_opens_what_was_exhausted(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R33: March uses up 14.00; raised to 16.00, April is billed 2.00 of its 5.00."""
    used(units, market, 14)
    signed(units, market, asked(units, market, {2026: 1_400}))
    clock.at = at(1, month=4)
    closed(units, market, MARCH)
    assert state(units, market) == "exhausted"
    signed(units, market, asked(units, market, {2026: 1_600}))
    assert state(units, market) == "open"
    clock.at = at(28, month=4)
    used(units, market, 5, month=4, name="april")
    clock.at = at(1, month=5)
    closed(units, market, MONTHS[1])
    assert the_line(units, market).accrued_fen == 1_600
    assert verify(units, SYSTEM) == []


def test_a_raise_that_the_line_does_not_cover_is_refused_by_how_much(
    units: Units, market: Market
) -> None:
    selection_id = asked(units, market, {2026: 110_001})
    with pytest.raises(BudgetExhausted) as caught:
        signed(units, market, selection_id)
    assert caught.value.facts["short_fen"] == 10_001
    assert the_line(units, market) == LineBalance(available_fen=90_000, committed_fen=10_000)


def test_a_lowered_ceiling_frees_what_is_neither_billed_nor_running(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R23: 6.00 billed in March, 4.00 running in April: down to 10.00 and no further."""
    used(units, market, 6)
    clock.at = at(20, month=4)
    closed(units, market, MARCH)
    used(units, market, 4, month=4, name="april")
    too_low = asked(units, market, {2026: 999})
    with pytest.raises(BelowWhatIsUsed) as caught:
        signed(units, market, too_low)
    assert caught.value.facts["used_fen"] == 1_000
    with pytest.raises(AlreadyExists):
        asked(units, market, {2026: 1_000})
    with units(market.finance) as unit:
        unit.session.execute(
            text("UPDATE selection SET state = 'cancelled' WHERE id = :id"), {"id": too_low}
        )
    signed(units, market, asked(units, market, {2026: 1_000}))
    line = the_line(units, market)
    assert (line.available_fen, line.committed_fen, line.accrued_fen) == (99_000, 400, 600)
    clock.at = at(1, month=5)
    closed(units, market, MONTHS[1])
    assert (the_line(units, market).accrued_fen, state(units, market)) == (1_000, "exhausted")
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("ceilings", [{2026: 10_000}, {2026: -1}, {2027: 1}, {}])
def test_a_ceiling_that_says_nothing_new_or_cannot_be_is_refused(
    units: Units, market: Market, ceilings: dict[int, int]
) -> None:
    with pytest.raises(InvalidInput):
        asked(units, market, ceilings)


def test_the_ceilings_of_two_years_are_changed_each_for_itself(
    units: Units, market: Market, clock: FixedClock
) -> None:
    """R19: what is added to a year whose money is to come waits; what is taken off does not."""
    across(units, market, first_fen=500, later_fen=800)
    of = f"{market.school.code}-X-1"
    with pytest.raises(InvalidInput):
        asked(units, market, {2026: 600, 2027: 700}, of=of)
    signed(units, market, asked(units, market, {2026: 600, 2027: 1_000}, of=of))
    with units(SYSTEM) as unit:
        life = agreement_life(unit, of)
    assert life is not None
    assert [(one.ceiling_fen, one.waiting_fen) for one in life.years] == [
        (600, 0),
        (1_000, 1_000),
    ]
    signed(units, market, asked(units, market, {2026: 600, 2027: 300}, of=of))
    line_id = a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    signed(units, market, asked(units, market, {2026: 600, 2027: 200}, of=of))
    (line_2027,) = balances(units, [line_id])
    assert (line_2027.available_fen, line_2027.committed_fen) == (1_800, 200)
    clock.at = on(2027, 1, 5)
    with pytest.raises(InvalidInput):
        asked(units, market, {2026: 700, 2027: 300}, of=of)


# Another term


def test_a_renewal_is_a_new_agreement_that_asks_for_signatures(
    units: Units, market: Market
) -> None:
    """R22: at the offer of its first day, after the old one's last day."""
    teacher = a_teacher(units, market)
    facts = {"ceiling_fen": 2_000, "reason": "效果良好，续用"}
    with pytest.raises(InvalidInput), units(teacher) as unit:
        request_renewal(unit, number(market), starts_on=JUNE, ends_on=date(2026, 12, 31), **facts)
    with units(teacher) as unit:
        selection_id = request_renewal(
            unit,
            number(market),
            starts_on=date(2026, 9, 1),
            ends_on=date(2026, 12, 31),
            **facts,
        )
        view = selection(unit, selection_id)
    assert (view.kind, view.agreement_number) == ("renewal", number(market))
    signed(units, market, selection_id)
    with units(SYSTEM) as unit:
        view = selection(unit, selection_id)
        renewed = unit.session.get_one(Agreement, view.agreement_id)
    assert (renewed.ceiling_fen, renewed.starts_on) == (2_000, date(2026, 9, 1))
    assert renewed.id != market.agreement_id
    assert the_line(units, market).committed_fen == 12_000


def test_nobody_asks_about_another_schools_agreement(units: Units, market: Market) -> None:
    with pytest.raises(NotFound):
        asked(units, market, {2026: 1}, of="nobody-A-1")
    with pytest.raises(Refused), units(SYSTEM) as unit:
        request_ceiling(unit, number(market), ceilings={2026: 1}, reason="x")


# What the database guarantees


@pytest.mark.parametrize("before", AgreementStanding)
@pytest.mark.parametrize("after", AgreementStanding)
def test_a_state_follows_only_where_the_table_says(
    units: Units, market: Market, before: AgreementStanding, after: AgreementStanding
) -> None:
    if before is after:
        return
    change = text("UPDATE agreement SET state = :state")
    if before is not AgreementStanding.OPEN:
        with units(SYSTEM) as unit:
            unit.session.execute(change, {"state": before})
    if after in TRANSITIONS[before]:
        with units(SYSTEM) as unit:
            unit.session.execute(change, {"state": after})
    else:
        with pytest.raises(DBAPIError, match="is refused"), units(SYSTEM) as unit:
            unit.session.execute(change, {"state": after})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agreement SET ends_on = ends_on + 1",
        "UPDATE agreement SET ceiling_fen = ceiling_fen + 1",
        "UPDATE agreement_draw SET ceiling_fen = ceiling_fen + 1",
        "UPDATE agreement_year SET ceiling_fen = ceiling_fen + 1",
        "DELETE FROM agreement_year",
        (
            "INSERT INTO agreement_year (agreement_id, fiscal_year, ceiling_fen, waiting_fen) "
            "SELECT agreement_id, 2030, 0, 0 FROM agreement_year LIMIT 1"
        ),
        (
            "INSERT INTO agreement_draw (agreement_id, position, line_id, ceiling_fen) "
            "SELECT d.agreement_id, 9, l.id, 0 FROM agreement_draw d JOIN funding_line l "
            "ON l.id NOT IN (SELECT line_id FROM agreement_draw) LIMIT 1"
        ),
        "UPDATE agreement_change SET reason = 'x'",
        "DELETE FROM agreement_change",
        "UPDATE agreement_change_draw SET amount_fen = 1",
        "UPDATE approval_rule SET from_amount_fen = 1",
        "DELETE FROM approval_rule",
    ],
)
def test_what_an_agreement_is_worth_moves_only_with_a_change(
    units: Units, market: Market, statement: str
) -> None:
    across(units, market, first_fen=500, later_fen=800)
    signed(units, market, asked(units, market, {2026: 15_000}))
    a_line_of_2027(units, market, fen=1)
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        unit.session.execute(text(statement))


def test_years_that_do_not_make_the_ceiling_are_refused(units: Units, market: Market) -> None:
    """R19."""
    with pytest.raises(DBAPIError, match="do not make its ceiling"), units(SYSTEM) as unit:
        # As in the transaction that opens it.
        off = "ALTER TABLE agreement_year DISABLE TRIGGER comes_with_its_agreement"
        unit.session.execute(text(off))
        unit.session.execute(
            text(
                "INSERT INTO agreement_year (agreement_id, fiscal_year, ceiling_fen, waiting_fen) "
                "SELECT id, 2026, ceiling_fen - 1, 0 FROM agreement"
            )
        )
