"""The issue of a proposal: all of it or nothing, by another person than who made it (R20).

Decides what stands against an issue: no budget or one too small, a line on which something else was
issued meanwhile, a reduction of what is committed. The legs are settlement's.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select

from kernel.errors import MakerChecks, ProposalOutdated
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import OrganisationId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.allocations import IssueSummary, issued_for
from procurement.funding.proposals import COMPUTED, ProposalState, decidable, decide
from procurement.models import Allocation
from procurement.proposal_models import AllocationProposal, ProposalLine
from settlement.budgets import lock_budget, require_unallocated
from settlement.funding_lines import open_line
from settlement.issues import Issue, issue_amounts
from settlement.line_names import line_code, line_title
from settlement.models import FundingLine

ISSUED: Final = "funding_line.issued"
TOPPED_UP: Final = "funding_line.topped_up"
REDUCED: Final = "funding_line.reduced"
"""Acts in the trail."""


def issue_proposal(unit: Unit, number: str) -> IssueSummary:
    """Issue all that a proposal says, or nothing of it; by another person than who made it.

    Raises `MakerChecks`, `ProposalDecided`, `NoBudget`, `BudgetTooSmall`, `ProposalOutdated` if
    something was issued for one of its schools since, `ReductionTooLarge` with by how much.
    """
    proposal = decidable(unit, number)
    if proposal.made_by == unit.actor.person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    lines = unit.session.scalars(
        select(ProposalLine)
        .where(ProposalLine.proposal_id == proposal.id)
        .order_by(ProposalLine.position)
    ).all()
    codes = _codes(unit, lines)
    budget = lock_budget(unit, (proposal.bureau_id, proposal.fiscal_year, proposal.source))
    total = sum(line.amount_fen for line in lines)
    line_ids = _open_lines(unit, proposal, lines)
    if proposal.kind == COMPUTED:
        _require_unchanged(unit, proposal, lines, codes)
    require_unallocated(unit, budget, total)
    times = _times(unit, sorted(set(line_ids.values())))
    issues: list[Issue] = []
    for line in lines:
        line_id = line_ids[line.position]
        before = times.get(line_id, 0)
        times[line_id] = before + 1
        issues.append(_issue(line, proposal, codes, budget.id, line_id=line_id, number=before + 1))
    _keep(unit, proposal, lines, line_ids)
    issue_amounts(unit, issues)
    decide(unit, proposal, ProposalState.ISSUED)
    for line in lines:
        record(
            unit,
            _act(line),
            subject_kind="funding_line",
            subject_id=line_ids[line.position],
            payer=codes[line.payer_id],
            school=codes[line.school_id],
            fiscal_year=proposal.fiscal_year,
            source=proposal.source,
            amount_fen=line.amount_fen,
            proposal=number,
        )
    unit.after_commit("procurement.commit_waiting")  # agreements that wait for the year's money
    acts = [_act(line) for line in lines]
    return IssueSummary(
        fiscal_year=proposal.fiscal_year,
        number=number,
        issued=acts.count(ISSUED),
        topped_up=acts.count(TOPPED_UP),
        taken_back=acts.count(REDUCED),
        amount_fen=total,
    )


def _act(line: ProposalLine) -> str:
    if line.amount_fen < 0:
        return REDUCED
    return TOPPED_UP if line.issued_before_fen else ISSUED


def _codes(unit: Unit, lines: Sequence[ProposalLine]) -> dict[UUID, str]:
    ids = {line.school_id for line in lines} | {line.payer_id for line in lines}
    rows = unit.session.execute(
        select(Organisation.id, Organisation.code).where(among(Organisation.id, ids))
    )
    return dict(rows.all())


def _open_lines(
    unit: Unit, proposal: AllocationProposal, lines: Sequence[ProposalLine]
) -> dict[int, UUID]:
    """Return the funding line of each position, opened where it is new; locked in id order."""
    line_ids: dict[int, UUID] = {
        line.position: open_line(
            unit,
            OrganisationId(line.payer_id),
            fiscal_year=proposal.fiscal_year,
            source=proposal.source,
            restriction=line.restriction,
        )
        for line in lines
    }
    unit.session.execute(
        select(FundingLine.id)
        .where(among(FundingLine.id, set(line_ids.values())))
        .order_by(FundingLine.id)
        .with_for_update()
    )
    return line_ids


def _require_unchanged(
    unit: Unit,
    proposal: AllocationProposal,
    lines: Sequence[ProposalLine],
    codes: Mapping[UUID, str],
) -> None:
    issued = issued_for(
        unit, [line.school_id for line in lines], proposal.fiscal_year, proposal.source
    )
    for line in lines:
        now = sum(one.fen for one in issued.get(line.school_id, {}).values())
        if now != line.issued_before_fen:
            raise ProposalOutdated(
                number=proposal.number,
                line=line_title(
                    codes[line.school_id], proposal.fiscal_year, proposal.source, line.restriction
                ),
            )


def _times(unit: Unit, line_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = unit.session.execute(
        select(Allocation.line_id, func.count())
        .where(among(Allocation.line_id, line_ids))
        .group_by(Allocation.line_id)
    )
    return dict(rows.all())


def _issue(
    line: ProposalLine,
    proposal: AllocationProposal,
    codes: Mapping[UUID, str],
    budget_id: UUID,
    *,
    line_id: UUID,
    number: int,
) -> Issue:
    payer = codes[line.payer_id]
    key = line_code(payer, proposal.fiscal_year, proposal.source, line.restriction)
    memo = f"{proposal.source} {proposal.fiscal_year} of {codes[line.school_id]}, {proposal.number}"
    return Issue(
        line_id=line_id,
        budget_id=budget_id,
        amount_fen=line.amount_fen,
        key=f"{'issue' if line.amount_fen > 0 else 'reduce'}:{key}:{number}",
        memo=memo,
        line=line_title(payer, proposal.fiscal_year, proposal.source, line.restriction),
    )


def _keep(
    unit: Unit,
    proposal: AllocationProposal,
    lines: Sequence[ProposalLine],
    line_ids: Mapping[int, UUID],
) -> None:
    unit.session.execute(
        insert(Allocation),
        [
            {
                "id": new_id(),
                "line_id": line_ids[line.position],
                "school_id": line.school_id,
                "proposal_id": proposal.id,
                "amount_fen": line.amount_fen,
                "computation": line.computation,
                "issued_at": unit.clock.now(),
                "issued_by": unit.actor.name,
            }
            for line in lines
        ],
    )
