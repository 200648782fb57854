"""Disputes: a payer objects to a line, the vendor answers, an impartial person decides (R36).

Only the disputed line waits; silence never decides one. A vendor that offers the whole difference
settles it at once. What follows a decision is done by `bookings` and `credit_notes`. Every act
locks the period first, so that of two at once one finds it done.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import shanghai_day, show_month
from kernel.errors import (
    AnswerAwaited,
    Conflict,
    DeadlinePassed,
    InvalidInput,
    NotDisputable,
    NoteRequired,
    NotFound,
    Refused,
)
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.credit_notes import creditable, issue_credit_note
from settlement.dispute_models import Dispute
from settlement.dispute_rules import (
    PAYER_REASONS,
    DisputeOutcome,
    DisputeReason,
    answer_by,
    decide_by,
)
from settlement.impartiality import require_judge
from settlement.models import Agreement, Statement, StatementLine
from settlement.periods import periods_in
from settlement.queries.lines import LineHead, line_head
from settlement.queries.parts import parts_of_line
from settlement.queries.uses import events_named
from settlement.texts import words_of

OPEN_STATES = ("stated", "posted", "closed")
BY_SYSTEM = "system"


def dispute_line(
    unit: Unit,
    line_id: UUID,
    *,
    reason: DisputeReason,
    claim: str,
    claimed_fen: int,
    evidence: Sequence[str] = (),
    uses: Sequence[str] = (),
    part: str = "",
) -> UUID:
    """Object to a stated line until its last day: stated → disputed; return the dispute.

    `claimed_fen`: what the payer says the line should be, from 0 to below its amount. `evidence`:
    short texts; `uses`: ids of events behind the line; `part`: of a pack's line, the id of the
    resource that it is about. For a finance person or the head of the paying organisation. Raises
    `NotFound`, `Conflict`, `DeadlinePassed`, `NotDisputable`, or `InvalidInput` naming the field.
    """
    act = "line.dispute"
    unit.actor.require(act, Role.SCHOOL_FINANCE, Role.PRINCIPAL, Role.BUREAU_FINANCE)
    if unit.actor.is_system or reason not in PAYER_REASONS:
        raise Refused(act=act, needs="a person of the payer")
    head = line_head(unit, line_id)
    if head.line.payer_id != unit.actor.organisation_id:
        raise NotFound(what="statement line of yours", key=line_id)
    line = _lock_line(unit, line_id)
    _require_state(line, "stated", wanted="disputed")
    today = shanghai_day(unit.clock.now())
    last_day = unit.session.scalars(
        select(Statement.confirm_by).where(Statement.id == line.statement_id)
    ).one()
    if today > last_day:
        raise DeadlinePassed(day=last_day)
    if line.amount_fen <= 0:
        raise NotDisputable()
    require_amount("claimed_fen", claimed_fen, least=0, most=line.amount_fen - 1)
    named = uses_named(unit, head, uses)
    found = part_named(unit, line_id, part)
    return _open(
        unit,
        line,
        reason=reason,
        claim=words_of("claim", claim),
        claimed_fen=claimed_fen,
        evidence={
            "texts": [words_of("evidence", text) for text in evidence],
            "uses": named,
            **({"part": str(found)} if found else {}),
        },
    )


def uses_named(unit: Unit, head: LineHead, uses: Sequence[str]) -> list[dict[str, Any]]:
    """Return the uses behind a line that are named by event; raise `InvalidInput` for others."""
    named = events_named(unit, head, uses)
    missing = sorted(set(uses) - {one["event_id"] for one in named})
    if missing:
        raise InvalidInput(field="uses", value=missing[0], expected="ids of uses behind this line")
    return named


def part_named(unit: Unit, line_id: UUID, part: str) -> UUID | None:
    """Return the part that a dispute is about, None for all; raise `InvalidInput` for others."""
    if not part:
        return None
    for one in parts_of_line(unit, line_id):
        if str(one.resource_id) == part:
            return one.resource_id
    raise InvalidInput(field="part", value=part, expected="a part of the pack that this line bills")


def refer_to_bureau(unit: Unit, line_ids: Sequence[UUID]) -> list[UUID]:
    """Have a bureau decide stated lines of a closed fiscal year (R37); return the disputes.

    For the close; the caller has locked the periods. No vendor answers. Of use that came late the
    line draws nothing: dismissed, it stands, and what is uncovered of it joins the unfunded queue;
    upheld, a credit note takes it away. A line below zero gives back what was drawn for the closed
    year; it can only be let stand, and the money lapses with its funding line to the treasury.
    """
    unit.actor.require("line.refer", Role.OPERATOR, Role.BUREAU_FINANCE)
    disputes = []
    for line in unit.session.scalars(
        select(StatementLine)
        .where(among(StatementLine.id, line_ids), StatementLine.state == "stated")
        .order_by(StatementLine.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all():
        if line.drawn_fen > 0:
            raise ValueError("nothing is drawn for a closed year")
        disputes.append(
            _open(
                unit,
                line,
                reason=DisputeReason.FISCAL_YEAR_CLOSED,
                claim="",
                claimed_fen=0,
                evidence={"texts": [], "uses": []},
            )
        )
    return disputes


def answer_dispute(unit: Unit, dispute_id: UUID, *, answer: str, offered_fen: int) -> Dispute:
    """Answer a dispute of one's own line, once and until its last day.

    `offered_fen`: what the vendor would credit, at most the difference (amount less claimed); the
    whole difference settles the dispute as upheld. Raises `NotFound`, `Conflict`,
    `DeadlinePassed`, `InvalidInput`.
    """
    unit.actor.require("dispute.answer", Role.VENDOR_MANAGER)
    dispute, line = _lock(unit, dispute_id)
    if dispute.vendor_id != unit.actor.organisation_id:
        raise NotFound(what="dispute", key=dispute_id)
    today = shanghai_day(unit.clock.now())
    if dispute.answered_at is not None or dispute.outcome is not None:
        state = dispute.outcome or "answered"
        raise Conflict(what="dispute", key=line.id, state=state, wanted="answered")
    if dispute.reason == DisputeReason.FISCAL_YEAR_CLOSED:
        raise Refused(act="dispute.answer", needs=Role.BUREAU_FINANCE)
    if today > dispute.answer_by:
        raise DeadlinePassed(day=dispute.answer_by)
    difference = line.amount_fen - dispute.claimed_fen
    require_amount("offered_fen", offered_fen, least=0, most=difference)
    dispute.answer = words_of("answer", answer)
    dispute.offered_fen = offered_fen
    dispute.answered_at = unit.clock.now()
    dispute.answered_by = unit.actor.name
    dispute.decide_by = decide_by(unit.settings, today)
    _trail(unit, "dispute.answered", dispute, offered_fen=offered_fen)
    most = creditable(unit, line).amount_fen
    if offered_fen == difference and most:
        credit_fen = min(difference, most)
        _settle(
            unit, dispute, line, outcome=DisputeOutcome.UPHELD, credit_fen=credit_fen, note=None
        )
    unit.session.flush()
    return dispute


def decide_dispute(
    unit: Unit, dispute_id: UUID, *, outcome: DisputeOutcome, credit_fen: int, note: str
) -> Dispute:
    """Decide a dispute once the vendor answered or its last day is over; the reason is required.

    Upheld, `credit_fen` (1 to the line's amount, or what late adjustments left of it) is credited;
    dismissed, it is 0 and the line stands. For a finance person of a bureau above the payer who has
    held no role at the vendor; of the payer itself where no bureau is above it, and then without a
    part in the agreement (`impartiality`). Raises `NotFound`, `Conflict`, `AnswerAwaited`,
    `NoteRequired`, `VendorInterest`, `OwnPart`, `InvalidInput`.
    """
    dispute, line = check_decision(
        unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note=note
    )
    dispute.within_payer = dispute.payer_id == unit.actor.organisation_id
    _settle(
        unit, dispute, line, outcome=outcome, credit_fen=credit_fen, note=words_of("note", note)
    )
    unit.session.flush()
    return dispute


def check_decision(
    unit: Unit, dispute_id: UUID, *, outcome: DisputeOutcome, credit_fen: int, note: str
) -> tuple[Dispute, StatementLine]:
    """Raise what `decide_dispute` would raise; else return dispute and line, locked."""
    unit.actor.require("dispute.decide", Role.BUREAU_FINANCE)
    dispute, line = _lock(unit, dispute_id)
    require_judge(
        unit,
        "dispute.decide",
        payer_id=dispute.payer_id,
        vendor_id=dispute.vendor_id,
        agreement_id=line.agreement_id,
    )
    if dispute.outcome is not None:
        raise Conflict(what="dispute", key=line.id, state=dispute.outcome, wanted=outcome)
    if shanghai_day(unit.clock.now()) <= dispute.answer_by and dispute.answered_at is None:
        raise AnswerAwaited(day=dispute.answer_by)
    if not note.strip():
        raise NoteRequired()
    if outcome is DisputeOutcome.UPHELD:
        if line.amount_fen <= 0:
            raise NotDisputable()
        require_amount("credit_fen", credit_fen, least=1, most=creditable(unit, line).amount_fen)
    else:
        require_amount("credit_fen", credit_fen, least=0, most=0)
    return dispute, line


def _open(
    unit: Unit,
    line: StatementLine,
    *,
    reason: DisputeReason,
    claim: str,
    claimed_fen: int,
    evidence: dict[str, Any],
) -> UUID:
    today = shanghai_day(unit.clock.now())
    if reason is DisputeReason.FISCAL_YEAR_CLOSED:
        last_answer = today - timedelta(days=1)  # nobody is asked: the bureau may decide at once
    else:
        last_answer = answer_by(unit.settings, today)
    dispute = Dispute(
        id=new_id(),
        payer_id=line.payer_id,
        line_id=line.id,
        vendor_id=line.vendor_id,
        reason=reason,
        claim=claim,
        claimed_fen=claimed_fen,
        evidence=evidence,
        opened_at=unit.clock.now(),
        opened_by=BY_SYSTEM if reason is DisputeReason.FISCAL_YEAR_CLOSED else unit.actor.name,
        answer_by=last_answer,
        offered_fen=0,
        decide_by=decide_by(unit.settings, last_answer),
        credit_fen=0,
    )
    line.state = "disputed"
    unit.session.add(dispute)
    unit.session.flush()
    _trail(
        unit,
        "dispute.opened",
        dispute,
        reason=reason,
        claimed_fen=claimed_fen,
        part=evidence.get("part"),
        at=dispute.opened_at,
    )
    return dispute.id


def _settle(
    unit: Unit,
    dispute: Dispute,
    line: StatementLine,
    *,
    outcome: DisputeOutcome,
    credit_fen: int,
    note: str | None,
) -> None:
    _require_state(line, "disputed", wanted=outcome)
    dispute.outcome = outcome
    dispute.credit_fen = credit_fen
    dispute.decided_at = unit.clock.now()
    dispute.decided_by = unit.actor.name
    dispute.note = note
    line.state = outcome
    unit.session.flush()
    if outcome is DisputeOutcome.UPHELD:
        issue_credit_note(unit, line, dispute_id=dispute.id, credit_fen=credit_fen)
    _trail(
        unit,
        f"dispute.{outcome}",
        dispute,
        credit_fen=credit_fen,
        note=note,
        within_payer=dispute.within_payer,
        at=dispute.decided_at,
    )
    unit.after_commit("settlement.post", payer_id=str(line.payer_id), month=show_month(line.month))


def _lock(unit: Unit, dispute_id: UUID) -> tuple[Dispute, StatementLine]:
    """Lock period, line, agreement and dispute, in this order.

    Raises `NotFound` outside what one may see.
    """
    line_id = unit.session.scalar(select(Dispute.line_id).where(Dispute.id == dispute_id))
    if line_id is None:
        raise NotFound(what="dispute", key=dispute_id)
    line_head(unit, line_id)
    line = _lock_line(unit, line_id)
    # What is left to credit hangs on all lines of the agreement, also in other periods.
    unit.session.execute(
        select(Agreement.id)
        .where(Agreement.id == line.agreement_id)
        .with_for_update(key_share=True)
    )
    dispute = unit.session.scalars(
        select(Dispute)
        .where(Dispute.id == dispute_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return dispute, line


def _lock_line(unit: Unit, line_id: UUID) -> StatementLine:
    """Lock a line's period as every close does, then the line, and return it as it is now."""
    payer_id, month = unit.session.execute(
        select(StatementLine.payer_id, StatementLine.month).where(StatementLine.id == line_id)
    ).one()
    periods_in(unit, month, payer_ids=[payer_id], states=OPEN_STATES)
    return unit.session.scalars(
        select(StatementLine)
        .where(StatementLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _require_state(line: StatementLine, state: str, *, wanted: str) -> None:
    if line.state != state:
        raise Conflict(what="statement line", key=line.id, state=line.state, wanted=wanted)


def require_amount(field: str, amount_fen: int, *, least: int, most: int) -> None:
    """Raise `InvalidInput` for an amount that is not within these bounds, in fen."""
    if not least <= amount_fen <= most:
        raise InvalidInput(
            field=field,
            value=yuan(amount_fen),
            expected=yuan(least) if least == most else f"{yuan(least)} – {yuan(most)}",
        )


def _trail(unit: Unit, act: str, dispute: Dispute, **facts: Any) -> None:
    record(
        unit, act, subject_kind="dispute", subject_id=dispute.id, line=str(dispute.line_id), **facts
    )
