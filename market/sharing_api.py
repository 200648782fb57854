"""`/api/v1/needs` and `/api/v1/infringements`: what schools lack, and claims about what is listed.

For signed-in people (cookie, and `X-CSRF-Token` for what changes something). `Idempotency-Key` is
honoured.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, RawBody

from catalog.infringements import (
    NoticeView,
    counter_notice,
    decide_notice,
    give_notice,
    notices,
)
from catalog.needs import POSTERS, READERS, NeedView, answer_need, close_need, needs, post_need
from kernel.actors import Role
from kernel.errors import InvalidInput
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.identity.stages import STAGES
from kernel.ids import VersionId
from kernel.unit import Unit

CLAIMANTS: Final = only(*POSTERS, Role.VENDOR_MANAGER, Role.ADMISSION)


class NeedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a school lacks."""

    title: str
    description: str
    wanted_by: date
    stage: str = ""
    subject: str = ""


class OfferRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of one's own, offered for a need."""

    version_id: UUID
    note: str = ""


class ClosingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versions that were chosen, if any."""

    chosen: list[UUID] = []


class OfferedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A version offered for a need."""

    version_id: UUID
    title: str
    vendor: str
    state: str
    chosen: bool


class NeedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One need with what was offered."""

    id: UUID
    school: str
    title: str
    stage: str
    subject: str
    description: str
    wanted_by: date
    closed_at: datetime | None
    offered: list[OfferedAnswer]


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """The needs that the caller sees, the newest first."""

    items: list[NeedAnswer]


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim that a version infringes a work."""

    version_id: UUID
    claimant: str
    work: str
    claim: str
    contact: str = ""


class CounterRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vendor's answer."""

    statement: str


class ClaimDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a claim is upheld, and why."""

    upheld: bool
    note: str


class ClaimAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One claim; `state`: notified, countered, upheld, dismissed."""

    id: UUID
    version_id: UUID
    title: str
    claimant: str
    work: str
    claim: str
    state: str
    answer_by: date
    counter: str
    note: str


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims that the caller sees, the newest first."""

    items: list[ClaimAnswer]


@get("/needs", opt=only(*READERS), sync_to_thread=True, operation_id="listNeeds", summary="Needs")
def list_needs(request: AnyRequest, callers: Callers) -> Needs:
    """Answer the needs that the caller sees."""
    with callers.open(request) as unit:
        return _needs(unit)


@post(
    "/needs",
    opt=only(*POSTERS),
    status_code=201,
    sync_to_thread=True,
    operation_id="postNeed",
    summary="Post a need",
)
def post_one(
    request: AnyRequest, callers: Callers, data: JSONBody[NeedRequest], body: RawBody
) -> Response[Any]:
    """Post what the caller's school lacks."""

    def act(unit: Unit) -> msgspec.Struct:
        if data.stage not in STAGES:
            raise InvalidInput(field="stage", value=data.stage, expected=" | ".join(sorted(STAGES)))
        post_need(unit, **msgspec.structs.asdict(data))
        return _needs(unit)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/needs/{need_id:uuid}/answers",
    opt=only(Role.VENDOR_MANAGER),
    status_code=200,
    sync_to_thread=True,
    operation_id="answerNeed",
    summary="Answer a need",
)
def answer_one(
    request: AnyRequest,
    callers: Callers,
    need_id: FromPath[UUID],
    data: JSONBody[OfferRequest],
    body: RawBody,
) -> Response[Any]:
    """Offer a version of the caller's vendor for an open need."""

    def act(unit: Unit) -> msgspec.Struct:
        answer_need(unit, need_id, version_id=VersionId(data.version_id), note=data.note)
        return _needs(unit)

    return answered_once(request, callers, body, act=act)


@post(
    "/needs/{need_id:uuid}/closing",
    opt=only(*POSTERS),
    status_code=200,
    sync_to_thread=True,
    operation_id="closeNeed",
    summary="Close a need",
)
def close_one(
    request: AnyRequest,
    callers: Callers,
    need_id: FromPath[UUID],
    data: JSONBody[ClosingRequest],
    body: RawBody,
) -> Response[Any]:
    """Close a need of the caller's own school."""

    def act(unit: Unit) -> msgspec.Struct:
        close_need(unit, need_id, chosen=data.chosen)
        return _needs(unit)

    return answered_once(request, callers, body, act=act)


@get(
    "/infringements",
    opt=CLAIMANTS,
    sync_to_thread=True,
    operation_id="listInfringements",
    summary="Claims of infringement",
)
def list_claims(request: AnyRequest, callers: Callers) -> Claims:
    """Answer the claims that the caller sees."""
    with callers.open(request) as unit:
        return _claims(unit)


@post(
    "/infringements",
    opt=CLAIMANTS,
    status_code=201,
    sync_to_thread=True,
    operation_id="claimInfringement",
    summary="Claim an infringement",
)
def claim_one(
    request: AnyRequest, callers: Callers, data: JSONBody[ClaimRequest], body: RawBody
) -> Response[Any]:
    """Give notice that a version infringes a work."""

    def act(unit: Unit) -> msgspec.Struct:
        facts = msgspec.structs.asdict(data)
        give_notice(unit, VersionId(facts.pop("version_id")), **facts)
        return _claims(unit)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/infringements/{notice_id:uuid}/counter",
    opt=only(Role.VENDOR_MANAGER),
    status_code=200,
    sync_to_thread=True,
    operation_id="counterClaim",
    summary="Answer a claim",
)
def counter_one(
    request: AnyRequest,
    callers: Callers,
    notice_id: FromPath[UUID],
    data: JSONBody[CounterRequest],
    body: RawBody,
) -> Response[Any]:
    """Answer a claim about a version of the caller's vendor."""

    def act(unit: Unit) -> msgspec.Struct:
        counter_notice(unit, notice_id, statement=data.statement)
        return _claims(unit)

    return answered_once(request, callers, body, act=act)


@post(
    "/infringements/{notice_id:uuid}/decision",
    opt=only(Role.ADMISSION),
    status_code=200,
    sync_to_thread=True,
    operation_id="decideClaim",
    summary="Decide a claim",
)
def decide_one(
    request: AnyRequest,
    callers: Callers,
    notice_id: FromPath[UUID],
    data: JSONBody[ClaimDecision],
    body: RawBody,
) -> Response[Any]:
    """Decide a claim; upheld, the resource is taken down."""

    def act(unit: Unit) -> msgspec.Struct:
        decide_notice(unit, notice_id, upheld=data.upheld, note=data.note)
        return _claims(unit)

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (
    list_needs,
    post_one,
    answer_one,
    close_one,
    list_claims,
    claim_one,
    counter_one,
    decide_one,
)


def _needs(unit: Unit) -> Needs:
    return Needs(items=[_need(one) for one in needs(unit)])


def _need(one: NeedView) -> NeedAnswer:
    return NeedAnswer(
        id=one.id,
        school=one.school_name,
        title=one.title,
        stage=one.stage,
        subject=one.subject,
        description=one.description,
        wanted_by=one.wanted_by,
        closed_at=one.closed_at,
        offered=[
            OfferedAnswer(
                version_id=answer.version_id,
                title=answer.title,
                vendor=answer.vendor_name,
                state=answer.state,
                chosen=answer.chosen,
            )
            for answer in one.answers
        ],
    )


def _claims(unit: Unit) -> Claims:
    return Claims(items=[_claim(one) for one in notices(unit)])


def _claim(one: NoticeView) -> ClaimAnswer:
    return ClaimAnswer(**{name: getattr(one, name) for name in ClaimAnswer.__struct_fields__})
