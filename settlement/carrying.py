"""What of a closed year's use a bureau has that year's own line pay, if it was carried over (R25).

Decides how much may still be taken up under decisions, and what was written off: of an agreement's
month, from the decisions on it in their order. Who decides, and when, is `unfunded_decisions`'
matter.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Protocol
from uuid import UUID

from sqlalchemy import func, select

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.early_use_models import DecisionState, UnfundedDecision, UnfundedOutcome
from settlement.models import StatementLine
from settlement.remaining import known_lines

Of = tuple[UUID, Month]
"""An agreement and a month of its use."""

LEFT_UNCOVERED = StatementLine.uncovered_fen - func.coalesce(CreditNote.uncovered_fen, 0)
"""What of a line no money covers, in fen: joined to its credit note, where it has one."""

_written_off = (
    select(func.coalesce(func.sum(UnfundedDecision.amount_fen), 0))
    .where(
        UnfundedDecision.agreement_id == StatementLine.agreement_id,
        UnfundedDecision.of_month == StatementLine.of_month,
        UnfundedDecision.outcome == UnfundedOutcome.WRITTEN_OFF,
        UnfundedDecision.state == DecisionState.IN_FORCE,
    )
    .correlate(StatementLine)
    .scalar_subquery()
)
UNFUNDED = func.sum(LEFT_UNCOVERED) - _written_off
"""What of a month no money covers, less what was written off: of lines grouped by agreement and
month of use."""


class Decision(Protocol):
    """What a decision that nobody refused says."""

    @property
    def id(self) -> UUID: ...
    @property
    def outcome(self) -> str: ...
    @property
    def amount_fen(self) -> int: ...


def left_to_carry(decisions: Iterable[Decision], gone: Iterable[tuple[UUID, int]]) -> int:
    """Return what may still be taken up of a closed year's month, in fen.

    `decisions`: without what was refused; `gone`: the lines after which less was unfunded, as
    (id, fen), whether they took it up or corrected the use. Ids grow with time. What goes is of
    what was decided on first, so that nothing is left of a decision for use that came in later. A
    write-off is of all that waits, asked for only once nothing more can be paid: what was decided
    before it is over.
    """
    left = 0
    events: list[tuple[UUID, Decision | int]] = [(one.id, one) for one in decisions]
    for _, event in sorted([*events, *gone], key=itemgetter(0)):
        if isinstance(event, int):
            left = max(left - event, 0)
        else:
            left = left + event.amount_fen if event.outcome == UnfundedOutcome.CARRIED_OVER else 0
    return left


def decisions_in_order(
    unit: Unit, agreement_ids: Collection[UUID]
) -> dict[Of, list[UnfundedDecision]]:
    """Return what was decided or proposed and not refused, by agreement and month of use."""
    found: dict[Of, list[UnfundedDecision]] = {}
    if not agreement_ids:
        return found
    for one in unit.session.scalars(
        select(UnfundedDecision)
        .where(
            among(UnfundedDecision.agreement_id, agreement_ids),
            UnfundedDecision.state != DecisionState.REFUSED,
        )
        .order_by(UnfundedDecision.id)
        .execution_options(populate_existing=True)
    ):
        found.setdefault((one.agreement_id, Month(one.of_month)), []).append(one)
    return found


def carried_parts(
    unit: Unit, decisions: Mapping[Of, list[UnfundedDecision]], *, before: Month | None = None
) -> dict[Of, int]:
    """Return `left_to_carry` of the months that any decision has paid from a carried line.

    `before`: as for `remaining.agreement_states`.
    """
    carried = {
        of: made
        for of, made in decisions.items()
        if any(one.outcome == UnfundedOutcome.CARRIED_OVER for one in made)
    }
    if not carried:
        return {}
    gone: dict[Of, list[tuple[UUID, int]]] = {}
    for line_id, agreement_id, of_month, fen in unit.session.execute(
        select(
            StatementLine.id,
            StatementLine.agreement_id,
            StatementLine.of_month,
            -StatementLine.uncovered_fen,
        ).where(
            among(StatementLine.agreement_id, {agreement_id for agreement_id, _ in carried}),
            StatementLine.uncovered_fen < 0,
            known_lines(before),
        )
    ):
        gone.setdefault((agreement_id, Month(of_month)), []).append((line_id, fen))
    return {of: left_to_carry(made, gone.get(of, ())) for of, made in carried.items()}


def written_off_fen(decisions: Iterable[UnfundedDecision], *, proposed: bool = False) -> int:
    """Return what of a month is written off; with what is `proposed` to be, if wanted."""
    return sum(
        one.amount_fen
        for one in decisions
        if one.outcome == UnfundedOutcome.WRITTEN_OFF
        and (
            one.state == DecisionState.IN_FORCE
            or (proposed and one.state == DecisionState.PROPOSED)
        )
    )


def unfunded_fen(unit: Unit, agreement_id: UUID, of_month: Month) -> int:
    """Return what no line covers of an agreement's month now, whoever looks."""
    unfunded = unit.session.scalar(
        select(UNFUNDED)
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(StatementLine.agreement_id == agreement_id, StatementLine.of_month == of_month)
        .group_by(StatementLine.agreement_id, StatementLine.of_month)
    )
    return int(unfunded or 0)
