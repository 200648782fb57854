"""Signing previews: which lines would pay for what waits for signatures, and what they lack (R23).

Told at every position, not at the last alone, to everybody who may see the selection. A shortage
forbids no earlier signature, since a line may be topped up until the last one; nothing is locked or
kept here, and the last signature looks again (`commitments`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from catalog.models import Version
from kernel.clock import shanghai_day
from kernel.errors import Conflict
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from procurement.bulk_users import Users, users_of_selections
from procurement.commitments import parts_to_commit
from procurement.models import Selection
from procurement.purses import PartPlan, Purse, open_purse, purpose_of
from procurement.states import CHANGES, SelectionKind, SelectionState
from procurement.waiting_years import keep_for_waiting
from settlement.models import Agreement, FundingLine


@dataclass(frozen=True, kw_only=True, slots=True)
class PayingLine:
    """One line that may pay: what it has to commit, and how much of that this would take, in fen.

    `kept_fen`: available by its books, yet kept for agreements that wait for it.
    """

    line: FundingLine
    available_fen: int
    kept_fen: int
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningPreview:
    """What the last signature would commit if it were given now, in fen.

    `together_short_fen`: what the lines lack for all that was requested together and is not
    decided. `waiting_fen` is for `later_year`, whose money is not issued yet: no shortage.
    """

    lines: Sequence[PayingLine] = ()
    amount_fen: int = 0
    short_fen: int = 0
    waiting_fen: int = 0
    later_year: int | None = None
    together_short_fen: int = 0


@dataclass(slots=True)
class _Planned:
    """A selection that waits, with all that its plan depends on."""

    selection: Selection
    payer: Organisation
    version: Version
    changed: Agreement | None


def signing_preview(
    unit: Unit, selection_id: UUID, *, together: Collection[UUID] = ()
) -> SigningPreview | None:
    """Return what a selection would commit; None if it commits nothing, is decided or not visible.

    `together`: what was requested with it, which takes from the same lines after it.
    """
    waiting = _waiting(unit, {selection_id, *together})
    own = waiting.pop(selection_id, None)
    if own is None:
        return None
    purse = open_purse(unit, [own.payer.id])
    booked = dict(purse.available)
    keep_for_waiting(unit, purse, [own.payer.id])
    available = dict(purse.available)
    try:
        plans = _plan(unit, own, purse)
    except Conflict:  # the agreement's year is over: nothing is committed, the signature says so
        return None
    draws = [draw for plan in plans for draw in plan.draws]
    purse.take(draws)
    short_fen = _short_fen(plans)
    amount_fen = sum(plan.part.ceiling_fen for plan in plans)
    if not amount_fen:
        return None
    taken: dict[UUID, int] = {}
    for draw in draws:
        taken[draw.line_id] = taken.get(draw.line_id, 0) + draw.ceiling_fen
    lines = {line.id: line for plan in plans for line in plan.lines}
    return SigningPreview(
        lines=[
            PayingLine(
                line=line,
                available_fen=available[line_id],
                kept_fen=booked[line_id] - available[line_id],
                amount_fen=taken.get(line_id, 0),
            )
            for line_id, line in lines.items()
        ],
        amount_fen=amount_fen,
        short_fen=short_fen,
        waiting_fen=sum(plan.part.ceiling_fen for plan in plans if plan.waits),
        later_year=next((plan.part.fiscal_year for plan in plans if plan.part.is_later), None),
        together_short_fen=short_fen + _short_of_others(unit, waiting.values(), purse),
    )


def _waiting(unit: Unit, selection_ids: Collection[UUID]) -> dict[UUID, _Planned]:
    """Return those that wait for signatures and commit something, by id, in their order."""
    visible = visible_organisations(unit).with_only_columns(Organisation.id)
    rows = unit.session.execute(
        select(Selection, Organisation, Version, Agreement)
        .join(Organisation, Organisation.id == Selection.school_id)
        .join(Version, Version.id == Selection.version_id)
        .outerjoin(Agreement, Agreement.id == Selection.of_agreement_id)
        .where(
            among(Selection.id, selection_ids),
            Selection.state == SelectionState.REQUESTED,
            Selection.kind != SelectionKind.LOWER,
            Selection.school_id.in_(visible),
        )
        .order_by(Selection.reference)
    )
    return {
        selection.id: _Planned(
            selection, payer, version, changed if selection.kind in CHANGES else None
        )
        for selection, payer, version, changed in rows
    }


def _plan(unit: Unit, one: _Planned, purse: Purse) -> Sequence[PartPlan]:
    users: Users = frozenset()
    if one.changed is not None or one.selection.kind == SelectionKind.BULK:
        users = users_of_selections(unit, [one.selection]).get(one.selection.id, users)
    today = shanghai_day(unit.clock.now())
    parts = parts_to_commit(one.selection, changed=one.changed, today=today)
    purpose = purpose_of(one.payer, one.version, users=users)
    return purse.plan_together(one.payer.id, parts, purpose=purpose)


def _short_of_others(unit: Unit, others: Iterable[_Planned], purse: Purse) -> int:
    """Return what the lines lack for the others of a request, one after another."""
    short_fen = 0
    for one in others:
        plans = _plan(unit, one, purse)
        purse.take([draw for plan in plans for draw in plan.draws])
        short_fen += _short_fen(plans)
    return short_fen


def _short_fen(plans: Sequence[PartPlan]) -> int:
    return sum(plan.short_fen for plan in plans if not plan.waits)
