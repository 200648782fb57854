"""Who may review: a person of a bureau, without an interest in the vendor (R9, R10, R13).

An interest is a role held, now or ever, at the vendor or at the school of a teacher who sells, or
one that the reviewer has declared. Which bureau answers for a version is decided by who claims it.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, Text, cast, or_, select

from catalog.admission_models import DeclaredInterest
from catalog.models import Resource, Version
from catalog.visibility import is_no_foreign_draft
from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound, Refused, VendorInterest
from kernel.identity.models import Organisation, RoleGrant
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import OrganisationId, PersonId, VersionId
from kernel.trail import record
from kernel.unit import Unit


class Reviewer(NamedTuple):
    person_id: PersonId
    bureau_id: OrganisationId


def require_reviewer(unit: Unit, act: str) -> Reviewer:
    """Return the reviewer that acts: a person of a bureau, never the system by itself (R10)."""
    actor = unit.actor
    actor.require(act, Role.ADMISSION)
    if (
        actor.person_id is None
        or actor.organisation_id is None
        or actor.organisation_kind is not OrganisationKind.BUREAU
    ):
        raise Refused(act=act, needs="a reviewer of a bureau", actor=actor.name)
    return Reviewer(actor.person_id, actor.organisation_id)


def refuse_interest(unit: Unit, reviewer: Reviewer, versions: Iterable[Version]) -> None:
    """Raise `VendorInterest` if the reviewer has an interest in one of the versions' vendors."""
    name = _interesting(unit, reviewer.person_id, {version.resource_id for version in versions})
    if name is not None:
        raise VendorInterest(act="review", person=unit.actor.name, vendor=name)


def declare_interest(unit: Unit, *, vendor_code: str, reason: str) -> None:
    """Note that the acting reviewer has an interest in a vendor, and so never reviews it."""
    reviewer = require_reviewer(unit, "declare an interest")
    vendor = unit.session.scalars(
        select(Organisation).where(
            Organisation.kind == OrganisationKind.VENDOR, Organisation.code == vendor_code
        )
    ).one_or_none()
    if vendor is None:
        raise NotFound(what="vendor", key=vendor_code)
    known = unit.session.get(DeclaredInterest, (reviewer.person_id, vendor.id))
    if known is not None:
        return
    unit.session.add(
        DeclaredInterest(
            person_id=reviewer.person_id,
            vendor_id=vendor.id,
            reason=reason.strip(),
            declared_at=unit.clock.now(),
        )
    )
    record(
        unit, "interest.declared", subject_kind="vendor", subject_id=vendor.id, vendor=vendor.code
    )
    unit.session.flush()


def answered_for(unit: Unit) -> Select[UUID]:
    """Select the bureaus whose decisions the actor may judge again: their own and those below."""
    return visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(Organisation.id)


def lock_versions(unit: Unit, version_ids: Collection[VersionId]) -> list[Version]:
    """Return the versions, locked in id order; raise `NotFound` if there are fewer.

    Somebody else's draft is not there, whatever is to be done with it.
    """
    wanted = set(version_ids)
    versions = unit.session.scalars(
        select(Version)
        .where(among(Version.id, wanted), is_no_foreign_draft(unit))
        .order_by(Version.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    missing = wanted - {version.id for version in versions}
    if missing:
        raise NotFound(what="version", key=min(missing))
    return list(versions)


def vendors_of_interest(person_id: PersonId) -> Select[UUID]:
    """Select the vendors in which a person has an interest: held, by their school, or declared."""
    held = select(RoleGrant.organisation_id).where(RoleGrant.person_id == person_id)
    declared = select(DeclaredInterest.vendor_id).where(DeclaredInterest.person_id == person_id)
    school = Organisation.facts["school_id"].as_string()
    return select(Organisation.id).where(
        or_(
            Organisation.id.in_(held),
            Organisation.id.in_(declared),
            school.in_(held.with_only_columns(cast(RoleGrant.organisation_id, Text))),
        )
    )


def _interesting(unit: Unit, person_id: PersonId, resource_ids: set[UUID]) -> str | None:
    """Return the name of a vendor of these resources in which the person has an interest."""
    return unit.session.scalars(
        select(Organisation.name)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .where(
            among(Resource.id, resource_ids), Organisation.id.in_(vendors_of_interest(person_id))
        )
        .limit(1)
    ).first()
