"""Proposals: one finance person makes what is to be issued, another decides (R20).

Decides who may make, return and withdraw one, and that it is decided once. The amounts stay those
that were proposed; what a census, a quota or a rule changes after that is the next proposal's. The
computation is `allocations`', listed amounts are `listed`'s, the issue itself is `issuing`'s.
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
    ProposalOpen,
    ReasonRequired,
    Refused,
)
from kernel.i18n import LOCALES, translate_error
from kernel.identity.recording import lock_recording
from kernel.ids import OrganisationId, PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.funding.allocations import (
    LinePreview,
    preview_lines,
)
from procurement.proposal_models import AllocationProposal, ProposalLine


class ProposalState(StrEnum):
    """Waiting for the second person, then decided once."""

    WAITING = "waiting"
    ISSUED = "issued"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


COMPUTED: Final = "computed"
LISTED: Final = "listed"


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
    anything to add, `ProposalOpen` if a proposal of the same waits already.
    """
    bureau_id, _ = require_bureau(unit, "propose funding lines")
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
    _refuse_the_same(unit, lines, bureau_id=bureau_id, fiscal_year=fiscal_year, source=source)
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


def _refuse_the_same(
    unit: Unit, lines: Sequence[ProposedLine], *, bureau_id: UUID, fiscal_year: int, source: str
) -> None:
    """Raise `ProposalOpen` if a proposal of the same amounts on the same lines waits."""
    lock_recording(unit)  # two who propose at once must not both find nothing
    waiting: dict[str, set[tuple[UUID, UUID, int]]] = {}
    rows = unit.session.execute(
        select(
            AllocationProposal.number,
            ProposalLine.school_id,
            ProposalLine.payer_id,
            ProposalLine.amount_fen,
        )
        .join(ProposalLine, ProposalLine.proposal_id == AllocationProposal.id)
        .where(
            AllocationProposal.bureau_id == bureau_id,
            AllocationProposal.fiscal_year == fiscal_year,
            AllocationProposal.source == source,
            AllocationProposal.kind == COMPUTED,
            AllocationProposal.state == ProposalState.WAITING,
        )
    )
    for number, school_id, payer_id, amount_fen in rows:
        waiting.setdefault(number, set()).add((school_id, payer_id, amount_fen))
    wanted = {(line.school_id, line.payer_id, line.amount_fen) for line in lines}
    for number, proposed in sorted(waiting.items()):
        if proposed == wanted:
            raise ProposalOpen(number=number)


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


def return_proposal(unit: Unit, number: str, *, note: str) -> None:
    """Give a proposal back to who made it, with the reason; nothing of it is issued."""
    proposal = decidable(unit, number)
    if proposal.made_by == unit.actor.person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    if not note.strip():
        raise ReasonRequired()
    decide(unit, proposal, ProposalState.RETURNED, note=note.strip())


def withdraw_proposal(unit: Unit, number: str) -> None:
    """Take a proposal back before it is checked; only who made it may."""
    proposal = decidable(unit, number)
    if proposal.made_by != unit.actor.person_id:
        raise Refused(act="withdraw a proposal", needs=proposal.made_by_name, actor=unit.actor.name)
    decide(unit, proposal, ProposalState.WITHDRAWN)


def decidable(unit: Unit, number: str) -> AllocationProposal:
    """Lock and return a waiting proposal of the actor's bureau.

    Raises `NotFound`, or `ProposalDecided` if somebody was faster.
    """
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


def decide(
    unit: Unit, proposal: AllocationProposal, state: ProposalState, *, note: str = ""
) -> None:
    """Write down how a proposal was decided, and by whom."""
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
