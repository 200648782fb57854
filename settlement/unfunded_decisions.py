"""What becomes of use that no money came for before its fiscal year was closed (R25, R35).

A bureau decides, never the next year's money: it has the year's own line pay, where that was
carried over, or proposes to write it off with its reason, which holds once the vendor agrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update

from kernel.actors import Role
from kernel.clock import Month, next_month, shanghai_day, show_month
from kernel.errors import (
    Conflict,
    NoCarriedLine,
    NotFound,
    NothingUnfunded,
    ReasonRequired,
    YearStillOpen,
)
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.early_use_models import UnfundedDecision
from settlement.impartiality import require_judge
from settlement.memorandum import WRITE_OFF, note_settled
from settlement.models import Agreement, StatementLine
from settlement.queries.unfunded import Standing, UnfundedRow, unfunded_month
from settlement.remaining import agreement_states
from settlement.taking_up import OBJECTIONABLE
from settlement.year_ends import are_books_closed, last_open_day

MAY_DECIDE: Final = (Role.BUREAU_FINANCE,)


class UnfundedOutcome(StrEnum):
    WRITTEN_OFF = "written_off"
    CARRIED_OVER = "carried_over"


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
    """Decide on all that waits of an agreement's month; return the decision's number.

    By a finance person as for disputes (`impartiality`). Raises `NotFound`, `ReasonRequired`,
    `YearStillOpen`, `NothingUnfunded`, `NoCarriedLine` where no carried line of the year has money,
    and `Conflict` while another decision is under way or a line of the month can still be objected
    to.
    """
    act = "unfunded.decide"
    unit.actor.require(act, *MAY_DECIDE)
    agreement = unit.session.scalars(
        select(Agreement)
        .where(Agreement.number == number)
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
    row = _require_decidable(unit, number, of_month)
    if outcome is UnfundedOutcome.CARRIED_OVER and not carried_fen(unit, agreement.id, of_month):
        raise NoCarriedLine(year=of_month.year, number=number)
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
            amount_fen=row.unfunded_fen,
            reason=reason.strip(),
            state="proposed" if is_proposal else "in_force",
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
        amount_fen=row.unfunded_fen,
        reason=reason.strip(),
        within_payer=within_payer,
    )
    return decision


def is_decidable(row: UnfundedRow, *, carried: int) -> bool:
    """Return whether a month of a closed year waits for a decision: none is asked for, or paid by.

    `carried`: what `carried_fen` says; one that was to be paid from it is free again at 0.
    """
    if row.standing is Standing.CARRIED:
        return carried == 0
    return row.standing is Standing.TO_DECIDE


def answer_write_off(unit: Unit, number: str, *, agrees: bool) -> None:
    """Agree to a proposed write-off of one's own use, or refuse it; refused, it waits on.

    Raises `NotFound` for another vendor's, `Conflict` for one that was answered.
    """
    unit.actor.require("unfunded.answer", Role.VENDOR_MANAGER)
    found = unit.session.scalars(
        select(UnfundedDecision)
        .where(
            UnfundedDecision.number == number,
            UnfundedDecision.vendor_id == unit.actor.organisation_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="write-off", key=number)
    wanted = "in_force" if agrees else "refused"
    if found.state != "proposed":
        raise Conflict(what="write-off", key=number, state=found.state, wanted=wanted)
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
    today = shanghai_day(unit.clock.now())
    last_day = next_month(of_month) - timedelta(days=1)
    state = agreement_states(unit, [agreement_id])[agreement_id]
    return sum(
        fund.left_fen
        for fund in state.room.funds
        if fund.fiscal_year == of_month.year
        and fund.lapses_on > today
        and fund.left_fen > 0
        and fund.pays_for(last_day)
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


def _require_decidable(unit: Unit, number: str, of_month: Month) -> UnfundedRow:
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
    if not is_decidable(row, carried=carried_fen(unit, row.agreement_id, of_month)):
        raise Conflict(what="unfunded use", key=number, state=row.standing, wanted="decided")
    return row
