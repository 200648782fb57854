"""Uses behind a line: each event with its judgement, down to the delivery it came by.

People who pay see the learner's random number; a vendor sees a pseudonym of its own (R29).
"""

import hashlib
from collections.abc import Sequence
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
from settlement.metering.counting import USES, judging_parameters
from settlement.metering.models import (
    TRUST_PLAYER,
    UsageBatch,
    UsageIdentity,
    UsageSource,
)
from settlement.queries.statements import LineView

COUNTED = "counted"
REPEAT = "repeat"
OUTSIDE = "outside"


@dataclass(frozen=True, kw_only=True, slots=True)
class UseRow:
    """One event of a line and what became of it: counted | repeat | outside."""

    occurred_at: datetime
    sequence: int
    event_id: str
    source_code: str
    learner: str
    school_code: str
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
    unit: Unit, view: LineView, *, limit: int = 50, offset: int = 0
) -> tuple[list[UseRow], int]:
    """Return a page of the events behind a line that the actor may see, and how many there are.

    `view` comes from `line_view`, which has checked who asks.
    """
    rows = unit.session.execute(
        USES,
        {
            "payers": [view.line.payer_id],
            "agreement": view.agreement_id,
            "limit": limit,
            "offset": offset,
            "sequence": None,
            **judging_parameters(Month(view.line.of_month)),
        },
    ).all()
    return _rows(unit, view, rows), int(view.explanation["events"])


def use_of(unit: Unit, view: LineView, sequence: int) -> UseView:
    """Return one event of a line with its way into the books, or raise `NotFound`."""
    rows = unit.session.execute(
        USES,
        {
            "payers": [view.line.payer_id],
            "agreement": view.agreement_id,
            "limit": 1,
            "offset": 0,
            "sequence": sequence,
            **judging_parameters(Month(view.line.of_month)),
        },
    ).all()
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
        use=_rows(unit, view, rows)[0],
        received_at=event.received_at,
        digest=digest.hex(),
        source_name=source.name,
        trust=source.trust,
        admitted_by=admitter or "",
        admitted_for=bureau,
        file_name=batch.file_name,
        file_digest=batch.file_digest.hex(),
        sent_by=batch.sent_by,
        begun_at=batch.begun_at,
    )


def pseudonym(learner_id: UUID, vendor_id: UUID) -> str:
    """Return the learner's number as this vendor sees it; it differs for every vendor (R29)."""
    return hashlib.sha256(vendor_id.bytes + learner_id.bytes).hexdigest()[:12]


def _rows(unit: Unit, view: LineView, rows: Sequence[Any]) -> list[UseRow]:
    sources: dict[UUID, str] = dict(
        unit.session.execute(select(UsageSource.id, UsageSource.code)).all()
    )
    schools: dict[UUID, str] = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(
                Organisation.id.in_({row.school_id for row in rows})
            )
        ).all()
    )
    for_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    return [
        UseRow(
            occurred_at=row.occurred_at,
            sequence=row.sequence,
            event_id=row.event_id,
            source_code=sources[row.source_id],
            learner=pseudonym(row.learner_id, view.line.vendor_id)
            if for_vendor
            else str(row.learner_id)[:13],
            school_code=schools[row.school_id],
            session=row.session_id,
            quantity=row.quantity,
            attested=row.trust != TRUST_PLAYER,
            judgement=OUTSIDE if row.is_outside else COUNTED if row.counts else REPEAT,
        )
        for row in rows
    ]
