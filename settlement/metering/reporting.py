"""Reports: an organisation's machine reports uses through its source, one batch at a time (R26).

Decides whose source a batch belongs to, and what its sender may see of it afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from kernel.actors import Role
from kernel.errors import NotFound
from kernel.unit import Unit
from settlement.metering.events import Event, rows_of
from settlement.metering.ingest import UsageOutcome, ingest_rows, open_batch
from settlement.metering.models import UsageBatch, UsageSource, UsageTally

REPORTERS = (Role.USAGE_REPORTER, Role.VENDOR_MANAGER)
"""Who may report: a key that can do nothing else, or one that acts as a vendor's manager."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What was sent, and the proof of it: SHA-256 of the body and the sender's signature."""

    name: str
    digest: bytes
    signature: bytes


@dataclass(kw_only=True, slots=True)
class BatchTotals:
    """received = accepted + duplicates + conflicts + quarantined; `late` are among the accepted."""

    received: int = 0
    accepted: int = 0
    late: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: str, reason: str, rows: int) -> None:
        self.received += rows
        match outcome:
            case "accepted":
                self.accepted += rows
                self.late += rows if reason == "late" else 0
            case "duplicate":
                self.duplicates += rows
            case "conflict":
                self.conflicts += rows
            case _:
                self.quarantined += rows
                self.reasons[reason] = self.reasons.get(reason, 0) + rows


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedBatch:
    """A batch as its sender may see it later."""

    id: UUID
    source_code: str
    begun_at: datetime
    totals: BatchTotals


def report_usage(
    unit: Unit, events: Sequence[Event], *, delivery: Delivery
) -> tuple[UUID, list[UsageOutcome]]:
    """Take in a batch of the actor's organisation; return its id and the events' fates, in order.

    The batch's source is the first of the organisation's that an event names; events that name
    another are quarantined. Raises `NotFound` if none names one.
    """
    unit.actor.require("usage.report", *REPORTERS)
    source = _source(unit, events)
    rows = rows_of(
        events,
        source_code=source.code,
        ticketed=source.trust == "ticketed",
        settings=unit.settings,
    )
    batch = open_batch(
        unit,
        source,
        name=delivery.name,
        digest=delivery.digest,
        channel="api",
        signature=delivery.signature,
    )
    return batch.id, ingest_rows(unit, batch, rows, first_position=0, finish=True)


def reported_batch(unit: Unit, batch_id: UUID) -> ReportedBatch:
    """Return the tallies of a batch that the actor's organisation sent, as they stand now.

    Uses that waited for their launch may have been matched since. Raises `NotFound`.
    """
    unit.actor.require("usage.report", *REPORTERS)
    found = unit.session.execute(
        select(UsageBatch, UsageSource.code)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .where(
            UsageBatch.id == batch_id,
            UsageBatch.channel == "api",
            UsageSource.organisation_id == unit.actor.organisation_id,
        )
    ).one_or_none()
    if found is None:
        raise NotFound(what="batch", key=batch_id)
    batch, source_code = found
    totals = BatchTotals()
    rows = unit.session.execute(
        select(UsageTally.outcome, UsageTally.reason, func.sum(UsageTally.rows))
        .where(UsageTally.batch_id == batch_id)
        .group_by(UsageTally.outcome, UsageTally.reason)
        .order_by(UsageTally.outcome, UsageTally.reason)
    )
    for outcome, reason, number in rows:
        totals.add(outcome, reason, int(number))
    return ReportedBatch(
        id=batch.id, source_code=source_code, begun_at=batch.begun_at, totals=totals
    )


def _source(unit: Unit, events: Sequence[Event]) -> UsageSource:
    own = {
        source.code: source
        for source in unit.session.scalars(
            select(UsageSource).where(
                UsageSource.organisation_id == unit.actor.organisation_id,
                UsageSource.organisation_id.is_not(None),
                UsageSource.trust != "player",  # a box's, which only its signed packages come by
            )
        )
    }
    for event in events:
        if event.source in own:
            return own[event.source]
    raise NotFound(what="usage source", key=events[0].source)
