"""Changes of agreements: ceilings raised and lowered, later years committed, rests released.

Each change is one row that is never changed, with what it commits on lines or takes off them, and
one balanced transfer between available and committed. Whether a change was approved, and on which
lines it is committed, is procurement's matter.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update

from kernel.clock import month_of, months_between, shanghai_day
from kernel.errors import BelowWhatIsUsed, Conflict, NotFound
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.agreement_models import AgreementChange, AgreementChangeDraw, AgreementYear
from settlement.agreement_states import RUNNING, AgreementStanding
from settlement.agreements import Draw, require_available
from settlement.drafting import USE, DraftLine, draft_lines
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.metering.partitions import lock_usage_shared
from settlement.models import Agreement, AgreementDraw, FundingLine, Period
from settlement.remaining import agreement_states

IN_CLOSING: Final = ("sealing", "sealed")
"""States of a period whose statement is being made: what it draws on must not shrink meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeDraft:
    """A change before it is written; amounts by how much, in fen.

    `draws` above zero commit, below zero take off. `ends_on` only of an agreement given up. `also`:
    what else the trail tells of it.
    """

    agreement: Agreement
    kind: str
    fiscal_year: int
    ceiling_fen: int = 0
    waiting_fen: int = 0
    draws: Sequence[Draw] = ()
    ends_on: date | None = None
    reference: str = ""
    reason: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)


def lock_agreement(unit: Unit, agreement_id: UUID) -> Agreement:
    """Lock an agreement and return it as it is now."""
    found = unit.session.scalars(
        select(Agreement)
        .where(Agreement.id == agreement_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound(what="agreement", key=agreement_id)
    return found


def lock_draws(unit: Unit, agreement_ids: Collection[UUID]) -> None:
    """Lock the lines on which these agreements hold a commitment, in id order.

    Whoever frees a commitment looks at it only then: the year's end frees others of the same line.
    """
    lines = select(AgreementDraw.line_id).where(among(AgreementDraw.agreement_id, agreement_ids))
    unit.session.execute(
        select(FundingLine.id)
        .where(FundingLine.id.in_(lines))
        .order_by(FundingLine.id)
        .with_for_update()
    )


def require_running(agreement: Agreement, *, wanted: str) -> None:
    """Raise `Conflict` unless the agreement is open or exhausted."""
    if agreement.state not in RUNNING:
        raise Conflict(what="agreement", key=agreement.number, state=agreement.state, wanted=wanted)


def apply_changes(unit: Unit, drafts: Sequence[ChangeDraft]) -> None:
    """Write changes of locked agreements, with their transfers and the trail, all or none.

    Raises `BudgetExhausted` if a line lacks what is to be committed. An exhausted agreement whose
    ceiling rises is open again.
    """
    if not drafts:
        return
    wanted: dict[UUID, int] = {}
    for draft in drafts:
        for draw in draft.draws:
            if draw.ceiling_fen > 0:
                wanted[draw.line_id] = wanted.get(draw.line_id, 0) + draw.ceiling_fen
    require_available(unit, wanted)
    numbers = _last_numbers(unit, {draft.agreement.id for draft in drafts})
    transfers: list[TransferDraft] = []
    now = unit.clock.now()
    for draft in drafts:
        agreement = draft.agreement
        number = numbers[agreement.id] = numbers.get(agreement.id, 0) + 1
        change_id = new_id()
        unit.session.execute(
            insert(AgreementChange).values(
                id=change_id,
                agreement_id=agreement.id,
                number=number,
                kind=draft.kind,
                fiscal_year=draft.fiscal_year,
                ceiling_fen=draft.ceiling_fen,
                waiting_fen=draft.waiting_fen,
                ends_on=draft.ends_on,
                reference=draft.reference,
                reason=draft.reason,
                at=now,
                by=unit.actor.name,
            )
        )
        if draft.draws:
            unit.session.execute(
                insert(AgreementChangeDraw),
                [
                    {
                        "change_id": change_id,
                        "line_id": draw.line_id,
                        "amount_fen": draw.ceiling_fen,
                    }
                    for draw in draft.draws
                ],
            )
            transfers.append(_transfer(agreement, number, draft.draws))
        record(
            unit,
            f"agreement.{draft.kind}",
            subject_kind="agreement",
            subject_id=agreement.id,
            number=agreement.number,
            change=number,
            fiscal_year=draft.fiscal_year,
            ceiling_fen=draft.ceiling_fen,
            waiting_fen=draft.waiting_fen,
            committed_fen=sum(draw.ceiling_fen for draw in draft.draws),
            ends_on=draft.ends_on.isoformat() if draft.ends_on else "",
            reference=draft.reference,
            reason=draft.reason,
            **draft.also,
        )
    post(unit, transfers)
    raised = {draft.agreement.id for draft in drafts if draft.ceiling_fen > 0}
    if raised:
        unit.session.execute(
            update(Agreement)
            .where(among(Agreement.id, raised), Agreement.state == AgreementStanding.EXHAUSTED)
            .values(state=AgreementStanding.OPEN)
            .execution_options(synchronize_session=False)
        )


def lower_ceiling(
    unit: Unit,
    agreement: Agreement,
    *,
    fiscal_year: int,
    by_fen: int,
    reference: str,
    reason: str,
) -> None:
    """Lower a locked agreement's ceiling of a year; what was committed for it is free again.

    What waits for the year's money goes first, then the lines, the last one to pay first. Raises
    `BelowWhatIsUsed` if less would be left than was billed and is running, and `Conflict` while a
    statement of the payer is being made.
    """
    lock_usage_shared(unit)  # no seal begins; a use that comes in meanwhile meets the new ceiling
    require_no_closing(unit, agreement)
    lock_draws(unit, [agreement.id])
    state = agreement_states(unit, [agreement.id])[agreement.id]
    ceiling_fen = state.ceiling_in(fiscal_year)
    used_fen = ceiling_fen - state.room.left_in(fiscal_year)
    used_fen += running_fen(unit, agreement, fiscal_year=fiscal_year)
    if ceiling_fen - by_fen < used_fen:
        raise BelowWhatIsUsed(
            number=agreement.number,
            used_fen=used_fen,
            used_yuan=yuan(used_fen),
            lowest_yuan=yuan(min(used_fen, ceiling_fen)),
        )
    waiting = _waiting(unit, agreement.id, fiscal_year)
    from_waiting = min(by_fen, waiting)
    left = by_fen - from_waiting
    draws: list[Draw] = []
    last_day = min(agreement.ends_on, date(fiscal_year, 12, 31))
    for fund in reversed(state.room.funds):
        freed = min(left, max(fund.left_fen, 0)) if fund.pays_for(last_day) else 0
        if freed:
            draws.append(Draw(fund.line_id, -freed))
            left -= freed
    apply_changes(
        unit,
        [
            ChangeDraft(
                agreement=agreement,
                kind="lowered",
                fiscal_year=fiscal_year,
                ceiling_fen=-by_fen,
                waiting_fen=-from_waiting,
                draws=draws,
                reference=reference,
                reason=reason,
            )
        ],
    )
    if by_fen and ceiling_fen - by_fen == used_fen and state.room.ceiling_left_fen == by_fen:
        unit.session.execute(
            update(Agreement)
            .where(Agreement.id == agreement.id, Agreement.state == AgreementStanding.OPEN)
            .values(state=AgreementStanding.EXHAUSTED)
            .execution_options(synchronize_session=False)
        )


def require_no_closing(unit: Unit, agreement: Agreement) -> None:
    """Raise `Conflict` while a month of the payer is sealed and not stated yet."""
    closing = unit.session.scalar(
        select(Period.month)
        .where(Period.payer_id == agreement.payer_id, Period.state.in_(IN_CLOSING))
        .limit(1)
    )
    if closing is not None:
        raise Conflict(
            what="agreement", key=agreement.number, state="being billed", wanted="changed"
        )


def running_fen(unit: Unit, agreement: Agreement, *, fiscal_year: int) -> int:
    """Return what use of a year that is not stated yet would cost, above no ceiling."""
    first = max(agreement.starts_on, date(fiscal_year, 1, 1))
    last = min(agreement.ends_on, date(fiscal_year, 12, 31))
    return sum(
        line.rated.rated_fen
        for line in running_lines(unit, agreement, first=first, last=last)
        if line.of_month.year == fiscal_year
    )


def running_lines(
    unit: Unit, agreement: Agreement, *, first: date, last: date
) -> Iterator[DraftLine]:
    """Yield the lines, above no ceiling, of an agreement's use that is not stated yet.

    Those of the open months of these days up to today's, and once what late use adds to any that
    was stated.
    """
    today = shanghai_day(unit.clock.now())
    stated = set(
        unit.session.scalars(
            select(Period.month).where(
                Period.payer_id == agreement.payer_id, Period.state.not_in(("open", *IN_CLOSING))
            )
        )
    )
    months = {
        month
        for month in months_between(month_of(first), month_of(min(last, today)))
        if month not in stated
    }
    this_month = month_of(today)
    # Every draft brings the corrections that no statement has yet: this month's are taken.
    for month in sorted(months | {this_month}):
        for line in draft_lines(unit, month, payer_ids=[agreement.payer_id]):
            if line.agreement_id == agreement.id and (
                month in months if line.kind == USE else month == this_month
            ):
                yield line


def _waiting(unit: Unit, agreement_id: UUID, fiscal_year: int) -> int:
    found = unit.session.get(AgreementYear, (agreement_id, fiscal_year), populate_existing=True)
    return found.waiting_fen if found is not None else 0


def _last_numbers(unit: Unit, agreement_ids: set[UUID]) -> dict[UUID, int]:
    rows = unit.session.execute(
        select(AgreementChange.agreement_id, func.max(AgreementChange.number))
        .where(among(AgreementChange.agreement_id, agreement_ids))
        .group_by(AgreementChange.agreement_id)
    )
    return {agreement_id: int(number) for agreement_id, number in rows}


def _transfer(agreement: Agreement, number: int, draws: Sequence[Draw]) -> TransferDraft:
    """Return the transfer of a change: what is committed, and what is taken off."""
    entries = []
    for draw in draws:
        committed = AccountKey(draw.line_id, AccountKind.COMMITTED)
        available = AccountKey(draw.line_id, AccountKind.AVAILABLE)
        if draw.ceiling_fen > 0:
            entries.append(Entry(debit=committed, credit=available, amount_fen=draw.ceiling_fen))
        else:
            entries.append(Entry(debit=available, credit=committed, amount_fen=-draw.ceiling_fen))
    act = "commit" if sum(draw.ceiling_fen for draw in draws) > 0 else "uncommit"
    return TransferDraft(
        key=f"{act}:{agreement.number}:{number}",
        memo=f"change {number} of agreement {agreement.number}",
        entries=entries,
    )
