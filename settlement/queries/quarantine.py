"""Rows that were put aside, one by one, and the repeats, which are counted by delivery only (R32).

A bureau sees what came from the sources that a bureau of its subtree admitted. A row never holds a
person number; of the learner it keeps the beginning of a hash, which is not shown either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from kernel.actors import OrganisationKind
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.metering.models import UsageBatch, UsageQuarantine, UsageSource, UsageTally
from settlement.models import Period
from settlement.queries.statements import visible_payers

REPEATED = ("duplicate", "conflict")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantinedRow:
    """One row put aside: how it came in, why it can't be billed, and what it says."""

    received_at: datetime
    source_code: str
    file_name: str
    position: int
    event_id: str
    reason: str
    occurred_at: datetime | None
    school_code: str
    vendor_code: str
    sku: str
    quantity: int | None
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatedRows:
    """How many rows of one delivery file were known already, with the same content or another."""

    begun_at: datetime
    source_code: str
    file_name: str
    duplicates: int
    conflicts: int


def quarantine_reasons(unit: Unit, month: date | None) -> dict[str, int]:
    """Return the number of rows put aside by reason; `month` None: of those in no period."""
    return dict(
        unit.session.execute(
            select(UsageQuarantine.reason, func.count())
            .where(*_admitted(unit, UsageQuarantine.source_id))
            .where(_within(unit, UsageQuarantine.month, month))
            .where(UsageQuarantine.released_at.is_(None))
            .group_by(UsageQuarantine.reason)
            .order_by(UsageQuarantine.reason)
        ).all()
    )


def quarantined_rows(
    unit: Unit,
    month: date | None,
    *,
    reason: str | None = None,
    limit: int | None = 50,
    offset: int = 0,
) -> list[QuarantinedRow]:
    """Return a page of the rows put aside, in the order they came in; `limit` None means all."""
    wanted = (
        select(UsageQuarantine, UsageSource.code, UsageBatch.file_name)
        .join(UsageSource, UsageSource.id == UsageQuarantine.source_id)
        .join(UsageBatch, UsageBatch.id == UsageQuarantine.batch_id)
        .where(*_admitted(unit, UsageQuarantine.source_id))
        .where(_within(unit, UsageQuarantine.month, month))
        .where(UsageQuarantine.released_at.is_(None))
        .order_by(UsageQuarantine.received_at, UsageQuarantine.batch_id, UsageQuarantine.position)
        .limit(limit)
        .offset(offset)
    )
    if reason is not None:
        wanted = wanted.where(UsageQuarantine.reason == reason)
    return [_row(*found) for found in unit.session.execute(wanted)]


def repeated_rows(unit: Unit, month: date | None) -> list[RepeatedRows]:
    """Return the delivery files that repeated rows, in the order they came in."""

    def counted(outcome: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(UsageTally.rows).filter(UsageTally.outcome == outcome), 0)

    rows = unit.session.execute(
        select(
            UsageBatch.begun_at,
            UsageSource.code.label("source_code"),
            UsageBatch.file_name,
            counted("duplicate").label("duplicates"),
            counted("conflict").label("conflicts"),
        )
        .join(UsageBatch, UsageBatch.id == UsageTally.batch_id)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .where(UsageTally.outcome.in_(REPEATED))
        .where(*_admitted(unit, UsageBatch.source_id))
        .where(_within(unit, UsageTally.month, month))
        .group_by(UsageBatch.id, UsageBatch.begun_at, UsageSource.code, UsageBatch.file_name)
        .order_by(UsageBatch.begun_at, UsageBatch.id)
    )
    return [
        RepeatedRows(
            begun_at=row.begun_at,
            source_code=row.source_code,
            file_name=row.file_name,
            duplicates=int(row.duplicates),
            conflicts=int(row.conflicts),
        )
        for row in rows
    ]


def _admitted(unit: Unit, source_id: Any) -> tuple[ColumnElement[bool], ...]:
    bureaus: Select[Any] = visible_organisations(unit, OrganisationKind.BUREAU)
    return (
        source_id.in_(
            select(UsageSource.id).where(
                UsageSource.admitted_for.in_(bureaus.with_only_columns(Organisation.id))
            )
        ),
    )


def _within(unit: Unit, column: Any, month: date | None) -> ColumnElement[bool]:
    """A month's rows, or those whose month is unknown or has no period that the actor sees."""
    own: ColumnElement[bool] = column == month
    if month is not None:
        return own
    periods = select(Period.month).where(Period.payer_id.in_(visible_payers(unit)))
    elsewhere: ColumnElement[bool] = column.is_(None) | column.not_in(periods)
    return elsewhere


def _row(row: UsageQuarantine, source_code: str, file_name: str) -> QuarantinedRow:
    body: Mapping[str, Any] = row.body
    time, quantity = body.get("time"), body.get("quantity")
    return QuarantinedRow(
        received_at=row.received_at,
        source_code=source_code,
        file_name=file_name,
        position=row.position,
        event_id=row.event_id,
        reason=row.reason,
        occurred_at=datetime.fromisoformat(time) if time else None,
        school_code=body.get("school_code") or "",
        vendor_code=body.get("vendor_code") or "",
        sku=body.get("sku") or "",
        quantity=int(quantity) if quantity is not None else None,
        detail=body.get("detail") or "",
    )
