"""Uses behind a line: each event with its judgement, down to the delivery it came by.

People who pay see the learner's random number; a vendor sees a pseudonym of its own (R29), and
nothing by which two vendors could compare theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, text, union_all

from kernel.actors import OrganisationKind
from kernel.clock import Month, month_bounds
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate
from kernel.unit import Unit
from settlement.agreement_items import resources_under
from settlement.drafting import USE
from settlement.metering.exclusions import Rule, as_sealed
from settlement.metering.judging import (
    COUNTED,
    MATCHED,
    REPEAT,
    Scope,
    basis_of,
    judged,
    sealed_scopes,
)
from settlement.metering.models import (
    Launch,
    LaunchPresence,
    UsageBatch,
    UsageEvent,
    UsageIdentity,
    UsageSource,
)
from settlement.metering.partitions import require_present
from settlement.metering.pseudonyms import learner_pseudonym
from settlement.queries.lines import LineHead

LARGEST_SEQUENCE = 2**63 - 1  # what a bigint holds
RANDOM_DIGITS = 12  # the last digits of a number are random, the first are the time it was made


@dataclass(frozen=True, kw_only=True, slots=True)
class UseRow:
    """One event of a line and what became of it: counted | repeat | a rule's name."""

    occurred_at: datetime
    sequence: int
    event_id: str
    source_code: str
    learner: str
    school_code: str
    school_name: str
    session: str
    quantity: int
    attested: bool
    judgement: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchFacts:
    """The launch that a use belongs to, its id being the ticket's; `minutes`: how long it was seen
    in use, None if its player never said. A vendor sees neither class nor minutes.
    """

    id: UUID
    kind: str
    class_name: str
    issued_at: datetime
    expires_at: datetime
    minutes: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UseView:
    """One event with the delivery and the source it came by, and who answers for the source.

    `file_digest` is empty for what the platform's player saw itself: nothing was sent.
    """

    use: UseRow
    received_at: datetime
    digest: str
    source_name: str
    trust: str
    admitted_by: str
    admitted_for: str
    file_name: str
    file_digest: str
    sent_by: str
    begun_at: datetime
    launch: LaunchFacts | None


COLUMNS = (
    "u.occurred_at, u.sequence, u.event_id, u.source_id, u.batch_id, u.received_at, "
    "u.learner_id, u.school_id, u.agreement_id, u.resource_id, u.session_id, u.quantity, u.trust"
)
USES = """
SELECT * FROM (
    SELECT events.*, CASE WHEN NOT counts THEN 'repeat'
        ELSE (CAST(:names AS text[]))[excluded + 1] END AS judgement
    FROM ({judged}) events
) named
WHERE agreement_id = :agreement
    AND (CAST(:judgement AS text) IS NULL OR judgement = :judgement)
    AND (CAST(:sequence AS bigint) IS NULL OR sequence = :sequence)
ORDER BY occurred_at, sequence LIMIT :limit OFFSET :offset
"""


def uses_of(
    unit: Unit,
    head: LineHead,
    *,
    judgement: str | None = None,
    limit: int | None = 50,
    offset: int = 0,
) -> tuple[list[UseRow], int]:
    """Return a page of the events behind a line that the actor may see, and how many there are.

    `head` comes from `line_head` or `line_view`, which has checked who asks. `judgement` leaves
    only the events with that one; `limit` None means all.
    """
    rows = _judged(unit, head, judgement=judgement, limit=limit, offset=offset)
    return _rows(unit, head, rows), events_judged(head.explanation)[judgement]


def events_judged(explanation: Mapping[str, Any]) -> dict[str | None, int]:
    """Return a line's number of events by judgement, and of all under None.

    Each rule is there, with 0 if it hit no event.
    """
    events, repeats = int(explanation["events"]), int(explanation["repeats"])
    excluded: dict[str | None, int] = {
        rule.value: int(explanation["excluded"].get(rule.value, {}).get("events", 0))
        for rule in Rule
    }
    counted = events - repeats - sum(excluded.values())
    return {None: events, REPEAT: repeats, **excluded, COUNTED: counted}


def use_of(unit: Unit, head: LineHead, sequence: int) -> UseView:
    """Return one event of a line with its way into the books, or raise `NotFound`."""
    rows = _judged(unit, head, sequence=sequence, limit=1) if sequence <= LARGEST_SEQUENCE else ()
    if not rows:
        raise NotFound(what="use", key=sequence)
    event = rows[0]
    batch, source, digest, admitter, bureau, launch, last_seen_at = unit.session.execute(
        select(
            UsageBatch,
            UsageSource,
            UsageIdentity.digest,
            PersonPrivate.name,
            Organisation.name,
            Launch,
            LaunchPresence.last_seen_at,
        )
        .select_from(UsageBatch)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .join(
            UsageIdentity,
            (UsageIdentity.source_id == UsageSource.id)
            & (UsageIdentity.event_id == event.event_id),
        )
        .join(Organisation, Organisation.id == UsageSource.admitted_for)
        .outerjoin(PersonPrivate, PersonPrivate.person_id == UsageSource.admitted_by)
        .join(
            UsageEvent,
            (UsageEvent.payer_id == head.line.payer_id)
            & (UsageEvent.occurred_at == event.occurred_at)
            & (UsageEvent.sequence == event.sequence),
        )
        .outerjoin(Launch, Launch.id == UsageEvent.launch_id)
        .outerjoin(LaunchPresence, LaunchPresence.launch_id == Launch.id)
        .where(UsageBatch.id == event.batch_id)
    ).one()
    return UseView(
        use=_rows(unit, head, rows)[0],
        received_at=event.received_at,
        digest=digest.hex(),
        source_name=source.name,
        trust=source.trust,
        admitted_by=admitter or "",
        admitted_for=bureau,
        file_name=batch.file_name,
        file_digest="" if batch.channel == "player" else batch.file_digest.hex(),
        sent_by="" if unit.actor.organisation_kind is OrganisationKind.VENDOR else batch.sent_by,
        begun_at=batch.begun_at,
        launch=_facts(unit, launch, last_seen_at) if launch else None,
    )


def _facts(unit: Unit, launch: Launch, last_seen_at: datetime | None) -> LaunchFacts:
    """Return what the actor may know of the launch that a use belongs to."""
    for_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    seen = None if for_vendor or last_seen_at is None else last_seen_at - launch.issued_at
    return LaunchFacts(
        id=launch.id,
        kind=launch.kind,
        class_name="" if for_vendor else launch.class_name,
        issued_at=launch.issued_at,
        expires_at=launch.expires_at,
        minutes=None if seen is None else int(seen.total_seconds()) // 60,
    )


def events_named(unit: Unit, head: LineHead, event_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return those of the named events that lie behind a line: {event_id, source, sequence}."""
    found: list[dict[str, Any]] = []
    for scope in _scopes(unit, head) if event_ids else ():
        start, end = month_bounds(scope.month)
        rows = unit.session.execute(
            select(UsageEvent.event_id, UsageSource.code.label("source"), UsageEvent.sequence)
            .join(UsageSource, UsageSource.id == UsageEvent.source_id)
            .where(
                UsageEvent.payer_id == head.line.payer_id,
                UsageEvent.agreement_id == head.agreement_id,
                UsageEvent.occurred_at >= start,
                UsageEvent.occurred_at < end,
                UsageEvent.sequence <= scope.through,
                UsageEvent.event_id.in_(event_ids),
            )
            .order_by(UsageEvent.sequence)
        )
        found += [dict(row._mapping) for row in rows]
    return found


def _judged(
    unit: Unit,
    head: LineHead,
    *,
    judgement: str | None = None,
    sequence: int | None = None,
    limit: int | None,
    offset: int = 0,
) -> Sequence[Any]:
    require_present(unit, Month(head.line.of_month))
    for scope in _scopes(unit, head):
        recounted = head.line.kind != USE
        known = as_sealed(unit, scope.month, payer_ids=scope.payer_ids, recounted=recounted)
        found = judged(
            basis_of(unit, scope, known),
            columns=COLUMNS,
            resource_ids=resources_under(unit, head.agreement_id),
            one_by_one=True,
        )
        return unit.session.execute(
            text(USES.format(judged=found.sql)),
            {
                "agreement": head.agreement_id,
                "judgement": judgement,
                "sequence": sequence,
                "limit": limit,
                "offset": offset,
                "names": [COUNTED, *Rule],
                **found.parameters,
            },
        ).all()
    return ()


def _scopes(unit: Unit, head: LineHead) -> Iterator[Scope]:
    """Yield the scope of the line's events: those of its month's seal, or of the recount's."""
    line = head.line
    yield from sealed_scopes(
        unit, Month(line.of_month), payer_ids=[line.payer_id], sealed_by=Month(line.month)
    )


def _rows(unit: Unit, head: LineHead, rows: Sequence[Any]) -> list[UseRow]:
    named = {
        row_id: (code, name)
        for row_id, code, name in unit.session.execute(
            union_all(
                select(UsageSource.id, UsageSource.code, literal("")).where(
                    UsageSource.id.in_({row.source_id for row in rows})
                ),
                select(Organisation.id, Organisation.code, Organisation.name).where(
                    Organisation.id.in_({row.school_id for row in rows})
                ),
            )
        )
    }
    for_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    return [
        UseRow(
            occurred_at=row.occurred_at,
            sequence=row.sequence,
            event_id=row.event_id,
            source_code=named[row.source_id][0],
            learner=learner_pseudonym(unit.settings, row.learner_id, vendor_id=head.line.vendor_id)
            if for_vendor
            else row.learner_id.hex[-RANDOM_DIGITS:],
            school_code=named[row.school_id][0],
            school_name=named[row.school_id][1],
            session="" if for_vendor else row.session_id,
            quantity=row.quantity,
            attested=row.trust not in MATCHED,
            judgement=row.judgement,
        )
        for row in rows
    ]
