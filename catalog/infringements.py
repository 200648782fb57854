"""Claims that a resource infringes a right: notice, the vendor's counter-notice, a decision (R14).

Decides who hears whom: whoever is signed in may give notice, or have a reviewer record it; the
vendor has its days to answer; a reviewer who did not bring the claim in decides. Upheld, the
resource is taken down at once.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from catalog.admission_models import Takedown
from catalog.life_cycle import require_own_vendor
from catalog.models import Admission, Resource, Version
from catalog.opening import may_open
from catalog.reviewers import answered_for, lock_versions, refuse_interest, require_reviewer
from catalog.sharing_models import InfringementNotice
from catalog.states import AdmissionState, VersionState
from catalog.takedowns import Ground, take_down
from catalog.visibility import sees
from kernel.actors import OrganisationKind
from kernel.clock import shanghai_day
from kernel.errors import (
    AnswerAwaited,
    Conflict,
    MissingValue,
    NotFound,
    ReasonRequired,
    Refused,
    TookPart,
)
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

ANSWER_DAYS: Final = 10
"""Days in which the vendor may answer; silence does not admit anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeView:
    """A claim with its answer; `contact` is empty for everybody but the desk.

    `is_own`: the actor gave or recorded it, and so does not decide it.
    """

    id: UUID
    version_id: UUID
    title: str
    claimant: str
    contact: str
    work: str
    claim: str
    given_at: datetime
    answer_by: date
    counter: str
    countered_at: datetime | None
    outcome: str
    decided_at: datetime | None
    note: str
    is_own: bool

    @property
    def state(self) -> str:
        if self.outcome:
            return self.outcome
        return "countered" if self.counter else "notified"


def give_notice(
    unit: Unit, version_id: VersionId, *, claimant: str, contact: str, work: str, claim: str
) -> UUID:
    """Claim that a version infringes `work`, for oneself or on record for somebody outside.

    Raises `MissingValue` for what is empty, `Conflict` for what is not published.
    """
    actor = unit.actor
    if actor.person_id is None:
        raise Refused(act="give notice", needs="a signed-in person", actor=actor.name)
    for field, text in (("claimant", claimant), ("work", work), ("claim", claim)):
        if not text.strip():
            raise MissingValue(field=field)
    (version,) = lock_versions(unit, [version_id])
    if version.state != VersionState.SUSPENDED and not may_open(unit, version):
        if not sees(unit, version):
            raise NotFound(what="version", key=version_id)
        raise Conflict(
            what="version", key=version.title, state=VersionState(version.state), wanted="disputed"
        )
    now = unit.clock.now()
    notice = InfringementNotice(
        id=new_id(),
        version_id=version.id,
        claimant=claimant.strip(),
        contact=contact.strip(),
        work=work.strip(),
        claim=claim.strip(),
        given_by=actor.person_id,
        given_at=now,
        answer_by=shanghai_day(now) + timedelta(days=ANSWER_DAYS),
        counter="",
        note="",
    )
    unit.session.add(notice)
    _trail(unit, "infringement.notified", version, note=claim.strip(), claimant=claimant.strip())
    return notice.id


def counter_notice(unit: Unit, notice_id: UUID, *, statement: str) -> None:
    """Answer a claim as a manager of the vendor, once.

    Raises `ReasonRequired`, `NotFound` for another vendor's, `Conflict` once answered or decided.
    """
    notice, version = _lock(unit, notice_id)
    require_own_vendor(unit, [version])
    if not statement.strip():
        raise ReasonRequired
    if notice.outcome is not None or notice.counter:
        raise Conflict(
            what="notice",
            key=version.title,
            state=notice.outcome or "countered",
            wanted="countered",
        )
    notice.counter = statement.strip()
    notice.countered_by = unit.actor.person_id
    notice.countered_at = unit.clock.now()
    _trail(unit, "infringement.countered", version, note=statement.strip())


def decide_notice(unit: Unit, notice_id: UUID, *, upheld: bool, note: str) -> None:
    """Decide a claim once the vendor has answered or its days are over.

    Raises `ReasonRequired`, `AnswerAwaited`, `TookPart` for who gave or recorded the notice,
    `NotFound` where another bureau answers for the resource.
    """
    reviewer = require_reviewer(unit, "decide a claim of infringement")
    if not note.strip():
        raise ReasonRequired
    notice, version = _lock(unit, notice_id)
    refuse_interest(unit, reviewer, [version])
    if not _answers(unit, version):
        raise NotFound(what="notice", key=version.title)
    if notice.given_by == reviewer.person_id:
        raise TookPart(person=unit.actor.name, key=version.title)
    if notice.outcome is not None:
        raise Conflict(what="notice", key=version.title, state=notice.outcome, wanted="decided")
    if not notice.counter and shanghai_day(unit.clock.now()) <= notice.answer_by:
        raise AnswerAwaited(day=notice.answer_by)
    notice.outcome = "upheld" if upheld else "dismissed"
    notice.decided_by = reviewer.person_id
    notice.decided_at = unit.clock.now()
    notice.note = note.strip()
    unit.session.flush()
    _trail(unit, f"infringement.{notice.outcome}", version, note=note.strip())
    if upheld and may_open(unit, version):
        take_down(unit, VersionId(version.id), ground=Ground.INFRINGEMENT, reason=note)


def notices(unit: Unit, *, version_id: UUID | None = None) -> list[NoticeView]:
    """Return the claims that the actor sees: a bureau's, a vendor's own, or what one gave."""
    actor = unit.actor
    wanted = (
        select(InfringementNotice, Version.title, Version.resource_id)
        .join(Version, Version.id == InfringementNotice.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .order_by(InfringementNotice.given_at.desc(), InfringementNotice.id)
    )
    is_desk = actor.is_system or actor.organisation_kind is OrganisationKind.BUREAU
    if actor.organisation_kind is OrganisationKind.VENDOR:
        wanted = wanted.where(Resource.vendor_id == actor.organisation_id)
    elif not is_desk:
        wanted = wanted.where(InfringementNotice.given_by == actor.person_id)
    if version_id is not None:
        wanted = wanted.where(Version.id == version_id)
    return [
        NoticeView(
            id=one.id,
            version_id=one.version_id,
            title=title,
            claimant=one.claimant,
            contact=one.contact if is_desk else "",
            work=one.work,
            claim=one.claim,
            given_at=one.given_at,
            answer_by=one.answer_by,
            counter=one.counter,
            countered_at=one.countered_at,
            outcome=one.outcome or "",
            decided_at=one.decided_at,
            note=one.note,
            is_own=one.given_by == actor.person_id,
        )
        for one, title, _ in unit.session.execute(wanted)
    ]


def _lock(unit: Unit, notice_id: UUID) -> tuple[InfringementNotice, Version]:
    """Return a notice with its version, both locked, the version first as everywhere."""
    version_id = unit.session.scalar(
        select(InfringementNotice.version_id).where(InfringementNotice.id == notice_id)
    )
    if version_id is None:
        raise NotFound(what="notice", key=notice_id)
    (version,) = lock_versions(unit, [VersionId(version_id)])
    notice = unit.session.scalars(
        select(InfringementNotice)
        .where(InfringementNotice.id == notice_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return notice, version


def _answers(unit: Unit, version: Version) -> bool:
    """Whether the actor's bureau, or one below it, let the resource in or took it down."""
    bureaus = answered_for(unit)
    let_in = select(Admission.id).where(
        Admission.version_id == version.id,
        Admission.state == AdmissionState.ADMITTED,
        Admission.bureau_id.in_(bureaus),
    )
    taken = select(Takedown.id).where(
        Takedown.resource_id == version.resource_id, Takedown.bureau_id.in_(bureaus)
    )
    return bool(unit.session.scalar(select(let_in.exists() | taken.exists())))


def _trail(unit: Unit, act: str, version: Version, **facts: object) -> None:
    record(unit, act, subject_kind="version", subject_id=version.id, title=version.title, **facts)
    unit.session.flush()
