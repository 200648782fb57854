"""How an appeal at the admission desk ends: once, with its reason and who gave it on record (R14).

Who may end it is decided by what does: `catalog.appeals`, or `catalog.takedowns`, where lifting a
takedown grants what its vendor asks for.
"""

from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import AdmissionAppeal
from catalog.models import Version
from catalog.reviewers import Reviewer
from kernel.trail import record
from kernel.unit import Unit


def open_appeal(unit: Unit, against: UUID) -> AdmissionAppeal | None:
    """Return the open appeal against an admission or a takedown, locked; None if there is none."""
    return unit.session.scalars(
        select(AdmissionAppeal)
        .where(AdmissionAppeal.against == against, AdmissionAppeal.decided_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def end_appeal(
    unit: Unit, made: AdmissionAppeal, reviewer: Reviewer, *, upheld: bool, note: str, by: str
) -> None:
    """End a locked appeal; `by`: the act that does, `decision` or `restoring`."""
    made.outcome = "upheld" if upheld else "dismissed"
    made.decided_by = reviewer.person_id
    made.decided_at = unit.clock.now()
    made.note = note.strip()
    unit.session.flush()
    version = unit.session.get_one(Version, made.version_id)
    record(
        unit,
        f"appeal.{made.outcome}",
        subject_kind="version",
        subject_id=version.id,
        title=version.title,
        kind=made.kind,
        note=note,
        by=by,
    )
    unit.session.flush()
