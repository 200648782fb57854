"""Uses behind a line: each event with its judgement, down to the delivery it came by.

People who pay see the learner's random number; a vendor sees a pseudonym of its own (R29), and
nothing by which two vendors could compare theirs.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.clock import Month
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate
from kernel.unit import Unit
from settlement.metering.counting import COUNTED, OUTSIDE, REPEAT, USES, judging_parameters
from settlement.metering.models import (
    TRUST_PLAYER,
    UsageBatch,
    UsageIdentity,
    UsageSource,
)
from settlement.queries.lines import LineHead

LARGEST_SEQUENCE = 2**63 - 1  # what a bigint holds
RANDOM_DIGITS = 12  # the last digits of a number are random, the first are the time it was made


@dataclass(frozen=True, kw_only=True, slots=True)
class UseRow:
    """One event of a line and what became of it: counted | repeat | outside."""

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
class UseView:
    """One event with the delivery and the source it came by, and who answers for the source."""

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
    """Return a line's number of events by judgement, and of all under None."""
    events, repeats = int(explanation["events"]), int(explanation["repeats"])
    outside = int(explanation["outside_events"])
    return {None: events, REPEAT: repeats, OUTSIDE: outside, COUNTED: events - repeats - outside}


def use_of(unit: Unit, head: LineHead, sequence: int) -> UseView:
    """Return one event of a line with its way into the books, or raise `NotFound`."""
    rows = _judged(unit, head, sequence=sequence, limit=1) if sequence <= LARGEST_SEQUENCE else ()
    if not rows:
        raise NotFound(what="use", key=sequence)
    event = rows[0]
    batch, source, digest, admitter, bureau = unit.session.execute(
        select(UsageBatch, UsageSource, UsageIdentity.digest, PersonPrivate.name, Organisation.name)
        .select_from(UsageBatch)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .join(
            UsageIdentity,
            (UsageIdentity.source_id == UsageSource.id)
            & (UsageIdentity.event_id == event.event_id),
        )
        .join(Organisation, Organisation.id == UsageSource.admitted_for)
        .outerjoin(PersonPrivate, PersonPrivate.person_id == UsageSource.admitted_by)
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
        file_digest=batch.file_digest.hex(),
        sent_by="" if unit.actor.organisation_kind is OrganisationKind.VENDOR else batch.sent_by,
        begun_at=batch.begun_at,
    )


def pseudonym(learner_id: UUID, vendor_id: UUID) -> str:
    """Return the learner's number as this vendor sees it; it differs for every vendor (R29)."""
    return hashlib.sha256(vendor_id.bytes + learner_id.bytes).hexdigest()[:12]


def _judged(
    unit: Unit,
    head: LineHead,
    *,
    judgement: str | None = None,
    sequence: int | None = None,
    limit: int | None,
    offset: int = 0,
) -> Sequence[Any]:
    return unit.session.execute(
        USES,
        {
            "payers": [head.line.payer_id],
            "agreement": head.agreement_id,
            "judgement": judgement,
            "sequence": sequence,
            "limit": limit,
            "offset": offset,
            **judging_parameters(Month(head.line.of_month)),
        },
    ).all()


def _rows(unit: Unit, head: LineHead, rows: Sequence[Any]) -> list[UseRow]:
    sources: dict[UUID, str] = dict(
        unit.session.execute(select(UsageSource.id, UsageSource.code)).all()
    )
    schools = {
        school_id: (code, name)
        for school_id, code, name in unit.session.execute(
            select(Organisation.id, Organisation.code, Organisation.name).where(
                Organisation.id.in_({row.school_id for row in rows})
            )
        )
    }
    for_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    return [
        UseRow(
            occurred_at=row.occurred_at,
            sequence=row.sequence,
            event_id=row.event_id,
            source_code=sources[row.source_id],
            learner=pseudonym(row.learner_id, head.line.vendor_id)
            if for_vendor
            else row.learner_id.hex[-RANDOM_DIGITS:],
            school_code=schools[row.school_id][0],
            school_name=schools[row.school_id][1],
            session="" if for_vendor else row.session_id,
            quantity=row.quantity,
            attested=row.trust != TRUST_PLAYER,
            judgement=row.judgement,
        )
        for row in rows
    ]
