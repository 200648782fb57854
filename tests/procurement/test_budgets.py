"""Budget first, then allocation, then spending (R20): what a bureau may issue, and who checks."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import system_actor
from kernel.clock import FixedClock
from kernel.errors import (
    BudgetTooSmall,
    MakerChecks,
    NoBudget,
    NotFound,
    NothingToIssue,
    ProposalDecided,
    ProposalOpen,
    ProposalOutdated,
    ReasonRequired,
    ReductionTooLarge,
    Refused,
)
from kernel.outcomes import Fate
from kernel.unit import Units
from procurement.funding.allocations import preview_lines
from procurement.funding.desk import beyond_budget
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import (
    propose_lines,
    return_proposal,
    withdraw_proposal,
)
from procurement.proposal_models import AllocationProposal, ProposalLine
from procurement.queries import budget_boards
from procurement.verification import verify
from settlement.budgets import BudgetView, budgets
from settlement.journal import export_journal
from tests.support.funding_builders import (
    SCHOOL,
    CountyBuilder,
    a_county,
    a_selection,
)
from tests.support.journals import check_with_beancount
from tests.support.worlds import a_world

YEAR = 2024
"""A year for which no builder has approved anything."""
LINE = 200 * 65_000 * 5 // 100


@pytest.fixture
@a_world
def county(units: Units) -> CountyBuilder:
    county = CountyBuilder(units).with_bureau()
    county.school()
    county.counted(pupils=200, as_of=date(YEAR, 3, 10))
    county.counted(pupils=200, as_of=date(YEAR, 9, 10), basis="autumn")
    return county


def propose(county: CountyBuilder, *, year: int = YEAR, takes_back: bool = False) -> str:
    with county.units(county.actor("bureau")) as unit:
        return propose_lines(unit, fiscal_year=year, takes_back=takes_back)


def check(county: CountyBuilder, number: str, *, by: str = "checker") -> int:
    with county.units(county.actor(by)) as unit:
        return issue_proposal(unit, number).amount_fen


def budget_of(county: CountyBuilder, *, year: int = YEAR) -> BudgetView:
    with county.units(county.actor("bureau")) as unit:
        return next(one for one in budgets(unit, fiscal_year=year) if one.source == "per_student")


def available(county: CountyBuilder, *, year: int = YEAR) -> int:
    with county.units(county.actor("bureau")) as unit:
        (board,) = budget_boards(unit, fiscal_year=year)
        return board.total.available_fen


def state_of(county: CountyBuilder, number: str) -> str:
    with county.units(system_actor("test")) as unit:
        return unit.session.scalars(
            select(AllocationProposal.state).where(AllocationProposal.number == number)
        ).one()


def test_nothing_is_issued_before_there_is_a_budget(county: CountyBuilder) -> None:
    """R20: the proposal may be made; its issue needs the budget."""
    number = propose(county)
    with pytest.raises(NoBudget):
        check(county, number)
    assert state_of(county, number) == "waiting"
    county.budgeted(LINE, fiscal_year=YEAR)
    assert check(county, number) == LINE


def test_a_budget_caps_what_is_issued_and_says_by_how_much(county: CountyBuilder) -> None:
    county.budgeted(LINE - 1, fiscal_year=YEAR)
    number = propose(county)
    with pytest.raises(BudgetTooSmall) as refused:
        check(county, number)
    assert refused.value.facts["short_fen"] == 1
    assert available(county) == 0, "all or nothing"

    county.budgeted(1, fiscal_year=YEAR, document="追加")
    assert check(county, number) == LINE
    budget = budget_of(county)
    assert (budget.approved_fen, budget.allocated_fen, budget.unallocated_fen) == (LINE, LINE, 0)
    assert [entry.document for entry in budget.entries] == ["批复", "追加"]


def test_an_approval_is_recorded_once_and_taken_back_only_as_far_as_it_is_not_issued(
    county: CountyBuilder,
) -> None:
    assert county.budgeted(LINE + 500, fiscal_year=YEAR).fate is Fate.ACCEPTED
    assert county.budgeted(LINE + 500, fiscal_year=YEAR).fate is Fate.DUPLICATE
    assert county.budgeted(LINE, fiscal_year=YEAR).fate is Fate.CONFLICT
    check(county, propose(county))
    refused = county.budgeted(-501, fiscal_year=YEAR, document="调减")
    assert refused.fate is Fate.REJECTED
    assert isinstance(refused.error, BudgetTooSmall)
    assert (refused.field, refused.error.facts["short_fen"]) == ("amount_yuan", 1)
    assert county.budgeted(-500, fiscal_year=YEAR, document="调减").fate is Fate.ACCEPTED
    assert budget_of(county).unallocated_fen == 0
    assert verify(county.units, system_actor("test")) == []


def test_who_makes_a_proposal_does_not_check_it(county: CountyBuilder) -> None:
    county.budgeted(LINE, fiscal_year=YEAR)
    number = propose(county)
    for act in (
        lambda unit: issue_proposal(unit, number),
        lambda unit: return_proposal(unit, number, note="不"),
    ):
        with pytest.raises(MakerChecks), county.units(county.actor("bureau")) as unit:
            act(unit)
    assert available(county) == 0


def test_the_database_itself_wants_two_people(county: CountyBuilder) -> None:
    number = propose(county)
    with pytest.raises(DBAPIError, match="two_people"), county.units(system_actor("test")) as unit:
        unit.session.execute(
            text(
                "UPDATE allocation_proposal SET state = 'issued', decided_at = made_at, "
                "decided_by = made_by WHERE number = :number"
            ),
            {"number": number},
        )


def test_what_was_proposed_and_decided_can_not_be_changed(county: CountyBuilder) -> None:
    county.budgeted(LINE, fiscal_year=YEAR)
    number = propose(county)
    check(county, number)
    for statement in (
        "UPDATE proposal_line SET amount_fen = 1",
        "DELETE FROM proposal_line",
        "UPDATE allocation_proposal SET state = 'returned', note = 'x'",
        "DELETE FROM allocation_proposal",
        "UPDATE budget_entry SET amount_fen = 1",
    ):
        with pytest.raises(DBAPIError), county.units(system_actor("test")) as unit:
            unit.session.execute(text(statement))


def test_a_proposal_is_decided_once(county: CountyBuilder) -> None:
    county.budgeted(LINE, fiscal_year=YEAR)
    number = propose(county)
    with pytest.raises(ReasonRequired), county.units(county.actor("checker")) as unit:
        return_proposal(unit, number, note=" ")
    with county.units(county.actor("checker")) as unit:
        return_proposal(unit, number, note="人数待核")
    with pytest.raises(ProposalDecided):
        check(county, number)
    again = propose(county)
    with pytest.raises(Refused), county.units(county.actor("checker")) as unit:
        withdraw_proposal(unit, again)
    with county.units(county.actor("bureau")) as unit:
        withdraw_proposal(unit, again)
    assert (state_of(county, number), state_of(county, again)) == ("returned", "withdrawn")
    assert available(county) == 0


def test_the_same_is_not_proposed_twice_while_it_waits(county: CountyBuilder) -> None:
    """R20: the error names the one that waits; withdrawn or returned, it may be made again."""
    county.budgeted(2 * LINE, fiscal_year=YEAR)
    first = propose(county)
    with pytest.raises(ProposalOpen) as waiting:
        propose(county)
    assert waiting.value.facts["number"] == first
    with county.units(county.actor("bureau")) as unit:
        withdraw_proposal(unit, first)
    assert check(county, propose(county)) == LINE


def test_a_proposal_says_by_how_much_its_budget_is_too_small(county: CountyBuilder) -> None:
    """R20: before anybody checks it, and without a budget that there is none."""
    with county.units(county.actor("bureau")) as unit:
        number = propose_lines(unit, fiscal_year=YEAR)
        (missing,) = beyond_budget(unit, [number])
    assert isinstance(missing, NoBudget)
    county.budgeted(LINE - 1, fiscal_year=YEAR)
    with county.units(county.actor("bureau")) as unit:
        (short,) = beyond_budget(unit, [number])
    assert isinstance(short, BudgetTooSmall) and short.facts["short_fen"] == 1
    county.budgeted(1, document="2", fiscal_year=YEAR)
    with county.units(county.actor("bureau")) as unit:
        assert beyond_budget(unit, [number]) == []


def test_of_two_proposals_for_the_same_lines_only_one_is_issued(
    county: CountyBuilder, clock: FixedClock
) -> None:
    county.budgeted(2 * LINE, fiscal_year=YEAR)
    first = propose(county)
    county.counted(pupils=220, as_of=date(YEAR, 3, 20))
    second = propose(county)
    assert check(county, first) == LINE
    with pytest.raises(ProposalOutdated):
        check(county, second)
    assert available(county) == LINE


def test_what_was_checked_is_issued_whatever_changed_since(
    county: CountyBuilder, clock: FixedClock
) -> None:
    """A census that comes between the proposal and its check is the next proposal's matter."""
    county.budgeted(2 * LINE, fiscal_year=YEAR)
    number = propose(county)
    county.counted(pupils=220, as_of=date(YEAR, 3, 20))
    assert check(county, number) == LINE
    assert check(county, propose(county)) == 10 * 65_000 * 5 // 100


def test_only_finance_people_of_the_bureau_itself_propose_and_check(
    county: CountyBuilder,
) -> None:
    """The operator at the machine is nobody's second person."""
    county.budgeted(LINE, fiscal_year=YEAR)
    with pytest.raises(Refused), county.units(system_actor("cli")) as unit:
        propose_lines(unit, fiscal_year=YEAR)
    number = propose(county)
    for login in ("operator", "reviewer-1", f"principal-{SCHOOL}"):
        with pytest.raises(Refused), county.units(county.actor(login)) as unit:
            issue_proposal(unit, number)
    county.with_other_bureau()
    with pytest.raises(NotFound), county.units(county.actor("elsewhere")) as unit:
        issue_proposal(unit, number)


# Reductions: only down to what is not committed


@pytest.fixture
@a_world
def committed(units: Units, clock: FixedClock) -> CountyBuilder:
    """A county whose school has 6,500 yuan of 2026, 5,000 of them committed."""
    county = a_county(units)
    county.issue()
    county.select(a_selection(ceiling_fen=500_000))
    county.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}", f"principal-{SCHOOL}")
    assert available(county, year=2026) == 150_000
    clock.at = datetime(2026, 9, 11, tzinfo=UTC)
    return county


def test_a_reduction_takes_back_what_lines_are_worth_less(committed: CountyBuilder) -> None:
    """R16: by a balanced transfer, back to the budget that gave it."""
    committed.counted(pupils=160, basis="autumn", as_of=date(2026, 9, 10))
    less = 20 * 65_000 * 5 // 100  # ½ · 40 pupils · 650 yuan · 5 % = 650 yuan
    with pytest.raises(NothingToIssue):
        propose(committed, year=2026)
    before = budget_of(committed, year=2026)
    assert check(committed, propose(committed, year=2026, takes_back=True)) == -less
    after = budget_of(committed, year=2026)
    assert available(committed, year=2026) == 150_000 - less
    assert after.unallocated_fen - before.unallocated_fen == less
    assert verify(committed.units, system_actor("test")) == []


def test_a_reduction_stops_at_what_is_committed(committed: CountyBuilder) -> None:
    """Half the pupils are worth 3,250 yuan less, of which 1,500 are not committed."""
    committed.counted(pupils=0, basis="autumn", as_of=date(2026, 9, 10))
    with committed.units(committed.actor("bureau")) as unit:
        (preview,) = preview_lines(unit, fiscal_year=2026)
    assert (preview.line_fen, preview.issued_fen) == (325_000, 650_000)
    assert (preview.reduction_fen, preview.above_fen) == (-150_000, 175_000)
    assert check(committed, propose(committed, year=2026, takes_back=True)) == -150_000
    assert available(committed, year=2026) == 0


def test_a_reduction_of_what_was_committed_meanwhile_is_refused_with_by_how_much(
    committed: CountyBuilder,
) -> None:
    committed.counted(pupils=160, basis="autumn", as_of=date(2026, 9, 10))
    number = propose(committed, year=2026, takes_back=True)  # 650 yuan
    committed.select(a_selection("S-2", ceiling_fen=100_000))
    committed.sign_as(f"academic-{SCHOOL}", f"school_finance-{SCHOOL}", f"principal-{SCHOOL}")
    with pytest.raises(ReductionTooLarge) as refused:
        check(committed, number)
    facts = refused.value.facts
    assert (facts["line"], facts["short_fen"]) == (f"{SCHOOL} 2026 per_student", 15_000)
    assert "150.00" in str(refused.value)
    assert available(committed, year=2026) == 50_000


def test_a_wrong_balance_is_found_and_named(committed: CountyBuilder) -> None:
    """R20, R50: at the line, by its business name, and at the budget."""
    with committed.units(system_actor("test")) as unit:
        for table, trigger in (("account", "moves_with_legs"), ("budget_entry", "refuse_change")):
            unit.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"))
        unit.session.execute(
            text("UPDATE account SET balance = balance + 1 WHERE kind = 'available'")
        )
        unit.session.execute(
            text(
                "UPDATE budget_entry SET amount_fen = amount_fen - 1 WHERE budget_id = (SELECT id "
                "FROM budget WHERE fiscal_year = 2026 AND source = 'per_student')"
            )
        )
    findings = verify(committed.units, system_actor("test"))
    assert any(
        one.startswith(f"account available of {SCHOOL} 2026 per_student")
        and "balance 1,500.01, its legs give 1,500.00" in one
        for one in findings
    )
    assert any(one.startswith(f"funding line {SCHOOL} 2026 per_student: ") for one in findings)
    assert any(one.startswith("budget 329901 2026 per_student: approved") for one in findings)


def test_the_lines_of_a_proposal_keep_their_computation(committed: CountyBuilder) -> None:
    with committed.units(system_actor("test")) as unit:
        (line,) = unit.session.scalars(select(ProposalLine)).all()
    assert line.computation["line_fen"] == line.amount_fen == 650_000
    assert line.computation["rule"]["holder"] == "school"


def test_other_programs_read_the_budgets_in_the_journal(
    committed: CountyBuilder, tmp_path: Path
) -> None:
    """R20, R50: approved, unallocated and allocated are accounts that Beancount adds up, too."""
    with committed.units(system_actor("test")) as unit:
        journal = "".join(export_journal(unit, "beancount"))
    for name in ("Approved", "Unallocated", "Allocated"):
        assert f":B329901:2026:PerStudent:{name}" in journal
    check_with_beancount(journal, tmp_path)
