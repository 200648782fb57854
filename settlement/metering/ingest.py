"""Ingest: one delivery of usage becomes identities, events, quarantine and tallies, all or none.

Decides how a delivery is begun, resumed and accounted for. What becomes of each row is decided by
the statement in `classify`; what is counted and billed later, by `counting` and `rating`.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from kernel.actors import Role
from kernel.clock import month_of, shanghai_day
from kernel.errors import InvalidInput
from kernel.identity.visibility import require_visible
from kernel.ids import BatchId, SourceId, new_id
from kernel.unit import Unit
from settlement.metering.classify import CLASSIFY_AND_STORE
from settlement.metering.models import (
    TRUST_ATTESTED,
    TRUST_ATTESTED_COUNTED,
    TRUST_PLAYER,
    UsageBatch,
)
from settlement.metering.partitions import ensure_partitions, lock_months_shared
from settlement.metering.sources import source_by_code

EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
LARGEST_QUANTITY = 1_000_000
"""Uses that one row may stand for; a larger count is a mistake, and would outgrow a bill."""
ATTEMPTS = 5
RETRIED = frozenset({"23505", "40P01"})  # unique_violation, deadlock_detected


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageRow:
    """One reported use. `error` names what could not be read; `detail` shows it.

    `learner_hash` is the keyed hash of the person number; `quantity` is above 1 only in rows that
    are counts already. `school_code` may be empty: the roster then tells the school. A use of a
    launch names it (`launch_id`) and, if a vendor reports it, the learner's `pseudonym` there; all
    else is the launch's.
    """

    event_id: str
    occurred_at: datetime | None
    learner_hash: bytes
    vendor_code: str
    sku: str
    school_code: str = ""
    session: str = ""
    quantity: int = 1
    error: str = ""
    detail: str = ""
    launch_id: UUID | None = None
    pseudonym: str = ""

    def digest(self) -> bytes:
        """Return SHA-256 over the content; the time is not part of it (R28)."""
        content = (
            self.learner_hash.hex(),
            self.school_code,
            self.vendor_code,
            self.sku,
            self.session,
            self.quantity,
        )
        return hashlib.sha256(msgspec.json.encode(content)).digest()


@dataclass(frozen=True, slots=True)
class UsageOutcome:
    """A row's fate: accepted | duplicate | conflict | quarantined, with its reason."""

    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A delivery in progress; `rows_taken` rows of it are in the books already.

    `source_region`: the source reports for schools in this region's subtree, no others.
    """

    id: BatchId
    source_id: SourceId
    source_region: str
    trust: int
    rows_taken: int


def begin_batch(
    unit: Unit, source_code: str, *, file_name: str, file_digest: bytes, pre_counted: bool = False
) -> Batch:
    """Begin a delivery, or resume the one of the same file that was interrupted.

    `pre_counted` rows are counts per day of an attested source; a player's rows never are.
    """
    unit.actor.require("usage.ingest", Role.OPERATOR, Role.ADMISSION)
    source = source_by_code(unit, source_code)
    bureau = require_visible(unit, source.admitted_for)
    if pre_counted and source.trust != "attested":
        raise InvalidInput(field="pre_counted", value=source_code, expected="an attested source")
    trust = TRUST_PLAYER
    if source.trust == "attested":
        trust = TRUST_ATTESTED_COUNTED if pre_counted else TRUST_ATTESTED
    begun = unit.session.scalars(
        select(UsageBatch)
        .where(
            UsageBatch.source_id == source.id,
            UsageBatch.file_digest == file_digest,
            UsageBatch.pre_counted == pre_counted,
            UsageBatch.finished_at.is_(None),
        )
        .order_by(UsageBatch.id)
        .limit(1)
        .with_for_update()
    ).first()
    if begun is None:
        begun = UsageBatch(
            id=new_id(),
            source_id=source.id,
            file_name=file_name,
            file_digest=file_digest,
            sent_by=unit.actor.name,
            begun_at=unit.clock.now(),
            pre_counted=pre_counted,
            rows_taken=0,
        )
        unit.session.add(begun)
        unit.session.flush()
    return Batch(
        BatchId(begun.id), SourceId(source.id), bureau.region_code, trust, begun.rows_taken
    )


def ingest_rows(
    unit: Unit, batch: Batch, rows: Sequence[UsageRow], *, first_position: int
) -> list[UsageOutcome]:
    """Take in rows `first_position`, `first_position + 1`, … of a delivery; return their fates.

    Two deliveries may carry the same event at the same moment: the one that loses the race on its
    identity is judged again and finds a duplicate.
    """
    months = [
        month_of(shanghai_day(row.occurred_at))
        for row in rows
        if row.occurred_at is not None
        and EARLIEST <= row.occurred_at <= unit.clock.now() + CLOCK_SKEW
    ]
    ensure_partitions(unit, months)
    lock_months_shared(unit, months)
    judged = _store(unit, batch, rows, first_position=first_position)
    tally: Counter[tuple[date | None, str, str]] = Counter(
        (month, outcome, reason) for _, outcome, reason, month in judged
    )
    _add_to_tally(unit, batch, tally)
    unit.session.execute(
        update(UsageBatch)
        .where(UsageBatch.id == batch.id)
        .values(rows_taken=first_position + len(rows))
        .execution_options(synchronize_session=False)
    )
    return [UsageOutcome(outcome, reason) for _, outcome, reason, _ in judged]


def finish_batch(unit: Unit, batch: Batch) -> None:
    """Mark a delivery as wholly taken in."""
    unit.session.execute(
        update(UsageBatch)
        .where(UsageBatch.id == batch.id)
        .values(finished_at=unit.clock.now())
        .execution_options(synchronize_session=False)
    )


def _store(
    unit: Unit, batch: Batch, rows: Sequence[UsageRow], *, first_position: int
) -> Sequence[Any]:
    now = unit.clock.now()
    parameters = {
        "position": list(range(first_position, first_position + len(rows))),
        "event_id": [row.event_id for row in rows],
        "occurred_at": [row.occurred_at for row in rows],
        "learner_hash": [row.learner_hash for row in rows],
        "school_code": [row.school_code for row in rows],
        "vendor_code": [row.vendor_code for row in rows],
        "sku": [row.sku for row in rows],
        "session": [row.session for row in rows],
        "quantity": [row.quantity for row in rows],
        "digest": [row.digest() for row in rows],
        "error": [row.error or ("" if row.occurred_at else "unreadable-time") for row in rows],
        "detail": [row.detail for row in rows],
        "source_id": batch.source_id,
        "source_region": batch.source_region,
        "batch_id": batch.id,
        "received_at": now,
        "latest": now + CLOCK_SKEW,
        "earliest": EARLIEST,
        "pre_counted": batch.trust == TRUST_ATTESTED_COUNTED,
        "largest": LARGEST_QUANTITY,
        "trust": batch.trust,
    }
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with unit.session.begin_nested():
                return unit.session.execute(CLASSIFY_AND_STORE, parameters).all()
        except (IntegrityError, OperationalError) as error:
            if getattr(error.orig, "sqlstate", None) not in RETRIED or attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _add_to_tally(unit: Unit, batch: Batch, tally: Counter[tuple[date | None, str, str]]) -> None:
    unit.session.execute(
        text(
            "INSERT INTO usage_tally (id, batch_id, month, outcome, reason, rows) "
            "SELECT gen_random_uuid(), :batch, t.month, t.outcome, t.reason, t.rows FROM unnest("
            "CAST(:month AS date[]), CAST(:outcome AS text[]), CAST(:reason AS text[]), "
            "CAST(:rows AS bigint[])) AS t(month, outcome, reason, rows) "
            "ON CONFLICT (batch_id, month, outcome, reason) "
            "DO UPDATE SET rows = usage_tally.rows + excluded.rows"
        ),
        {
            "batch": batch.id,
            "month": [month for month, _, _ in tally],
            "outcome": [outcome for _, outcome, _ in tally],
            "reason": [reason for _, _, reason in tally],
            "rows": list(tally.values()),
        },
    )
