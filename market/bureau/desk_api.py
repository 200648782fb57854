"""`/api/v1/admissions`: the admission desk for reviewers' scripts, act by act.

For signed-in reviewers (cookie, and `X-CSRF-Token` for what changes something): a review is a
person's, and no key can make it. Auditors read, and act on nothing. `Idempotency-Key` makes a
repeated request harmless.
"""

from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter, RawBody

from catalog.admission import claim, decide_admission, judge, propose, release
from catalog.appeals import decide_appeal
from catalog.case_answers import CaseAnswer, QueueAnswer, case_answer, queued_answer
from catalog.cases import case
from catalog.criteria import Criterion, Finding, Reason
from catalog.desk import Sought, count_queue, queue
from catalog.search import MOST
from catalog.states import AdmissionState
from catalog.submissions import suitability
from catalog.takedowns import Ground, restore, take_down
from kernel.actors import Role
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.ids import VersionId
from kernel.unit import Unit

REVIEWERS: Final = only(Role.ADMISSION)
READERS: Final = only(Role.ADMISSION, Role.AUDITOR)
Limit = Annotated[int | None, QueryParameter(ge=1, le=MOST)]
Standing = Annotated[
    Literal["waiting", "mine", "to-decide", "with-a-colleague", "appealed", "listed", "suspended"]
    | None,
    QueryParameter(),
]
ONE: Final = "/admissions/{version_id:uuid}"


class NoteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is put on record with an act."""

    note: str = ""


class FindingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One criterion's finding with its evidence."""

    criterion: Criterion
    finding: Finding
    evidence: str


class FindingsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings on a claimed version; others stay as they are."""

    findings: list[FindingRequest]


class ProposalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict proposed: admitted, returned or refused; the stages and conditions it suits."""

    verdict: AdmissionState
    note: str = ""
    reasons: list[Reason] = []
    stages: list[str] = []
    conditions: str = ""


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The second reviewer's decision; a return or refusal says why.

    `price_from`: the case's; admitted after it moved, the version is refused and not listed.
    """

    verdict: AdmissionState
    note: str = ""
    price_from: date | None = None


class TakedownRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a resource is taken down at once."""

    ground: Ground
    reason: str


class AppealDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an appeal is upheld, and why."""

    upheld: bool
    note: str


@get(
    "/admissions",
    opt=READERS,
    sync_to_thread=True,
    operation_id="listAdmissions",
    summary="What waits at the admission desk",
)
def list_admissions(
    request: AnyRequest, callers: Callers, *, standing: Standing = None, limit: Limit = None
) -> QueueAnswer:
    """Answer what waits for the caller's bureau with the factors that order it.

    With `standing` only what stands so for the caller, and counts it. With `limit` the head of
    that: who works through what is `waiting` asks for its head again, whatever colleagues have.
    An auditor is answered what its bureau and those below it reviewed.
    """
    sought = Sought(standing=standing or "")
    with callers.open(request) as unit:
        return QueueAnswer(
            items=[queued_answer(row) for row in queue(unit, sought, limit=limit)],
            waiting=count_queue(unit, sought),
        )


@get(ONE, opt=READERS, sync_to_thread=True, operation_id="getAdmission", summary="One admission")
def get_admission(request: AnyRequest, callers: Callers, version_id: FromPath[UUID]) -> CaseAnswer:
    """Answer one version's case."""
    with callers.open(request) as unit:
        return case_answer(case(unit, version_id))


@post(
    f"{ONE}/claim",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="claimAdmission",
    summary="Claim a version",
)
def claim_admission(
    request: AnyRequest, callers: Callers, version_id: FromPath[UUID], body: RawBody
) -> Response[Any]:
    """Claim a submitted version for the caller."""

    def act(unit: Unit) -> msgspec.Struct:
        claim(unit, [VersionId(version_id)])
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/release",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="releaseAdmission",
    summary="Give a version back to the queue",
)
def release_admission(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[NoteRequest],
    body: RawBody,
) -> Response[Any]:
    """Release one's own claim, or with the reason a colleague's review."""

    def act(unit: Unit) -> msgspec.Struct:
        release(unit, VersionId(version_id), note=data.note)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/findings",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="judgeAdmission",
    summary="Write findings",
)
def judge_admission(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[FindingsRequest],
    body: RawBody,
) -> Response[Any]:
    """Write findings with their evidence on the caller's own claim."""

    def act(unit: Unit) -> msgspec.Struct:
        for one in data.findings:
            judge(
                unit,
                VersionId(version_id),
                one.criterion,
                finding=one.finding,
                evidence=one.evidence,
            )
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/proposal",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="proposeAdmission",
    summary="Propose a verdict",
)
def propose_verdict(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[ProposalRequest],
    body: RawBody,
) -> Response[Any]:
    """Propose a verdict, which another reviewer of the bureau decides."""

    def act(unit: Unit) -> msgspec.Struct:
        propose(
            unit,
            VersionId(version_id),
            verdict=data.verdict,
            note=data.note,
            reasons=data.reasons,
            suits=suitability(data.stages, data.conditions),
        )
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/decision",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="decideAdmission",
    summary="Decide a proposal",
)
def decide(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[DecisionRequest],
    body: RawBody,
) -> Response[Any]:
    """Decide as the second reviewer; what is admitted is listed at once."""

    def act(unit: Unit) -> msgspec.Struct:
        decide_admission(
            unit,
            [VersionId(version_id)],
            note=data.note,
            verdict=data.verdict,
            price_from=data.price_from,
        )
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/takedown",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="takeDown",
    summary="Take a resource down",
)
def take_down_now(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[TakedownRequest],
    body: RawBody,
) -> Response[Any]:
    """Suspend the resource at once: nothing of it is opened any more."""

    def act(unit: Unit) -> msgspec.Struct:
        take_down(unit, VersionId(version_id), ground=data.ground, reason=data.reason)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/restoring",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="restoreResource",
    summary="Lift a takedown",
)
def restore_now(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[NoteRequest],
    body: RawBody,
) -> Response[Any]:
    """List again what was taken down, as another reviewer; an open appeal is upheld by this."""

    def act(unit: Unit) -> msgspec.Struct:
        restore(unit, VersionId(version_id), note=data.note)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


@post(
    f"{ONE}/appeal",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="decideAppeal",
    summary="Decide an appeal",
)
def judge_appeal(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[AppealDecision],
    body: RawBody,
) -> Response[Any]:
    """Decide the open appeal about a version, as a reviewer who had no part in it."""

    def act(unit: Unit) -> msgspec.Struct:
        decide_appeal(unit, VersionId(version_id), upheld=data.upheld, note=data.note)
        return case_answer(case(unit, version_id))

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (
    list_admissions,
    get_admission,
    claim_admission,
    release_admission,
    judge_admission,
    propose_verdict,
    decide,
    take_down_now,
    restore_now,
    judge_appeal,
)
