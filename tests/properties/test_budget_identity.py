"""Whatever is approved, issued, taken back, committed, used and ended, the identities hold (R20).

A machine makes any sequence of these acts on one line. After each act the line's four amounts make
what was allocated, the budget's three what was approved, no account is below zero, and both are
what a model in plain integers says.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from kernel.clock import FixedClock, parse_month
from kernel.errors import (
    BudgetExhausted,
    BudgetTooSmall,
    NothingToSettle,
    ReductionNotGiven,
    ReductionTooLarge,
)
from kernel.outcomes import Fate
from kernel.settings import Settings
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.budgets import BudgetRow, budgets, lock_budget, record_budgets, require_unallocated
from settlement.closing import settle
from settlement.funding_lines import LineBalance, line_balances
from settlement.issues import Issue, issue_amounts
from settlement.line_ends import End, end_lines, ending_lines
from settlement.verify.budgets import check_bureau_budgets
from settlement.verify.recompute import check_balances, check_budgets
from tests.support.database import fresh_units
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)

PRICE_FEN = 100
fen = st.integers(1, 3_000)


class Year(RuleBasedStateMachine):
    """One line of 2026, its budget, and the acts that may befall them."""

    units: Units
    market: Market

    def __init__(self) -> None:
        super().__init__()
        self._scope = fresh_world()
        self.units, self.market = self._scope.__enter__()
        self.number = 0
        self.month = 3
        self.is_over = False
        self.ends = 0
        # The market begins with 2,000 fen that no budget gave, 1,000 of them committed.
        self.approved = self.allocated = self.treasury = 0
        self.older = 2_000
        self.available, self.committed, self.accrued = 1_000, 1_000, 0
        self.drawn_from_first = 0
        self.unposted: list[tuple[int, int]] = []

    def teardown(self) -> None:
        self._scope.__exit__(None, None, None)

    def _next(self) -> int:
        self.number += 1
        return self.number

    @rule(amount=st.integers(-3_000, 6_000).filter(bool))
    def approve(self, amount: int) -> None:
        row = BudgetRow(
            region_code=self.market.bureau.code,
            fiscal_year=2026,
            source="per_student",
            amount_fen=amount,
            document=f"批复{self._next()}",
            approved_on=date(2026, 1, 10),
        )
        with self.units(SYSTEM) as unit:
            (outcome,) = record_budgets(unit, [row], made_by="maker")
        fits = self.approved - self.allocated - self.treasury + amount >= 0
        assert (outcome.fate is Fate.ACCEPTED) == fits
        if fits:
            self.approved += amount
        else:
            assert isinstance(outcome.error, BudgetTooSmall)

    @precondition(lambda self: self.approved and not self.is_over)
    @rule(amount=st.integers(-3_000, 3_000).filter(bool))
    def issue(self, amount: int) -> None:
        """An allocation or a top-up; below zero a reduction."""
        unallocated = self.approved - self.allocated - self.treasury
        refused: type[Exception] | None = None
        if amount > unallocated:
            refused = BudgetTooSmall
        elif -amount > self.available:
            refused = ReductionTooLarge
        elif -amount > self.allocated:
            refused = ReductionNotGiven
        if refused:
            with pytest.raises(refused):
                self._issue(amount)
            return
        self._issue(amount)
        self.allocated += amount
        self.available += amount

    def _issue(self, amount: int) -> None:
        with self.units(SYSTEM) as unit:
            budget = lock_budget(unit, (self.market.bureau.id, 2026, "per_student"))
            require_unallocated(unit, budget, amount)
            key = f"{'issue' if amount > 0 else 'reduce'}:property:{self._next()}"
            issue = Issue(
                line_id=self.market.line_id,
                budget_id=budget.id,
                amount_fen=amount,
                key=key,
                memo="property",
                line="the line",
            )
            issue_amounts(unit, [issue])

    @precondition(lambda self: not self.is_over)
    @rule(ceiling=fen)
    def commit(self, ceiling: int) -> None:
        """Another agreement, which begins after the year's uses: it only holds money."""
        if ceiling > self.available:
            with pytest.raises(BudgetExhausted) as refused:
                self._agree(ceiling)
            assert refused.value.facts["short_fen"] == ceiling - self.available
            return
        self._agree(ceiling)
        self.available -= ceiling
        self.committed += ceiling

    def _agree(self, ceiling: int) -> None:
        with self.units(SYSTEM) as unit:
            an_agreement(
                unit,
                self.market.school,
                vendor_id=self.market.vendor.id,
                resource_id=self.market.resource_id,
                draws=[Draw(self.market.line_id, ceiling)],
                unit_price="1.0000",
                reference=f"P-{self._next()}",
                starts_on=date(2026, 12, 1),
                ends_on=date(2026, 12, 31),
            )

    @precondition(lambda self: self.month <= 6 and not self.is_over)
    @rule(uses=st.integers(1, 8), confirmed=st.booleans())
    def use(self, uses: int, confirmed: bool) -> None:
        """A month of uses under the first agreement, stated, and posted if it is confirmed."""
        month = self.month
        self.month += 1
        rows = [
            a_use(self.units, self.market, f"m{month}-{n}", at(2, 8, n, month=month))
            for n in range(uses)
        ]
        deliver(self.units, rows, name=f"m{month}")
        settle(self.units, SYSTEM, parse_month(f"2026-{month:02d}"))
        drawn = min(uses * PRICE_FEN, 1_000 - self.drawn_from_first)
        self.drawn_from_first += drawn
        if confirmed:
            self._post(month)
            self.committed -= drawn
            self.accrued += drawn
        else:
            self.unposted.append((month, drawn))

    def _post(self, month: int) -> None:
        period = parse_month(f"2026-{month:02d}")
        confirm_all(self.units, self.market, period)
        settle(self.units, SYSTEM, period)

    @precondition(lambda self: not self.is_over)
    @rule()
    def close_the_books(self) -> None:
        """Every month is settled, as far as it has to be, and the books of 2026 are closed."""
        assert isinstance(self.units.clock, FixedClock)
        self.units.clock.at = datetime(2027, 1, 5, tzinfo=UTC)
        if self.month <= 6:
            settle(self.units, SYSTEM, parse_month("2026-06"))
        with suppress(NothingToSettle):
            settle(self.units, SYSTEM, parse_month("2026-12"))
        self.units.clock.at = datetime(2027, 3, 31, 16, tzinfo=UTC)
        self.is_over = True

    @precondition(lambda self: self.is_over)
    @rule(carries=st.booleans(), frees=st.booleans())
    def end(self, carries: bool, frees: bool) -> None:
        """The line lapses, or is carried over until June with or without its commitments."""
        carries = carries and not self.ends
        held = sum(drawn for _, drawn in self.unposted)
        left = self.committed - held
        with self.units(SYSTEM) as unit:
            lines = ending_lines(unit, closed_year=2026, for_update=True)
            if not lines:
                assert self.ends or not self.available + self.committed
                return
            (line,) = lines
            assert (line.left_fen, line.stated_fen, line.waits_for) == (left, held, None)
            end = End(
                line=line,
                because="property",
                carried_until=date(2027, 6, 30) if carries else None,
                frees=frees or not carries,
            )
            if not (end.lapsed_fen or end.carried_fen):
                return
            end_lines(unit, [end])
        self.ends += 1
        if frees or not carries:
            self.committed -= left
            self.available += left
        if not carries:
            back = min(self.available, self.allocated)
            self.allocated -= back
            self.treasury += back
            self.older -= self.available - back
            self.available = 0

    @precondition(lambda self: self.unposted)
    @rule()
    def post_what_waited(self) -> None:
        """What was stated draws its money, even from a line that lapsed meanwhile."""
        (month, drawn), *self.unposted = self.unposted
        self._post(month)
        self.committed -= drawn
        self.accrued += drawn

    @invariant()
    def the_identities_hold(self) -> None:
        with self.units(SYSTEM) as unit:
            balance = line_balances(unit, [self.market.line_id])[self.market.line_id]
            assert balance == LineBalance(self.available, self.committed, self.accrued)
            assert balance.allocated_fen == self.allocated + self.older
            for one in budgets(unit, fiscal_year=2026):
                assert one.approved_fen == self.approved
                assert (one.allocated_fen, one.treasury_fen) == (self.allocated, self.treasury)
                assert (
                    one.approved_fen == one.unallocated_fen + one.allocated_fen + one.treasury_fen
                )
            below = text("SELECT count(*) FROM account WHERE balance < minimum")
            assert unit.session.scalar(below) == 0
            for check in (check_balances, check_budgets, check_bureau_budgets):
                assert list(check(unit)) == []


@contextmanager
def fresh_world() -> Iterator[tuple[Units, Market]]:
    """Yield a database of its own with a market in it; the test says where."""
    server, told = WORLD["server"], WORLD["settings"]
    assert isinstance(server, str) and isinstance(told, Settings)
    with fresh_units(server, told, worlds=True) as units:
        yield units, a_market(units, available_fen=2_000, ceiling_fen=1_000, unit_price="1.0000")


WORLD: dict[str, object] = {}


def test_any_sequence_of_acts_keeps_the_identities(server: str, settings: Settings) -> None:
    """R19, R20, R23: at every moment, on the line, on its budget, and by `market verify`."""
    WORLD.update(server=server, settings=settings)
    run_state_machine_as_test(
        Year,
        settings=profile(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
