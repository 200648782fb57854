"""Fates of rows that an interrupted run had taken in already, told again from the books.

A run that goes on lists all rows that were not taken, those of the runs before it too. The books
hold what is needed for that: a quarantined row by its position, the content of an accepted one by
its identity. What has neither of the two was a duplicate.
"""

from collections.abc import Sequence

from sqlalchemy import select

from kernel.unit import Unit
from settlement.metering.ingest import Batch, UsageOutcome, UsageRow
from settlement.metering.models import UsageIdentity, UsageQuarantine


def recall_outcomes(
    unit: Unit, batch: Batch, rows: Sequence[UsageRow], *, first_position: int
) -> list[UsageOutcome]:
    """Return the fates of rows that stand in the books from `first_position` on.

    An accepted row reads as the duplicate that it would be now: neither is a reject.
    """
    quarantined = select(UsageQuarantine.position, UsageQuarantine.reason).where(
        UsageQuarantine.batch_id == batch.id,
        UsageQuarantine.position.between(first_position, first_position + len(rows) - 1),
        UsageQuarantine.released_at.is_(None),
    )
    known = select(UsageIdentity.event_id, UsageIdentity.digest).where(
        UsageIdentity.source_id == batch.source_id,
        UsageIdentity.event_id.in_({row.event_id for row in rows}),
    )
    reasons = dict(unit.session.execute(quarantined).all())
    digests = dict(unit.session.execute(known).all())
    fates: list[UsageOutcome] = []
    for position, row in enumerate(rows, start=first_position):
        if position in reasons:
            fates.append(UsageOutcome("quarantined", reasons[position]))
        elif digests.get(row.event_id, row.digest()) != row.digest():
            fates.append(UsageOutcome("conflict"))
        else:
            fates.append(UsageOutcome("duplicate"))
    return fates
