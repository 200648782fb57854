"""What a learner or a teacher may open today, and what they have opened."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import aliased

from catalog.models import Resource, Version
from catalog.opening import is_open
from catalog.pack_models import PackPart
from kernel.clock import shanghai_day
from kernel.errors import NotFound
from kernel.identity.models import Learner, Organisation
from kernel.unit import Unit
from settlement.agreement_states import OVER
from settlement.metering.models import Launch, LaunchPresence
from settlement.metering.precedence import PRECEDENCE
from settlement.models import Agreement, AgreementSchool
from settlement.school_days import goes_by_it


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenableRow:
    """A resource that a school may open today; `elsewhere`: at its vendor, with a ticket."""

    title: str
    vendor_code: str
    vendor_name: str
    sku: str
    subject: str
    grade: str
    type: str
    ends_on: date
    elsewhere: bool

    @property
    def key(self) -> str:
        """What a form sends for it; a vendor's code holds no slash."""
        return f"{self.vendor_code}/{self.sku}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchView:
    """An opened resource as the one sees it who opened it."""

    id: UUID
    kind: str
    class_name: str
    issued_at: datetime
    expires_at: datetime
    last_seen_at: datetime | None
    title: str
    vendor_name: str
    version_id: UUID
    version: int
    agreement_number: str
    address: str
    launch_url: str
    is_running: bool

    @property
    def minutes(self) -> int:
        """How long it was in use so far, in whole minutes, as its player said."""
        if self.last_seen_at is None:
            return 0
        return int((self.last_seen_at - self.issued_at).total_seconds()) // 60


def openable_at(unit: Unit, school_id: UUID) -> list[OpenableRow]:
    """Return what a school may open today, by subject and title; each resource once."""
    today = shanghai_day(unit.clock.now())
    named = aliased(Agreement, name="a")  # the name by which `PRECEDENCE` calls it
    pack = aliased(Version)
    rows = unit.session.execute(
        select(
            Version.resource_id,
            named.ends_on,
            Resource.sku,
            Version.title,
            Version.subject,
            Version.grade,
            Version.type,
            Version.metadata_["launch_url"].as_string().label("launch_url"),
            Organisation.code,
            Organisation.name,
        )
        .join(AgreementSchool, AgreementSchool.agreement_id == named.id)
        .join(pack, pack.id == named.version_id)
        .outerjoin(PackPart, PackPart.pack_id == pack.id)
        .join(Version, Version.id == func.coalesce(PackPart.version_id, pack.id))
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == named.vendor_id)
        .where(
            AgreementSchool.school_id == school_id,
            named.starts_on <= today,
            named.ends_on >= today,
            named.state.not_in(OVER),
            is_open(Version),
            is_open(pack),
            goes_by_it(today),
        )
        .order_by(text(PRECEDENCE))
    ).all()
    firsts: dict[UUID, Any] = {}
    for row in rows:
        firsts.setdefault(row.resource_id, row)
    found = [
        OpenableRow(
            title=row.title,
            vendor_code=row.code,
            vendor_name=row.name,
            sku=row.sku,
            subject=row.subject,
            grade=row.grade,
            type=row.type,
            ends_on=row.ends_on,
            elsewhere=bool(row.launch_url),
        )
        for row in firsts.values()
    ]
    return sorted(found, key=lambda row: (row.subject, row.title, row.vendor_code, row.sku))


def running_launches(unit: Unit, *, limit: int) -> list[LaunchView]:
    """Return what the actor has opened and may go on with, the latest first."""
    now = unit.clock.now()
    rows = unit.session.execute(
        _views(unit)
        .where(Launch.issued_at <= now, Launch.expires_at > now)
        .order_by(Launch.issued_at.desc(), Launch.id.desc())
        .limit(limit)
    )
    return [_view(row, now) for row in rows]


def launch_view(unit: Unit, launch_id: UUID) -> LaunchView:
    """Return one of the actor's own launches, or raise `NotFound`."""
    row = unit.session.execute(_views(unit).where(Launch.id == launch_id)).one_or_none()
    if row is None:
        raise NotFound(what="launch", key=launch_id)
    return _view(row, unit.clock.now())


def _views(unit: Unit) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Launch.id,
            Launch.kind,
            Launch.class_name,
            Launch.issued_at,
            Launch.expires_at,
            LaunchPresence.last_seen_at,
            Version.title,
            Version.id.label("version_id"),
            Version.number.label("version"),
            Version.metadata_.label("metadata"),
            Organisation.name.label("vendor_name"),
            Agreement.number.label("agreement_number"),
        )
        .join(Learner, Learner.id == Launch.learner_id)
        .join(Version, Version.id == Launch.version_id)
        .join(Organisation, Organisation.id == Launch.vendor_id)
        .join(Agreement, Agreement.id == Launch.agreement_id)
        .outerjoin(LaunchPresence, LaunchPresence.launch_id == Launch.id)
        .where(Learner.person_id == unit.actor.person_id)
    )


def _view(row: Any, now: datetime) -> LaunchView:
    return LaunchView(
        id=row.id,
        kind=row.kind,
        class_name=row.class_name,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        last_seen_at=row.last_seen_at,
        title=row.title,
        vendor_name=row.vendor_name,
        version_id=row.version_id,
        version=row.version,
        agreement_number=row.agreement_number,
        address=_link(str(row.metadata.get("address", ""))),
        launch_url=str(row.metadata.get("launch_url", "")),
        is_running=row.expires_at > now,
    )


def _link(address: str) -> str:
    """Return an address that a page may link to; what a vendor wrote may be anything."""
    return address if address.startswith(("https://", "http://")) else ""
