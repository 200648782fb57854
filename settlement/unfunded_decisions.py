"""What becomes of use that no money came for before its fiscal year was closed (R25, R35).

A bureau decides, never the next year's money: it has the year's own line pay, where that was
carried over, or proposes to write it off with its reason, which holds once the vendor agrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update

from kernel.actors import Role
from kernel.clock import Month, show_month
from kernel.errors import (
    Conflict,
    NoCarriedLine,
    NotFound,
    NothingUnfunded,
    ReasonRequired,
    WriteOffTooHigh,
    YearStillOpen,
)
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.agreement_changes import require_no_closing
from settlement.carrying import unfunded_fen
from settlement.early_use_models import DecisionState, UnfundedDecision, UnfundedOutcome
from settlement.impartiality import require_judge
from settlement.memorandum import WRITE_OFF, note_settled
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, StatementLine
from settlement.queries.statements import visible_payers
from settlement.queries.unfunded import Standing, UnfundedRow, unfunded_month
from settlement.remaining import agreement_states
from settlement.taking_up import OBJECTIONABLE, payable_fen
from settlement.year_ends import are_books_closed, last_open_day

MAY_DECIDE: Final = (Role.BUREAU_FINANCE,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedWriteOff:
    """A write-off that a vendor is asked to agree to, or was."""

    number: str
    agreement_number: str
    payer_name: str
    title: str
    of_month: date
    amount_fen: int
    reason: str
    state: str
    made_at: datetime
    made_by: str
    answered_at: datetime | None


def decide_unfunded(
    unit: Unit, number: str, of_month: Month, *, outcome: UnfundedOutcome, reason: str
) -> str:
    """Decide on all that waits of an agreement's month undecided; return the decision's number.

    By a finance person as for disputes (`impartiality`). What is to be written off waits until the
    next close has paid what was decided to be paid. Raises `NotFound`, `ReasonRequired`,
    `YearStillOpen`, `NothingUnfunded`, `NoCarriedLine` where no carried line of the year has money,
    and `Conflict` while another decision is under way, a statement of the payer is being made or a
    line of the month can still be objected to.
    """
    act = "unfunded.decide"
    unit.actor.require(act, *MAY_DECIDE)
    lock_usage_shared(unit)  # no seal begins, and so no statement takes up what is decided on here
    agreement = unit.session.scalars(
        select(Agreement)
        .where(Agreement.number == number, Agreement.payer_id.in_(visible_payers(unit)))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if agreement is None:
        raise NotFound(what="agreement", key=number)
    within_payer = require_judge(
        unit,
        act,
        payer_id=agreement.payer_id,
        vendor_id=agreement.vendor_id,
        agreement_id=agreement.id,
    )
    if not reason.strip():
        raise ReasonRequired()
    require_no_closing(unit, agreement)
    amount_fen = _require_decidable(unit, number, of_month, outcome=outcome)
    earlier = unit.session.scalar(
        select(func.count()).where(
            UnfundedDecision.agreement_id == agreement.id, UnfundedDecision.of_month == of_month
        )
    )
    decision = f"{number}-{show_month(of_month)}-U{(earlier or 0) + 1}"
    is_proposal = outcome is UnfundedOutcome.WRITTEN_OFF
    unit.session.execute(
        insert(UnfundedDecision).values(
            id=new_id(),
            number=decision,
            agreement_id=agreement.id,
            of_month=of_month,
            payer_id=agreement.payer_id,
            vendor_id=agreement.vendor_id,
            outcome=outcome,
            amount_fen=amount_fen,
            reason=reason.strip(),
            state=DecisionState.PROPOSED if is_proposal else DecisionState.IN_FORCE,
            made_at=unit.clock.now(),
            made_by=unit.actor.name,
        )
    )
    record(
        unit,
        "unfunded.write_off_proposed" if is_proposal else "unfunded.carried_over",
        subject_kind="agreement",
        subject_id=agreement.id,
        number=decision,
        amount_fen=amount_fen,
        reason=reason.strip(),
        within_payer=within_payer,
    )
    return decision


def decidable_fen(row: UnfundedRow, *, carried: int) -> int:
    """Return how much of a closed year's month a decision would be on now; 0 if none is asked for.

    `carried`: what `carried_fen` says; at 0 nothing can be paid any more, whatever was decided.
    """
    if row.standing is not Standing.TO_DECIDE:
        return 0
    return row.unfunded_fen - (row.carried_fen if carried else 0)


def may_write_off(row: UnfundedRow, *, carried: int) -> bool:
    """Return whether nothing of a month is still to be paid by the next close."""
    return not (carried and row.carried_fen)


def answer_write_off(unit: Unit, number: str, *, agrees: bool) -> None:
    """Agree to a proposed write-off of one's own use, or refuse it; refused, it waits on.

    Raises `NotFound` for another vendor's, `Conflict` for one that was answered, and
    `WriteOffTooHigh` if less is unfunded by now than it would take off.
    """
    unit.actor.require("unfunded.answer", Role.VENDOR_MANAGER)
    own = (
        UnfundedDecision.number == number,
        UnfundedDecision.vendor_id == unit.actor.organisation_id,
    )
    # The agreement first, as every close, dispute and decision does.
    unit.session.execute(
        select(Agreement.id)
        .where(Agreement.id.in_(select(UnfundedDecision.agreement_id).where(*own)))
        .with_for_update(key_share=True)
    )
    found = unit.session.scalars(
        select(UnfundedDecision)
        .where(*own)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="write-off", key=number)
    wanted = DecisionState.IN_FORCE if agrees else DecisionState.REFUSED
    if found.state != DecisionState.PROPOSED:
        raise Conflict(what="write-off", key=number, state=found.state, wanted=wanted)
    left_fen = unfunded_fen(unit, found.agreement_id, Month(found.of_month))
    if agrees and left_fen < found.amount_fen:
        raise WriteOffTooHigh(
            number=number, amount_yuan=yuan(found.amount_fen), left_yuan=yuan(left_fen)
        )
    unit.session.execute(
        update(UnfundedDecision)
        .where(UnfundedDecision.id == found.id)
        .values(state=wanted, answered_at=unit.clock.now(), answered_by=unit.actor.name)
        .execution_options(synchronize_session=False)
    )
    if agrees:
        note_settled(
            unit,
            found.agreement_id,
            Month(found.of_month),
            kind=WRITE_OFF,
            document=number,
            settled_fen=found.amount_fen,
        )
    record(
        unit,
        "unfunded.written_off" if agrees else "unfunded.write_off_refused",
        subject_kind="agreement",
        subject_id=found.agreement_id,
        number=number,
        amount_fen=found.amount_fen,
    )


def carried_fen(unit: Unit, agreement_id: UUID, of_month: Month) -> int:
    """Return what lines of the month's own year that were carried over still hold for it."""
    return payable_fen(
        unit, agreement_states(unit, [agreement_id])[agreement_id].room.funds, of_month
    )


def write_offs_of_vendor(unit: Unit) -> Sequence[ProposedWriteOff]:
    """Return the write-offs that the acting vendor was asked about, the open ones first."""
    unit.actor.require("unfunded.read", Role.VENDOR_MANAGER)
    rows = unit.session.execute(
        select(UnfundedDecision, Agreement.number, Agreement.terms, Organisation.name)
        .join(Agreement, Agreement.id == UnfundedDecision.agreement_id)
        .join(Organisation, Organisation.id == UnfundedDecision.payer_id)
        .where(
            UnfundedDecision.vendor_id == unit.actor.organisation_id,
            UnfundedDecision.outcome == UnfundedOutcome.WRITTEN_OFF,
        )
        .order_by(UnfundedDecision.answered_at.is_not(None), UnfundedDecision.id.desc())
    )
    return [
        ProposedWriteOff(
            number=decision.number,
            agreement_number=number,
            payer_name=name,
            title=terms["title"],
            of_month=decision.of_month,
            amount_fen=decision.amount_fen,
            reason=decision.reason,
            state=decision.state,
            made_at=decision.made_at,
            made_by=decision.made_by,
            answered_at=decision.answered_at,
        )
        for decision, number, terms, name in rows
    ]


def _require_decidable(
    unit: Unit, number: str, of_month: Month, *, outcome: UnfundedOutcome
) -> int:
    """Return on how much a decision is; raise what stands against it."""
    if not are_books_closed(unit, of_month):
        day = last_open_day(unit.settings, of_month.year)
        raise YearStillOpen(year=of_month.year, day=day.isoformat())
    row = unfunded_month(unit, number, of_month)
    if row is None or row.unfunded_fen <= 0:
        raise NothingUnfunded(number=number, month=show_month(of_month))
    objectionable = exists().where(
        StatementLine.agreement_id == row.agreement_id,
        StatementLine.of_month == of_month,
        StatementLine.uncovered_fen > 0,
        StatementLine.state.in_(OBJECTIONABLE),
    )
    if unit.session.scalar(select(objectionable)):
        raise Conflict(what="unfunded use", key=number, state="disputed", wanted="decided")
    carried = carried_fen(unit, row.agreement_id, of_month)
    amount_fen = decidable_fen(row, carried=carried)
    is_write_off = outcome is UnfundedOutcome.WRITTEN_OFF
    if not amount_fen or (is_write_off and not may_write_off(row, carried=carried)):
        state = row.standing if not amount_fen else Standing.CARRIED
        raise Conflict(what="unfunded use", key=number, state=state, wanted="decided")
    if not is_write_off and not carried:
        raise NoCarriedLine(year=of_month.year, number=number)
    return amount_fen
