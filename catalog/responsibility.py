"""Who answers for what is listed: the chain that everybody may read (R10, 谁接入谁负责).

Names the vendor, the school that confirmed a teacher's work, the bureau, both reviewers and what
became of the version since. What is not published any more is still answered for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import Submission, Takedown
from catalog.lineage import Kin, ancestors, derivatives
from catalog.models import Admission, Version
from catalog.queries import resources_by_key
from catalog.sharing_models import WorkDeclaration
from catalog.states import AdmissionState, VersionState
from kernel.errors import NotFound
from kernel.identity.models import Organisation, PersonPrivate
from kernel.identity.recording import among
from kernel.unit import Unit

PUBLISHED: Final = (VersionState.LISTED, VersionState.SUSPENDED, VersionState.WITHDRAWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Responsibility:
    """One published version and those who answer for it, in the order in which they acted."""

    version_id: UUID
    number: int
    title: str
    state: str
    submitted_at: datetime | None
    has_self_check: bool
    school_name: str
    school_confirmed_at: datetime | None
    bureau_name: str
    depth: str
    first_reviewer: str
    proposed_at: datetime | None
    second_reviewer: str
    decided_at: datetime | None
    suits: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A resource with its published versions, the newest first, its takedowns and its lineage."""

    vendor_name: str
    vendor_code: str
    sku: str
    title: str
    versions: tuple[Responsibility, ...]
    takedowns: tuple[tuple[datetime, str, datetime | None], ...]
    made_from: tuple[Kin, ...]
    made_of_it: tuple[Kin, ...]


def responsibility(unit: Unit, *, vendor_code: str, sku: str) -> Chain:
    """Return who answers for a resource; raise `NotFound` where nothing of it was published."""
    resource = resources_by_key(unit, [(vendor_code, sku)]).get((vendor_code, sku))
    rows = (
        resource
        and unit.session.execute(
            select(Version, Admission)
            .join(Admission, Admission.version_id == Version.id)
            .where(
                Version.resource_id == resource.id,
                Version.state.in_(PUBLISHED),
                Admission.state == AdmissionState.ADMITTED,
            )
            .order_by(Version.number.desc())
        ).all()
    )
    if resource is None or not rows:
        raise NotFound(what="resource", key=f"{vendor_code} {sku}")
    ids = [version.id for version, _ in rows]
    submissions = {
        one.version_id: one
        for one in unit.session.scalars(select(Submission).where(among(Submission.version_id, ids)))
    }
    declared = {
        one.version_id: one
        for one in unit.session.scalars(
            select(WorkDeclaration).where(among(WorkDeclaration.version_id, ids))
        )
    }
    # Reviewers are named to whom they know: a visitor reads the bureau, and when it acted.
    is_known = unit.actor.is_system or unit.actor.person_id is not None
    people = _people(unit, [admission for _, admission in rows]) if is_known else {}
    named = {one.bureau_id for _, one in rows} | {one.school_id for one in declared.values()}
    named.add(resource.vendor_id)
    organisations = {
        one.id: one
        for one in unit.session.scalars(select(Organisation).where(among(Organisation.id, named)))
    }
    vendor = organisations[resource.vendor_id]
    newest = rows[0][0]
    return Chain(
        vendor_name=vendor.name,
        vendor_code=vendor.code,
        sku=sku,
        title=newest.title,
        versions=tuple(
            _responsibility(
                version,
                admission,
                submission=submissions.get(version.id),
                declaration=declared.get(version.id),
                people=people,
                organisations=organisations,
            )
            for version, admission in rows
        ),
        takedowns=tuple(
            (one.taken_at, one.ground, one.restored_at)
            for one in unit.session.scalars(
                select(Takedown)
                .where(Takedown.resource_id == resource.id)
                .order_by(Takedown.taken_at.desc())
            )
        ),
        made_from=tuple(ancestors(unit, newest.id)),
        made_of_it=tuple(derivatives(unit, newest.id)),
    )


def _responsibility(
    version: Version,
    admission: Admission,
    *,
    submission: Submission | None,
    declaration: WorkDeclaration | None,
    people: dict[Any, str],
    organisations: dict[UUID, Organisation],
) -> Responsibility:
    return Responsibility(
        version_id=version.id,
        number=version.number,
        title=version.title,
        state=version.state,
        submitted_at=submission.submitted_at if submission else None,
        has_self_check=submission is not None,
        school_name=organisations[declaration.school_id].name if declaration else "",
        school_confirmed_at=declaration.decided_at if declaration else None,
        bureau_name=organisations[admission.bureau_id].name,
        depth=admission.depth,
        first_reviewer=people.get(admission.proposed_by, ""),
        proposed_at=admission.proposed_at,
        second_reviewer=people.get(admission.decided_by, ""),
        decided_at=admission.decided_at,
        suits=admission.suits or (submission.suits if submission else {}),
    )


def _people(unit: Unit, admissions: list[Admission]) -> dict[Any, str]:
    ids = {one.proposed_by for one in admissions} | {one.decided_by for one in admissions}
    return {
        row.person_id: row.name
        for row in unit.session.scalars(
            select(PersonPrivate).where(among(PersonPrivate.person_id, ids - {None}))
        )
    }
