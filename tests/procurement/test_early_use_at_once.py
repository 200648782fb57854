"""Rules on use before the funds that change while approvals go by them; who sees which (R25)."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

import settlement.early_use
from kernel.actors import Role
from kernel.clock import FixedClock
from kernel.unit import Units
from procurement.funding.early_use_rules import (
    EarlyUseRuleRow,
    early_use_rules,
    propose_early_use,
    put_in_force,
)
from settlement.early_use_models import Memorandum
from tests.support.agreement_builders import across, on
from tests.support.builders import PROVINCE, a_bureau, a_person
from tests.support.early_use_builders import (
    SEPTEMBER,
    Agreeing,
    allowed,
    both_agree,
    consented,
    who_agree,
)
from tests.support.settlement_builders import SYSTEM, Market, a_market


@pytest.fixture
def market(units: Units, clock: FixedClock) -> Market:
    market = a_market(units)
    clock.at = on(2026, 9, 1)
    return market


@pytest.fixture
def agreeing(units: Units, market: Market) -> Agreeing:
    return who_agree(units, market)


def a_rule(total_cap_fen: int) -> EarlyUseRuleRow:
    return EarlyUseRuleRow(
        fiscal_year=2027,
        valid_from=SEPTEMBER,
        total_cap_fen=total_cap_fen,
        payer_cap_fen=100,
        origin="文件",
    )


def test_an_approval_goes_by_the_rule_that_holds_once_nobody_else_changes_one(
    units: Units, market: Market, agreeing: Agreeing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R25: another rule is put into force while an approval waits for its turn: it holds."""
    both_agree(units, agreeing)
    lock = settlement.early_use.lock_rules

    def lock_after_another(*given: Any, **more: Any) -> None:
        allowed(units, agreeing, SEPTEMBER, total_fen=250, payer_fen=250)
        lock(*given, **more)

    monkeypatch.setattr(settlement.early_use, "lock_rules", lock_after_another)
    across(units, market, first_fen=500, later_fen=800)
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(Memorandum.cap_fen)).all() == [250]


def test_an_approval_and_a_rule_wait_for_each_other(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    """R25: what is about to be put into force is locked, too, so that no room is promised twice."""
    with units(agreeing.maker) as unit:
        number = propose_early_use(unit, a_rule(600))
    with units(SYSTEM) as approving:
        settlement.early_use.lock_rules(approving, [market.school.id], fiscal_year=2027)
        with pytest.raises(OperationalError), units(agreeing.checker) as unit:
            unit.session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            put_in_force(unit, number)


def test_a_bureau_below_sees_what_holds_above_and_nothing_else_of_it(
    units: Units, market: Market, agreeing: Agreeing
) -> None:
    """R25, R49: neither what is only proposed above, nor what is promised there."""
    with units(SYSTEM) as unit:
        province = a_bureau(unit, region_code=PROVINCE)
        people = [
            a_person(unit, province, [Role.BUREAU_FINANCE], person_no=f"P-{n}") for n in (1, 2)
        ]
    above = Agreeing(vendor=agreeing.vendor, maker=people[0], checker=people[1])
    number = allowed(units, above, SEPTEMBER, total_fen=10_000, payer_fen=10_000)
    consented(units, agreeing, SEPTEMBER, cap_fen=600)
    across(units, market, first_fen=500, later_fen=800)
    with units(above.maker) as unit:
        propose_early_use(unit, a_rule(999))
        assert [row.promised_fen for row in early_use_rules(unit)] == [None, 600]
    with units(agreeing.maker) as unit:
        (seen,) = early_use_rules(unit)
    assert (seen.number, seen.holds, seen.is_own, seen.promised_fen) == (number, True, False, None)
