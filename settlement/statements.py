"""Statements: what each payer owes for a sealed month, line by line, written once.

Stores what `drafting` made, by COPY, with what a reader needs to follow it. A payer's statement,
its lines and the period's new state are one transaction: it is there whole or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text, update

from kernel.arrays import IntegerArray, TextArray, UuidArray
from kernel.clock import Month, shanghai_day, show_month
from kernel.copying import copy_rows
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import new_id
from kernel.unit import Unit
from settlement.adjusting import keep_newcomers, lock_corrected, mark_settled
from settlement.agreements import lock_agreements
from settlement.disputes import refer_to_bureau
from settlement.drafting import ADJUSTMENT, TAKE_UP, USE, DraftLine, draft_lines
from settlement.memorandum import note_uncovered
from settlement.metering.counting import SchoolCount
from settlement.metering.fingerprints import NO_EVENTS
from settlement.metering.judging import RULE, sealed_scopes
from settlement.models import Agreement
from settlement.phases import Phases
from settlement.rating import Fund
from settlement.workdays import after_workdays

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
RATED_BREAKDOWN_COLUMNS = (*BREAKDOWN_COLUMNS, "rated_fen", "above_ceiling_fen")
"""Of lines whose schools have ceilings of their own."""
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
        scopes = list(sealed_scopes(unit, month, payer_ids=payer_ids))
        for scope in scopes:
            lock_corrected(unit, month, scope=scope)
            keep_newcomers(unit, month, scope=scope)
        lock_agreements(unit, payer_ids=payer_ids)
    lines = draft_lines(unit, month, payer_ids=payer_ids, phases=phases, fingerprinted=True)
    with phases.timed("state"):
        statements = _open_statements(unit, month, payer_ids=payer_ids)
        _store_lines(unit, month, lines, statements=statements)
        note_uncovered(unit, month, lines)
        for scope in scopes:
            mark_settled(unit, month, scope=scope)
        refer_to_bureau(unit, [o.id for o in lines if o.year_is_closed and o.rated.amount_fen])
        _mark_stated(unit, month, payer_ids=payer_ids, lines=lines)
        _mark_agreements(unit, lines)
    return len(lines)


def _store_lines(
    unit: Unit, month: Month, lines: Sequence[DraftLine], *, statements: Mapping[UUID, UUID]
) -> None:
    copy_rows(unit, "statement_line", LINE_COLUMNS, _line_rows(lines, month, statements=statements))
    copy_rows(unit, "statement_breakdown", BREAKDOWN_COLUMNS, _breakdown_rows(lines))
    by_school = [line for line in lines if line.rated.parts]
    if by_school:
        rows = _rated_breakdown_rows(by_school)
        copy_rows(unit, "statement_breakdown", RATED_BREAKDOWN_COLUMNS, rows)
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
            line.kind,
            line.of_month,
            RULE,
            line.metric.value,
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
            _json(explain_line(line)),
            "stated",
        )


def _breakdown_rows(lines: Sequence[DraftLine]) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        if not line.rated.parts:
            for count, quantity, fen in line.parts():
                yield (line.id, count.school_id, quantity, fen, _json(_of_school(count)))


def _rated_breakdown_rows(lines: Sequence[DraftLine]) -> Iterator[tuple[Any, ...]]:
    """Yield the parts with each school's ceiling as the line found it, to be cut once more."""
    for line in lines:
        ceilings, left = line.agreement.school_ceilings, line.schools_left_before
        for (count, quantity, fen), part in zip(line.parts(), line.rated.parts, strict=True):
            told = _of_school(count)
            if count.school_id in ceilings:
                told["ceiling_fen"] = ceilings[count.school_id]
                told["ceiling_left_before_fen"] = left[count.school_id]
            yield (
                line.id,
                count.school_id,
                quantity,
                fen,
                _json(told),
                part.rated_fen,
                part.above_ceiling_fen,
            )


def explain_line(line: DraftLine) -> dict[str, Any]:
    """Return what a reader needs to follow a line from the events to the fen (JSON).

    Of an adjustment the counts are those of the recount, and `stated` what was known before. What
    was left of the ceiling and on the funds is kept, so that the cut and the draws can be made once
    more whatever is agreed, granted or credited later.
    """
    rated = line.rated
    explanation = {
        **_summed([_of_count(count) for count in line.counts]),
        "rule": RULE,
        "arithmetic": rated.arithmetic,
        "steps": list(rated.steps),
        "ceiling_fen": line.ceiling_fen,
        "ceiling_left_before_fen": line.ceiling_left_before_fen,
        "funds": [
            _fund(fund, left_before_fen=left_fen)
            for fund, left_fen in zip(
                line.agreement.room.funds, line.funds_left_before, strict=True
            )
        ],
    }
    if line.year_is_closed or line.kind == ADJUSTMENT:
        explanation["year_is_closed"] = line.year_is_closed
    if line.kind == TAKE_UP:
        explanation["takes_up_fen"] = line.takes_up_fen
    if line.kind == ADJUSTMENT:
        explanation["stated"] = {
            "quantity": line.stated.quantity,
            "rated_fen": line.stated.rated_fen,
            "above_ceiling_fen": line.stated.above_ceiling_fen,
            "amount_fen": line.stated.amount_fen,
        }
    return explanation


def _fund(fund: Fund, *, left_before_fen: int) -> dict[str, Any]:
    """Return one of the agreement's funds as the line found it, named by its business key."""
    found = {
        "fiscal_year": fund.fiscal_year,
        "source": fund.source,
        "lapses_on": fund.lapses_on.isoformat(),
        "ceiling_fen": fund.ceiling_fen,
        "left_before_fen": left_before_fen,
    }
    return {**found, "restriction": fund.restriction} if fund.restriction else found


def _of_school(count: SchoolCount) -> dict[str, Any]:
    """Return what is told of a school's part: under a pack with the uses of each resource."""
    told = _of_count(count)
    if count.parts:
        told["parts"] = {str(one): uses for one, uses in sorted(count.parts.items())}
    return told


def _of_count(count: SchoolCount) -> dict[str, Any]:
    excluded = {
        rule.value: {"events": one.events, "uses": one.uses} for rule, one in count.excluded.items()
    }
    return {
        "events": count.events,
        "repeats": count.repeats,
        "excluded": excluded,
        "counted": count.events - count.repeats - sum(one["events"] for one in excluded.values()),
        "uses": count.uses,
        "attested_uses": count.attested_uses,
        "quantity": count.quantity,
    }


def _summed(schools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what is told of several schools; most agreements are one school's."""
    if len(schools) == 1:
        return schools[0]
    excluded: dict[str, dict[str, int]] = {}
    for school in schools:
        for rule, one in school["excluded"].items():
            sums = excluded.setdefault(rule, {"events": 0, "uses": 0})
            sums["events"] += one["events"]
            sums["uses"] += one["uses"]
    figures = ("events", "repeats", "counted", "uses", "attested_uses", "quantity")
    return {
        **{figure: sum(school[figure] for school in schools) for figure in figures},
        "excluded": excluded,
    }


def _open_statements(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    now = unit.clock.now()
    deadline = after_workdays(shanghai_day(now), unit.settings.confirm_workdays)
    codes = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(among(Organisation.id, payer_ids))
        ).all()
    )
    statements = {payer_id: new_id() for payer_id in payer_ids}
    unit.session.execute(
        text(
            "INSERT INTO statement (id, payer_id, month, number, stated_at, confirm_by) "
            "SELECT s.id, s.payer_id, :month, s.number, :now, :deadline "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:payers AS uuid[]), CAST(:numbers AS text[])) "
            "AS s(id, payer_id, number)"
        ),
        {
            "month": month,
            "now": now,
            "deadline": deadline,
            "ids": UuidArray.of(list(statements.values())),
            "payers": UuidArray.of(list(statements)),
            "numbers": TextArray.of(
                [f"{codes[payer_id]}-{show_month(month)}" for payer_id in statements]
            ),
        },
    )
    return statements


def _mark_stated(
    unit: Unit, month: Month, *, payer_ids: Sequence[UUID], lines: Sequence[DraftLine]
) -> None:
    """Move the periods on, each with the fingerprint of the events that were counted for it."""
    found = dict.fromkeys(payer_ids, NO_EVENTS)
    for line in lines:
        if line.kind == USE:
            payer_id = line.agreement.payer_id
            for count in line.counts:
                found[payer_id] += count.fingerprint
    unit.session.execute(
        text(
            "UPDATE period p SET state = 'stated', fingerprint = f.fingerprint, "
            "counts = jsonb_build_object('events', f.events, 'uses', f.uses) "
            "FROM unnest(CAST(:payers AS uuid[]), CAST(:events AS bigint[]), "
            "CAST(:uses AS bigint[]), CAST(:totals AS numeric[])) "
            "AS f(payer_id, events, uses, fingerprint) "
            "WHERE p.month = :month AND p.payer_id = f.payer_id AND p.state = 'sealed'"
        ),
        {
            "month": month,
            "payers": UuidArray.of(list(found)),
            "events": IntegerArray.of([one.events for one in found.values()]),
            "uses": IntegerArray.of([one.uses for one in found.values()]),
            "totals": [Decimal(one.total) for one in found.values()],
        },
    )


def _mark_agreements(unit: Unit, lines: Sequence[DraftLine]) -> None:
    """Mark agreements whose ceiling was used up, and open those that got some of it back."""
    used_up = {o.agreement_id for o in lines if o.rated.amount_fen > 0 and o.leaves_fen <= 0}
    given_back = {o.agreement_id for o in lines if o.rated.amount_fen < 0 and o.leaves_fen > 0}
    for agreement_ids, before, after in (
        (used_up, "open", "exhausted"),
        (given_back, "exhausted", "open"),
    ):
        if agreement_ids:
            unit.session.execute(
                update(Agreement)
                .where(among(Agreement.id, agreement_ids), Agreement.state == before)
                .values(state=after)
                .execution_options(synchronize_session=False)
            )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
