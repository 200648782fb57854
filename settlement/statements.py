"""Statements: what each payer owes for a sealed month, line by line, written once.

Decides which lines there are and stores them by COPY; amounts come from `rating`. A payer's
statement, its lines and the period's new state are one transaction: it is there whole or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import chinese_calendar
import msgspec
from sqlalchemy import insert, select, update

from kernel.clock import Month, shanghai_day, show_month
from kernel.copying import copy_rows
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.metering.counting import RULE, SchoolCount, count_uses
from settlement.models import (
    Agreement,
    Period,
    Statement,
)
from settlement.phases import Phases
from settlement.rating import Rated, break_down, rate
from settlement.remaining import AgreementState, agreement_states

LINE_COLUMNS = (
    "id",
    "statement_id",
    "payer_id",
    "month",
    "agreement_id",
    "vendor_id",
    "kind",
    "of_month",
    "rule_version",
    "metric",
    "quantity",
    "unit_price",
    "rated_fen",
    "above_ceiling_fen",
    "amount_fen",
    "uncovered_fen",
    "drawn_fen",
    "vendor_fen",
    "school_fen",
    "fee_fen",
    "retention_fen",
    "explanation",
    "state",
)
BREAKDOWN_COLUMNS = ("line_id", "school_id", "quantity", "amount_fen", "explanation")
DRAW_COLUMNS = ("line_id", "position", "funding_line_id", "amount_fen")


def state_periods(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], phases: Phases | None = None
) -> int:
    """Write the statements of these payers' sealed periods: sealed → stated; return the lines.

    The caller has locked the periods. Nothing is written for an agreement without a use.
    """
    if not payer_ids:
        return 0
    phases = phases or Phases()
    with phases.timed("count"):
        counts = list(count_uses(unit, month, payer_ids=payer_ids))
    with phases.timed("rate"):
        agreements = agreement_states(unit, month, payer_ids=payer_ids)
        lines = _rate_lines(counts, agreements)
    with phases.timed("state"):
        statements = _open_statements(unit, month, payer_ids=payer_ids)
        _store_lines(unit, month, lines, statements=statements)
        _mark(unit, month, payer_ids=payer_ids, exhausted=[o.agreement_id for o in lines if o.ends])
    return len(lines)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line before it is stored: its agreement, what was counted by school, and its amounts."""

    id: UUID
    agreement_id: UUID
    agreement: AgreementState
    counts: Sequence[SchoolCount]
    rated: Rated

    @property
    def quantity(self) -> int:
        return sum(count.uses for count in self.counts)

    @property
    def ends(self) -> bool:
        """Whether this line uses up what was left of the ceiling."""
        billed = self.rated.amount_fen
        return billed > 0 and billed == self.agreement.room.ceiling_left_fen


def _rate_lines(
    counts: Sequence[SchoolCount], agreements: Mapping[UUID, AgreementState]
) -> list[DraftLine]:
    lines = []
    for agreement_id, group in groupby(counts, key=lambda count: count.agreement_id):
        agreement = agreements[agreement_id]
        schools = list(group)
        quantity = sum(count.uses for count in schools)
        rated = rate(agreement.terms, quantity, room=agreement.room)
        lines.append(DraftLine(new_id(), agreement_id, agreement, schools, rated))
    return lines


def _store_lines(
    unit: Unit, month: Month, lines: Sequence[DraftLine], *, statements: Mapping[UUID, UUID]
) -> None:
    copy_rows(unit, "statement_line", LINE_COLUMNS, _line_rows(lines, month, statements=statements))
    copy_rows(unit, "statement_breakdown", BREAKDOWN_COLUMNS, _breakdown_rows(lines))
    copy_rows(
        unit,
        "statement_draw",
        DRAW_COLUMNS,
        (
            (line.id, position, funding_line_id, fen)
            for line in lines
            for position, (funding_line_id, fen) in enumerate(line.rated.draws, start=1)
        ),
    )


def _line_rows(
    lines: Sequence[DraftLine], month: Month, *, statements: Mapping[UUID, UUID]
) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        rated, agreement = line.rated, line.agreement
        yield (
            line.id,
            statements[agreement.payer_id],
            agreement.payer_id,
            month,
            line.agreement_id,
            agreement.vendor_id,
            "use",
            month,
            RULE,
            "uses",
            line.quantity,
            rated.unit_price,
            rated.rated_fen,
            rated.above_ceiling_fen,
            rated.amount_fen,
            rated.uncovered_fen,
            rated.drawn_fen,
            rated.shares.vendor_fen,
            rated.shares.school_fen,
            rated.shares.fee_fen,
            rated.shares.retention_fen,
            _json(explain_line(line.counts, rated, agreement=agreement)),
            "stated",
        )


def _breakdown_rows(lines: Sequence[DraftLine]) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        parts = break_down(line.rated.amount_fen, [count.uses for count in line.counts])
        for count, part in zip(line.counts, parts, strict=True):
            yield (line.id, count.school_id, count.uses, part, _json(_of_counts([count])))


def confirm_by(day: date, workdays: int) -> date:
    """Return the last day for a dispute: `workdays` working days after `day` (Chinese calendar).

    Past the years whose holidays are published, Monday to Friday stand in.
    """
    left = workdays
    while left > 0:
        day += timedelta(days=1)
        try:
            works = chinese_calendar.is_workday(day)
        except NotImplementedError:
            works = day.weekday() < 5
        left -= works
    return day


def explain_line(
    counts: Sequence[SchoolCount], rated: Rated, *, agreement: AgreementState
) -> dict[str, Any]:
    """Return what a reader needs to follow a line from the events to the fen (JSON)."""
    return {
        **_of_counts(counts),
        "rule": RULE,
        "arithmetic": rated.arithmetic,
        "ceiling_fen": agreement.ceiling_fen,
        "ceiling_left_before_fen": agreement.room.ceiling_left_fen,
    }


def _of_counts(counts: Sequence[SchoolCount]) -> dict[str, int]:
    return {
        "events": sum(count.events for count in counts),
        "uses": sum(count.uses for count in counts),
        "repeats": sum(count.repeats for count in counts),
        "outside_events": sum(count.outside_events for count in counts),
        "outside_uses": sum(count.outside_uses for count in counts),
        "attested_uses": sum(count.attested_uses for count in counts),
    }


def _open_statements(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    now = unit.clock.now()
    deadline = confirm_by(shanghai_day(now), unit.settings.confirm_workdays)
    codes = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(among(Organisation.id, payer_ids))
        ).all()
    )
    statements = {payer_id: new_id() for payer_id in payer_ids}
    unit.session.execute(
        insert(Statement),
        [
            {
                "id": statement_id,
                "payer_id": payer_id,
                "month": month,
                "number": f"{codes[payer_id]}-{show_month(month)}",
                "stated_at": now,
                "confirm_by": deadline,
            }
            for payer_id, statement_id in statements.items()
        ],
    )
    return statements


def _mark(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], exhausted: Sequence[UUID]
) -> None:
    unit.session.execute(
        update(Period)
        .where(Period.month == month, among(Period.payer_id, payer_ids), Period.state == "sealed")
        .values(state="stated")
        .execution_options(synchronize_session=False)
    )
    if exhausted:
        unit.session.execute(
            update(Agreement)
            .where(among(Agreement.id, exhausted), Agreement.state == "open")
            .values(state="exhausted")
            .execution_options(synchronize_session=False)
        )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
