"""Launches: the platform opens a resource for a signed-in learner or a class (R26, R33).

Decides under which agreement a launch falls and whether it may be made now. The row is the record:
a use counts only if it matches one. What is signed is the matter of `tickets`; what is played
here, of `player`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TEXT, func, select, text
from sqlalchemy.orm import aliased

from catalog.attachments.reading import AttachedFile, file_of_version
from catalog.models import Resource, Version
from catalog.opening import may_open
from catalog.packs import PACK
from catalog.visibility import known_resources
from kernel.clock import shanghai_day
from kernel.errors import (
    AgreementOver,
    CeilingReached,
    InvalidInput,
    LaunchOver,
    MarketError,
    NoAddress,
    NoAgreement,
    NotFound,
    SchoolCeilingReached,
    VersionNotOpen,
)
from kernel.identity.models import Learner, Organisation
from kernel.ids import LaunchId, new_id
from kernel.unit import Unit
from settlement.agreement_items import covers, version_under
from settlement.agreement_models import AgreementYear
from settlement.agreement_states import OVER, AgreementStanding
from settlement.dispute_models import CreditNote
from settlement.early_use import why_stopped
from settlement.metering.models import Launch
from settlement.metering.openers import Opener, opener_of
from settlement.metering.player import player_source_for, record_opening
from settlement.metering.precedence import PRECEDENCE
from settlement.metering.pseudonyms import learner_pseudonym
from settlement.metering.tickets import Subject, Ticket, sign_ticket
from settlement.models import (
    Agreement,
    AgreementSchool,
    CeilingEstimate,
    StatementLine,
    is_stated,
)
from settlement.school_days import goes_by_it
from settlement.school_standings import is_used_up_at

LESSON = timedelta(minutes=45)
"""What a teacher opens for one class within this time of the first belongs to one lesson."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A launch with what is opened by it; `address` is empty for what the platform plays itself."""

    launch: Launch
    subject: Subject
    title: str
    address: str

    @property
    def id(self) -> LaunchId:
        return LaunchId(self.launch.id)


def open_launch(unit: Unit, *, vendor_code: str, sku: str, class_name: str = "") -> Opened:
    """Open a resource for the acting learner, or for a class of the acting teacher.

    What the platform plays itself is used by being opened; elsewhere the vendor reports the use.
    Raises `NoAgreement`, `AgreementOver`, `CeilingReached`, `VersionNotOpen`, `NotEnrolled`, and
    `NoPlayer` where no bureau admitted the platform's player.
    """
    opener = opener_of(unit, class_name=class_name)
    resource = known_resources(unit, [(vendor_code, sku)]).get((vendor_code, sku))
    if resource is None:
        raise NotFound(what="resource", key=sku)
    now = unit.clock.now()
    agreement = agreement_in_force(
        unit, school=opener.school, resource_id=resource.id, sku=sku, day=shanghai_day(now)
    )
    version = unit.session.get_one(Version, version_under(unit, agreement, resource.id))
    if version.type == PACK:
        raise InvalidInput(field="sku", value=sku, expected="a resource of the pack")
    _require_open(unit, agreement, version)
    address = str(version.metadata_.get("launch_url", ""))
    source = None if address else player_source_for(unit, opener.school)
    launch = _insert(unit, opener, agreement, version=version, now=now)
    if source is not None:
        record_opening(unit, launch, source=source, school=opener.school)
    subject = Subject(vendor_code, agreement.number, sku, version.number)
    return Opened(launch=launch, subject=subject, title=version.title, address=address)


def enter(unit: Unit, launch_id: UUID) -> tuple[str, Ticket]:
    """Return where the actor's own launch leads outside, and a fresh ticket for it.

    Raises `NotFound` for another's, `LaunchOver` for one that has ended, `VersionNotOpen` for what
    was taken down since, `NoAddress` for what the platform plays itself.
    """
    launch = own_launch(unit, launch_id)
    require_running(unit, launch)
    require_open(unit, launch)
    opened = _opened(unit, launch)
    if not opened.address:
        raise NoAddress(title=opened.title)
    return opened.address, sign_ticket(unit, launch, opened.subject)


def own_launch(unit: Unit, launch_id: UUID) -> Launch:
    """Return a launch that the actor made, or raise `NotFound`."""
    found = unit.session.scalars(
        select(Launch)
        .join(Learner, Learner.id == Launch.learner_id)
        .where(Launch.id == launch_id, Learner.person_id == unit.actor.person_id)
    ).one_or_none()
    if found is None:
        raise NotFound(what="launch", key=launch_id)
    return found


def require_running(unit: Unit, launch: Launch) -> None:
    """Raise `LaunchOver` for a launch whose time is over."""
    if launch.expires_at <= unit.clock.now():
        raise LaunchOver(ended=launch.expires_at.isoformat())


def launched_file(unit: Unit, launch_id: UUID, attachment_id: UUID) -> AttachedFile:
    """Return a file of what the actor has opened, for as long as the launch runs.

    Raises `NotFound` for another's launch or another version's file, `LaunchOver`,
    `VersionNotOpen`.
    """
    launch = own_launch(unit, launch_id)
    require_running(unit, launch)
    require_open(unit, launch)
    return file_of_version(unit, launch.version_id, attachment_id)


def require_open(unit: Unit, launch: Launch) -> None:
    """Raise `VersionNotOpen` if what was opened was taken down since (R14)."""
    agreement = unit.session.scalars(
        select(Agreement).where(Agreement.id == launch.agreement_id)
    ).one()
    _require_open(unit, agreement, unit.session.get_one(Version, launch.version_id))


def _require_open(unit: Unit, agreement: Agreement, version: Version) -> None:
    """Raise `VersionNotOpen` unless a version and the pack that it was agreed in are open."""
    pack = unit.session.get_one(Version, agreement.version_id)
    for one in dict.fromkeys((version, pack)):
        if not may_open(unit, one):
            raise VersionNotOpen(title=one.title, state=one.state)


def agreement_in_force(
    unit: Unit, *, school: Organisation, resource_id: UUID, sku: str, day: date
) -> Agreement:
    """Return the agreement under which a launch on a day falls (R33); a point uses its school's.

    One that is over or stopped gives way to the next; if none is left, the first says why.
    """
    refusal: MarketError | None = None
    for agreement in agreements_on(unit, school_id=school.id, resource_id=resource_id, day=day):
        error = _stopped(unit, agreement, school, day=day)
        if error is None:
            return agreement
        refusal = refusal or error
    raise refusal or NoAgreement(school=school.name, key=sku, day=day.isoformat())


def agreements_on(
    unit: Unit, *, school_id: UUID, resource_id: UUID, day: date
) -> Sequence[Agreement]:
    """Return a school's agreements for a resource on a day, the one that goes first leading."""
    named = aliased(Agreement, name="a")  # the name by which `PRECEDENCE` calls it
    return unit.session.scalars(
        select(named)
        .join(AgreementSchool, AgreementSchool.agreement_id == named.id)
        .where(
            AgreementSchool.school_id == school_id,
            covers(named.resource_id, named.version_id, resource_id),
            named.starts_on <= day,
            named.ends_on >= day,
            goes_by_it(day),
        )
        .order_by(text(PRECEDENCE))
    ).all()


def _stopped(
    unit: Unit, agreement: Agreement, school: Organisation, *, day: date
) -> MarketError | None:
    if agreement.state in OVER:
        return AgreementOver(number=agreement.number, school=school.name, state=agreement.state)
    year = _year_of(unit, agreement, day)
    if year is not None and year.waiting_fen and year.waiting_fen >= year.ceiling_fen:
        waits = why_stopped(unit, agreement, day=day)  # of the year's ceiling nothing is there yet
        if waits is not None:
            return waits
    elif agreement.terms.get("stop_at_ceiling") and is_exhausted(unit, agreement, day=day):
        return CeilingReached(number=agreement.number)
    if agreement.terms.get("stop_at_ceiling") and is_used_up_at(unit, agreement, school.id):
        return SchoolCeilingReached(number=agreement.number, school=school.name)
    return None


def is_exhausted(unit: Unit, agreement: Agreement, *, day: date) -> bool:
    """Whether what was billed, less credit notes, and what runs leave nothing of the ceiling.

    What runs is what was estimated last (`settlement.estimates`): look-ups by key, however much is
    used. Of an agreement that crosses 1 January it is the ceiling of the day's year, so
    far as its money is there (R19).
    """
    if agreement.state == AgreementStanding.EXHAUSTED:
        return True
    year = _year_of(unit, agreement, day)
    billed = (
        select(func.sum(StatementLine.amount_fen - func.coalesce(CreditNote.amount_fen, 0)))
        .outerjoin(CreditNote, CreditNote.line_id == StatementLine.id)
        .where(StatementLine.agreement_id == agreement.id)
    )
    running = select(func.sum(CeilingEstimate.amount_fen)).where(
        CeilingEstimate.payer_id == agreement.payer_id,
        CeilingEstimate.agreement_id == agreement.id,
        ~is_stated(CeilingEstimate.payer_id, CeilingEstimate.month),
    )
    ceiling_fen = agreement.ceiling_fen
    if year is not None:
        first, last = date(day.year, 1, 1), date(day.year, 12, 31)
        billed = billed.where(StatementLine.of_month.between(first, last))
        running = running.where(CeilingEstimate.month.between(first, last))
        ceiling_fen = year.ceiling_fen - year.waiting_fen
    used = unit.session.scalar(
        select(
            func.coalesce(billed.scalar_subquery(), 0) + func.coalesce(running.scalar_subquery(), 0)
        )
    )
    return int(used or 0) >= ceiling_fen


def _year_of(unit: Unit, agreement: Agreement, day: date) -> AgreementYear | None:
    """Return the day's year of an agreement that crosses 1 January; None of any other."""
    return unit.session.get(AgreementYear, (agreement.id, day.year))


def _insert(
    unit: Unit, opener: Opener, agreement: Agreement, *, version: Version, now: datetime
) -> Launch:
    launch_id = LaunchId(new_id())
    launch = Launch(
        id=launch_id,
        payer_id=agreement.payer_id,
        agreement_id=agreement.id,
        vendor_id=agreement.vendor_id,
        resource_id=version.resource_id,
        version_id=version.id,
        school_id=opener.school.id,
        learner_id=opener.learner_id,
        kind=opener.kind,
        class_name=opener.class_name,
        session_id=_lesson(unit, opener, agreement, now=now) or launch_id.hex,
        pseudonym=learner_pseudonym(
            unit.settings, opener.learner_id, vendor_id=agreement.vendor_id
        ),
        device_id=None,
        issued_at=now,
        expires_at=now + timedelta(hours=unit.settings.launch_hours),
    )
    unit.session.add(launch)
    unit.session.flush()
    return launch


def _lesson(unit: Unit, opener: Opener, agreement: Agreement, *, now: datetime) -> str:
    """Return the session of the lesson that goes on, which its first launch named; else nothing."""
    if opener.kind != "class":
        return ""
    found = unit.session.scalars(
        select(Launch.session_id)
        .where(
            Launch.payer_id == agreement.payer_id,
            Launch.issued_at > now - LESSON,
            Launch.learner_id == opener.learner_id,
            Launch.kind == "class",
            Launch.class_name == opener.class_name,
            Launch.session_id == func.replace(func.cast(Launch.id, TEXT), "-", ""),
        )
        .order_by(Launch.issued_at.desc())
        .limit(1)
    ).first()
    return found or ""


def _opened(unit: Unit, launch: Launch) -> Opened:
    """Return a launch with what it opened, as it was agreed."""
    row: Any = unit.session.execute(
        select(
            Agreement.number,
            Resource.sku,
            Version.number.label("version"),
            Version.title,
            Version.metadata_.label("metadata"),
            Organisation.code,
        )
        .select_from(Agreement)
        .join(Version, Version.id == launch.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Agreement.vendor_id)
        .where(Agreement.id == launch.agreement_id)
    ).one()
    return Opened(
        launch=launch,
        subject=Subject(row.code, row.number, row.sku, row.version),
        title=row.title,
        address=str(row.metadata.get("launch_url", "")),
    )
