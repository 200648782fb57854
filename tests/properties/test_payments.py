"""Whatever is billed, credited, paid, refunded and goes wrong, no fen is lost or doubled.

A machine makes any sequence of these acts on a school with two vendors and two lines. After each,
no payee has more than it ever earned, no run claims more than is earned by then, the books add up,
and `market verify` agrees; once everything under way is through, our books are the gateway's and it
holds the platform's fee, less what payers' banks took back for good. What they took back for good
is collected again, once.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from kernel.clock import FixedClock, parse_month
from kernel.errors import GatewayUnavailable, NothingToPay
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.dues import Due, Paid, dues, paid_of
from settlement.ledger.posting import INSTALLATION, AccountKind
from settlement.payment_models import Payment, RefundPart
from settlement.payments import checks, plans
from settlement.payments.bank_payouts import pay_out, try_payout_again
from settlement.payments.claims import PATIENCE
from settlement.payments.engine import pay_run, released_runs, retry_payment
from settlement.payments.gateway import GatewayError
from settlement.payments.giving_up import give_up_reversal
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import Differs, reconcile
from settlement.payments.sandbox import Fault
from settlement.payments.states import LeftOut, PaymentMethod, RunPurpose
from settlement.payments.sweeping import catch_up
from settlement.payments.treasury import ReturnRow, export_orders, record_returns
from settlement.payout_models import BankPayout
from settlement.verify.payments import check_payments
from settlement.verify.recompute import check_balances, check_budgets
from tests.support.database import fresh_units
from tests.support.payment_builders import (
    Payables,
    balance,
    collected_again,
    held_at_gateway,
    payables,
    practice,
    released,
    sells_as_a_teacher,
)
from tests.support.payment_sums import kept_at_gateway
from tests.support.settlement_builders import SYSTEM, a_use, at, confirm_all, deliver

LAST_MONTH = 6
LAST = parse_month("2026-06")
CALLS = ("payment_intents.create", "transfers.create", "reversals.create", "refunds.create")
FAULTS = st.sampled_from([None, *Fault])


class Payments(RuleBasedStateMachine):
    """A school whose months are billed, corrected and paid one after the other."""

    units: Units
    owed: Payables

    def __init__(self) -> None:
        super().__init__()
        self._scope = fresh_world()
        self.units, self.owed = self._scope.__enter__()
        with self.units(SYSTEM) as unit:
            sells_as_a_teacher(unit, self.owed.other)
        self.sandbox, self.gateway = practice(self.units)
        know_payees(self.units, SYSTEM, self.gateway)
        # The least that is paid would hide a fen too much.
        self.units.settings = replace(self.units.settings, payout_minimum_fen=0)
        self.month, self.late, self.voucher, self.lost_fen = 4, 0, 0, 0
        self.ever: dict[Due, int] = defaultdict(int)
        self.taken: list[str] = []
        self.lost: list[tuple[str, int]] = []

    @initialize(is_paid=st.sampled_from([True, True, False]), corrections=st.integers(0, 3))
    def begin(self, is_paid: bool, corrections: int) -> None:
        """March is often paid before credits come, or nothing would ever be taken back."""
        self._note_what_is_earned()
        if is_paid:
            pay_run(self.units, SYSTEM, self.gateway, self._released())
        self.bill(uses=0, corrections=corrections)

    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self._scope.__exit__(None, None, None)

    @precondition(lambda self: self.month <= LAST_MONTH)
    @rule(uses=st.integers(0, 5), corrections=st.integers(0, 3))
    def bill(self, uses: int, corrections: int) -> None:
        """Close the next month: some uses, and late ones that take uses of March off."""
        market, month = self.owed.market, self.month
        rows = [
            a_use(self.units, market, f"m{month}-{n}", at(3, 8, n, month=month))
            for n in range(uses)
        ]
        for _ in range(corrections):
            rows.append(a_use(self.units, market, f"late{self.late}", at(2, 8, 2 * self.late, 30)))
            self.late += 1
        if rows:
            deliver(self.units, rows, name=f"month{month}")
            closed = parse_month(f"2026-{month:02d}")
            settle(self.units, SYSTEM, closed)
            confirm_all(self.units, market, closed)
            settle(self.units, SYSTEM, closed)
        self.month += 1

    @rule(call=st.sampled_from(CALLS[:2]), fault=FAULTS)
    def pay_through_the_gateway(self, call: str, fault: Fault | None) -> None:
        self._carry_out(RunPurpose.PAY, call, fault)

    @precondition(lambda self: self.late)
    @rule(call=st.sampled_from(CALLS[2:]), fault=FAULTS)
    def take_back_what_credits_took_off(self, call: str, fault: Fault | None) -> None:
        self._carry_out(RunPurpose.REFUND, call, fault)

    def _carry_out(self, purpose: RunPurpose, call: str, fault: Fault | None) -> None:
        if fault is not None:
            self.sandbox.expect(call, fault)
        with suppress(NothingToPay):
            number = self._released(purpose=purpose, month=LAST)
            with suppress(GatewayError, GatewayUnavailable):
                pay_run(self.units, SYSTEM, self.gateway, number)

    def _released(self, **asked: Any) -> str:
        """Propose and release a run; it claims no more of anything than is earned by now."""
        school = self.owed.market.school.id
        with self.units(SYSTEM) as unit:
            before, earned = paid_of(unit, [school]), dues(unit, [school])
        number = released(self.units, self.owed, **asked)
        with self.units(SYSTEM) as unit:
            for due, one in paid_of(unit, [school]).items():
                claimed = before[due].claimed_fen if due in before else 0
                assert one.claimed_fen <= max(claimed, earned.get(due, 0)), due
        return number

    @rule(
        results=st.lists(st.sampled_from(["paid", "partial", "back", "returned", ""]), max_size=6)
    )
    def pay_by_the_treasury(self, results: list[str]) -> None:
        with suppress(NothingToPay):
            number = self._released(method=PaymentMethod.TREASURY, month=LAST)
            with self.units(self.owed.maker) as unit:
                text = export_orders(unit, number).decode("utf-8-sig")
            rows = []
            for order, result in zip(csv.DictReader(io.StringIO(text)), results, strict=False):
                fen = int(order["amount_yuan"].replace(".", ""))
                self.voucher += 1
                if result == "partial" and fen > 1:
                    fen -= 1
                if result:
                    rows.append(
                        ReturnRow(
                            order_no=order["order_no"],
                            voucher_no=f"V{self.voucher}",
                            result="returned" if result == "returned" else "paid",
                            amount_fen=fen,
                        )
                    )
                if result == "back" and fen > 1:
                    rows.append(
                        ReturnRow(
                            order_no=order["order_no"],
                            voucher_no=f"V{self.voucher}-back",
                            result="returned",
                            amount_fen=fen // 2,
                        )
                    )
            with self.units(self.owed.maker) as unit:
                record_returns(unit, rows)

    @rule(fault=st.sampled_from([None, *Fault]))
    def pay_out_to_banks(self, fault: Fault | None) -> None:
        if fault is not None:
            self.sandbox.expect("payouts.create", fault)
        with suppress(GatewayError, GatewayUnavailable):
            pay_out(self.units, SYSTEM, self.gateway)

    @rule()
    def somebody_saw_to_a_payout_that_failed(self) -> None:
        with self.units(SYSTEM) as unit:
            failed = unit.session.scalars(
                select(BankPayout.key)
                .where(BankPayout.state == "failed", BankPayout.answered_at.is_(None))
                .order_by(BankPayout.key)
            ).first()
            if failed:
                try_payout_again(unit, failed)

    @rule(is_given_up=st.booleans())
    def somebody_answers_what_failed_of_a_refund(self, is_given_up: bool) -> None:
        with self.units(SYSTEM) as unit:
            failed = unit.session.scalars(
                select(Payment)
                .where(Payment.kind.in_(("reversal", "refund")), Payment.state == "failed")
                .order_by(Payment.key)
            ).first()
            if failed:
                is_given_up = is_given_up and failed.kind == "reversal"
                (give_up_reversal if is_given_up else retry_payment)(unit, failed.key)

    @rule(won=st.booleans())
    def a_bank_takes_a_collection_back(self, won: bool) -> None:
        with self.units(SYSTEM) as unit:
            found = unit.session.scalars(
                select(Payment.gateway_id)
                .where(Payment.kind == "collection", Payment.state == "paid")
                .order_by(Payment.key)
            ).all()
        fresh = [one for one in found if one not in self.taken]
        if fresh:
            self.taken.append(str(fresh[0]))
            held = self.gateway.balance_fen()
            dispute = self.sandbox.dispute(str(fresh[0]))
            self.sandbox.decide(dispute, won=won)
            fen = held - self.gateway.balance_fen()
            self.lost_fen += fen
            if fen:
                self.lost.append((dispute, fen))
            self.sandbox.deliver()

    @precondition(lambda self: self.lost)
    @rule()
    def a_dispute_is_won_after_it_was_lost(self) -> None:
        dispute, fen = self.lost.pop()
        self.sandbox.decide(dispute, won=True)
        self.lost_fen -= fen
        self.sandbox.deliver()

    @rule()
    def a_debt_is_paid_late_and_by_another_run(self) -> None:
        self.a_bank_takes_a_collection_back(won=False)
        with suppress(NothingToPay):
            self.sandbox.expect("payment_intents.create", Fault.DECLINED)
            first = self._released(month=LAST)
            pay_run(self.units, SYSTEM, self.gateway, first)
            self.sandbox.deliver()
            self._carry_out(RunPurpose.PAY, "", None)
            with self.units(SYSTEM) as unit:
                made = unit.session.scalars(
                    select(Payment).where(Payment.key.startswith(f"{first}:"))
                ).all()
            intent = next(one.gateway_id for one in made if one.kind == "collection")
            # A transfer would be claimed twice until it is taken back.
            if intent and {one.kind for one in made} == {"collection", "recovery"}:
                self.sandbox.pay_after_all(intent)
                self.sandbox.deliver()

    @precondition(lambda self: self.late)
    @rule()
    def a_bank_sends_a_refund_back(self) -> None:
        with self.units(SYSTEM) as unit:
            standing = unit.session.scalars(
                select(RefundPart.gateway_id)
                .join(Payment, Payment.id == RefundPart.payment_id)
                .where(RefundPart.came_back_at.is_(None))
                .order_by(Payment.key, RefundPart.amount_fen)
            ).first()
        if standing:
            self.sandbox.return_refund(standing)
            self.sandbox.deliver()

    @rule()
    def sweep(self) -> None:
        self.sandbox.settle_delayed()
        self.sandbox.deliver()
        catch_up(self.units, SYSTEM, self.gateway)
        with self.units(SYSTEM) as unit:
            numbers = released_runs(unit)
        for number in numbers:
            with suppress(GatewayError, GatewayUnavailable):
                pay_run(self.units, SYSTEM, self.gateway, number)
        assert isinstance(self.units.clock, FixedClock)
        self.units.clock.advance(PATIENCE + timedelta(seconds=1))

    @invariant()
    def nobody_has_more_than_was_ever_earned_and_the_books_add_up(self) -> None:
        school = self.owed.market.school.id
        self._note_what_is_earned()
        with self.units(SYSTEM) as unit:
            for due, one in paid_of(unit, [school]).items():
                # What is being given back is claimed no more, though it is not settled yet.
                assert 0 <= one.claimed_fen <= self.ever[due], due
            for check in (check_balances, check_budgets):
                assert list(check(unit)) == []
            told = list(check_payments(unit))
        _, asked_fen, _ = collected_again(self.units, school)
        too_much = [one for one in told if "are collected again" in one]
        assert len(too_much) == (asked_fen > self.lost_fen)
        assert told == too_much

    def _note_what_is_earned(self) -> None:
        with self.units(SYSTEM) as unit:
            for due, fen in dues(unit, [self.owed.market.school.id]).items():
                self.ever[due] = max(self.ever[due], fen)

    def _finish(self) -> None:
        """Take back what was paid too much, and let everything under way come through."""
        for _ in range(2):  # what comes in by then is taken back, too
            self._carry_out(RunPurpose.REFUND, "", None)
            for _ in range(3):
                self.sweep()
        waits_for_debt = self._waits_for_a_debt()
        differs = reconcile(self.units, SYSTEM, self.gateway)
        assert waits_for_debt or differs == []
        assert {one.kind for one in differs} <= {Differs.COLLECTED_TWICE}
        assert held_at_gateway(self.units) == self.gateway.balance_fen()
        with self.units(SYSTEM) as unit:
            fees, in_taxes, waits = kept_at_gateway(unit)
        taxes = -balance(self.units, INSTALLATION, AccountKind.TAX_PAYABLE)
        assert taxes == in_taxes
        owed_fen, asked_fen, again_fen = collected_again(self.units, self.owed.market.school.id)
        assert owed_fen + asked_fen == self.lost_fen or waits_for_debt
        assert held_at_gateway(self.units) == fees + taxes + waits + again_fen - self.lost_fen
        assert balance(self.units, INSTALLATION, AccountKind.FEE) <= 0

    def _waits_for_a_debt(self) -> bool:
        """Whether what goes back waits until what a bank took back is collected."""
        gateway, back = PaymentMethod.GATEWAY, RunPurpose.REFUND
        with self.units(self.owed.maker) as unit:
            omitted = plans.plan_run(unit, None, method=gateway, purpose=back).omitted
        return any(one.because is LeftOut.CHARGED_BACK for one in omitted)


@contextmanager
def fresh_world() -> Iterator[tuple[Units, Payables]]:
    """Yield a database of its own with a month to pay in it."""
    server, told = WORLD["server"], WORLD["settings"]
    assert isinstance(server, str) and isinstance(told, Settings)
    with fresh_units(server, told, worlds=True) as units:
        yield units, payables(units)


WORLD: dict[str, object] = {}
TRIED = profile(
    max_examples=8,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_any_sequence_of_payments_loses_and_doubles_no_fen(server: str, settings: Settings) -> None:
    """R38, R41: no payee is overpaid, and in the end the platform holds its fee."""
    WORLD.update(server=server, settings=settings)
    run_state_machine_as_test(Payments, settings=TRIED)


def test_one_fen_too_much_does_not_go_unnoticed(
    server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that pays a fen more of what was paid before is found by the machine."""

    def and_more(left: dict[Due, int], paid: Mapping[Due, Paid]) -> dict[Due, int]:
        more = {due: left.get(due, 0) + 1 for due, one in paid.items() if one.claimed_fen > 300}
        return {due: fen for due, fen in (left | more).items() if fen}

    dues, until = plans.open_dues, plans.open_until
    monkeypatch.setattr(checks, "_check_open", lambda *_: None)  # nobody could release it
    monkeypatch.setattr(plans, "open_dues", lambda *given: and_more(dues(*given), given[-1]))
    monkeypatch.setattr(plans, "open_until", lambda *given: and_more(until(*given), given[-1]))
    WORLD.update(server=server, settings=settings)
    once = {"phases": [Phase.generate], "database": None, "derandomize": True}
    with pytest.raises(AssertionError, match="Due"):
        run_state_machine_as_test(Payments, settings=profile(TRIED, max_examples=40, **once))
