"""Taxes of a month with several runs, of orders that come back, and as each bureau files them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from kernel.actors import Role
from kernel.clock import FixedClock, month_of, shanghai_day
from kernel.errors import NothingToPay, WithheldAnew
from kernel.identity.models import Organisation
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import new_id
from kernel.unit import Units
from settlement.payment_models import Payment, PaymentRun
from settlement.payments.parties import know_payees
from settlement.payments.planned import Plan
from settlement.payments.plans import LeftOut, plan_run
from settlement.payments.runs import release_run, return_run
from settlement.payments.standings import standing_of_payee
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.taxes import taxation_of, taxed_before
from settlement.payments.treasury import ReturnRow, export_orders, order_rest_again, record_returns
from settlement.payout_models import Withholding
from settlement.queries.withholding import FilingRow, filing_of
from settlement.rate_tables import RateKind, table_in_force
from settlement.taxation import TaxSteps, tax_on
from settlement.verify.recompute import verify
from tests.settlement.payments.test_withholding import EARNED_FEN, tax_of
from tests.support.builders import a_bureau, a_person, a_school, took
from tests.support.payment_builders import (
    Payables,
    paid,
    payables,
    practice,
    proposed,
    released,
    sells_as_a_teacher,
)
from tests.support.settlement_builders import MARCH, SYSTEM

TREASURY = PaymentMethod.TREASURY


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with units(SYSTEM) as unit:
        sells_as_a_teacher(unit, found.other)
    return found


def another_payers_run(
    units: Units, owed: Payables, *, income_fen: int, state: str = "released"
) -> Organisation:
    """Have a school elsewhere pay the teacher in this month; return that school's bureau."""
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code="990123", name="邻县")]))
        bureau = a_bureau(unit, region_code="990123")
        school = a_school(unit, region_code="990123")
        clerk = a_person(unit, bureau, [Role.AUDITOR])
        other = a_person(unit, bureau, [Role.AUDITOR])
        now, run_id = unit.clock.now(), new_id()
        month = month_of(shanghai_day(now))
        table = table_in_force(unit, RateKind.WITHHOLDING, day=month)
        steps = tax_on(income_fen, table.table)
        unit.session.execute(
            insert(PaymentRun).values(
                id=run_id,
                number="990123-P-2026-03-01",
                bureau_id=bureau.id,
                month=month,
                method="gateway",
                purpose=RunPurpose.PAY,
                state="proposed",
                proposed_at=now,
                proposed_by=clerk.person_id,
                proposed_by_name="",
                decided_by_name="",
                note="",
            )
        )
        amounts = {"transfer": income_fen - steps.tax_fen, "withholding": steps.tax_fen}
        for kind, fen in amounts.items():
            unit.session.execute(
                insert(Payment).values(
                    id=new_id(),
                    run_id=run_id,
                    payer_id=school.id,
                    payee_id=owed.other.id,
                    kind=kind,
                    key=f"990123-P-2026-03-01:{kind}",
                    attempt=1,
                    amount_fen=fen,
                    paid_fen=0,
                    state="proposed",
                    failure="",
                )
            )
        unit.session.execute(
            insert(Withholding).values(
                run_id=run_id,
                payee_id=owed.other.id,
                month=month,
                version=table.version,
                earlier_fen=0,
                earlier_tax_fen=0,
                income_fen=income_fen,
                tax_fen=steps.tax_fen,
                steps=steps.facts(),
            )
        )
        if state != "proposed":
            decide(unit, run_id, other.person_id, state)
    return bureau


def decide(unit, run_id: UUID, person_id, state: str) -> None:
    unit.session.execute(
        update(PaymentRun)
        .where(PaymentRun.id == run_id)
        .values(state=state, decided_at=unit.clock.now(), decided_by=person_id)
    )
    of_run = update(Payment).where(Payment.run_id == run_id)
    if state != "released":
        unit.session.execute(of_run.values(state="withdrawn"))
        return
    unit.session.execute(of_run.values(state="ready"))
    unit.session.execute(of_run.values(state="paid", paid_fen=Payment.amount_fen))


def orders(units: Units, owed: Payables, number: str) -> list[Payment]:
    """Send a treasury run's orders to the teacher and of its tax; return them."""
    with units(owed.maker) as unit:
        export_orders(unit, number)
    with units(SYSTEM) as unit:
        return list(
            unit.session.scalars(
                select(Payment)
                .where(Payment.key.startswith(f"{number}:"), Payment.payee_id == owed.other.id)
                .order_by(Payment.key)
            )
        )


def answer(units: Units, owed: Payables, key: str, result: str, fen: int) -> None:
    row = ReturnRow(
        order_no=key, voucher_no=f"V-{result}-{fen}", result=result, amount_fen=fen, reason=""
    )
    with units(owed.maker) as unit:
        (outcome,) = record_returns(unit, [row])
        assert outcome.fate == "accepted", outcome


def withheld(units: Units, number: str) -> list[tuple[int, int]]:
    with units(SYSTEM) as unit:
        return [
            (one.income_fen, one.tax_fen)
            for one in unit.session.scalars(
                select(Withholding)
                .join(PaymentRun, PaymentRun.id == Withholding.run_id)
                .where(PaymentRun.number == number)
            )
        ]


@pytest.mark.parametrize("late", [0, 31], ids=["in the month", "in a later one"])
@pytest.mark.parametrize("part", [True, False], ids=["cut", "returned"])
def test_tax_that_comes_back_is_ordered_to_the_tax_office_again(
    units: Units, clock: FixedClock, owed: Payables, late: int, part: bool
):
    """R64: it is the tax of its month, never a teacher's income, however often it comes back."""
    number = released(units, owed, method=TREASURY)
    filed_month = month_of(shanghai_day(clock.at))
    tax_fen = tax_of(EARNED_FEN)
    for one in orders(units, owed, number):
        if one.kind != "withholding":
            answer(units, owed, one.key, "paid", one.amount_fen)
        elif part:
            answer(units, owed, one.key, "paid", 1)
            with units(owed.maker) as unit:
                order_rest_again(unit, one.key)
        else:
            answer(units, owed, one.key, "returned", one.amount_fen)
    rest_fen = tax_fen - 2 * part
    with units(SYSTEM) as unit:
        earlier = taxation_of(unit, [owed.other.id]).earlier[owed.other.id]
        standing = standing_of_payee(unit, owed.other.id)
    assert (earlier.income_fen, earlier.tax_fen) == (EARNED_FEN, tax_fen)
    assert (standing.due_fen, standing.tax_again_fen) == (0, rest_fen), "it is not the payee's"
    clock.advance(timedelta(days=late))

    plan = planned(units, owed, PaymentMethod.GATEWAY)
    assert owed.other.id not in {one.payee_id for one in plan.payments}, "nor by the gateway"
    assert {one.because for one in plan.omitted} == {LeftOut.TAX_AGAIN}
    for again in range(2):
        number = released(units, owed, method=TREASURY)
        ordered = orders(units, owed, number)
        assert {one.kind for one in ordered} == {"withholding"}
        assert sum(one.amount_fen for one in ordered) == rest_fen
        assert withheld(units, number) == []
        assert verify(units, SYSTEM) == []
        for one in ordered:
            answer(units, owed, one.key, "paid" if again else "returned", one.amount_fen)

    with pytest.raises(NothingToPay):
        proposed(units, owed, method=TREASURY)
    with units(SYSTEM) as unit:
        (row,) = filing_of(unit, filed_month)
        earlier = taxation_of(unit, [owed.other.id]).earlier[owed.other.id]
    assert (row.income_fen, row.withheld_fen) == (EARNED_FEN, tax_fen)
    assert earlier.tax_fen == (0 if late else tax_fen)
    assert verify(units, SYSTEM) == []


def planned(units: Units, owed: Payables, method: PaymentMethod) -> Plan:
    _, gateway = practice(units)
    know_payees(units, SYSTEM, gateway)
    with units(owed.maker) as unit:
        return plan_run(unit, MARCH, method=method)


@pytest.mark.parametrize("late", [0, 31], ids=["in the month", "in a later one"])
@pytest.mark.parametrize("tax_returns", [True, False], ids=["the tax too", "the tax paid"])
def test_an_order_that_comes_back_before_its_tax_is_paid_is_not_taxed_again(
    units: Units, clock: FixedClock, owed: Payables, late: int, tax_returns: bool
):
    """R64: its tax is under way; whatever comes of that, the income was taxed once."""
    units.settings = replace(units.settings, payout_minimum_fen=0)
    number = released(units, owed, method=TREASURY)
    filed_month = month_of(shanghai_day(clock.at))
    tax_fen = tax_of(EARNED_FEN)
    first = orders(units, owed, number)
    for one in first:
        if one.kind == "order":
            answer(units, owed, one.key, "returned", one.amount_fen)
    clock.advance(timedelta(days=late))

    again = released(units, owed, method=TREASURY)
    ordered = orders(units, owed, again)
    assert {one.kind for one in ordered} == {"order"}
    assert sum(one.amount_fen for one in ordered) == EARNED_FEN - tax_fen
    for one in first:
        if one.kind == "withholding":
            answer(units, owed, one.key, "returned" if tax_returns else "paid", one.amount_fen)
    if tax_returns:
        third = released(units, owed, method=TREASURY)
        taxes = orders(units, owed, third)
        assert {one.kind for one in taxes} == {"withholding"}
        for one in taxes:
            answer(units, owed, one.key, "paid", one.amount_fen)
    for one in ordered:
        answer(units, owed, one.key, "paid", one.amount_fen)

    with pytest.raises(NothingToPay):
        proposed(units, owed, method=TREASURY)
    with units(SYSTEM) as unit:
        (row,) = filing_of(unit, filed_month)
        assert taxed_before(unit, [owed.other.id]) == {}
    assert (row.income_fen, row.withheld_fen) == (EARNED_FEN, tax_fen)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("late", [0, 31], ids=["in the month", "in a later one"])
@pytest.mark.parametrize("part", [True, False], ids=["cut", "returned"])
def test_an_order_that_comes_back_after_its_tax_was_paid_is_not_taxed_again(
    units: Units, clock: FixedClock, owed: Payables, late: int, part: bool
):
    """R64: it was taxed as the income of its month, and is filed as that alone."""
    number = released(units, owed, method=TREASURY)
    filed_month = month_of(shanghai_day(clock.at))
    came_back = 0
    for one in orders(units, owed, number):
        if one.kind == "withholding":
            answer(units, owed, one.key, "paid", one.amount_fen)
        elif part:
            answer(units, owed, one.key, "paid", one.amount_fen - 7)
            answer(units, owed, one.key, "returned", 7)
            came_back += 7
        else:
            answer(units, owed, one.key, "returned", one.amount_fen)
            came_back += one.amount_fen
    clock.advance(timedelta(days=late))
    units.settings = replace(units.settings, payout_minimum_fen=0)

    again = released(units, owed, method=TREASURY)

    ordered = orders(units, owed, again)
    assert [one.kind for one in ordered] == ["order", "order"]
    assert sum(one.amount_fen for one in ordered) == came_back
    assert withheld(units, again) == []
    with units(SYSTEM) as unit:
        assert taxed_before(unit, [owed.other.id]) == {}
        (row,) = filing_of(unit, filed_month)
    assert (row.income_fen, row.withheld_fen) == (EARNED_FEN, tax_of(EARNED_FEN))
    assert row.month_income_fen == EARNED_FEN
    assert verify(units, SYSTEM) == []
    for one in ordered:
        answer(units, owed, one.key, "returned", one.amount_fen)
    third = released(units, owed, method=TREASURY)
    assert withheld(units, third) == [], "however often it comes back"
    assert verify(units, SYSTEM) == []


def test_a_run_that_is_only_proposed_is_nobodys_income(units: Units, owed: Payables):
    """R64: if it is withdrawn, nothing that was released beside it has to be right again."""
    another_payers_run(units, owed, income_fen=900, state="proposed")

    number = released(units, owed, method=TREASURY)

    assert withheld(units, number) == [(EARNED_FEN, tax_of(EARNED_FEN))]


def test_a_run_whose_tax_changed_since_is_not_released(units: Units, owed: Payables):
    """R64: two people sign for the numbers that are paid; the remedy is to propose it anew."""
    number = proposed(units, owed, method=TREASURY)
    another_payers_run(units, owed, income_fen=900)

    with pytest.raises(WithheldAnew) as refused, units(owed.checker) as unit:
        release_run(unit, number)
    assert owed.other.name in str(refused.value) and number in str(refused.value)
    with units(owed.checker) as unit:
        return_run(unit, number, note="税款需重新计算")

    again = released(units, owed, method=TREASURY)
    assert withheld(units, again) == [(EARNED_FEN, tax_of(900 + EARNED_FEN) - tax_of(900))]


def test_each_bureau_files_its_own_by_the_steps_of_the_whole_month(units: Units, owed: Payables):
    """R64: what other payers paid stands in the arithmetic, and not in the bureau's income."""
    elsewhere = another_payers_run(units, owed, income_fen=900)
    _, gateway = practice(units)
    paid(units, owed, gateway)
    month = month_of(shanghai_day(units.clock.now()))
    with units(SYSTEM) as unit:
        clerk = a_person(unit, elsewhere, [Role.BUREAU_FINANCE])
        table = table_in_force(unit, RateKind.WITHHOLDING, day=month).table
        (whole,) = filing_of(unit, month)
    with units(owed.maker) as unit:
        (own,) = filing_of(unit, month)
    with units(clerk) as unit:
        (theirs,) = filing_of(unit, month)

    both = tax_on(900 + EARNED_FEN, table)
    assert filed(own) == filed(whole) == both
    assert filed(theirs) == tax_on(900, table)
    assert (own.income_fen, own.withheld_fen) == (EARNED_FEN, both.tax_fen - tax_of(900))
    assert (theirs.income_fen, theirs.withheld_fen) == (900, tax_of(900))
    assert (whole.income_fen, whole.withheld_fen) == (900 + EARNED_FEN, both.tax_fen)


def filed(row: FilingRow) -> TaxSteps:
    return TaxSteps(
        income_fen=row.month_income_fen,
        deduction_fen=row.deduction_fen,
        taxable_fen=row.taxable_fen,
        rate=row.rate,
        quick_fen=row.quick_fen,
        tax_fen=row.tax_fen,
    )
