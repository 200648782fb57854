"""Proposals: one finance person makes what is to be issued, another checks and issues it (R20).

Decides who may do which and what stands against an issue: no budget or one too small, a line on
which something else was issued meanwhile, a reduction of what is committed. The amounts are those
that were checked; what a census, a quota or a rule changes after that is the next proposal's. The
computation is `allocations`', listed amounts are `listed`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.errors import (
    MakerChecks,
    NotFound,
    NothingToIssue,
    ProposalDecided,
    ProposalOutdated,
    ReasonRequired,
    Refused,
)
from kernel.i18n import LOCALES, translate_error
from kernel.identity.models import Organisation
from kernel.identity.recording import among, lock_recording
from kernel.ids import OrganisationId, PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.allocations import (
    IssueSummary,
    LinePreview,
    issued_for,
    preview_lines,
)
from procurement.models import Allocation
from procurement.proposal_models import AllocationProposal, ProposalLine
from settlement.budgets import lock_budget, require_unallocated
from settlement.funding_lines import open_line
from settlement.issues import Issue, issue_amounts
from settlement.line_names import line_code, line_title
from settlement.models import FundingLine


class ProposalState(StrEnum):
    """Waiting for the second person, then decided once."""

    WAITING = "waiting"
    ISSUED = "issued"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


COMPUTED: Final = "computed"
LISTED: Final = "listed"
ISSUED: Final = "funding_line.issued"
TOPPED_UP: Final = "funding_line.topped_up"
REDUCED: Final = "funding_line.reduced"
"""Acts in the trail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedLine:
    """One amount that a proposal puts on a line (below zero: takes back)."""

    school_id: UUID
    payer_id: UUID
    restriction: Mapping[str, Any]
    document: str
    amount_fen: int
    line_fen: int
    issued_before_fen: int
    computation: Mapping[str, Any]


def propose_lines(
    unit: Unit, *, fiscal_year: int, source: str = "per_student", takes_back: bool = False
) -> str:
    """Propose what the schools' lines of a year are still to get; return the proposal's number.

    With `takes_back` what lines are worth less by now is taken back, as far as it is not committed.
    Schools that can't be computed are left out and named. Raises `NothingToIssue` if no line has
    anything to add.
    """
    require_bureau(unit, "propose funding lines")
    previews = preview_lines(unit, fiscal_year=fiscal_year, source=source)
    lines = [
        ProposedLine(
            school_id=preview.school_id,
            payer_id=preview.payer_id,
            restriction={},
            document="",
            amount_fen=amount_fen,
            line_fen=preview.line_fen,
            issued_before_fen=preview.issued_fen,
            computation={
                **preview.computation,
                "issued_before_fen": preview.issued_fen,
                "amount_fen": amount_fen,
            },
        )
        for preview in previews
        if preview.error is None and (amount_fen := _amount(preview, takes_back=takes_back))
    ]
    if not lines:
        raise NothingToIssue(year=fiscal_year, source=source)
    left_out = {
        preview.code: {
            "name": preview.name,
            **{locale: translate_error(preview.error, locale) for locale in LOCALES},
        }
        for preview in previews
        if preview.error is not None
    }
    return make_proposal(
        unit,
        lines,
        fiscal_year=fiscal_year,
        source=source,
        kind=COMPUTED,
        left_out=left_out,
    )


def _amount(preview: LinePreview, *, takes_back: bool) -> int:
    return preview.amount_fen or (preview.reduction_fen if takes_back else 0)


def require_bureau(unit: Unit, act: str) -> tuple[OrganisationId, PersonId]:
    """Return the actor's bureau and person; raise `Refused` unless a finance person of a bureau."""
    actor = unit.actor
    actor.require(act, Role.BUREAU_FINANCE)
    if (
        actor.organisation_kind is not OrganisationKind.BUREAU
        or actor.organisation_id is None
        or actor.person_id is None
    ):
        # The operator at the machine is nobody's finance person.
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    return actor.organisation_id, actor.person_id


def make_proposal(
    unit: Unit,
    lines: Sequence[ProposedLine],
    *,
    fiscal_year: int,
    source: str,
    kind: str,
    left_out: Mapping[str, Any] | None = None,
) -> str:
    """Write a proposal of the actor's bureau, numbered within it; return its number."""
    bureau_id, person_id = require_bureau(unit, "propose funding lines")
    lock_recording(unit)
    earlier = unit.session.scalar(
        select(func.count()).where(
            AllocationProposal.bureau_id == bureau_id,
            AllocationProposal.fiscal_year == fiscal_year,
        )
    )
    number = f"{unit.actor.organisation_code}-{fiscal_year}-{(earlier or 0) + 1:03d}"
    proposal_id = new_id()
    unit.session.execute(
        insert(AllocationProposal).values(
            id=proposal_id,
            bureau_id=bureau_id,
            number=number,
            fiscal_year=fiscal_year,
            source=source,
            kind=kind,
            state=ProposalState.WAITING,
            left_out=dict(left_out or {}),
            made_at=unit.clock.now(),
            made_by=person_id,
            made_by_name=unit.actor.name,
            note="",
        )
    )
    unit.session.execute(
        insert(ProposalLine),
        [
            {
                "proposal_id": proposal_id,
                "position": position,
                "school_id": line.school_id,
                "payer_id": line.payer_id,
                "restriction": dict(line.restriction),
                "document": line.document,
                "amount_fen": line.amount_fen,
                "line_fen": line.line_fen,
                "issued_before_fen": line.issued_before_fen,
                "computation": dict(line.computation),
            }
            for position, line in enumerate(lines, start=1)
        ],
    )
    record(
        unit,
        "allocation.proposed",
        subject_kind="allocation_proposal",
        subject_id=number,
        fiscal_year=fiscal_year,
        source=source,
        lines=len(lines),
        amount_fen=sum(line.amount_fen for line in lines),
        left_out=len(left_out or {}),
    )
    return number


def issue_proposal(unit: Unit, number: str) -> IssueSummary:
    """Issue all that a proposal says, or nothing of it; by another person than who made it.

    Raises `MakerChecks`, `ProposalDecided`, `NoBudget`, `BudgetTooSmall`, `ProposalOutdated` if
    something was issued for one of its schools since, `ReductionTooLarge` with by how much.
    """
    proposal = _decidable(unit, number)
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
    _decide(unit, proposal, ProposalState.ISSUED)
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


def return_proposal(unit: Unit, number: str, *, note: str) -> None:
    """Give a proposal back to who made it, with the reason; nothing of it is issued."""
    proposal = _decidable(unit, number)
    if proposal.made_by == unit.actor.person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    if not note.strip():
        raise ReasonRequired()
    _decide(unit, proposal, ProposalState.RETURNED, note=note.strip())


def withdraw_proposal(unit: Unit, number: str) -> None:
    """Take a proposal back before it is checked; only who made it may."""
    proposal = _decidable(unit, number)
    if proposal.made_by != unit.actor.person_id:
        raise Refused(act="withdraw a proposal", needs=proposal.made_by_name, actor=unit.actor.name)
    _decide(unit, proposal, ProposalState.WITHDRAWN)


def _decidable(unit: Unit, number: str) -> AllocationProposal:
    bureau_id, _ = require_bureau(unit, "decide a proposal")
    proposal = unit.session.scalars(
        select(AllocationProposal)
        .where(AllocationProposal.number == number, AllocationProposal.bureau_id == bureau_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if proposal is None:
        raise NotFound(what="proposal", key=number)
    if proposal.state != ProposalState.WAITING:
        raise ProposalDecided(number=number, state=ProposalState(proposal.state))
    return proposal


def _decide(
    unit: Unit, proposal: AllocationProposal, state: ProposalState, *, note: str = ""
) -> None:
    proposal.state = state
    proposal.decided_at = unit.clock.now()
    proposal.decided_by = unit.actor.person_id
    proposal.decided_by_name = unit.actor.name
    proposal.note = note
    record(
        unit,
        f"allocation.{state}",
        subject_kind="allocation_proposal",
        subject_id=proposal.number,
        note=note,
    )
    unit.session.flush()


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
