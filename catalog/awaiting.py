"""What awaits a reviewer in bulk: to be proposed, to be decided, or left to colleagues (R13).

Leaves out what can't be admitted now and what the reviewer may not judge, so that one version keeps
no other waiting. The acts themselves are the matter of `catalog.admission`.
"""

from uuid import UUID

from sqlalchemy import Select, func, or_, select

from catalog.models import Admission, Resource, Version
from catalog.opening import is_under_takedown
from catalog.ownership import is_unconfirmed
from catalog.packs import has_part_gone
from catalog.reviewers import Reviewer, require_reviewer, vendors_of_interest
from catalog.states import AdmissionState, VersionState
from kernel.actors import OrganisationKind, Role
from kernel.identity.models import Organisation
from kernel.ids import VersionId
from kernel.unit import Unit


def awaiting_proposal(unit: Unit, *, vendor_code: str | None = None) -> list[VersionId]:
    """Return the submitted versions that no bureau has claimed, oldest first.

    Not teachers' works that wait for their school, nor what is under a takedown: nobody can propose
    to admit those yet. Not those of vendors in which the actor has an interest (`left_to_others`).
    """
    unit.actor.require("see what awaits admission", Role.ADMISSION)
    return _without_interest(unit, _awaiting_proposal(vendor_code))


def awaiting_decision(unit: Unit, *, vendor_code: str | None = None) -> list[VersionId]:
    """Return the versions proposed by another reviewer of the actor's bureau, oldest first.

    Not what can't be listed now, so that it keeps nothing else waiting: what is under a takedown,
    and packs of which a part is listed no more. Nor those of vendors in which the actor has an
    interest (`left_to_others`).
    """
    reviewer = require_reviewer(unit, "see what awaits a decision")
    return _without_interest(unit, _awaiting_decision(reviewer, vendor_code))


def left_to_others(unit: Unit, *, vendor_code: str | None = None) -> dict[str, int]:
    """Return how many versions wait that the actor leaves to colleagues, by the vendor's code.

    An interest in the vendor bars the actor from them (R13).
    """
    reviewer = require_reviewer(unit, "see what awaits admission")
    waiting = or_(
        Version.id.in_(_awaiting_proposal(vendor_code)),
        Version.id.in_(_awaiting_decision(reviewer, vendor_code)),
    )
    rows = unit.session.execute(
        select(Organisation.code, func.count())
        .join(Resource, Resource.vendor_id == Organisation.id)
        .join(Version, Version.resource_id == Resource.id)
        .where(waiting, Organisation.id.in_(vendors_of_interest(reviewer.person_id)))
        .group_by(Organisation.code)
        .order_by(Organisation.code)
    )
    return dict(rows.all())


def _awaiting_proposal(vendor_code: str | None) -> Select[UUID]:
    return _of_vendor(select(Version.id), vendor_code).where(
        Version.state == VersionState.SUBMITTED,
        ~is_unconfirmed(Version.id),
        ~is_under_takedown(Version.resource_id),
    )


def _awaiting_decision(reviewer: Reviewer, vendor_code: str | None) -> Select[UUID]:
    return (
        _of_vendor(select(Version.id), vendor_code)
        .join(Admission, Admission.version_id == Version.id)
        .where(
            Admission.state == AdmissionState.PROPOSED,
            Admission.bureau_id == reviewer.bureau_id,
            Admission.proposed_by != reviewer.person_id,
            ~is_under_takedown(Version.resource_id),
            ~has_part_gone(Version.id),
        )
    )


def _without_interest(unit: Unit, wanted: Select[UUID]) -> list[VersionId]:
    if unit.actor.person_id is not None:
        barred = vendors_of_interest(unit.actor.person_id)
        wanted = wanted.where(
            Version.resource_id.not_in(select(Resource.id).where(Resource.vendor_id.in_(barred)))
        )
    return [VersionId(one) for one in unit.session.scalars(wanted.order_by(Version.id))]


def _of_vendor(wanted: Select[UUID], vendor_code: str | None) -> Select[UUID]:
    if vendor_code is None:
        return wanted
    return (
        wanted.join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(Organisation.kind == OrganisationKind.VENDOR, Organisation.code == vendor_code)
    )
