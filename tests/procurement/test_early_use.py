"""Use before the funds arrive: who has to agree, up to what, and what becomes of it (R25, R35)."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    EarlyUseTakenBack,
    EarlyUseUsedUp,
    InvalidInput,
    MakerChecks,
    MarketError,
    NotFound,
    ProposalDecided,
    ReasonRequired,
    Refused,
    YearNotFunded,
)
from kernel.unit import Units
from procurement.funding.early_use_rules import (
    EarlyUseRuleRow,
    early_use_rules,
    propose_early_use,
    put_in_force,
    return_early_use,
    withdraw_early_use,
)
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.early_use import record_consent
from settlement.early_use_models import Memorandum
from settlement.estimates import estimate_ceilings
from settlement.metering.launches import agreement_in_force
from settlement.models import StatementLine
from settlement.queries.unfunded import memoranda, totals, unfunded
from tests.support.agreement_builders import a_line_of_2027, across, on
from tests.support.early_use_builders import (
    JANUARY,
    SEPTEMBER,
    Agreeing,
    a_used_january,
    allowed,
    both_agree,
    consented,
    entries,
    posted,
    stated,
    used,
    who_agree,
)
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    deliver,
)

FEBRUARY, JULY = parse_month("2027-02"), parse_month("2027-07")


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market) -> Agreeing:
    return who_agree(units, market)


def launch(units: Units, market: Market, day: date) -> MarketError | None:
    """Return why a launch of the day is stopped; None if it is not."""
    with units(SYSTEM) as unit:
        try:
            agreement_in_force(
                unit, school=market.school, resource_id=market.resource_id, sku=market.sku, day=day
            )
        except MarketError as error:
            return error
    return None


def the_caps(units: Units) -> list[int]:
    with units(SYSTEM) as unit:
        return list(
            unit.session.scalars(
                select(Memorandum.cap_fen).order_by(Memorandum.agreement_id, Memorandum.fiscal_year)
            )
        )


# Who agrees


@pytest.mark.parametrize(("vendor", "bureau"), [(True, False), (False, True), (False, False)])
def test_one_who_agrees_alone_allows_nothing(
    units: Units, market: Market, agreeing: Agreeing, vendor: bool, bureau: bool
) -> None:
    """R25: off by default, and off unless both agree."""
    if vendor:
        consented(units, agreeing, SEPTEMBER, cap_fen=600)
    if bureau:
        allowed(units, agreeing, SEPTEMBER, total_fen=10_000, payer_fen=10_000)
    across(units, market, first_fen=500, later_fen=800)
    assert isinstance(launch(units, market, date(2027, 1, 5)), YearNotFunded)
    assert the_caps(units) == []


def test_what_is_agreed_later_does_not_change_what_was_opened(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    """R25: it is frozen when the agreement is opened."""
    across(units, market, first_fen=500, later_fen=800)
    both_agree(units, agreeing)
    assert isinstance(launch(units, market, date(2027, 1, 5)), YearNotFunded)
    across(units, market, first_fen=500, later_fen=800, reference="X-2")
    assert the_caps(units) == [600]


@pytest.mark.parametrize("by", ["vendor", "bureau"])
def test_taken_back_it_stops_launches_from_that_day_and_nothing_that_was_used(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock, by: str
) -> None:
    """R25."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock)
    if by == "vendor":
        consented(units, agreeing, date(2027, 2, 10), cap_fen=0)
    else:
        allowed(units, agreeing, date(2027, 2, 10), total_fen=0, payer_fen=0)
    assert launch(units, market, date(2027, 2, 9)) is None
    stopped = launch(units, market, date(2027, 2, 10))
    assert isinstance(stopped, EarlyUseTakenBack)
    assert stopped.facts["by"] == by
    clock.at = on(2027, 2, 12)
    used(units, market, FEBRUARY, 1)
    clock.at = on(2027, 3, 1)
    posted(units, market, FEBRUARY)
    assert entries(units) == [("2027-01", "use", 400), ("2027-02", "use", 100)]
    assert verify(units, SYSTEM) == []


def test_what_runs_counts_against_the_cap(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R33: six uses of an open month fill a cap of 6.00."""
    both_agree(units, agreeing)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 20)
    for times, stops in ((5, False), (6, True)):
        rows = [a_use(units, market, f"u{n}", on(2027, 1, n + 1)) for n in range(times)]
        deliver(units, rows, name=f"{times}.csv")
        with units(SYSTEM) as unit:
            estimate_ceilings(unit)
        stopped = launch(units, market, date(2027, 1, 20))
        assert isinstance(stopped, EarlyUseUsedUp) is stops


def test_caps_are_promised_in_the_order_of_approval(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    """R25: 6.00 each by the vendor, 10.00 per payer, 100.00 in all: 6.00, then 4.00, then none."""
    consented(units, agreeing, SEPTEMBER, cap_fen=600)
    allowed(units, agreeing, SEPTEMBER, total_fen=10_000, payer_fen=1_000)
    for number in (1, 2, 3):
        across(units, market, first_fen=100, later_fen=800, reference=f"X-{number}")
    assert the_caps(units) == [600, 400]


def test_the_regions_cap_is_one_for_all_its_payers(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    consented(units, agreeing, SEPTEMBER, cap_fen=600)
    allowed(units, agreeing, SEPTEMBER, total_fen=700, payer_fen=700)
    for number in (1, 2):
        across(units, market, first_fen=100, later_fen=800, reference=f"X-{number}")
    assert the_caps(units) == [600, 100]
    with units(agreeing.maker) as unit:
        (rule,) = early_use_rules(unit)
    assert (rule.promised_fen, rule.holds, rule.is_permission) == (700, True, True)


# Rules are made by one and checked by another


def a_rule(**facts: object) -> EarlyUseRuleRow:
    rule = EarlyUseRuleRow(
        fiscal_year=2027,
        valid_from=SEPTEMBER,
        total_cap_fen=1_000,
        payer_cap_fen=500,
        origin="文件",
    )
    return replace(rule, **facts)


def test_who_makes_a_rule_does_not_check_it(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    """R25, R20."""
    with units(agreeing.maker) as unit:
        number = propose_early_use(unit, a_rule())
        with pytest.raises(MakerChecks):
            put_in_force(unit, number)
        with pytest.raises(MakerChecks):
            return_early_use(unit, number, note="不")
    for nobody in (market.finance, SYSTEM, agreeing.vendor):
        with pytest.raises(Refused), units(nobody) as unit:
            propose_early_use(unit, a_rule())
    with units(agreeing.checker) as unit:
        with pytest.raises(Refused):
            withdraw_early_use(unit, number)
        with pytest.raises(ReasonRequired):
            return_early_use(unit, number, note=" ")
        return_early_use(unit, number, note="限额过高")
        with pytest.raises(ProposalDecided):
            put_in_force(unit, number)
        with pytest.raises(NotFound):
            put_in_force(unit, "none")
    with units(agreeing.maker) as unit:
        other = propose_early_use(unit, a_rule())
        withdraw_early_use(unit, other)
        assert [(one.number, one.state) for one in early_use_rules(unit)] == [
            (other, "withdrawn"),
            (number, "returned"),
        ]


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("fiscal_year", {"fiscal_year": 1}),
        ("valid_from", {"valid_from": date(2026, 8, 31)}),
        ("total_cap", {"total_cap_fen": -1}),
        ("payer_cap", {"payer_cap_fen": 1_001}),
        ("payer_cap", {"payer_cap_fen": 0}),
        ("payer_cap", {"total_cap_fen": 0}),
        ("origin", {"origin": " "}),
    ],
)
def test_what_is_no_rule_is_refused_by_its_field(
    units: Units, agreeing: Agreeing, field: str, facts: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput) as refused, units(agreeing.maker) as unit:
        propose_early_use(unit, a_rule(**facts))
    assert refused.value.facts["field"] == field


def test_a_rule_is_decided_once_and_nothing_of_it_changes(units: Units, agreeing: Agreeing) -> None:
    allowed(units, agreeing, SEPTEMBER, total_fen=700, payer_fen=700)
    for change in ("total_cap_fen = 900", "state = 'withdrawn'"):
        with pytest.raises(IntegrityError), units(SYSTEM) as unit:
            unit.session.execute(text(f"UPDATE early_use_rule SET {change}"))


def test_a_vendor_consents_for_itself_from_today_on(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    with units(agreeing.vendor) as unit:
        assert record_consent(unit, cap_fen=0, valid_from=SEPTEMBER) is False
        assert record_consent(unit, cap_fen=600, valid_from=SEPTEMBER)
        assert record_consent(unit, cap_fen=600, valid_from=SEPTEMBER) is False
        for wrong in ({"cap_fen": -1, "valid_from": SEPTEMBER},):
            with pytest.raises(InvalidInput):
                record_consent(unit, **wrong)
        with pytest.raises(InvalidInput):
            record_consent(unit, cap_fen=1, valid_from=date(2026, 8, 31))
    for nobody in (market.finance, agreeing.maker, SYSTEM):
        with pytest.raises(Refused), units(nobody) as unit:
            record_consent(unit, cap_fen=1, valid_from=SEPTEMBER)


# The memorandum


def test_the_memorandum_never_holds_more_than_its_cap_or_is_changed(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    both_agree(units, agreeing)
    a_used_january(units, market, clock, times=7)
    assert entries(units) == [("2027-01", "use", 600)]
    add = (
        "INSERT INTO memorandum_entry (id, agreement_id, fiscal_year, of_month, kind, document, "
        "amount_fen, at) SELECT gen_random_uuid(), agreement_id, fiscal_year, of_month, 'credit', "
        "'x', {}, at FROM memorandum_entry"
    )
    for statement in (
        add.format(1),
        add.format(-601),
        "UPDATE memorandum_entry SET amount_fen = 1",
        "DELETE FROM memorandum_entry",
        "UPDATE memorandum SET cap_fen = 9000",
    ):
        with pytest.raises(IntegrityError), units(SYSTEM) as unit:
            unit.session.execute(text(statement))


def test_everybody_concerned_sees_what_waits(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R35: school, vendor and bureau, by year and payer."""
    both_agree(units, agreeing)
    a_used_january(units, market, clock, times=7)
    for actor in (market.finance, agreeing.vendor, agreeing.maker):
        with units(actor) as unit:
            (row,) = memoranda(unit)
        assert (row.cap_fen, row.standing_fen, row.room_fen) == (600, 600, 0)
    with units(agreeing.maker) as unit:
        (waits,) = unfunded(unit)
        (total,) = totals(unfunded(unit))
    assert (waits.unfunded_fen, waits.memorandum_fen, waits.standing) == (
        *(700, 600),
        "waits_for_money",
    )
    assert (total.fiscal_year, total.payer_code, total.unfunded_fen, total.memorandum_fen) == (
        *(2027, market.school.code),
        *(700, 600),
    )
    assert the_vendors_payable(units, market) == 0


def the_vendors_payable(units: Units, market: Market) -> int:
    with units(SYSTEM) as unit:
        return unit.session.scalar(
            text(
                "SELECT count(*) FROM leg l JOIN account a ON a.id = l.account_id "
                "WHERE a.owner_id = :vendor AND a.kind = 'payable'"
            ),
            {"vendor": market.vendor.id},
        )


def test_a_disputed_line_is_not_taken_up_and_its_credit_leaves_the_memorandum(
    units: Units, market: Market, agreeing: Agreeing, clock: FixedClock
) -> None:
    """R25, R36, R41: of 4.00 uncovered 1.50 are credited; 2.50 are paid once it is decided."""
    both_agree(units, agreeing)
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 31)
    used(units, market, JANUARY, 4)
    clock.at = on(2027, 2, 1)
    settle(units, SYSTEM, JANUARY)
    with units(SYSTEM) as unit:
        line_id = unit.session.scalars(select(StatementLine.id)).one()
    with units(market.finance) as unit:
        dispute = dispute_line(
            unit, line_id, reason=DisputeReason.QUANTITY_WRONG, claim="少用", claimed_fen=250
        )
    a_line_of_2027(units, market, fen=2_000)
    with units(SYSTEM) as unit:
        assert commit_waiting(unit) == 1
    clock.at = on(2027, 3, 1)
    posted(units, market, FEBRUARY)
    assert stated(units, FEBRUARY) == []
    with units(agreeing.maker) as unit:
        decide_dispute(
            unit, dispute, outcome=DisputeOutcome.UPHELD, credit_fen=150, note="核实属实"
        )
    settle(units, SYSTEM, JANUARY)
    clock.at = on(2027, 4, 1)
    posted(units, market, parse_month("2027-03"))
    assert stated(units, parse_month("2027-03")) == [("2027-01", "take_up", 0, 0, -250, 250)]
    assert entries(units) == [
        ("2027-01", "use", 400),
        ("2027-01", "credit", -150),
        ("2027-01", "take_up", -250),
    ]
    assert verify(units, SYSTEM) == []
