"""Summaries of a period: what came in, what was stated, drawn and shared, as plain numbers."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text

from kernel.actors import OrganisationKind
from kernel.clock import show_month
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.dispute_models import CreditNote
from settlement.metering.models import UsageBatch, UsageSource, UsageTally
from settlement.models import Period, Statement, StatementLine

UNBALANCED = text(
    """
SELECT count(*) FROM (
    SELECT l.transfer_id FROM leg l JOIN account a ON a.id = l.account_id
    GROUP BY l.transfer_id, a.book, a.unit
    HAVING sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) <> 0
) wrong
"""
)


def tally(unit: Unit, month: date | None) -> dict[str, Any]:
    """Return received = accepted + duplicates + conflicts + quarantined of a month (R32).

    `month` None: the rows whose time could not be read. `late` is part of `accepted`. A bureau sees
    what came from the sources that it or a bureau below it admitted.
    """
    where = [UsageTally.month.is_(None) if month is None else UsageTally.month == month]
    if not unit.actor.is_system:
        where.append(UsageTally.batch_id.in_(_visible_batches(unit)))
    outcome: dict[str, int] = {}
    quarantined: dict[str, int] = {}
    late = 0
    rows = unit.session.execute(
        select(UsageTally.outcome, UsageTally.reason, func.sum(UsageTally.rows))
        .where(*where)
        .group_by(UsageTally.outcome, UsageTally.reason)
        .order_by(UsageTally.outcome, UsageTally.reason)
    )
    for fate, reason, count in rows:
        outcome[fate] = outcome.get(fate, 0) + int(count)
        if fate == "quarantined":
            quarantined[reason] = int(count)
        elif reason == "late":
            late += int(count)
    return {
        "received": sum(outcome.values()),
        "accepted": outcome.get("accepted", 0),
        "duplicates": outcome.get("duplicate", 0),
        "conflicts": outcome.get("conflict", 0),
        "quarantined": quarantined,
        "late": late,
    }


def period_summary(
    unit: Unit, month: date, *, payer_ids: Sequence[UUID] | None = None
) -> dict[str, Any]:
    """Return one period's summary: of the payers that the actor may see, or of some of them.

    `billed_fen` is what was stated; `drawn_fen` = vendor + author's school + fee + retention
    of what is posted; `waiting_fen` is stated but not posted yet. billed = drawn + uncovered +
    waiting. `credited_fen` is what credit notes took off.
    """
    lines = select(
        func.count(StatementLine.id).label("lines"),
        func.coalesce(func.sum(StatementLine.quantity), 0).label("uses"),
        func.coalesce(func.sum(StatementLine.rated_fen), 0).label("rated"),
        func.coalesce(func.sum(StatementLine.above_ceiling_fen), 0).label("above"),
        func.coalesce(func.sum(StatementLine.amount_fen), 0).label("billed"),
        func.coalesce(func.sum(StatementLine.uncovered_fen), 0).label("uncovered"),
        *(
            func.coalesce(func.sum(column).filter(StatementLine.state == "posted"), 0).label(name)
            for name, column in (
                ("drawn", StatementLine.drawn_fen),
                ("vendor", StatementLine.vendor_fen),
                ("school", StatementLine.school_fen),
                ("fee", StatementLine.fee_fen),
                ("retention", StatementLine.retention_fen),
            )
        ),
        func.coalesce(
            func.sum(StatementLine.drawn_fen).filter(StatementLine.state != "posted"), 0
        ).label("waiting"),
        func.coalesce(func.sum(CreditNote.amount_fen), 0).label("credited"),
    ).where(StatementLine.month == month)
    states = (
        select(Period.state, func.count())
        .where(Period.month == month)
        .group_by(Period.state)
        .order_by(Period.state)
    )
    statements = select(func.count(Statement.id)).where(Statement.month == month)
    for payers in _payer_filters(unit, payer_ids):
        lines = lines.where(StatementLine.payer_id.in_(payers))
        states = states.where(Period.payer_id.in_(payers))
        statements = statements.where(Statement.payer_id.in_(payers))
    sums = unit.session.execute(
        lines.outerjoin_from(StatementLine, CreditNote, CreditNote.line_id == StatementLine.id)
    ).one()
    return {
        "period": show_month(month),
        **tally(unit, month),
        "statements": unit.session.scalar(statements) or 0,
        "states": dict(unit.session.execute(states).all()),
        "lines": sums.lines,
        "uses": int(sums.uses),
        "rated_fen": int(sums.rated),
        "above_ceiling_fen": int(sums.above),
        "billed_fen": int(sums.billed),
        "drawn_fen": int(sums.drawn),
        "uncovered_fen": int(sums.uncovered),
        "waiting_fen": int(sums.waiting),
        "credited_fen": int(sums.credited),
        "vendor_fen": int(sums.vendor),
        "school_share_fen": int(sums.school),
        "platform_fee_fen": int(sums.fee),
        "retention_fen": int(sums.retention),
        "ledger_balanced": unit.session.scalar(UNBALANCED) == 0,
    }


def _payer_filters(
    unit: Unit, payer_ids: Sequence[UUID] | None
) -> Iterator[Sequence[UUID] | Select[UUID]]:
    if not unit.actor.is_system:
        yield visible_organisations(unit).with_only_columns(Organisation.id)
    if payer_ids is not None:
        yield payer_ids


def _visible_batches(unit: Unit) -> Select[UUID]:
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    return (
        select(UsageBatch.id)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .where(UsageSource.admitted_for.in_(bureaus))
    )
