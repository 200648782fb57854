"""Drafting: the lines that a month's statement has, or would have now; nothing is stored here.

A payer's month is counted and rated whole: first the earlier months, the oldest leading, of each
what late use adds to it and what money pays now that no line covered then, and last the month's own
lines, since each takes its part of the same ceilings and funds. A period that is
sealed is drafted from its seal, one that is open from what is known now (a preview).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from kernel.clock import Month, next_month
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.adjusting import Recount, recounts, stated_before
from settlement.assumptions import Assumptions
from settlement.metering.counting import SchoolCount, count_uses
from settlement.metering.exclusions import Exclusions, as_sealed, known_now
from settlement.metering.judging import ENDLESS, Scope, sealed_scopes
from settlement.metering.metrics import metered_agreements
from settlement.phases import Phases
from settlement.pricing import Metric, metric_of
from settlement.rating import Rated, Stated, adjust, rate, take_up
from settlement.remaining import AgreementState, agreement_states
from settlement.school_parts import Weights, break_down
from settlement.taking_up import Waiting, can_pay, day_of_paying, waiting_for_money

USE, ADJUSTMENT, TAKE_UP = "use", "adjustment", "take_up"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line before it is stored: what was counted by school, its amounts, what was left before.

    Of an adjustment, `counts` are the recount and `stated` is what was known of `of_month` before.
    What takes up counts nothing; `takes_up_fen` of its month was free to be taken up.
    `funds_left_before`: what was committed and left on each of the agreement's funds, in order;
    `schools_left_before`: of the schools' own ceilings, where they have one (R24).
    """

    id: UUID
    agreement_id: UUID
    agreement: AgreementState
    kind: str
    of_month: Month
    counts: Sequence[SchoolCount]
    rated: Rated
    ceiling_left_before_fen: int
    funds_left_before: Sequence[int]
    stated: Stated
    year_is_closed: bool = False
    schools_left_before: Mapping[UUID, int] = field(default_factory=dict)
    takes_up_fen: int = 0

    @property
    def metric(self) -> Metric:
        return metric_of(self.agreement.terms)

    @property
    def quantity(self) -> int:
        """What the line adds, in units of its metric."""
        return sum(count.quantity for count in self.counts) - self.stated.quantity

    @property
    def ceiling_fen(self) -> int:
        """The ceiling that the line is cut at: that of its fiscal year (R19)."""
        return self.agreement.ceiling_in(self.of_month.year)

    @property
    def leaves_fen(self) -> int:
        """What all lines of the draft together leave of the agreement's ceiling."""
        return self.agreement.room.ceiling_left_fen

    def parts(self) -> Iterator[tuple[SchoolCount, int, int]]:
        """Yield each school's count with the quantity and fen that this line adds for it."""
        if self.rated.parts:
            for count, part in zip(self.counts, self.rated.parts, strict=True):
                quantity_before, _ = self.stated.parts.get(count.school_id, (0, 0))
                yield count, count.quantity - quantity_before, part.amount_fen
            return
        weigh_uses = self.metric is Metric.PERIODS
        parts_before = sum(fen for _, fen in self.stated.parts.values())
        amounts = break_down(
            parts_before + self.rated.amount_fen,
            [count.uses if weigh_uses else count.quantity for count in self.counts],
        )
        for count, fen in zip(self.counts, amounts, strict=True):
            quantity_before, fen_before = self.stated.parts.get(count.school_id, (0, 0))
            yield count, count.quantity - quantity_before, fen - fen_before


def draft_lines(
    unit: Unit,
    month: Month,
    *,
    payer_ids: Sequence[UUID],
    phases: Phases | None = None,
    assumed: Assumptions | None = None,
    fingerprinted: bool = False,
) -> list[DraftLine]:
    """Return the lines of these payers' month, counted and rated, in no order that matters.

    Of an open month its uses up to now. `assumed` (a preview or a simulation) takes the place of
    what is agreed and known for the month's own lines, not for what late use corrects; a month that
    is stated is then drafted once more, as if its own lines and all later ones were not there.
    `fingerprinted`: the counts of the month's own lines come with their events' fingerprints.
    """
    phases = phases or Phases()
    before = month if assumed is not None else None
    assumed = assumed or Assumptions()
    with phases.timed("count"):
        pay_otherwise = metered_agreements(unit, payer_ids)
        scopes = _scopes(unit, month, payer_ids=payer_ids)
        late = [
            one for scope in scopes for one in recounts(unit, month, scope, metered=pay_otherwise)
        ]
        counts = [
            count
            for scope in scopes
            for count in count_uses(
                unit,
                scope,
                assumed.exclusions(_exclusions(unit, scope), payer_ids=scope.payer_ids),
                metered=assumed.metered(pay_otherwise),
                fingerprinted=fingerprinted,
            )
        ]
    with phases.timed("rate"):
        waiting = waiting_for_money(unit, month, payer_ids=payer_ids, before=before)
        agreements = agreement_states(
            unit,
            {count.agreement_id for count in counts}
            | {count.agreement_id for one in late for count in one.counts}
            | {agreement_id for one in waiting.values() for agreement_id in one},
            before=before,
        )
        agreements = assumed.ceilings(agreements, fiscal_year=month.year)
        return [
            *_of_earlier_months(unit, late, waiting, agreements),
            *_uses(month, counts, assumed.terms(agreements)),
        ]


def _uses(
    month: Month, counts: Sequence[SchoolCount], agreements: dict[UUID, AgreementState]
) -> Iterator[DraftLine]:
    last_day = next_month(month) - timedelta(days=1)
    for agreement_id, group in groupby(counts, key=lambda count: count.agreement_id):
        agreement = agreements[agreement_id]
        schools = list(group)
        left, funds_left = agreement.room.left_in(month.year), agreement.room.funds_left_fen
        schools_left = dict(agreement.room.schools)
        rated = rate(
            agreement.terms,
            sum(count.quantity for count in schools),
            room=agreement.room,
            last_day=last_day,
            weights=_weights(agreement, schools),
        )
        agreement.room.take(rated, fiscal_year=month.year)
        yield DraftLine(
            new_id(),
            agreement_id,
            agreement,
            USE,
            month,
            schools,
            rated,
            left,
            funds_left,
            Stated(),
            schools_left_before=schools_left,
        )


def _of_earlier_months(
    unit: Unit,
    late: Sequence[Recount],
    waiting: Waiting,
    agreements: dict[UUID, AgreementState],
) -> Iterator[DraftLine]:
    """Yield what corrects and what takes up each earlier month, the oldest month first."""
    for of_month in sorted({recount.month for recount in late} | set(waiting)):
        adjusted = list(
            _adjustments(unit, [one for one in late if one.month == of_month], agreements)
        )
        yield from adjusted
        yield from _taken_up(unit, of_month, waiting.get(of_month, {}), agreements, adjusted)


def _taken_up(
    unit: Unit,
    of_month: Month,
    free: Mapping[UUID, int],
    agreements: dict[UUID, AgreementState],
    adjusted: Sequence[DraftLine],
) -> Iterator[DraftLine]:
    """Yield a line for each agreement whose funds pay now for use that none covered (R35)."""
    last_day, paid_on = next_month(of_month) - timedelta(days=1), day_of_paying(unit, of_month)
    payable = [one for one in free if can_pay(unit, agreements[one].room.funds, of_month)]
    before = stated_before(unit, of_month, agreement_ids=payable) if payable else {}
    for agreement_id in payable:
        agreement, stated = agreements[agreement_id], before[agreement_id].stated
        takes_up_fen = free[agreement_id]
        for line in adjusted:
            if line.agreement_id == agreement_id:
                stated.take(line.rated)
                takes_up_fen += min(line.rated.uncovered_fen, 0)
        left, funds_left = agreement.room.left_in(of_month.year), agreement.room.funds_left_fen
        rated = take_up(
            agreement.terms,
            takes_up_fen,
            stated=stated,
            room=agreement.room,
            last_day=last_day,
            paid_on=paid_on,
        )
        if not rated.drawn_fen:
            continue
        agreement.room.take(rated, fiscal_year=of_month.year)
        yield DraftLine(
            new_id(),
            agreement_id,
            agreement,
            TAKE_UP,
            of_month,
            [],
            rated,
            left,
            funds_left,
            Stated(),
            takes_up_fen=takes_up_fen,
        )


def _adjustments(
    unit: Unit, late: Sequence[Recount], agreements: dict[UUID, AgreementState]
) -> Iterator[DraftLine]:
    """Yield a line for each agreement of which a recount found something else than was stated."""
    for recount in sorted(late, key=lambda one: one.month):
        last_day = next_month(recount.month) - timedelta(days=1)
        groups = {
            agreement_id: list(group)
            for agreement_id, group in groupby(recount.counts, key=lambda one: one.agreement_id)
        }
        before = stated_before(unit, recount.month, agreement_ids=groups)
        for agreement_id, schools in groups.items():
            known = before.get(agreement_id)
            if known is not None and known.tells(schools):
                continue
            agreement = agreements[agreement_id]
            left = agreement.room.left_in(recount.month.year)
            funds_left = agreement.room.funds_left_fen
            schools_left = dict(agreement.room.schools)
            stated = known.stated if known is not None else Stated()
            rated = adjust(
                agreement.terms,
                sum(count.quantity for count in schools),
                stated=stated,
                room=agreement.room,
                last_day=last_day,
                year_is_closed=recount.closed,
                weights=_weights(agreement, schools),
            )
            agreement.room.take(rated, fiscal_year=recount.month.year)
            yield DraftLine(
                new_id(),
                agreement_id,
                agreement,
                ADJUSTMENT,
                recount.month,
                schools,
                rated,
                left,
                funds_left,
                stated,
                year_is_closed=recount.closed,
                schools_left_before=schools_left,
            )


def _weights(agreement: AgreementState, counts: Sequence[SchoolCount]) -> Weights:
    """Return what each school used, if schools have ceilings of their own; else nothing."""
    if not agreement.school_ceilings:
        return ()
    by_uses = metric_of(agreement.terms) is Metric.PERIODS
    return [(count.school_id, count.uses if by_uses else count.quantity) for count in counts]


def _scopes(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> list[Scope]:
    """Return the sealed scopes, and one of the payers whose month is open, up to now."""
    sealed = list(sealed_scopes(unit, month, payer_ids=payer_ids))
    covered = {payer_id for scope in sealed for payer_id in scope.payer_ids}
    unsealed = [payer_id for payer_id in payer_ids if payer_id not in covered]
    return [*sealed, Scope(month, unsealed, ENDLESS)] if unsealed else sealed


def _exclusions(unit: Unit, scope: Scope) -> Exclusions:
    if scope.through == ENDLESS:
        return known_now(unit, scope.month, payer_ids=scope.payer_ids, through=ENDLESS)
    return as_sealed(unit, scope.month, payer_ids=scope.payer_ids)
