"""Ingest: one delivery of usage becomes identities, events, quarantine and tallies, all or none.

Decides how a delivery is begun, resumed and accounted for. What becomes of each row is decided by
the statement in `classify`; what is counted and billed later, by `counting` and `rating`.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from kernel.actors import OrganisationKind, Role
from kernel.arrays import (
    BinaryArray,
    BytesArray,
    IntegerArray,
    MomentArray,
    NumberArray,
    TextArray,
    UuidArray,
)
from kernel.clock import Month, month_of, shanghai_day
from kernel.errors import InvalidInput
from kernel.identity.models import Organisation
from kernel.identity.visibility import require_visible
from kernel.ids import BatchId, SourceId, new_id
from kernel.unit import Unit
from settlement.metering.classify import classify_and_store
from settlement.metering.models import (
    TRUST_ATTESTED,
    TRUST_ATTESTED_COUNTED,
    TRUST_PLAYER,
    TRUST_TICKETED,
    UsageBatch,
    UsageSource,
)
from settlement.metering.partitions import share_usage
from settlement.metering.retrying import execute_retrying
from settlement.metering.sources import source_by_code

EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
WORK_MEMORY = "32MB"
"""What each step of the statement may hold: a chunk of a file, with room."""
LARGEST_QUANTITY = 1_000_000
"""Uses that one row may stand for; a larger count is a mistake, and would outgrow a bill."""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reported use. `error` names what could not be read; `detail` shows it.

    `learner_hash` is the keyed hash of the person number; `quantity` is above 1 only in rows that
    are counts already. `school_code` may be empty: the roster then tells the school. A use of a
    launch names it (`launch_id`) and, if a vendor reports it, the learner's `pseudonym` there; all
    else is the launch's (but its `session`, if it names one).
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
        learner = self.learner_hash.hex()
        if self.launch_id is None and not self.pseudonym:
            content = msgspec.json.encode(
                (
                    *(learner, self.school_code, self.vendor_code, self.sku),
                    *(self.session, self.quantity),
                )
            )
            return hashlib.sha256(content).digest()
        # No text holds a NUL, so that no two contents read alike.
        launch = self.launch_id.bytes.hex() if self.launch_id else ""
        of_launch = (
            f"{learner}\0{self.school_code}\0{self.vendor_code}\0{self.sku}\0{self.session}\0"
            f"{self.quantity}\0{launch}\0{self.pseudonym}"
        )
        return hashlib.sha256(of_launch.encode()).digest()


class UsageOutcome(NamedTuple):
    """A row's fate: accepted | duplicate | conflict | quarantined, with its reason."""

    outcome: str
    reason: str = ""


ACCEPTED = UsageOutcome("accepted")


@dataclass(frozen=True, slots=True)
class Batch:
    """A delivery in progress; `rows_taken` rows of it are in the books already.

    `source_region`: the source reports for schools in this region's subtree, no others.
    `reporter_id`: the organisation whose machines report through the source, if any; `own_school`
    and `own_vendor` (its code) say which of the two it is.
    """

    id: BatchId
    source_id: SourceId
    source_region: str
    trust: int
    rows_taken: int
    reporter_id: UUID | None = None
    own_school: UUID | None = None
    own_vendor: str | None = None


def begin_batch(
    unit: Unit, source_code: str, *, file_name: str, file_digest: bytes, pre_counted: bool = False
) -> Batch:
    """Begin a delivery, or resume the one of the same file that was interrupted.

    `pre_counted` rows are counts per day of an attested source; a player's rows never are.
    """
    unit.actor.require("usage.ingest", Role.OPERATOR, Role.ADMISSION)
    source = source_by_code(unit, source_code)
    require_visible(unit, source.admitted_for)
    if pre_counted and source.trust != "attested":
        raise InvalidInput(field="pre_counted", value=source_code, expected="an attested source")
    if source.trust == "player" and source.organisation_id is not None:
        expected = "a source that is no classroom box, whose uses come in signed packages"
        raise InvalidInput(field="source", value=source_code, expected=expected)
    begun = find_batch(unit, source, digest=file_digest, pre_counted=pre_counted)
    return begun or open_batch(
        unit,
        source,
        name=file_name,
        digest=file_digest,
        channel="file",
        pre_counted=pre_counted,
    )


def find_batch(
    unit: Unit, source: UsageSource, *, digest: bytes, pre_counted: bool = False
) -> Batch | None:
    """Return the delivery of this content that was begun and not finished, locked; else None."""
    begun = unit.session.scalars(
        select(UsageBatch)
        .where(
            UsageBatch.source_id == source.id,
            UsageBatch.file_digest == digest,
            UsageBatch.pre_counted == pre_counted,
            UsageBatch.finished_at.is_(None),
        )
        .order_by(UsageBatch.id)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    return _batch(unit, begun, source) if begun is not None else None


def open_batch(
    unit: Unit,
    source: UsageSource,
    *,
    name: str,
    digest: bytes,
    channel: str,
    signature: bytes | None = None,
    pre_counted: bool = False,
    sent_by: str = "",
) -> Batch:
    """Begin a new delivery; who may send through this channel was asked by the caller.

    `digest` is SHA-256 of what was sent, `signature` the sender's, where the channel has one.
    """
    begun = UsageBatch(
        id=new_id(),
        source_id=source.id,
        file_name=name,
        file_digest=digest,
        sent_by=sent_by or unit.actor.name,
        begun_at=unit.clock.now(),
        pre_counted=pre_counted,
        rows_taken=0,
        channel=channel,
        signature=signature,
    )
    unit.session.add(begun)
    unit.session.flush()
    return _batch(unit, begun, source)


def _batch(unit: Unit, begun: UsageBatch, source: UsageSource) -> Batch:
    concerned = {
        one.id: one
        for one in unit.session.scalars(
            select(Organisation).where(
                Organisation.id.in_([source.admitted_for, source.organisation_id])
            )
        )
    }
    reporter = concerned.get(source.organisation_id) if source.organisation_id else None
    kind = reporter.kind if reporter else None
    match source.trust:
        case "ticketed":
            trust = TRUST_TICKETED
        case "attested":
            trust = TRUST_ATTESTED_COUNTED if begun.pre_counted else TRUST_ATTESTED
        case _:
            trust = TRUST_PLAYER
    return Batch(
        id=BatchId(begun.id),
        source_id=SourceId(source.id),
        source_region=concerned[source.admitted_for].region_code,
        trust=trust,
        rows_taken=begun.rows_taken,
        reporter_id=source.organisation_id,
        own_school=source.organisation_id if kind == OrganisationKind.SCHOOL else None,
        own_vendor=reporter.code if reporter and kind == OrganisationKind.VENDOR else None,
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as the database takes them: what costs time and asks nobody, so that it can be done
    while the database is busy with other rows.

    They lie in the order of their ids, since that is how the database will look for them; `ordinal`
    is each one's place in the delivery. `named`: how many of them name a launch; `repeated`: an
    event id stands there more than once.
    """

    size: int
    arrays: dict[str, BinaryArray]
    times: list[datetime]
    named: int
    repeated: bool

    @classmethod
    def of(cls, given: Sequence[UsageRow]) -> "Columns":
        ids = [row.event_id for row in given]
        order = sorted(range(len(ids)), key=ids.__getitem__)
        rows = [given[place] for place in order]
        times = [row.occurred_at for row in rows]
        known = [at for at in times if at is not None]
        launches = [row.launch_id for row in rows]
        named = len(rows) - launches.count(None)
        learners, who = _numbered([(row.learner_hash, row.school_code) for row in rows])
        items, what = _numbered([(row.vendor_code, row.sku) for row in rows])
        errors = [row.error or ("" if row.occurred_at else "unreadable-time") for row in rows]
        arrays: dict[str, BinaryArray] = {
            "ordinal": NumberArray.of_distinct([place + 1 for place in order]),
            "event_id": TextArray.of_distinct([row.event_id for row in rows]),
            "occurred_at": (
                MomentArray.of_distinct(known) if len(known) == len(rows) else MomentArray.of(times)
            ),
            "learner_hash": BytesArray.of_distinct([learner for learner, _ in learners]),
            "school_code": TextArray.of_distinct([school for _, school in learners]),
            "who": who,
            "vendor_code": TextArray.of_distinct([vendor for vendor, _ in items]),
            "sku": TextArray.of_distinct([sku for _, sku in items]),
            "what": what,
            "session": TextArray.usually("", [row.session for row in rows]),
            "quantity": IntegerArray.usually(1, [row.quantity for row in rows]),
            "digest": BytesArray.of_distinct([row.digest() for row in rows]),
            "error": TextArray.usually("", errors),
            "detail": TextArray.usually("", [row.detail for row in rows]),
            "launch_id": (
                UuidArray.of_distinct(launches)
                if named == len(rows)
                else UuidArray.usually(None, launches)
            ),
            "pseudonym": TextArray.usually("", [row.pseudonym for row in rows]),
        }
        return cls(
            size=len(rows),
            arrays=arrays,
            times=known,
            named=named,
            repeated=len(set(ids)) < len(ids),
        )


def _numbered(values: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], BinaryArray]:
    """Return the distinct values, and of each row the number of its value among them, from 1 on.

    Where all rows have one value, their column is empty: it is the first.
    """
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values), start=1)}
    if len(numbers) <= 1:
        return list(numbers), NumberArray.of_distinct([])
    return list(numbers), NumberArray.of_distinct([numbers[value] for value in values])


def ingest_rows(
    unit: Unit,
    batch: Batch,
    given: Sequence[UsageRow] | Columns,
    *,
    first_position: int,
    finish: bool = False,
    all_new: bool = False,
) -> list[UsageOutcome]:
    """Take in rows `first_position`, `first_position + 1`, … of a delivery; return their fates.

    `finish`: these are the last of it. `all_new`: no id is expected to be known, so that they are
    not looked up first; if one is, the rows are judged a second time, with the same result.
    """
    rows = given if isinstance(given, Columns) else Columns.of(given)
    outcomes = [ACCEPTED] * rows.size
    if not rows.size:
        return outcomes
    now = unit.clock.now()
    months = _months(rows.times, latest=now + CLOCK_SKEW)
    share_usage(unit, months, memory=WORK_MEMORY)
    judged = _store(
        unit,
        batch,
        rows,
        first_position=first_position,
        first_month=min(months, default=None),
        last_month=max(months, default=None),
        finished_at=now if finish else None,
        all_new=all_new,
    )
    for position, outcome, reason in judged:
        outcomes[position - first_position] = UsageOutcome(outcome, reason)
    return outcomes


def finish_batch(unit: Unit, batch: Batch) -> None:
    """Mark a delivery as wholly taken in."""
    unit.session.execute(
        update(UsageBatch)
        .where(UsageBatch.id == batch.id)
        .values(finished_at=unit.clock.now())
        .execution_options(synchronize_session=False)
    )


def _months(times: Collection[datetime], *, latest: datetime) -> set[Month]:
    """Return the months of the rows whose time may be right."""
    if not times:
        return set()
    # Most deliveries lie within one month, which two looks tell.
    ends = {
        month_of(shanghai_day(min(max(at, EARLIEST), latest))) for at in (min(times), max(times))
    }
    if len(ends) == 1:
        return ends
    return {month_of(shanghai_day(at)) for at in times if EARLIEST <= at <= latest}


def _store(
    unit: Unit, batch: Batch, rows: Columns, *, first_position: int, all_new: bool, **facts: Any
) -> Sequence[Any]:
    now = unit.clock.now()
    ticketed = batch.trust == TRUST_TICKETED
    parameters = {
        **rows.arrays,
        **facts,
        "first_position": first_position,
        "rows_taken": first_position + rows.size,
        "source_id": batch.source_id,
        "source_region": batch.source_region,
        "batch_id": batch.id,
        "received_at": now,
        "latest": now + CLOCK_SKEW,
        "earliest": EARLIEST,
        "pre_counted": batch.trust == TRUST_ATTESTED_COUNTED,
        "largest": LARGEST_QUANTITY,
        "trust": batch.trust,
        "ticketed": ticketed,
        "reporter_id": batch.reporter_id,
        "own_school": batch.own_school,
        "own_vendor": batch.own_vendor,
    }
    statement = partial(
        classify_and_store,
        launched=ticketed or rows.named == rows.size,
        mixed=0 < rows.named < rows.size,
        repeated=rows.repeated,
    )
    first = statement(all_new=True) if all_new else None
    return execute_retrying(unit, statement(), parameters, first=first)
