"""Late use: which sealed months have to be counted anew, and what was stated of them (R37).

A month is recounted with all its events up to the seal of the month that is being stated, and the
difference to what was stated becomes a linked line. What the rules on billable use rest on is what
was kept with the month; only learners who first appear late are looked up now.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from kernel.clock import Month
from kernel.identity.recording import among
from kernel.unit import Unit
from settlement.carrying import decisions_in_order, written_off_fen
from settlement.dispute_models import CreditDraw, CreditNote, CreditPart
from settlement.metering.counting import SchoolCount, count_uses
from settlement.metering.exclusions import (
    as_sealed,
    partly_enrolled,
    seal_newcomers,
    with_newcomers,
)
from settlement.metering.judging import ENDLESS, Scope, sealed_scopes
from settlement.metering.metrics import Metered
from settlement.metering.models import LateUse
from settlement.metering.unsealed import keep_unsealed, unsealed_rules, with_unsealed
from settlement.models import Period, StatementBreakdown, StatementDraw, StatementLine
from settlement.pricing import Split
from settlement.rating import Stated
from settlement.year_ends import are_books_closed


@dataclass(frozen=True, slots=True)
class Recount:
    """A sealed month counted anew; `closed`: whether the books of its year are closed."""

    month: Month
    counts: Sequence[SchoolCount]
    closed: bool


@dataclass(slots=True)
class Known:
    """What all lines so far say of an agreement's month; `told`: the last one's explanation."""

    stated: Stated = field(default_factory=Stated)
    told: Mapping[str, Any] = field(default_factory=dict)

    def tells(self, counts: Sequence[SchoolCount]) -> bool:
        """Return whether a recount found just what is known.

        Not only its own events change an agreement's month: late use under another agreement makes
        a repeat of one, or puts a learner beyond the enrolment.
        """
        excluded: Counter[str] = Counter()
        for count in counts:
            excluded.update({rule.value: one.events for rule, one in count.excluded.items()})
        return (
            self.told["events"] == sum(count.events for count in counts)
            and self.told["repeats"] == sum(count.repeats for count in counts)
            and self.told["uses"] == sum(count.uses for count in counts)
            and {rule: one["events"] for rule, one in self.told["excluded"].items()} == excluded
            and all(
                self.stated.parts.get(count.school_id, (0, 0))[0] == count.quantity
                for count in counts
            )
        )


def late_months(unit: Unit, month: Month, *, scope: Scope) -> dict[Month, list[UUID]]:
    """Return the earlier months with late use that the scope's seal is behind, and whose it is."""
    found: dict[Month, list[UUID]] = {}
    rows = unit.session.execute(
        select(LateUse.month, LateUse.payer_id)
        .distinct()
        .where(
            among(LateUse.payer_id, scope.payer_ids),
            LateUse.settled_in.is_(None),
            LateUse.month < month,
            LateUse.sequence <= scope.through,
        )
        .order_by(LateUse.month, LateUse.payer_id)
    )
    for late_month, payer_id in rows:
        found.setdefault(Month(late_month), []).append(payer_id)
    return found


def lock_corrected(unit: Unit, month: Month, *, scope: Scope) -> None:
    """Lock the periods that hold lines of the months that are about to be corrected.

    So that no dispute credits meanwhile what a correction takes back. In one order for all, and
    after the month's own periods, as every close does.
    """
    late = late_months(unit, month, scope=scope)
    if late:
        concerned = {payer_id for payers in late.values() for payer_id in payers}
        unit.session.execute(
            select(Period.payer_id)
            .where(
                Period.month >= min(late), Period.month < month, among(Period.payer_id, concerned)
            )
            .order_by(Period.payer_id, Period.month)
            .with_for_update()
        )


def recounts(
    unit: Unit, month: Month, scope: Scope, *, metered: Mapping[UUID, Metered]
) -> Iterator[Recount]:
    """Yield the recounts of months with late use that a statement of `month` has to settle."""
    for late_month, payers in late_months(unit, month, scope=scope).items():
        counts = [
            count
            for sealed in sealed_scopes(unit, late_month, payer_ids=payers)
            for count in recount(unit, sealed, through=scope.through, metered=metered)
        ]
        yield Recount(late_month, counts, closed=are_books_closed(unit, late_month))


def recount(
    unit: Unit, sealed: Scope, *, through: int, metered: Mapping[UUID, Metered]
) -> list[SchoolCount]:
    """Count a sealed month with its late events up to a sequence."""
    known = as_sealed(unit, sealed.month, payer_ids=sealed.payer_ids, recounted=True)
    if through == ENDLESS:  # a preview: what appears late for the first time is not kept yet
        found = unsealed_rules(unit, sealed.month, payer_ids=sealed.payer_ids)
        known = with_newcomers(
            with_unsealed(known, found),
            partly_enrolled(
                unit,
                sealed.month,
                payer_ids=sealed.payer_ids,
                known_from=sealed.through,
                through=through,
            ),
        )
    scope = Scope(sealed.month, sealed.payer_ids, through)
    return count_uses(unit, scope, known, metered=metered)


def keep_newcomers(unit: Unit, month: Month, *, scope: Scope) -> None:
    """Keep with the months that are about to be counted anew who first appears late there.

    And what the rules rest on for agreements that their seals did not see.
    """
    for late_month, payers in late_months(unit, month, scope=scope).items():
        keep_unsealed(unit, late_month, payer_ids=payers)
        for sealed in sealed_scopes(unit, late_month, payer_ids=payers):
            seal_newcomers(
                unit,
                late_month,
                payer_ids=sealed.payer_ids,
                sealed=sealed.through,
                through=scope.through,
            )


def mark_settled(unit: Unit, month: Month, *, scope: Scope) -> None:
    """Note that the late use behind the scope's seal is settled by this month's statement."""
    unit.session.execute(
        update(LateUse)
        .where(
            among(LateUse.payer_id, scope.payer_ids),
            LateUse.settled_in.is_(None),
            LateUse.month < month,
            LateUse.sequence <= scope.through,
        )
        .values(settled_in=month)
        .execution_options(synchronize_session=False)
    )


def stated_before(
    unit: Unit, of_month: Month, *, agreement_ids: Collection[UUID]
) -> dict[UUID, Known]:
    """Return what was stated of these agreements' month so far.

    Credit notes are taken off, and what was written off of what no line covered (R25).
    """
    found: dict[UUID, Known] = {}
    lines = unit.session.execute(
        select(StatementLine)
        .where(among(StatementLine.agreement_id, agreement_ids), StatementLine.of_month == of_month)
        .order_by(StatementLine.agreement_id, StatementLine.month)
    ).scalars()
    of_line: dict[UUID, Known] = {}
    for line in lines:
        known = of_line[line.id] = found.setdefault(line.agreement_id, Known())
        if line.kind != "take_up":  # what takes up counts nothing; each recount tells of all
            known.told = line.explanation
        known.stated.quantity += line.quantity
        known.stated.rated_fen += line.rated_fen
        known.stated.above_ceiling_fen += line.above_ceiling_fen
        known.stated.amount_fen += line.amount_fen
        known.stated.uncovered_fen += line.uncovered_fen
        known.stated.shares = _plus(known.stated.shares, line, sign=1)
    if of_line:
        _add_parts(unit, of_line)
        _take_off_credits(unit, of_line)
        _take_off_write_offs(unit, of_month, found)
    return found


def _add_parts(unit: Unit, of_line: Mapping[UUID, Known]) -> None:
    for line_id, funding_line_id, fen in unit.session.execute(
        select(StatementDraw.line_id, StatementDraw.funding_line_id, StatementDraw.amount_fen)
        .join(StatementLine, StatementLine.id == StatementDraw.line_id)
        .where(among(StatementDraw.line_id, list(of_line)))
        .order_by(StatementLine.month, StatementDraw.line_id, StatementDraw.position)
    ):
        draws = of_line[line_id].stated.draws
        draws[funding_line_id] = draws.get(funding_line_id, 0) + fen
    for line_id, school_id, quantity, fen, rated_fen in unit.session.execute(
        select(
            StatementBreakdown.line_id,
            StatementBreakdown.school_id,
            StatementBreakdown.quantity,
            StatementBreakdown.amount_fen,
            StatementBreakdown.rated_fen,
        ).where(among(StatementBreakdown.line_id, list(of_line)))
    ):
        stated = of_line[line_id].stated
        quantity_before, fen_before = stated.parts.get(school_id, (0, 0))
        stated.parts[school_id] = (quantity_before + quantity, fen_before + fen)
        if rated_fen is not None:
            stated.add_school(school_id, rated_fen=rated_fen, amount_fen=fen)


def _take_off_credits(unit: Unit, of_line: Mapping[UUID, Known]) -> None:
    notes = unit.session.scalars(
        select(CreditNote).where(among(CreditNote.line_id, list(of_line)))
    ).all()
    of_note = {note.id: of_line[note.line_id] for note in notes}
    for note in notes:
        stated = of_line[note.line_id].stated
        stated.amount_fen -= note.amount_fen
        stated.above_ceiling_fen += note.amount_fen
        stated.uncovered_fen -= note.uncovered_fen
        stated.shares = _plus(stated.shares, note, sign=-1)
    for note_id, funding_line_id, fen in unit.session.execute(
        select(CreditDraw.credit_note_id, CreditDraw.funding_line_id, CreditDraw.amount_fen).where(
            among(CreditDraw.credit_note_id, list(of_note))
        )
    ):
        of_note[note_id].stated.draws[funding_line_id] -= fen
    by_school = [note_id for note_id, known in of_note.items() if known.stated.schools]
    if by_school:
        for note_id, school_id, fen in unit.session.execute(
            select(CreditPart.credit_note_id, CreditPart.school_id, CreditPart.amount_fen).where(
                among(CreditPart.credit_note_id, by_school)
            )
        ):
            of_note[note_id].stated.add_school(school_id, rated_fen=0, amount_fen=-fen)


def _take_off_write_offs(unit: Unit, of_month: Month, found: Mapping[UUID, Known]) -> None:
    unfunded = [one for one, known in found.items() if known.stated.uncovered_fen > 0]
    decisions = decisions_in_order(unit, unfunded)
    for agreement_id in unfunded:
        fen = written_off_fen(decisions.get((agreement_id, of_month), ()))
        found[agreement_id].stated = found[agreement_id].stated.less_written_off(fen)


def _plus(shares: Split, row: StatementLine | CreditNote, *, sign: int) -> Split:
    return Split(
        shares.vendor_fen + sign * row.vendor_fen,
        shares.school_fen + sign * row.school_fen,
        shares.fee_fen + sign * row.fee_fen,
        shares.retention_fen + sign * row.retention_fen,
    )
