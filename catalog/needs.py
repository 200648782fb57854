"""What schools lack and ask for, who answers with what, and the fast channel to the desk (R61).

Decides who may: the staff of a school post for it and close it; a vendor, firm or teacher, answers
with a version of its own; nobody is pushed anything. An answer that still waits for admission comes
forward in the desk's queue (`catalog.risk`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select

from catalog.life_cycle import require_own_vendor
from catalog.models import Resource, Version
from catalog.reviewers import lock_versions
from catalog.sharing_models import NeedAnswer, SchoolNeed
from catalog.states import VersionState
from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import AlreadyExists, Conflict, InvalidInput, MissingValue, NotFound, Refused
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.stages import STAGES, Stage
from kernel.identity.visibility import visible_organisations
from kernel.ids import VersionId, new_id
from kernel.trail import record
from kernel.unit import Unit

POSTERS: Final = (
    *(Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL),
)
READERS: Final = (*POSTERS, Role.VENDOR_MANAGER, Role.ADMISSION, Role.AUDITOR, Role.OPERATOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerView:
    """A version offered for a need; what is not listed yet is named to its vendor and the desk."""

    version_id: UUID
    title: str
    sku: str
    vendor_name: str
    vendor_code: str
    state: str
    note: str
    chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedView:
    """A need with its answers; `is_own`: the actor's school posted it."""

    id: UUID
    school_name: str
    title: str
    stage: str
    subject: str
    description: str
    wanted_by: date
    posted_at: datetime
    closed_at: datetime | None
    is_own: bool
    answers: tuple[AnswerView, ...]


def post_need(
    unit: Unit, *, title: str, stage: str, subject: str, description: str, wanted_by: date
) -> UUID:
    """Post what the acting person's school lacks."""
    actor = unit.actor
    actor.require("post a need", *POSTERS)
    if actor.person_id is None or actor.organisation_kind is not OrganisationKind.SCHOOL:
        raise Refused(act="post a need", needs="a person of a school", actor=actor.name)
    for field, text in (("title", title), ("description", description)):
        if not text.strip():
            raise MissingValue(field=field)
    if stage not in STAGES:
        raise InvalidInput(field="stage", value=stage[:40], expected=" | ".join(Stage))
    if wanted_by < shanghai_day(unit.clock.now()):
        raise InvalidInput(field="wanted_by", value=wanted_by, expected="a day to come")
    need = SchoolNeed(
        id=new_id(),
        school_id=actor.organisation_id,
        title=title.strip(),
        stage=stage,
        subject=subject.strip(),
        description=description.strip(),
        wanted_by=wanted_by,
        posted_by=actor.person_id,
        posted_at=unit.clock.now(),
    )
    unit.session.add(need)
    _trail(unit, "need.posted", need)
    return need.id


def answer_need(unit: Unit, need_id: UUID, *, version_id: VersionId, note: str) -> None:
    """Offer a version of one's own for an open need, as a manager of its vendor.

    Raises `Conflict` for a need that is closed or a version that is over, `AlreadyExists` for one
    that is offered for it already.
    """
    need = _lock(unit, need_id)
    (version,) = lock_versions(unit, [version_id])
    require_own_vendor(unit, [version])
    if need.closed_at is not None:
        raise Conflict(what="need", key=need.title, state="closed", wanted="answered")
    if version.state in (VersionState.WITHDRAWN, VersionState.REFUSED, VersionState.SUSPENDED):
        raise Conflict(
            what="version", key=version.title, state=VersionState(version.state), wanted="offered"
        )
    if unit.session.get(NeedAnswer, (need.id, version.id)) is not None:
        raise AlreadyExists(what="answer", key=version.title)
    if unit.actor.person_id is None:
        raise Refused(act="answer a need", needs="a person of a vendor", actor=unit.actor.name)
    unit.session.add(
        NeedAnswer(
            need_id=need.id,
            version_id=version.id,
            note=note.strip(),
            answered_by=unit.actor.person_id,
            answered_at=unit.clock.now(),
        )
    )
    _trail(unit, "need.answered", need, version=version.id)


def close_need(unit: Unit, need_id: UUID, *, chosen: Sequence[UUID] = ()) -> None:
    """Close a need of the actor's own school, naming the answers that it chose, if any."""
    need = _lock(unit, need_id)
    actor = unit.actor
    actor.require("close a need", *POSTERS)
    if need.school_id != actor.organisation_id:
        raise NotFound(what="need", key=need_id)
    if need.closed_at is not None:
        raise Conflict(what="need", key=need.title, state="closed", wanted="closed")
    for version_id in chosen:
        answer = unit.session.get(NeedAnswer, (need.id, version_id))
        if answer is None:
            raise NotFound(what="answer", key=version_id)
        answer.chosen = True
    need.closed_at, need.closed_by = unit.clock.now(), actor.person_id
    _trail(unit, "need.closed", need, chosen=list(chosen))


def needs(unit: Unit, *, only_open: bool = False) -> list[NeedView]:
    """Return the needs that the actor sees, the newest first.

    A school its own, a bureau its region's, a vendor and the desk's bureaus all that are open.
    """
    actor = unit.actor
    actor.require("see what schools need", *READERS)
    wanted = select(SchoolNeed, Organisation.name).join(
        Organisation, Organisation.id == SchoolNeed.school_id
    )
    if actor.organisation_kind is OrganisationKind.VENDOR:
        wanted = wanted.where(SchoolNeed.closed_at.is_(None))
    elif not actor.is_system:
        schools = visible_organisations(unit, OrganisationKind.SCHOOL)
        wanted = wanted.where(SchoolNeed.school_id.in_(schools.with_only_columns(Organisation.id)))
    if only_open:
        wanted = wanted.where(SchoolNeed.closed_at.is_(None))
    rows = unit.session.execute(wanted.order_by(SchoolNeed.posted_at.desc(), SchoolNeed.id)).all()
    answers = _answers(unit, {need.id for need, _ in rows})
    return [
        NeedView(
            id=need.id,
            school_name=school,
            title=need.title,
            stage=need.stage,
            subject=need.subject,
            description=need.description,
            wanted_by=need.wanted_by,
            posted_at=need.posted_at,
            closed_at=need.closed_at,
            is_own=need.school_id == actor.organisation_id,
            answers=tuple(answers.get(need.id, ())),
        )
        for need, school in rows
    ]


def needs_answered() -> Select[*tuple[UUID, int]]:
    """Select how many open `needs` each version answers, without those that answer none."""
    return (
        select(NeedAnswer.version_id, func.count().label("needs"))
        .join(SchoolNeed, SchoolNeed.id == NeedAnswer.need_id)
        .where(SchoolNeed.closed_at.is_(None))
        .group_by(NeedAnswer.version_id)
    )


def _answers(unit: Unit, need_ids: set[UUID]) -> dict[UUID, list[AnswerView]]:
    """Return answers by need: listed ones to everybody, others to their vendor and bureaus."""
    actor = unit.actor
    rows = unit.session.execute(
        select(NeedAnswer, Version, Resource, Organisation)
        .join(Version, Version.id == NeedAnswer.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .join(Organisation, Organisation.id == Resource.vendor_id)
        .where(among(NeedAnswer.need_id, need_ids))
        .order_by(NeedAnswer.answered_at, NeedAnswer.version_id)
    )
    found: dict[UUID, list[AnswerView]] = {}
    for answer, version, resource, vendor in rows:
        is_own = vendor.id == actor.organisation_id
        is_desk = actor.organisation_kind is OrganisationKind.BUREAU
        is_shown = is_own or version.state == VersionState.LISTED
        if not is_shown and not (is_desk and version.state != VersionState.DRAFT):
            continue
        found.setdefault(answer.need_id, []).append(
            AnswerView(
                version_id=version.id,
                title=version.title,
                sku=resource.sku,
                vendor_name=vendor.name,
                vendor_code=vendor.code,
                state=version.state,
                note=answer.note,
                chosen=answer.chosen,
            )
        )
    return found


def _lock(unit: Unit, need_id: UUID) -> SchoolNeed:
    need = unit.session.scalars(
        select(SchoolNeed)
        .where(SchoolNeed.id == need_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if need is None:
        raise NotFound(what="need", key=need_id)
    return need


def _trail(unit: Unit, act: str, need: SchoolNeed, **facts: object) -> None:
    record(unit, act, subject_kind="need", subject_id=need.id, title=need.title, **facts)
    unit.session.flush()
