"""Record proposals: one person makes what is to be recorded, another checks it (R20, R22).

Decides who may make, check, return and withdraw one, and that it is decided once. The content stays
what was proposed. What a budget's approval, a table of signatures or other ceilings of schools must
look like, and what checking it records, is `budget_proposals`', `approval_rule_proposals`' and
`bulk_school_proposals`'.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.errors import MakerChecks, NotFound, ProposalDecided, ReasonRequired, Refused
from kernel.identity.models import Organisation
from kernel.identity.recording import among, lock_recording
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit
from procurement.proposal_models import RecordProposal

MAKERS: Final = (Role.BUREAU_FINANCE, Role.OPERATOR)


class RecordKind(StrEnum):
    """What can be proposed for a record."""

    BUDGET = "budget"
    APPROVAL_RULES = "approval_rules"
    BULK_SCHOOLS = "bulk_schools"


class RecordState(StrEnum):
    """Waiting for the second person, then decided once."""

    WAITING = "waiting"
    RECORDED = "recorded"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


LETTERS: Final = {
    RecordKind.BUDGET: "B",
    RecordKind.APPROVAL_RULES: "S",
    RecordKind.BULK_SCHOOLS: "C",
}
"""What a number says of its kind."""


WHAT: Final = {
    RecordKind.BUDGET: "proposal of a budget",
    RecordKind.APPROVAL_RULES: "proposal of a table of signatures",
    RecordKind.BULK_SCHOOLS: "proposal of schools in a bulk purchase",
}
"""What one that is not there is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordRow:
    """A proposal as pages and commands show it; `made_by` is None for the one at the machine."""

    id: UUID
    number: str
    kind: RecordKind
    bureau_code: str
    bureau_name: str
    content: Mapping[str, Any]
    reason: str
    state: RecordState
    made_at: datetime
    made_by: UUID | None
    made_by_name: str
    decided_at: datetime | None
    decided_by_name: str
    note: str


def make_record_proposal(
    unit: Unit, kind: RecordKind, bureau: Organisation, *, content: Mapping[str, Any], reason: str
) -> str:
    """Write a proposal for a bureau, numbered within it; return its number. Recording is locked."""
    unit.actor.require("propose a record", *MAKERS)
    lock_recording(unit)
    earlier = unit.session.scalar(
        select(func.count()).where(
            RecordProposal.bureau_id == bureau.id, RecordProposal.kind == kind
        )
    )
    number = f"{bureau.code}-{LETTERS[kind]}-{(earlier or 0) + 1:03d}"
    unit.session.execute(
        insert(RecordProposal).values(
            id=new_id(),
            kind=kind,
            number=number,
            bureau_id=bureau.id,
            content=dict(content),
            reason=reason,
            state=RecordState.WAITING,
            made_at=unit.clock.now(),
            made_by=unit.actor.person_id,
            made_by_name=unit.actor.name,
            note="",
        )
    )
    record(
        unit,
        f"{kind}.proposed",
        subject_kind="record_proposal",
        subject_id=number,
        reason=reason,
        content=dict(content),
    )
    return number


def claim_to_check(unit: Unit, number: str, *, kind: RecordKind) -> RecordProposal:
    """Lock and return a waiting proposal that the actor may check.

    Raises `NotFound`, `Refused` unless a finance person of a bureau, `ProposalDecided` if somebody
    was faster, `MakerChecks` for one's own.
    """
    person_id = _require_finance(unit)
    proposal = _lock_waiting(unit, number, what=WHAT[kind])
    if proposal.kind != kind:
        raise NotFound(what=WHAT[kind], key=number)
    if proposal.made_by == person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    return proposal


def return_record(unit: Unit, number: str, *, note: str) -> None:
    """Give a proposal back to who made it, with the reason; nothing of it is recorded."""
    person_id = _require_finance(unit)
    proposal = _lock_waiting(unit, number)
    if proposal.made_by == person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    if not note.strip():
        raise ReasonRequired()
    decide_record(unit, proposal, RecordState.RETURNED, note=note.strip())


def withdraw_record(unit: Unit, number: str) -> None:
    """Take a proposal back before it is checked; only who made it may."""
    proposal = _lock_waiting(unit, number)
    if unit.actor.person_id is None or proposal.made_by != unit.actor.person_id:
        raise Refused(act="withdraw a proposal", needs=proposal.made_by_name, actor=unit.actor.name)
    decide_record(unit, proposal, RecordState.WITHDRAWN)


def decide_record(
    unit: Unit, proposal: RecordProposal, state: RecordState, *, note: str = ""
) -> None:
    """Write down how a proposal was decided, and by whom."""
    proposal.state = state
    proposal.decided_at = unit.clock.now()
    proposal.decided_by = unit.actor.person_id
    proposal.decided_by_name = unit.actor.name
    proposal.note = note
    record(
        unit,
        f"{proposal.kind}.{'checked' if state is RecordState.RECORDED else state}",
        subject_kind="record_proposal",
        subject_id=proposal.number,
        made_by=proposal.made_by_name,
        note=note,
    )
    unit.session.flush()


def waiting_contents(
    unit: Unit, kind: RecordKind, bureau_ids: Collection[UUID]
) -> list[tuple[UUID, Mapping[str, Any]]]:
    """Return what waits of a kind for these bureaus: each bureau's id with the content."""
    rows = unit.session.execute(
        select(RecordProposal.bureau_id, RecordProposal.content).where(
            among(RecordProposal.bureau_id, bureau_ids),
            RecordProposal.kind == kind,
            RecordProposal.state == RecordState.WAITING,
        )
    )
    return [(bureau_id, content) for bureau_id, content in rows]


def record_proposals(
    unit: Unit, kind: RecordKind, *, state: RecordState | None = None
) -> list[RecordRow]:
    """Return the visible bureaus' proposals of a kind, the latest first."""
    wanted = _visible(unit).where(RecordProposal.kind == kind)
    if state is not None:
        wanted = wanted.where(RecordProposal.state == state)
    ordered = wanted.order_by(RecordProposal.made_at.desc(), RecordProposal.number.desc())
    return [_row(*found) for found in unit.session.execute(ordered)]


def checkable_records(unit: Unit, kind: RecordKind | None = None) -> list[RecordRow]:
    """Return what waits (of a kind) and was made by somebody else, the oldest first."""
    wanted = _visible(unit).where(
        RecordProposal.state == RecordState.WAITING,
        RecordProposal.made_by.is_distinct_from(unit.actor.person_id),
    )
    if kind is not None:
        wanted = wanted.where(RecordProposal.kind == kind)
    ordered = wanted.order_by(RecordProposal.made_at, RecordProposal.number)
    return [_row(*found) for found in unit.session.execute(ordered)]


def record_proposal(unit: Unit, number: str) -> RecordRow:
    """Return one visible proposal; raise `NotFound`."""
    found = unit.session.execute(
        _visible(unit).where(RecordProposal.number == number)
    ).one_or_none()
    if found is None:
        raise NotFound(what="proposal", key=number)
    return _row(*found)


def _visible(unit: Unit) -> Select[RecordProposal, str, str]:
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    return (
        select(RecordProposal, Organisation.code, Organisation.name)
        .join(Organisation, Organisation.id == RecordProposal.bureau_id)
        .where(RecordProposal.bureau_id.in_(bureaus))
    )


def _row(proposal: RecordProposal, code: str, name: str) -> RecordRow:
    return RecordRow(
        id=proposal.id,
        number=proposal.number,
        kind=RecordKind(proposal.kind),
        bureau_code=code,
        bureau_name=name,
        content=proposal.content,
        reason=proposal.reason,
        state=RecordState(proposal.state),
        made_at=proposal.made_at,
        made_by=proposal.made_by,
        made_by_name=proposal.made_by_name,
        decided_at=proposal.decided_at,
        decided_by_name=proposal.decided_by_name or "",
        note=proposal.note,
    )


def _lock_waiting(unit: Unit, number: str, *, what: str = "proposal") -> RecordProposal:
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    proposal = unit.session.scalars(
        select(RecordProposal)
        .where(RecordProposal.number == number, RecordProposal.bureau_id.in_(bureaus))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if proposal is None:
        raise NotFound(what=what, key=number)
    if proposal.state != RecordState.WAITING:
        raise ProposalDecided(number=number, state=RecordState(proposal.state))
    return proposal


def _require_finance(unit: Unit) -> PersonId:
    """Return who checks: a finance person of a bureau, never the one at the machine."""
    actor = unit.actor
    actor.require("check a proposal", Role.BUREAU_FINANCE)
    if actor.organisation_kind is not OrganisationKind.BUREAU or actor.person_id is None:
        raise Refused(act="check a proposal", needs=Role.BUREAU_FINANCE, actor=actor.name)
    return actor.person_id
