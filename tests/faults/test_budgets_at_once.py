"""Many hands on one line and one budget at the same moment: what fits gets through (R20)."""

import pytest
from sqlalchemy import text

from kernel.errors import BudgetExhausted, MarketError, ProposalDecided
from kernel.unit import Units
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import propose_lines
from procurement.verification import verify
from settlement.agreements import Draw
from settlement.funding_lines import LineBalance, line_balances
from tests.faults.test_at_once import together
from tests.support.funding_builders import CountyBuilder
from tests.support.settlement_builders import SYSTEM, Market, a_market, an_agreement

pytestmark = pytest.mark.faults

HANDS = 32


def commit(units: Units, market: Market, number: int) -> int:
    """Try to commit 1,000 fen; return 1, or 0 if the line has no more."""
    try:
        with units(SYSTEM) as unit:
            an_agreement(
                unit,
                market.school,
                vendor_id=market.vendor.id,
                resource_id=market.resource_id,
                draws=[Draw(market.line_id, 1_000)],
                reference=f"P-{number}",
            )
    except BudgetExhausted:
        return 0
    return 1


def test_32_hands_on_one_line_commit_exactly_what_fits(units: Units) -> None:
    """R20, R23: 20,500 fen are available: twenty get their 1,000, twelve are refused."""
    market = a_market(units, available_fen=21_500, ceiling_fen=1_000)
    won = together(*[lambda n=n: commit(units, market, n) for n in range(HANDS)])
    assert (won.count(1), len(won)) == (20, HANDS)
    with units(SYSTEM) as unit:
        balance = line_balances(unit, [market.line_id])[market.line_id]
    assert balance == LineBalance(500, 21_000)
    assert verify(units, SYSTEM) == []


def test_a_proposal_is_issued_once_by_however_many(units: Units) -> None:
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=200)
    with units(county.actor("bureau")) as unit:
        number = propose_lines(unit, fiscal_year=2026)
    checker = county.actor("checker")

    def issue() -> str:
        try:
            with units(checker) as unit:
                issue_proposal(unit, number)
        except ProposalDecided:
            return "decided"
        except MarketError as error:
            return str(error)
        return "issued"

    assert sorted(map(str, together(*[issue] * 8))) == [*["decided"] * 7, "issued"]
    with units(SYSTEM) as unit:
        issued = unit.session.scalar(text("SELECT count(*) FROM allocation"))
    assert issued == 1
    assert verify(units, SYSTEM) == []
