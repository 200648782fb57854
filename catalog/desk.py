"""The admission desk: what waits for a bureau, in the order of its risk factors (R13, R14).

Shows what any bureau may claim and what the actor's own has under review. Who claimed something
stands beside it. One case with all its facts is the matter of `catalog.cases`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select

from catalog.admission_models import Submission, Takedown
from catalog.changes import changes_of
from catalog.criteria import Change, Depth, depth_of
from catalog.models import Admission, Resource, Version
from catalog.reviewers import require_reviewer
from catalog.risk import Factor, Points, weigh
from catalog.states import AdmissionState, VersionState
from kernel.actors import Role
from kernel.identity.models import Organisation, PersonPrivate
from kernel.identity.recording import among
from kernel.ids import VersionId
from kernel.unit import Unit

OPEN = (AdmissionState.CLAIMED, AdmissionState.PROPOSED)
YOUNGEST = frozenset({"kindergarten", "preschool", "primary"})
WAITING, MINE, TO_DECIDE, ELSEWHERE = "waiting", "mine", "to-decide", "with-a-colleague"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueRow:
    """One version at the desk. `standing`: waiting, mine, to-decide, or with-a-colleague."""

    version_id: VersionId
    title: str
    sku: str
    number: int
    vendor_name: str
    vendor_code: str
    stage: str
    subject: str
    state: str
    standing: str
    holder: str
    depth: Depth
    changes: tuple[Change, ...]
    since: datetime
    factors: tuple[Points, ...]

    @property
    def points(self) -> int:
        return sum(one.points for one in self.factors)


def queue(unit: Unit) -> list[QueueRow]:
    """Return what waits at the actor's desk, the highest points first, then the oldest."""
    reviewer = require_reviewer(unit, "see what awaits admission")
    rows = unit.session.execute(
        select(
            Version,
            Resource.sku,
            Resource.vendor_id,
            Organisation.name,
            Organisation.code,
            Admission.state.label("admission_state"),
            Admission.claimed_by,
            Admission.proposed_by,
            PersonPrivate.name.label("holder"),
        )
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Admission, (Admission.version_id == Version.id) & Admission.state.in_(OPEN))
        .outerjoin(PersonPrivate, PersonPrivate.person_id == Admission.claimed_by)
        .where(
            or_(
                Version.state == VersionState.SUBMITTED,
                (Version.state == VersionState.IN_REVIEW)
                & (Admission.bureau_id == reviewer.bureau_id),
            )
        )
    ).all()
    versions = [row.Version for row in rows]
    changes = changes_of(unit, versions)
    since = _since(unit, versions)
    counts = factor_counts(
        unit,
        versions,
        vendors={row.Version.id: row.vendor_id for row in rows},
        changes=changes,
        since=since,
    )
    found = [
        QueueRow(
            version_id=VersionId(row.Version.id),
            title=row.Version.title,
            sku=row.sku,
            number=row.Version.number,
            vendor_name=row.name,
            vendor_code=row.code,
            stage=row.Version.stage,
            subject=row.Version.subject,
            state=row.Version.state,
            standing=_standing(row, reviewer.person_id),
            holder=row.holder or "",
            depth=depth_of(changes[row.Version.id]),
            changes=tuple(changes[row.Version.id]),
            since=since[row.Version.id],
            factors=tuple(weigh(counts[row.Version.id])),
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: (-row.points, row.since, row.version_id))


def waiting_cases(unit: Unit) -> int:
    """Return how many cases wait for the actor: unclaimed, claimed, or to be decided by them."""
    if not unit.actor.may(Role.ADMISSION) or unit.actor.person_id is None:
        return 0
    found = unit.session.scalar(
        select(func.count())
        .select_from(Version)
        .outerjoin(Admission, (Admission.version_id == Version.id) & Admission.state.in_(OPEN))
        .where(
            or_(
                Version.state == VersionState.SUBMITTED,
                (Admission.state == AdmissionState.CLAIMED)
                & (Admission.claimed_by == unit.actor.person_id),
                (Admission.state == AdmissionState.PROPOSED)
                & (Admission.bureau_id == unit.actor.organisation_id)
                & (Admission.proposed_by != unit.actor.person_id),
            )
        )
    )
    return int(found or 0)


def factor_counts(
    unit: Unit,
    versions: Sequence[Version],
    *,
    vendors: dict[UUID, UUID],
    changes: dict[UUID, list[Change]],
    since: dict[UUID, datetime],
) -> dict[UUID, dict[Factor, int]]:
    """Return for each version how often each factor counts."""
    checked = set(
        unit.session.scalars(
            select(Submission.version_id).where(
                among(Submission.version_id, [version.id for version in versions])
            )
        )
    )
    vendor_ids = set(vendors.values())
    admitted = _by_vendor(unit, vendor_ids, state=AdmissionState.ADMITTED)
    refused = _by_vendor(unit, vendor_ids, state=AdmissionState.REFUSED)
    taken_down = _takedowns(unit, vendor_ids)
    now = unit.clock.now()
    return {
        version.id: {
            Factor.NO_SELF_CHECK: int(version.id not in checked),
            Factor.NEW_VENDOR: int(not admitted.get(vendors[version.id])),
            Factor.EARLIER_REFUSALS: refused.get(vendors[version.id], 0),
            Factor.EARLIER_TAKEDOWNS: taken_down.get(vendors[version.id], 0),
            Factor.OPENED_OUTSIDE: int(bool(version.metadata_.get("launch_url"))),
            Factor.FOR_THE_YOUNGEST: int(version.stage in YOUNGEST),
            Factor.FIRST_VERSION: int(Change.FIRST in changes[version.id]),
            Factor.CONTENT_CHANGED: int(Change.CONTENT in changes[version.id]),
            Factor.WAITING: (now - since[version.id]).days,
        }
        for version in versions
    }


def _since(unit: Unit, versions: Sequence[Version]) -> dict[UUID, datetime]:
    """Return since when each version waits: its submission, or what the file brought it with."""
    rows = unit.session.execute(
        select(Submission.version_id, Submission.submitted_at).where(
            among(Submission.version_id, [version.id for version in versions])
        )
    )
    submitted = {row.version_id: row.submitted_at for row in rows}
    return {version.id: submitted.get(version.id, version.created_at) for version in versions}


def _by_vendor(unit: Unit, vendor_ids: set[UUID], *, state: AdmissionState) -> dict[UUID, int]:
    rows = unit.session.execute(
        select(Resource.vendor_id, func.count().label("times"))
        .join(Version, Version.resource_id == Resource.id)
        .join(Admission, Admission.version_id == Version.id)
        .where(among(Resource.vendor_id, vendor_ids), Admission.state == state)
        .group_by(Resource.vendor_id)
    )
    return {row.vendor_id: row.times for row in rows}


def _takedowns(unit: Unit, vendor_ids: set[UUID]) -> dict[UUID, int]:
    rows = unit.session.execute(
        select(Resource.vendor_id, func.count().label("times"))
        .join(Takedown, Takedown.resource_id == Resource.id)
        .where(among(Resource.vendor_id, vendor_ids))
        .group_by(Resource.vendor_id)
    )
    return {row.vendor_id: row.times for row in rows}


def _standing(row: Any, person_id: UUID) -> str:
    match row.admission_state:
        case AdmissionState.CLAIMED:
            return MINE if row.claimed_by == person_id else ELSEWHERE
        case AdmissionState.PROPOSED:
            return TO_DECIDE if row.proposed_by != person_id else ELSEWHERE
    return WAITING
