"""The end of agreements: given up early, over by the calendar, and the rest of their money.

Decides when what is left of a commitment is free: once the agreement is over, all its months are
posted, no line of it waits, and the days for late use are past (MARKET_RELEASE_DAYS, never longer
than its year's books are open). What is not billed by then stays committed until then.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, func, or_, select, update

from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, NotFound, ReasonRequired
from kernel.identity.recording import among
from kernel.ids import AgreementId
from kernel.trail import record
from kernel.unit import Unit
from settlement.agreement_changes import (
    IN_CLOSING,
    ChangeDraft,
    apply_changes,
    lock_agreement,
    lock_draws,
    require_running,
)
from settlement.agreement_models import AgreementChange, AgreementEndReason, AgreementYear
from settlement.agreement_states import OVER, RUNNING, AgreementStanding
from settlement.agreements import Draw
from settlement.budget_models import FreedCommitment
from settlement.carrying import UNFUNDED
from settlement.dispute_models import CreditNote
from settlement.metering.models import LateUse
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, AgreementDraw, FundingLine, Period, StatementLine
from settlement.queries.statements import visible_payers
from settlement.remaining import agreement_states
from settlement.year_ends import last_closed_year, last_open_day

MAY_END = (Role.SCHOOL_FINANCE, Role.PRINCIPAL, Role.BUREAU_FINANCE)
POSTED = ("posted", "closed")
AT_ONCE = 500
"""Agreements whose rest one unit of work releases."""


class EndWhy(StrEnum):
    """Why a payer lets an agreement end; of the first two no vendor is to blame (R42)."""

    GRADE_CHANGE = "grade-change"
    CURRICULUM_CHANGE = "curriculum-change"
    NOT_SUITABLE = "not-suitable"
    OTHER = "other"


def end_agreement(
    unit: Unit, number: str, *, last_day: date, reason: str, why: EndWhy = EndWhy.OTHER
) -> AgreementId:
    """Give an agreement up as of a day from today on, the last one on which use counts.

    For the payer's finance person or head, with a reason. What waits for a later year's money is
    given up at once; what is committed stays until the months to its end are posted. Raises
    `NotFound`, `Conflict`, `InvalidInput`, `ReasonRequired`.
    """
    unit.actor.require("end an agreement", *MAY_END)
    found = unit.session.scalar(
        select(Agreement.id).where(
            Agreement.number == number, Agreement.payer_id == unit.actor.organisation_id
        )
    )
    if found is None:
        raise NotFound(what="agreement", key=number)
    if not reason.strip():
        raise ReasonRequired()
    agreement = lock_agreement(unit, found)
    require_running(agreement, wanted=AgreementStanding.TERMINATED)
    first = max(shanghai_day(unit.clock.now()), agreement.starts_on)
    if not first <= last_day < agreement.ends_on:
        latest = agreement.ends_on - timedelta(days=1)
        raise InvalidInput(field="last_day", value=last_day, expected=f"{first} – {latest}")
    later = unit.session.scalars(
        select(AgreementYear)
        .where(
            AgreementYear.agreement_id == agreement.id,
            AgreementYear.fiscal_year > last_day.year,
            AgreementYear.waiting_fen > 0,
        )
        .order_by(AgreementYear.fiscal_year)
    ).all()
    now = unit.clock.now()
    apply_changes(
        unit,
        [
            ChangeDraft(
                agreement=agreement,
                kind="ended",
                fiscal_year=last_day.year,
                ends_on=last_day,
                reason=reason.strip(),
                also={"why": why, "at": now},
            ),
            *(
                ChangeDraft(
                    agreement=agreement,
                    kind="lowered",
                    fiscal_year=year.fiscal_year,
                    ceiling_fen=-year.waiting_fen,
                    waiting_fen=-year.waiting_fen,
                    reason=reason.strip(),
                )
                for year in later
            ),
        ],
    )
    unit.session.add(
        AgreementEndReason(
            agreement_id=agreement.id,
            why=why,
            said_at=now,
            said_by=unit.actor.person_id,
        )
    )
    unit.session.flush()
    return AgreementId(agreement.id)


def end_what_is_over(unit: Unit) -> int:
    """Mark the actor's agreements whose last day is over: ended, or terminated if given up.

    Returns how many. Safe to repeat.
    """
    unit.actor.require("agreement.end", Role.OPERATOR, Role.BUREAU_FINANCE)
    today = shanghai_day(unit.clock.now())
    over = unit.session.scalars(
        select(Agreement)
        .where(
            Agreement.state.in_(RUNNING),
            Agreement.ends_on < today,
            Agreement.payer_id.in_(visible_payers(unit)),
        )
        .order_by(Agreement.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    given_up = set(
        unit.session.scalars(
            select(AgreementChange.agreement_id).where(
                among(AgreementChange.agreement_id, [one.id for one in over]),
                AgreementChange.kind == "ended",
            )
        )
    )
    for state, agreements in (
        (AgreementStanding.TERMINATED, [one for one in over if one.id in given_up]),
        (AgreementStanding.ENDED, [one for one in over if one.id not in given_up]),
    ):
        unit.session.execute(
            update(Agreement)
            .where(among(Agreement.id, [one.id for one in agreements]))
            .values(state=state)
            .execution_options(synchronize_session=False)
        )
        for agreement in agreements:
            record(
                unit,
                f"agreement.{state}",
                subject_kind="agreement",
                subject_id=agreement.id,
                number=agreement.number,
                last_day=agreement.ends_on.isoformat(),
            )
    return len(over)


def release_rests(unit: Unit) -> int:
    """Release what is left committed for the actor's agreements that are over; return how many.

    Each by one transfer, committed → available on its lines; the ceiling stays what was approved,
    so that use that comes still later is an obligation without cover, not use above the ceiling.
    Safe to repeat; a payer of whom a month is being stated is passed by until the next time.
    """
    unit.actor.require("agreement.release", Role.OPERATOR, Role.BUREAU_FINANCE)
    lock_usage_shared(unit)  # no seal begins, and so no statement draws on what is released here
    due = unit.session.scalars(
        select(Agreement)
        .where(*_released_now(unit), Agreement.payer_id.in_(visible_payers(unit)))
        .order_by(Agreement.id)
        .limit(AT_ONCE)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    lock_draws(unit, [one.id for one in due])
    states = agreement_states(unit, [one.id for one in due])
    drafts = [
        ChangeDraft(
            agreement=one,
            kind="released",
            fiscal_year=one.ends_on.year,
            draws=[
                Draw(fund.line_id, -fund.left_fen)
                for fund in states[one.id].room.funds
                if fund.left_fen > 0
            ],
        )
        for one in due
    ]
    rests = [draft for draft in drafts if draft.draws]
    apply_changes(unit, rests)
    return len(rests)


def release_day(unit: Unit, last_day: date) -> date:
    """Return the first day on which the rest of an agreement may be released."""
    grace_over = last_day + timedelta(days=unit.settings.release_days)
    return min(grace_over, last_open_day(unit.settings, last_day.year)) + timedelta(days=1)


def _released_now(unit: Unit) -> Sequence[ColumnElement[bool]]:
    """Return the conditions on which nothing that is still to come may draw on an agreement."""
    today = shanghai_day(unit.clock.now())
    closed_year = last_closed_year(unit)
    committed = (
        select(func.sum(AgreementDraw.ceiling_fen))
        .where(AgreementDraw.agreement_id == Agreement.id)
        .scalar_subquery()
    )
    drawn = (
        select(
            func.coalesce(
                func.sum(StatementLine.drawn_fen - func.coalesce(CreditNote.drawn_fen, 0)), 0
            )
        )
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(StatementLine.agreement_id == Agreement.id)
        .scalar_subquery()
    )
    freed = (
        select(func.coalesce(func.sum(FreedCommitment.amount_fen), 0))
        .where(FreedCommitment.agreement_id == Agreement.id)
        .scalar_subquery()
    )
    last_month = func.date_trunc("month", Agreement.ends_on)
    own_periods = Period.payer_id == Agreement.payer_id
    return (
        Agreement.state.in_(OVER),
        or_(
            Agreement.ends_on < today - timedelta(days=unit.settings.release_days),
            Agreement.ends_on <= date(closed_year, 12, 31),
        ),
        committed - freed > drawn,
        ~_waits_for_money(unit),  # a close takes it up from what is committed
        exists().where(own_periods, Period.month == last_month, Period.state.in_(POSTED)),
        ~exists().where(own_periods, Period.month < last_month, Period.state.not_in(POSTED)),
        ~exists().where(own_periods, Period.state.in_(IN_CLOSING)),
        ~exists().where(
            StatementLine.agreement_id == Agreement.id, StatementLine.state != "posted"
        ),
        ~exists().where(
            LateUse.payer_id == Agreement.payer_id,
            LateUse.settled_in.is_(None),
            LateUse.month <= last_month,
        ),
    )


def _waits_for_money(unit: Unit) -> ColumnElement[bool]:
    """Return whether of a month of an agreement something is unfunded that a line may still pay.

    While the books of its year are open, and afterwards until that year's own line has lapsed: a
    bureau may have it pay then, or has decided so (R25).
    """
    first_open_day = date(last_closed_year(unit) + 1, 1, 1)
    own_line = (
        exists()
        .where(
            AgreementDraw.agreement_id == StatementLine.agreement_id,
            AgreementDraw.line_id == FundingLine.id,
            FundingLine.fiscal_year == func.extract("year", StatementLine.of_month),
            FundingLine.lapses_on > shanghai_day(unit.clock.now()),
        )
        .correlate(StatementLine)
    )
    return (
        select(StatementLine.of_month)
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(
            StatementLine.agreement_id == Agreement.id,
            StatementLine.uncovered_fen != 0,
            or_(StatementLine.of_month >= first_open_day, own_line),
        )
        .group_by(StatementLine.agreement_id, StatementLine.of_month)
        .having(UNFUNDED > 0)
        .correlate(Agreement)
        .exists()
    )
