"""Approvals: people sign, refuse or return selections, one position after the other (R22, R23).

Decides what a signature leads to: the last one opens or changes the agreement in the same unit, or
is not given. Which positions there are was fixed when the selection was requested; who may give the
one that is due is `due_steps`'.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import select, update

from kernel.actors import ROLES_OF, OrganisationKind
from kernel.errors import (
    Conflict,
    MarketError,
    NoteRequired,
    NotFound,
    OwnInterest,
    OwnRecord,
    Refused,
    SignedAlready,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import AgreementId, SelectionId
from kernel.trail import record
from kernel.unit import Unit
from procurement.commitments import Commitment, draft_commitments
from procurement.decisions import begin_next, require_person, write_decisions
from procurement.delegations import powers_of
from procurement.due_steps import (
    WaitingStep,
    due_steps,
    read_steps,
    signable,
    signers_of,
    waiting_steps,
)
from procurement.models import Selection
from procurement.paying_sources import refused_source, source_tables
from procurement.states import CHANGES, SelectionState, StepState
from settlement.agreement_changes import apply_changes, lower_ceiling
from settlement.agreements import open_agreements
from settlement.parties import Part, note_parties


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What a signature led to; the agreement is there after the last one."""

    selection_id: SelectionId
    state: SelectionState
    agreement_id: AgreementId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningSummary:
    """How much was signed and opened, and what could not be, with its error."""

    signed: int = 0
    agreements: int = 0
    left: list[tuple[WaitingStep, MarketError]] = field(default_factory=list)


Failed = list[tuple[WaitingStep, MarketError]]


def sign(unit: Unit, selection_id: SelectionId, *, note: str = "") -> Signature:
    """Sign a selection's open position; the last signature opens or changes its agreement.

    Raises `NotFound`, `Refused` if the position is another's, `OwnInterest` for one's own request,
    `OwnRecord` for one that one recorded for somebody else, `SignedAlready`, `Conflict` if nothing
    is to be signed any more, and what stands against the agreement: `BudgetExhausted`,
    `NoFundingLine`, `NotListed`, `SourceNotApproved`, `BelowWhatIsUsed`.
    """
    step = _claim(unit, selection_id, act="sign a selection", wanted=SelectionState.APPROVED)
    ours = signable(unit, [step])
    if not ours:
        raise _not_ours(unit, step)
    agreements, left = _sign_steps(unit, ours, note=note)
    for _, error in left:
        raise error
    agreement_id = agreements.get(selection_id)
    state = SelectionState.APPROVED if agreement_id else SelectionState.REQUESTED
    return Signature(selection_id=selection_id, state=state, agreement_id=agreement_id)


def sign_all(
    unit: Unit, *, payer_code: str | None = None, basket: str | None = None, note: str = ""
) -> SigningSummary:
    """Sign all that the actor may sign now, and what thereby becomes theirs to sign.

    A last signature that the lines don't cover is not given: it is listed with its error and the
    others go on. Set-wise: the number of statements grows with payers and periods of use, not with
    selections (the trail's rows and changed agreements aside). `basket`: only what was requested
    together under it.
    """
    require_person(unit, "sign selections")
    signed = agreements = 0
    left: dict[UUID, tuple[WaitingStep, MarketError]] = {}
    while True:
        seen = {
            step.selection_id
            for step in waiting_steps(unit, payer_code=payer_code)
            if step.selection_id not in left and basket in {None, step.basket}
        }
        if not seen:
            break
        _lock_selections(unit, seen)
        # Somebody may have signed, refused or returned since: look again, behind the lock.
        steps = [
            step for step in waiting_steps(unit, payer_code=payer_code) if step.selection_id in seen
        ]
        opened, failed = _sign_steps(unit, steps, note=note)
        signed += len(steps) - len(failed)
        agreements += len(opened)
        left.update((step.selection_id, (step, error)) for step, error in failed)
    return SigningSummary(signed=signed, agreements=agreements, left=list(left.values()))


def refuse(unit: Unit, selection_id: SelectionId, *, note: str) -> Signature:
    """Refuse a selection at its open position, for good; the note says why."""
    return _end(
        unit,
        selection_id,
        note=note,
        act="refuse a selection",
        step_state=StepState.REFUSED,
        state=SelectionState.REFUSED,
    )


def return_(unit: Unit, selection_id: SelectionId, *, note: str) -> Signature:
    """Return a selection to who requested it; the note says what has to change.

    It is answered by a new selection under another reference.
    """
    return _end(
        unit,
        selection_id,
        note=note,
        act="return a selection",
        step_state=StepState.RETURNED,
        state=SelectionState.RETURNED,
    )


def withdraw(unit: Unit, selection_id: SelectionId) -> Signature:
    """Take one's own request back before its last signature. Raises `NotFound`, `Conflict`."""
    person_id = require_person(unit, "withdraw a selection")
    known = unit.session.scalar(
        select(Selection.id).where(
            Selection.id == selection_id, Selection.requested_by == person_id
        )
    )
    if known is None:
        raise NotFound(what="selection", key=selection_id)
    selection = _lock_selections(unit, [selection_id])[0]
    if selection.state != SelectionState.REQUESTED:
        raise Conflict(
            what="selection",
            key=selection.reference,
            state=selection.state,
            wanted=SelectionState.CANCELLED,
        )
    _set_state(unit, selection_id, SelectionState.CANCELLED)
    record(
        unit,
        "selection.cancelled",
        subject_kind="selection",
        subject_id=selection_id,
        reference=selection.reference,
    )
    return Signature(selection_id=selection_id, state=SelectionState.CANCELLED)


def _lock_selections(unit: Unit, ids: Collection[UUID]) -> Sequence[Selection]:
    return unit.session.scalars(
        select(Selection)
        .where(among(Selection.id, ids))
        .order_by(Selection.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _claim(
    unit: Unit, selection_id: SelectionId, *, act: str, wanted: SelectionState
) -> WaitingStep:
    """Lock a selection and return its open step, if the actor holds or stands in for its role."""
    require_person(unit, act)
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    known = unit.session.scalar(
        select(Selection.id).where(Selection.id == selection_id, Selection.school_id.in_(visible))
    )
    if known is None:
        raise NotFound(what="selection", key=selection_id)
    selection = _lock_selections(unit, [selection_id])[0]
    steps = read_steps(unit, due_steps().where(Selection.id == selection_id))
    if not steps:
        raise Conflict(
            what="selection", key=selection.reference, state=selection.state, wanted=wanted
        )
    step = steps[0]
    if step.organisation_id == unit.actor.organisation_id:
        if step.role in unit.actor.roles:
            return step
        for power in powers_of(unit):
            if power.role is step.role and (step.is_overdue or not power.only_overdue):
                return replace(step, signs_for=power.holder_id)
    bureau = step.role in ROLES_OF[OrganisationKind.BUREAU]
    needs = f"{step.role} ({'bureau' if bureau else step.school_code})"
    raise Refused(act=act, needs=needs, actor=unit.actor.name)


def _not_ours(unit: Unit, step: WaitingStep) -> MarketError:
    """Return why a step may not be signed by the actor, who has its role."""
    signers = signers_of(unit, [step.selection_id]).get(step.selection_id, set())
    people = {unit.actor.person_id, step.signs_for}
    if signers & people:
        return SignedAlready(person=unit.actor.name, reference=step.reference)
    if step.requested_by not in people:
        return OwnRecord(act="sign a selection", person=unit.actor.name, reference=step.reference)
    return OwnInterest(act="sign a selection", person=unit.actor.name)


def _sign_steps(
    unit: Unit, steps: Sequence[WaitingStep], *, note: str
) -> tuple[dict[SelectionId, AgreementId], Failed]:
    """Sign steps of locked selections; return the agreements reached and what was left unsigned."""
    last = [step for step in steps if step.last]
    selections = {
        selection.id: selection
        for selection in unit.session.scalars(
            select(Selection).where(among(Selection.id, [step.selection_id for step in last]))
        )
    }
    drafts = draft_commitments(unit, [selections[step.selection_id] for step in last])
    tables = source_tables(unit, list(selections.values()))
    ready: list[tuple[WaitingStep, Commitment]] = []
    failed: Failed = []
    for step, draft in zip(last, drafts, strict=True):
        error = draft if isinstance(draft, MarketError) else None
        if isinstance(draft, Commitment):
            selection = selections[step.selection_id]
            error = refused_source(unit, selection, draft, tables) or _lower(unit, selection, draft)
        if error is not None:
            failed.append((step, error))
        elif isinstance(draft, Commitment):
            ready.append((step, draft))
    unsigned = {step.selection_id for step, _ in failed}
    signed = [step for step in steps if step.selection_id not in unsigned]
    write_decisions(unit, signed, state=StepState.APPROVED, act="selection.signed", note=note)
    begin_next(unit, [step for step in signed if not step.last])
    return _conclude(unit, ready, selections), failed


def _conclude(
    unit: Unit,
    ready: Sequence[tuple[WaitingStep, Commitment]],
    selections: Mapping[UUID, Selection],
) -> dict[SelectionId, AgreementId]:
    """Open and raise agreements, and mark the selections as approved."""
    opening = [(step, draft.opens) for step, draft in ready if draft.opens is not None]
    opened = open_agreements(unit, [draft for _, draft in opening])
    apply_changes(unit, [change for _, draft in ready for change in draft.raises])
    agreements = {
        step.selection_id: agreement_id
        for (step, _), agreement_id in zip(opening, opened, strict=True)
    }
    for step, _ in ready:
        changed = selections[step.selection_id]
        if changed.kind in CHANGES and changed.of_agreement_id is not None:
            agreements[step.selection_id] = AgreementId(changed.of_agreement_id)
    if agreements:
        _note_parties(unit, agreements, selections)
        unit.session.execute(
            update(Selection),
            [
                {"id": selection_id, "state": SelectionState.APPROVED, "agreement_id": agreement_id}
                for selection_id, agreement_id in agreements.items()
            ],
        )
    return agreements


def _note_parties(
    unit: Unit,
    agreements: Mapping[SelectionId, AgreementId],
    selections: Mapping[UUID, Selection],
) -> None:
    """Tell settlement who brought agreements and their changes about: they won't judge them."""
    signers = signers_of(unit, agreements)
    parties: set[tuple[UUID, UUID, Part]] = set()
    for selection_id, agreement_id in agreements.items():
        selection = selections[selection_id]
        parties.add((agreement_id, selection.requested_by, Part.REQUESTED))
        if selection.recorded_by is not None:
            parties.add((agreement_id, selection.recorded_by, Part.RECORDED))
        parties |= {
            (agreement_id, person_id, Part.SIGNED) for person_id in signers.get(selection_id, set())
        }
    note_parties(unit, parties)


def _lower(unit: Unit, selection: Selection, draft: Commitment) -> MarketError | None:
    """Lower the agreement that a selection is for, or return what stands against it."""
    agreement = draft.lowers
    if agreement is None:
        return None
    try:
        with unit.session.begin_nested():  # both years or none: the caller goes on with the others
            for part in draft.parts:
                lower_ceiling(
                    unit,
                    agreement,
                    fiscal_year=part.fiscal_year,
                    by_fen=part.ceiling_fen,
                    reference=selection.reference,
                    reason=selection.reason,
                )
    except MarketError as error:
        return error
    return None


def _end(
    unit: Unit,
    selection_id: SelectionId,
    *,
    note: str,
    act: str,
    step_state: StepState,
    state: SelectionState,
) -> Signature:
    if not note.strip():
        raise NoteRequired
    step = _claim(unit, selection_id, act=act, wanted=state)
    write_decisions(unit, [step], state=step_state, act=f"selection.{state}", note=note.strip())
    _set_state(unit, selection_id, state)
    return Signature(selection_id=selection_id, state=state)


def _set_state(unit: Unit, selection_id: SelectionId, state: SelectionState) -> None:
    unit.session.execute(
        update(Selection)
        .where(Selection.id == selection_id)
        .values(state=state)
        .execution_options(synchronize_session=False)
    )
