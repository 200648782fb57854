"""Whatever is raised, lowered, given up, renewed and released, the identities hold (R19, R23).

A machine makes any sequence of these acts on one school's agreements over two fiscal years, with
uses and closes between them, until the books of both are settled. What is refused changes nothing.
After each act every line's four amounts make what was issued on it, an agreement's years make its
ceiling, and what its lines set aside makes what it has not waiting; no account is below zero. At
the end `market verify` has nothing to say.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta

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
from sqlalchemy import func, select, text

from kernel.clock import FixedClock, Month, shanghai_day
from kernel.errors import MarketError
from kernel.ids import SelectionId
from kernel.settings import Settings
from kernel.unit import Unit, Units
from procurement.agreement_requests import ceilings_of, request_ceiling, request_renewal
from procurement.approvals import sign, withdraw
from procurement.verification import verify
from procurement.waiting_years import commit_waiting
from settlement.agreement_ends import end_agreement
from settlement.agreement_models import AgreementYear
from settlement.agreement_states import RUNNING
from settlement.funding_lines import issue_amount, line_balances
from settlement.models import Agreement, AgreementDraw, FundingLine
from settlement.tasks import end_agreements
from tests.properties.test_settlement_order import fresh_units
from tests.support.agreement_builders import (
    a_line_of_2027,
    a_signing_market,
    a_teacher,
    across,
    closed,
    on,
)
from tests.support.settlement_builders import SYSTEM, Market, a_use, deliver

LAST_MONTH = 18
"""Months of use, from January 2026 on: to June 2027."""


class Ceilings(RuleBasedStateMachine):
    """One school, an agreement of March to June 2026, one across New Year, and their renewals."""

    units: Units
    market: Market

    def __init__(self) -> None:
        super().__init__()
        self._scope = fresh_world()
        self.units, self.market = self._scope.__enter__()
        assert isinstance(self.units.clock, FixedClock)
        self.clock = self.units.clock
        self.teacher = a_teacher(self.units, self.market)
        across(self.units, self.market, first_fen=500, later_fen=800)
        self.number = 0
        self.month = 3
        self.is_renewed = False
        self.issued = {self.market.line_id: 100_000}

    def teardown(self) -> None:
        try:
            self._settle_all()
            assert verify(self.units, SYSTEM) == []
        finally:
            self._scope.__exit__(None, None, None)

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _of(self, which: int) -> str:
        return f"{self.market.school.code}-{('A-1', 'X-1')[which]}"

    @rule(which=st.integers(0, 1), later=st.booleans(), by=st.integers(-900, 900).filter(bool))
    def change_the_ceiling(self, which: int, later: bool, by: int) -> None:
        """Another ceiling for a year; if it can't be, nothing of it stays."""
        with self.units(SYSTEM) as unit:
            agreement = unit.session.scalars(
                select(Agreement).where(Agreement.number == self._of(which))
            ).one()
            ceilings = ceilings_of(unit, agreement)
        year = max(ceilings) if later else min(ceilings)
        wanted = {**ceilings, year: max(ceilings[year] + by, 0)}
        with suppress(MarketError):
            with self.units(self.teacher) as unit:
                selection_id = request_ceiling(
                    unit, self._of(which), ceilings=wanted, reason="使用量变化"
                )
            self._sign(selection_id)

    def _sign(self, selection_id: SelectionId) -> None:
        try:
            with self.units(self.market.finance) as unit:
                sign(unit, selection_id)
        except MarketError:
            with self.units(self.teacher) as unit:
                withdraw(unit, selection_id)

    @rule(fen=st.integers(1, 1_500))
    def issue_2027(self, fen: int) -> None:
        """The year's money comes, all or more of it; what waits is committed as far as it may."""
        line_id = a_line_of_2027(self.units, self.market, fen=fen, key=str(self._next()))
        self.issued[line_id] = self.issued.get(line_id, 0) + fen
        with self.units(SYSTEM) as unit:
            commit_waiting(unit)

    @rule(fen=st.integers(1, 1_500))
    def issue_2026(self, fen: int) -> None:
        with self.units(SYSTEM) as unit:
            key = f"property:{self._next()}"
            issue_amount(unit, self.market.line_id, amount_fen=fen, key=key, memo="top-up")
        self.issued[self.market.line_id] += fen

    @rule(uses=st.integers(1, 9))
    def use(self, uses: int) -> None:
        """Uses of this month, whether an agreement covers them or not."""
        year, month = self._now()
        named = self._next()
        rows = [
            a_use(self.units, self.market, f"u{named}-{n}", on(year, month, 2) + timedelta(hours=n))
            for n in range(uses)
        ]
        deliver(self.units, rows, name=f"u{named}")

    def _now(self) -> tuple[int, int]:
        return 2026 + (self.month - 1) // 12, (self.month - 1) % 12 + 1

    @precondition(lambda self: self.month < LAST_MONTH)
    @rule(months=st.integers(1, 4))
    def close(self, months: int) -> None:
        """Some months pass: each is stated, confirmed and posted, and rests are released."""
        for _ in range(min(months, LAST_MONTH - self.month)):
            self._close_one()

    def _close_one(self) -> None:
        over = Month(date(*self._now(), 1))
        self.month += 1
        self.clock.at = on(*self._now(), 15)
        with suppress(MarketError):  # nothing is to be settled where no agreement ran
            closed(self.units, self.market, over)
        with self.units(SYSTEM) as unit:
            commit_waiting(unit)
        end_agreements(self.units)

    @rule(which=st.integers(0, 1), days=st.integers(0, 60))
    def give_up(self, which: int, days: int) -> None:
        with suppress(MarketError), self.units(self.market.finance) as unit:
            last_day = shanghai_day(unit.clock.now()) + timedelta(days=days)
            end_agreement(unit, self._of(which), last_day=last_day, reason="班级撤并")

    @precondition(lambda self: not self.is_renewed)
    @rule(ceiling=st.integers(1, 1_500))
    def renew(self, ceiling: int) -> None:
        """Another term of the first agreement, across New Year as well."""
        with suppress(MarketError):
            with self.units(self.teacher) as unit:
                selection_id = request_renewal(
                    unit,
                    self._of(0),
                    starts_on=date(2026, 7, 1),
                    ends_on=date(2027, 2, 28),
                    ceiling_fen=ceiling,
                    later_fen=ceiling // 3,
                    reason="效果良好，续用",
                )
            self._sign(selection_id)
            self.is_renewed = True

    def _settle_all(self) -> None:
        while self.month < LAST_MONTH:
            self._close_one()
        self._close_one()
        self.clock.at = on(2028, 5, 1)
        end_agreements(self.units)
        self.the_identities_hold()

    @invariant()
    def the_identities_hold(self) -> None:
        with self.units(SYSTEM) as unit:
            set_aside = _by_line(unit)
            balances = line_balances(unit, list(self.issued))
            for line_id, issued_fen in self.issued.items():
                balance = balances[line_id]
                assert balance.allocated_fen == issued_fen
                used_fen = balance.accrued_fen + balance.paid_fen
                assert balance.committed_fen + used_fen == set_aside.get(line_id, 0)
            for agreement in unit.session.scalars(select(Agreement)):
                years = _years(unit, agreement)
                if years:
                    assert agreement.ceiling_fen == sum(year.ceiling_fen for year in years)
                if agreement.state in RUNNING:
                    waiting_fen = sum(year.waiting_fen for year in years)
                    assert _set_aside(unit, agreement) + waiting_fen == agreement.ceiling_fen
            below = text("SELECT count(*) FROM account WHERE balance < minimum")
            assert unit.session.scalar(below) == 0


def _by_line(unit: Unit) -> dict[object, int]:
    """Return what agreements have set aside on each line, by their draws."""
    rows = unit.session.execute(
        select(FundingLine.id, func.sum(AgreementDraw.ceiling_fen))
        .join(AgreementDraw, AgreementDraw.line_id == FundingLine.id)
        .group_by(FundingLine.id)
    )
    return {line_id: int(fen) for line_id, fen in rows}


def _years(unit: Unit, agreement: Agreement) -> list[AgreementYear]:
    wanted = select(AgreementYear).where(AgreementYear.agreement_id == agreement.id)
    return list(unit.session.scalars(wanted.execution_options(populate_existing=True)))


def _set_aside(unit: Unit, agreement: Agreement) -> int:
    wanted = select(func.coalesce(func.sum(AgreementDraw.ceiling_fen), 0))
    return int(unit.session.scalar(wanted.where(AgreementDraw.agreement_id == agreement.id)) or 0)


@contextmanager
def fresh_world() -> Iterator[tuple[Units, Market]]:
    """Yield a database of its own with a market in it; the test says where."""
    server, told = WORLD["server"], WORLD["settings"]
    assert isinstance(server, str) and isinstance(told, Settings)
    with fresh_units(server, told, worlds=True) as units:
        assert isinstance(units.clock, FixedClock)
        yield units, a_signing_market(units, units.clock)


WORLD: dict[str, object] = {}


def test_any_sequence_of_changes_keeps_the_identities(server: str, settings: Settings) -> None:
    """R19, R23: at every moment on every line and agreement, and by `market verify` at the end."""
    WORLD.update(server=server, settings=settings)
    run_state_machine_as_test(
        Ceilings,
        settings=profile(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
