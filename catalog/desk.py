"""The admission desk: what waits for a bureau, in the order of its risk factors (R13, R14).

Shows what any bureau may claim and what the actor's own has under review. Who claimed something
stands beside it. One case with all its facts is the matter of `catalog.cases`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import aliased

from catalog.admission_models import AdmissionAppeal, Submission, Takedown
from catalog.changes import changes_of
from catalog.criteria import Change, Depth, depth_of
from catalog.models import Admission, Resource, Version
from catalog.needs import needs_answered_by
from catalog.reviewers import answered_for, require_reviewer
from catalog.risk import Factor, Points, weigh
from catalog.sharing_models import InfringementNotice
from catalog.states import AdmissionState, VersionState
from kernel.actors import Role
from kernel.identity.models import Organisation, PersonPrivate
from kernel.identity.recording import among
from kernel.ids import VersionId
from kernel.unit import Unit

OPEN = (AdmissionState.CLAIMED, AdmissionState.PROPOSED)
YOUNGEST = frozenset({"kindergarten", "preschool", "primary"})
WAITING, MINE, TO_DECIDE, ELSEWHERE = "waiting", "mine", "to-decide", "with-a-colleague"
APPEALED = "appealed"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueRow:
    """One version at the desk.

    `standing`: waiting, mine, to-decide, with-a-colleague, appealed; listed, suspended.
    """

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
        _rows().where(
            or_(
                Version.state == VersionState.SUBMITTED,
                (Version.state == VersionState.IN_REVIEW)
                & (Admission.bureau_id == reviewer.bureau_id),
                _is_appealed() & Admission.bureau_id.in_(answered_for(unit)),
            )
        )
    ).all()
    versions = [row.Version for row in rows]
    changes = changes_of(unit, versions)
    submitted = _submitted(unit, versions)
    counts = factor_counts(
        unit,
        versions,
        vendors={row.Version.id: row.vendor_id for row in rows},
        changes=changes,
        submitted=submitted,
    )
    found = [
        _row(
            row,
            reviewer.person_id,
            changes=changes[row.Version.id],
            since=submitted.get(row.Version.id, row.Version.created_at),
            factors=weigh(counts[row.Version.id]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: (-row.points, row.since, row.version_id))


def answered_versions(unit: Unit) -> list[QueueRow]:
    """Return what the actor's bureau, or one below it, let in and answers for, by title (R10)."""
    reviewer = require_reviewer(unit, "see what was admitted")
    rows = unit.session.execute(
        _rows()
        .where(
            Version.state.in_([VersionState.LISTED, VersionState.SUSPENDED]),
            Admission.bureau_id.in_(answered_for(unit)),
        )
        .order_by(Version.title, Version.number)
    ).all()
    return [
        _row(row, reviewer.person_id, changes=(), since=row.Version.created_at, factors=())
        for row in rows
    ]


def _rows() -> Select[*tuple[Any, ...]]:
    """Select versions with their vendor and their last review."""
    rounds = aliased(Admission)
    last = select(func.max(rounds.round)).where(rounds.version_id == Version.id).scalar_subquery()
    return (
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
            _is_appealed().label("is_appealed"),
        )
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .outerjoin(Admission, (Admission.version_id == Version.id) & (Admission.round == last))
        .outerjoin(PersonPrivate, PersonPrivate.person_id == Admission.claimed_by)
    )


def _is_appealed() -> ColumnElement[bool]:
    return (
        select(AdmissionAppeal.id)
        .where(AdmissionAppeal.version_id == Version.id, AdmissionAppeal.decided_at.is_(None))
        .exists()
    )


def _row(
    row: Any,
    person_id: UUID,
    *,
    changes: Sequence[Change],
    since: datetime,
    factors: Sequence[Points],
) -> QueueRow:
    return QueueRow(
        version_id=VersionId(row.Version.id),
        title=row.Version.title,
        sku=row.sku,
        number=row.Version.number,
        vendor_name=row.name,
        vendor_code=row.code,
        stage=row.Version.stage,
        subject=row.Version.subject,
        state=row.Version.state,
        standing=_standing(row, person_id),
        holder=row.holder or "" if row.admission_state in OPEN else "",
        depth=depth_of(changes),
        changes=tuple(changes),
        since=since,
        factors=tuple(factors),
    )


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
    submitted: dict[UUID, datetime],
) -> dict[UUID, dict[Factor, int]]:
    """Return for each version how often each factor counts.

    `submitted`: when those were that a vendor submitted itself, with its self-check.
    """
    past = _past(unit, set(vendors.values()))
    needed = needs_answered_by(unit, [version.id for version in versions])
    now = unit.clock.now()
    return {
        version.id: {
            Factor.SCHOOL_NEED: needed.get(version.id, 0),
            Factor.OPEN_CLAIMS: past[vendors[version.id]].claims,
            Factor.NO_SELF_CHECK: int(version.id not in submitted),
            Factor.NEW_VENDOR: int(not past[vendors[version.id]].admitted),
            Factor.EARLIER_REFUSALS: past[vendors[version.id]].refused,
            Factor.EARLIER_TAKEDOWNS: past[vendors[version.id]].takedowns,
            Factor.OPENED_OUTSIDE: int(bool(version.metadata_.get("launch_url"))),
            Factor.FOR_THE_YOUNGEST: int(version.stage in YOUNGEST),
            Factor.FIRST_VERSION: int(Change.FIRST in changes[version.id]),
            Factor.CONTENT_CHANGED: int(Change.CONTENT in changes[version.id]),
            Factor.WAITING: (now - submitted.get(version.id, version.created_at)).days,
        }
        for version in versions
    }


def _submitted(unit: Unit, versions: Sequence[Version]) -> dict[UUID, datetime]:
    """Return when the versions were submitted, without those that a file brought."""
    rows = unit.session.execute(
        select(Submission.version_id, Submission.submitted_at).where(
            among(Submission.version_id, [version.id for version in versions])
        )
    )
    return {row.version_id: row.submitted_at for row in rows}


def _past(unit: Unit, vendor_ids: set[UUID]) -> dict[UUID, Any]:
    """Return what befell each vendor before: admitted, refused, takedowns, open claims."""
    own = select(Version.id).join(Resource, Resource.id == Version.resource_id)
    own = own.where(Resource.vendor_id == Organisation.id)
    reviews = select(func.count()).where(Admission.version_id.in_(own))
    takedowns = (
        select(func.count())
        .select_from(Takedown)
        .join(Resource, Resource.id == Takedown.resource_id)
        .where(Resource.vendor_id == Organisation.id)
    )
    claims = select(func.count()).where(
        InfringementNotice.version_id.in_(own), InfringementNotice.outcome.is_(None)
    )
    rows = unit.session.execute(
        select(
            Organisation.id,
            reviews.where(Admission.state == AdmissionState.ADMITTED)
            .scalar_subquery()
            .label("admitted"),
            reviews.where(Admission.state == AdmissionState.REFUSED)
            .scalar_subquery()
            .label("refused"),
            takedowns.scalar_subquery().label("takedowns"),
            claims.scalar_subquery().label("claims"),
        ).where(among(Organisation.id, vendor_ids))
    )
    return {row.id: row for row in rows}


def _standing(row: Any, person_id: UUID) -> str:
    if row.is_appealed:
        return APPEALED
    if row.Version.state in (VersionState.LISTED, VersionState.SUSPENDED):
        return str(row.Version.state)
    match row.admission_state:
        case AdmissionState.CLAIMED:
            return MINE if row.claimed_by == person_id else ELSEWHERE
        case AdmissionState.PROPOSED:
            return TO_DECIDE if row.proposed_by != person_id else ELSEWHERE
    return WAITING
