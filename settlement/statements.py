"""Statements: what each payer owes for a sealed month, line by line, written once.

Decides which lines there are and stores them by COPY; amounts come from `rating`. A payer's
statement, its lines and the period's new state are one transaction: it is there whole or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import chinese_calendar
import msgspec
from psycopg import Cursor
from sqlalchemy import func, insert, select, update

from kernel.clock import Month, month_bounds, shanghai_day, show_month
from kernel.identity.models import Organisation
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.metering.counting import RULE, SchoolCount, count_uses
from settlement.models import (
    Agreement,
    AgreementDraw,
    FundingLine,
    Period,
    Statement,
    StatementDraw,
    StatementLine,
)
from settlement.rating import Rated, Room, break_down, rate

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
    "quantity",
    "unit_price",
    "rated_fen",
    "above_ceiling_fen",
    "amount_fen",
    "uncovered_fen",
    "drawn_fen",
    "vendor_fen",
    "fee_fen",
    "retention_fen",
    "explanation",
    "state",
)
BREAKDOWN_COLUMNS = ("line_id", "school_id", "quantity", "amount_fen", "explanation")
DRAW_COLUMNS = ("line_id", "position", "funding_line_id", "amount_fen")


@dataclass(frozen=True, slots=True)
class AgreementState:
    """An agreement as a statement finds it: its terms and what earlier lines have left."""

    payer_id: UUID
    vendor_id: UUID
    terms: dict[str, Any]
    ceiling_fen: int
    room: Room


def state_periods(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> int:
    """Write the statements of these payers' sealed periods: sealed → stated; return the lines.

    The caller has locked the periods. Nothing is written for an agreement without a use.
    """
    if not payer_ids:
        return 0
    statements = _open_statements(unit, month, payer_ids=payer_ids)
    agreements = _agreements(unit, month, payer_ids=payer_ids)
    lines: list[tuple[Any, ...]] = []
    breakdowns: list[tuple[Any, ...]] = []
    draws: list[tuple[Any, ...]] = []
    exhausted: list[UUID] = []
    for agreement_id, counts in _by_agreement(count_uses(unit, month, payer_ids=payer_ids)):
        agreement = agreements[agreement_id]
        quantity = sum(count.uses for count in counts)
        rated = rate(agreement.terms, quantity, room=agreement.room)
        line_id = new_id()
        lines.append(
            (
                line_id,
                statements[agreement.payer_id],
                agreement.payer_id,
                month,
                agreement_id,
                agreement.vendor_id,
                "use",
                month,
                RULE,
                quantity,
                rated.unit_price,
                *_amounts(rated),
                _json(explain_line(counts, rated, agreement=agreement)),
                "stated",
            )
        )
        parts = break_down(rated.amount_fen, [count.uses for count in counts])
        breakdowns.extend(
            (line_id, count.school_id, count.uses, part, _json(_of_counts([count])))
            for count, part in zip(counts, parts, strict=True)
        )
        draws.extend(
            (line_id, position, funding_line_id, fen)
            for position, (funding_line_id, fen) in enumerate(rated.draws, start=1)
        )
        if rated.amount_fen and rated.amount_fen == agreement.room.ceiling_left_fen:
            exhausted.append(agreement_id)
    _copy(unit, "statement_line", LINE_COLUMNS, lines)
    _copy(unit, "statement_breakdown", BREAKDOWN_COLUMNS, breakdowns)
    _copy(unit, "statement_draw", DRAW_COLUMNS, draws)
    _mark(unit, month, payer_ids=payer_ids, exhausted=exhausted)
    return len(lines)


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


def _amounts(rated: Rated) -> tuple[int, ...]:
    return (
        rated.rated_fen,
        rated.above_ceiling_fen,
        rated.amount_fen,
        rated.uncovered_fen,
        rated.drawn_fen,
        rated.shares.vendor_fen,
        rated.shares.fee_fen,
        rated.shares.retention_fen,
    )


def _by_agreement(counts: Iterator[SchoolCount]) -> Iterator[tuple[UUID, list[SchoolCount]]]:
    for agreement_id, group in groupby(counts, key=lambda count: count.agreement_id):
        yield agreement_id, list(group)


def _open_statements(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    now = unit.clock.now()
    deadline = confirm_by(shanghai_day(now), unit.settings.confirm_workdays)
    codes = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(Organisation.id.in_(payer_ids))
        )
        .tuples()
        .all()
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


def _agreements(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID]
) -> dict[UUID, AgreementState]:
    used = dict(
        unit.session.execute(
            select(StatementLine.agreement_id, func.sum(StatementLine.amount_fen))
            .where(StatementLine.payer_id.in_(payer_ids))
            .group_by(StatementLine.agreement_id)
        )
        .tuples()
        .all()
    )
    room = _committed(unit, month, payer_ids=payer_ids)
    rows = unit.session.execute(
        select(
            Agreement.id,
            Agreement.payer_id,
            Agreement.vendor_id,
            Agreement.terms,
            Agreement.ceiling_fen,
        ).where(Agreement.payer_id.in_(payer_ids))
    )
    return {
        agreement_id: AgreementState(
            payer_id=payer_id,
            vendor_id=vendor_id,
            terms=terms,
            ceiling_fen=ceiling_fen,
            room=Room(ceiling_fen - int(used.get(agreement_id, 0)), room.get(agreement_id, [])),
        )
        for agreement_id, payer_id, vendor_id, terms, ceiling_fen in rows
    }


def _committed(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID]
) -> dict[UUID, list[tuple[UUID, int]]]:
    """Return what is still committed per agreement on each line that may pay for this month."""
    drawn = (
        select(
            StatementLine.agreement_id,
            StatementDraw.funding_line_id,
            func.sum(StatementDraw.amount_fen).label("fen"),
        )
        .join(StatementDraw, StatementDraw.line_id == StatementLine.id)
        .where(StatementLine.payer_id.in_(payer_ids))
        .group_by(StatementLine.agreement_id, StatementDraw.funding_line_id)
        .subquery()
    )
    last_day = shanghai_day(month_bounds(month)[1] - timedelta(seconds=1))
    rows = unit.session.execute(
        select(
            AgreementDraw.agreement_id,
            AgreementDraw.line_id,
            AgreementDraw.ceiling_fen - func.coalesce(drawn.c.fen, 0),
        )
        .join(Agreement, Agreement.id == AgreementDraw.agreement_id)
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .outerjoin(
            drawn,
            (drawn.c.agreement_id == AgreementDraw.agreement_id)
            & (drawn.c.funding_line_id == AgreementDraw.line_id),
        )
        .where(
            Agreement.payer_id.in_(payer_ids),
            FundingLine.fiscal_year <= month.year,
            FundingLine.lapses_on > last_day,
        )
        .order_by(AgreementDraw.agreement_id, AgreementDraw.position)
    )
    room: dict[UUID, list[tuple[UUID, int]]] = {}
    for agreement_id, line_id, fen in rows:
        room.setdefault(agreement_id, []).append((line_id, int(fen)))
    return room


def _mark(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], exhausted: Sequence[UUID]
) -> None:
    unit.session.execute(
        update(Period)
        .where(Period.month == month, Period.payer_id.in_(payer_ids), Period.state == "sealed")
        .values(state="stated")
        .execution_options(synchronize_session=False)
    )
    if exhausted:
        unit.session.execute(
            update(Agreement)
            .where(Agreement.id.in_(exhausted), Agreement.state == "open")
            .values(state="exhausted")
            .execution_options(synchronize_session=False)
        )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _copy(unit: Unit, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows with COPY on the unit's own connection, inside its transaction."""
    if not rows:
        return
    raw = unit.session.connection().connection.driver_connection
    assert raw is not None
    cursor: Cursor[Any]
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
