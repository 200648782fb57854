"""Allocations by document: any source, restricted lines, shares of a fund, errors (R17, R18)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kernel.errors import NoRule, ReductionNotGiven, ReductionTooLarge
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Units
from procurement.funding.desk import proposal_lines, proposals
from procurement.funding.explanation import explain
from procurement.funding.funding_rules import FundingRuleRow, record_funding_rule
from procurement.funding.issuing import issue_proposal
from procurement.funding.listed import ListedRow, propose_listed
from procurement.funding.proposals import return_proposal
from procurement.queries import allocations_of, budget_board
from procurement.verification import verify
from settlement.budgets import budgets
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from tests.support.funding_builders import (
    COUNTY,
    OTHER_COUNTY,
    SCHOOL,
    CountyBuilder,
    a_county,
    a_selection,
)
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def county(units: Units) -> CountyBuilder:
    return a_county(units)


def a_row(**facts: Any) -> ListedRow:
    given = {
        "payer_code": SCHOOL,
        "fiscal_year": 2026,
        "source": "special_fund",
        "document": "青教财〔2026〕8号",
        "amount_fen": 100_000,
    }
    return ListedRow(**{**given, **facts})


def propose(county: CountyBuilder, *rows: ListedRow) -> list[RowOutcome]:
    with county.units(county.actor("bureau")) as unit:
        return propose_listed(unit, rows)


def numbers(county: CountyBuilder) -> list[str]:
    with county.units(SYSTEM) as unit:
        return sorted(one.number for one in proposals(unit) if one.kind == "listed")


def issue(county: CountyBuilder, *which: str) -> None:
    for number in which:
        with county.units(county.actor("checker")) as unit:
            issue_proposal(unit, number)


def lines_of(county: CountyBuilder) -> list[tuple[str, dict[str, Any], int]]:
    with county.units(SYSTEM) as unit:
        school = next(one for one in proposals_payers(county))
        board = budget_board(unit, school, fiscal_year=2026)
    return [(one.source, one.restriction, one.balance.available_fen) for one in board.lines]


def proposals_payers(county: CountyBuilder) -> Sequence[Any]:
    actor = county.actor(f"principal-{SCHOOL}")
    return [actor.organisation_id]


def test_a_file_becomes_one_proposal_for_each_year_and_source(county: CountyBuilder) -> None:
    """R18: general and restricted money of one source are lines of their own."""
    outcomes = propose(
        county,
        a_row(),
        a_row(subjects=("science", "math"), tiers=("growth",)),
        a_row(source="surcharge", amount_fen=70_000),
        a_row(),
        a_row(amount_fen=1),
    )
    assert [one.fate.value for one in outcomes] == [
        *["accepted"] * 3,
        "duplicate",
        "conflict",
    ]
    first, second = numbers(county)
    issue(county, first, second)
    assert lines_of(county) == [
        ("special_fund", {"subjects": ["math", "science"], "tiers": ["growth"]}, 100_000),
        ("special_fund", {}, 100_000),
        ("surcharge", {}, 70_000),
    ]
    assert propose(county, a_row())[0].fate is Fate.DUPLICATE, "issued already"
    assert verify(county.units, SYSTEM) == []


def test_a_returned_document_may_be_proposed_again(county: CountyBuilder) -> None:
    propose(county, a_row())
    (number,) = numbers(county)
    with county.units(county.actor("checker")) as unit:
        return_proposal(unit, number, note="金额有误")
    assert propose(county, a_row(amount_fen=90_000))[0].fate is Fate.ACCEPTED


def test_of_a_whole_fund_the_rule_gives_the_share(county: CountyBuilder) -> None:
    """R17: 123,456.78 yuan of surcharge, 3.33 % of it: 4,111.110774, rounded once to 4,111.11."""
    row = a_row(source="surcharge", amount_fen=None, fund_fen=12_345_678)
    (missing,) = propose(county, row)
    assert (type(missing.error), missing.field) == (NoRule, "fund_yuan")
    rule = FundingRuleRow(
        region_code=COUNTY,
        source="surcharge",
        valid_from=date(2026, 1, 1),
        floor_pupils=0,
        short_stage="primary",
        digital_share=Decimal("0.0333"),
        share_minimum=Decimal("0.02"),
        share_maximum=Decimal("0.05"),
        origin="青财〔2026〕4号",
    )
    with county.units(county.actor("operator")) as unit:
        assert record_funding_rule(unit, rule)
    assert propose(county, row)[0].fate is Fate.ACCEPTED
    (number,) = numbers(county)
    issue(county, number)
    assert lines_of(county) == [("surcharge", {}, 411_111)]
    with county.units(SYSTEM) as unit:
        board = budget_board(unit, proposals_payers(county)[0], fiscal_year=2026)
        (allocation,) = allocations_of(unit, board.lines[0].line_id)
    text = explain(allocation.computation)
    assert any("123,456.78 yuan" in line for line in text)
    assert "× 0.0333 = 4,111.110774 yuan, rounded to fen: 4,111.11 yuan" in text


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"payer_code": "nobody"}, "payer_code"),
        ({"payer_code": OTHER_COUNTY}, "payer_code"),
        ({"fiscal_year": 26}, "fiscal_year"),
        ({"source": "lottery"}, "source"),
        ({"document": " "}, "document"),
        ({"amount_fen": None}, "amount_yuan"),
        ({"fund_fen": 1}, "fund_yuan"),
        ({"amount_fen": 0}, "amount_yuan"),
        ({"amount_fen": -1}, "amount_yuan"),
        ({"tiers": ("gold",)}, "tiers"),
        ({"stages": ("nursery",)}, "stages"),
        ({"schools": ("nobody",)}, "schools"),
    ],
)
def test_a_row_that_is_not_right_names_its_field(
    county: CountyBuilder, facts: dict[str, Any], field: str
) -> None:
    (outcome,) = propose(county, a_row(**facts))
    assert (outcome.fate, outcome.field) == (Fate.REJECTED, field)
    assert numbers(county) == []


def test_a_listed_reduction_stops_at_what_is_committed(county: CountyBuilder) -> None:
    """100,000 fen issued, 40,000 committed: 60,000 may be taken back, 60,001 are 0.01 too many."""
    propose(county, a_row())
    issue(county, *numbers(county))
    county.select(a_selection(ceiling_fen=40_000))
    county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}")
    (refused,) = propose(county, a_row(document="调减", amount_fen=-60_001))
    assert isinstance(refused.error, ReductionTooLarge)
    assert "so 0.01 are too many" in str(refused.error)
    assert propose(county, a_row(document="调减", amount_fen=-60_000))[0].fate is Fate.ACCEPTED
    issue(county, numbers(county)[-1])
    assert [line for line in lines_of(county) if line[2]] == []
    assert verify(county.units, SYSTEM) == []


def test_a_budget_takes_back_no_more_than_it_gave(county: CountyBuilder) -> None:
    """R20: 500 yuan of the line came from elsewhere; the budget's 1,000 may be taken back once."""
    county.line(fen=50_000, source="special_fund")
    (early,) = propose(county, a_row(amount_fen=-1))
    assert isinstance(early.error, ReductionNotGiven)
    assert "what no budget gave stays on the line" in early.error.remedy
    propose(county, a_row())
    issue(county, *numbers(county))
    (refused,) = propose(county, a_row(document="调减", amount_fen=-100_001))
    assert isinstance(refused.error, ReductionNotGiven)
    assert "this budget gave it 1,000.00, so 0.01 are too many" in str(refused.error)

    propose(county, a_row(document="调减一", amount_fen=-60_000))
    propose(county, a_row(document="调减二", amount_fen=-60_000))
    first, second = numbers(county)[-2:]
    issue(county, first)
    with pytest.raises(ReductionNotGiven) as late:
        issue(county, second)
    assert late.value.facts["short_fen"] == 20_000
    assert verify(county.units, SYSTEM) == []


def test_verify_names_a_budget_that_took_back_more_than_it_gave(county: CountyBuilder) -> None:
    """R20, R50: planted past the service, with both sides of the issue in balance."""
    line_id = county.line(fen=50_000, source="special_fund")
    with county.units(SYSTEM) as unit:
        budget_id = next(
            one.id for one in budgets(unit, fiscal_year=2026) if one.source == "special_fund"
        )
        taken = Entry(
            AccountKey(line_id, AccountKind.APPROPRIATION),
            AccountKey(line_id, AccountKind.AVAILABLE),
            700,
        )
        back = Entry(
            AccountKey(budget_id, AccountKind.UNALLOCATED),
            AccountKey(budget_id, AccountKind.ALLOCATED),
            700,
        )
        post(unit, [TransferDraft(key="reduce:planted", memo="planted", entries=[taken, back])])
    assert verify(county.units, SYSTEM) == [
        (
            f"budget {COUNTY} 2026 special_fund: took back 7.00 more of funding line "
            f"{SCHOOL} 2026 special_fund than it gave"
        )
    ]


def test_a_bureaus_own_line_may_be_for_named_schools(county: CountyBuilder) -> None:
    """R18: what a bureau holds itself is on its own line, restricted to schools."""
    row = a_row(payer_code=COUNTY, schools=(SCHOOL,))
    assert propose(county, row)[0].fate is Fate.ACCEPTED
    (number,) = numbers(county)
    issue(county, number)
    with county.units(SYSTEM) as unit:
        (one,) = [found for found in proposals(unit) if found.number == number]
        (line,) = proposal_lines(unit, one)
    assert (line.payer_code, line.restriction) == (COUNTY, {"schools": [SCHOOL]})
