"""Whose work a teacher's version is: declared when it is submitted, confirmed by the school (R40).

Decides that nothing of a teacher is admitted which the school has not confirmed: either that the
work is personal, or that it is a service work (职务作品) with the share that the school has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from catalog.kinds import Ownership
from catalog.models import Resource, Version
from catalog.sharing_models import WorkDeclaration
from kernel.actors import OrganisationKind, Role
from kernel.errors import (
    Conflict,
    NotFound,
    OwnershipUnconfirmed,
    ReasonRequired,
    Refused,
    TookPart,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.trail import record
from kernel.unit import Unit

CONFIRMERS: Final = (Role.ACADEMIC, Role.PRINCIPAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkView:
    """A declaration as the school reads it; `standing`: waiting, confirmed, rejected."""

    version_id: UUID
    title: str
    vendor_name: str
    ownership: str
    school_share: Decimal
    declared_at: datetime
    standing: str
    decided_at: datetime | None
    note: str


def declare_work(unit: Unit, version: Version) -> None:
    """Keep what a teacher declares with a version that is submitted; firms declare nothing."""
    vendor = unit.session.scalars(
        select(Organisation)
        .join(Resource, Resource.vendor_id == Organisation.id)
        .where(Resource.id == version.resource_id)
    ).one()
    school_id = vendor.facts.get("school_id")
    if not school_id:
        return
    unit.session.add(
        WorkDeclaration(
            version_id=version.id,
            school_id=UUID(school_id),
            ownership=version.metadata_.get("ownership", Ownership.PERSONAL),
            school_share=Decimal(version.metadata_.get("school_share", "0")),
            declared_by=unit.actor.person_id,
            declared_at=unit.clock.now(),
            note="",
        )
    )
    unit.session.flush()


def decide_work(unit: Unit, version_id: UUID, *, confirmed: bool, note: str = "") -> None:
    """Confirm or reject a declaration for the acting person's school; a rejection says why.

    Raises `TookPart` for the teacher's own, `NotFound` for another school's.
    """
    actor = unit.actor
    actor.require("confirm whose work it is", *CONFIRMERS)
    if actor.person_id is None or actor.organisation_kind is not OrganisationKind.SCHOOL:
        raise Refused(
            act="confirm whose work it is", needs="a person of a school", actor=actor.name
        )
    declared = unit.session.scalars(
        select(WorkDeclaration)
        .where(
            WorkDeclaration.version_id == version_id,
            WorkDeclaration.school_id == actor.organisation_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if declared is None:
        raise NotFound(what="version", key=version_id)
    version = unit.session.get_one(Version, version_id)
    if declared.confirmed is not None:
        raise Conflict(
            what="declaration",
            key=version.title,
            state="confirmed" if declared.confirmed else "rejected",
            wanted="decided",
        )
    if not confirmed and not note.strip():
        raise ReasonRequired
    if declared.declared_by == actor.person_id:
        raise TookPart(person=actor.name, key=version.title)
    declared.confirmed = confirmed
    declared.decided_by = actor.person_id
    declared.decided_at = unit.clock.now()
    declared.note = note.strip()
    record(
        unit,
        "work.confirmed" if confirmed else "work.rejected",
        subject_kind="version",
        subject_id=version.id,
        title=version.title,
        ownership=declared.ownership,
        school_share=str(declared.school_share),
        note=note.strip(),
    )
    unit.session.flush()


def require_confirmed(unit: Unit, versions: Sequence[Version]) -> None:
    """Raise `OwnershipUnconfirmed` for a version whose declaration its school has not confirmed."""
    title = unit.session.scalars(
        select(Version.title)
        .where(among(Version.id, [version.id for version in versions]), is_unconfirmed(Version.id))
        .limit(1)
    ).first()
    if title is not None:
        raise OwnershipUnconfirmed(key=title)


def is_unconfirmed(version_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a version's declaration is not confirmed by its school."""
    return (
        select(WorkDeclaration.version_id)
        .where(WorkDeclaration.version_id == version_id, WorkDeclaration.confirmed.is_not(True))
        .exists()
    )


def works(unit: Unit) -> list[WorkView]:
    """Return what teachers of the actor's school declared, the latest first."""
    unit.actor.require("see whose works are declared", *CONFIRMERS)
    rows = unit.session.execute(
        select(WorkDeclaration, Version.title, Organisation.name)
        .join(Version, Version.id == WorkDeclaration.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(WorkDeclaration.school_id == unit.actor.organisation_id)
        .order_by(WorkDeclaration.declared_at.desc(), WorkDeclaration.version_id)
    )
    standing = {None: "waiting", True: "confirmed", False: "rejected"}
    return [
        WorkView(
            version_id=one.version_id,
            title=title,
            vendor_name=vendor,
            ownership=one.ownership,
            school_share=one.school_share,
            declared_at=one.declared_at,
            standing=standing[one.confirmed],
            decided_at=one.decided_at,
            note=one.note,
        )
        for one, title, vendor in rows
    ]
