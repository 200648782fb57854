"""`/api/v1/findings` and `/api/v1/evaluators`: findings of third parties, who let them in (R65)."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, RawBody

from kernel.actors import Role
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import PUBLIC, only
from kernel.http.problems import AnyRequest
from kernel.unit import Unit
from settlement.evaluation.admissions import (
    ADMITTERS,
    AdmissionView,
    admissions,
    admit_evaluator,
    end_admission,
)
from settlement.evaluation.evidence import EvidenceTotals, evidence_totals
from settlement.evaluation.finding_views import findings
from settlement.evaluation.outside import REPLIERS, file_finding, reply_to_finding, withdraw_finding

EVALUATORS: Final = only(Role.EVALUATOR)


class FindingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its evaluator's declared interests, its withdrawal and the reply, if any.

    `ended_at`, `ended_because`: of the admission under which it was filed, if it ended since.
    """

    id: UUID
    evaluator: str
    interest: str
    subject_kind: str
    subject_key: str
    subject_name: str
    finding: str
    source: str
    found_on: date
    digest: str
    filed_at: datetime
    withdrawn_at: datetime | None
    withdrawn_because: str
    replied_at: datetime | None
    reply: str
    ended_at: datetime | None
    ended_because: str


class FindingList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[FindingAnswer]


class EvidenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence totals of one region that the evaluator was admitted for."""

    region: str
    schools: int
    uses: int
    ratings: int
    disputes: int
    upheld: int


class EvidenceList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[EvidenceAnswer]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID


class EvaluatorRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let an evaluator in for a region; `interest`: what it declares, `none` included."""

    code: str
    region: str
    interest: str


class AdmissionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An admission of an evaluator; `findings`: how many were filed under it."""

    id: UUID
    code: str
    name: str
    region_code: str
    region: str
    bureau: str
    interest: str
    admitted_at: datetime
    ended_at: datetime | None
    ended_because: str
    findings: int


class AdmissionList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[AdmissionAnswer]


class EndRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an admission ends."""

    because: str


class FindingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind` vendor | resource | school | bureau | platform; `key` its code, or `vendor/sku`."""

    kind: str
    key: str = ""
    finding: str
    source: str
    found_on: date


class WithdrawalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    because: str


class ReplyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reply: str


@get(
    "/findings",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="listFindings",
    summary="Findings of third parties",
)
def list_findings(
    request: AnyRequest, callers: Callers, *, key: FromQuery[str] = ""
) -> FindingList:
    """Answer all findings, or those about one subject; withdrawn ones are there and say so."""
    with callers.open(request) as unit:
        return _list(unit, key)


@get(
    "/findings/evidence",
    opt=EVALUATORS,
    sync_to_thread=True,
    operation_id="getEvidenceTotals",
    summary="Evidence totals",
)
def get_evidence(request: AnyRequest, callers: Callers) -> EvidenceList:
    """Answer an evaluator the evidence totals of the regions that it was admitted for."""
    with callers.open(request) as unit:
        return EvidenceList(items=[_evidence(one) for one in evidence_totals(unit)])


@post(
    "/evaluators",
    opt=only(*ADMITTERS),
    status_code=201,
    sync_to_thread=True,
    operation_id="admitEvaluator",
    summary="Admit an evaluator",
)
def admit(
    request: AnyRequest, callers: Callers, data: JSONBody[EvaluatorRequest], body: RawBody
) -> Response[Any]:
    """Let a third party evaluate in a region of one's own bureau."""

    def act(unit: Unit) -> msgspec.Struct:
        made = admit_evaluator(unit, data.code, region_code=data.region, interest=data.interest)
        return Made(id=made)

    return answered_once(request, callers, body, act=act, status=201)


@get(
    "/evaluators",
    opt=only(*ADMITTERS),
    sync_to_thread=True,
    operation_id="listEvaluators",
    summary="Evaluators",
)
def list_evaluators(request: AnyRequest, callers: Callers) -> AdmissionList:
    """Answer the admissions in the regions of one's own bureau."""
    with callers.open(request) as unit:
        return AdmissionList(items=[_admission(one) for one in admissions(unit)])


@post(
    "/evaluators/{admission_id:uuid}/end",
    opt=only(*ADMITTERS),
    status_code=200,
    sync_to_thread=True,
    operation_id="endEvaluator",
    summary="End an admission",
)
def end(
    request: AnyRequest,
    callers: Callers,
    admission_id: FromPath[UUID],
    data: JSONBody[EndRequest],
    body: RawBody,
) -> Response[Any]:
    """End an evaluator's admission with the reason; what it found stays."""

    def act(unit: Unit) -> msgspec.Struct:
        end_admission(unit, admission_id, because=data.because)
        return Made(id=admission_id)

    return answered_once(request, callers, body, act=act)


@post(
    "/findings",
    opt=EVALUATORS,
    status_code=201,
    sync_to_thread=True,
    operation_id="fileFinding",
    summary="File a finding",
)
def file(
    request: AnyRequest, callers: Callers, data: JSONBody[FindingRequest], body: RawBody
) -> Response[Any]:
    """File a finding; it stays as it is filed."""

    def act(unit: Unit) -> msgspec.Struct:
        made = file_finding(
            unit,
            data.kind,
            data.key,
            finding=data.finding,
            source=data.source,
            found_on=data.found_on,
        )
        return Made(id=made)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/findings/{finding_id:uuid}/withdrawal",
    opt=EVALUATORS,
    status_code=200,
    sync_to_thread=True,
    operation_id="withdrawFinding",
    summary="Withdraw a finding",
)
def withdraw(
    request: AnyRequest,
    callers: Callers,
    finding_id: FromPath[UUID],
    data: JSONBody[WithdrawalRequest],
    body: RawBody,
) -> Response[Any]:
    """Withdraw an own finding with the reason."""

    def act(unit: Unit) -> msgspec.Struct:
        withdraw_finding(unit, finding_id, because=data.because)
        return Made(id=finding_id)

    return answered_once(request, callers, body, act=act)


@post(
    "/findings/{finding_id:uuid}/reply",
    opt=only(*REPLIERS),
    status_code=200,
    sync_to_thread=True,
    operation_id="replyToFinding",
    summary="Reply to a finding",
)
def reply(
    request: AnyRequest,
    callers: Callers,
    finding_id: FromPath[UUID],
    data: JSONBody[ReplyRequest],
    body: RawBody,
) -> Response[Any]:
    """Reply, once, as the subject of a finding."""

    def act(unit: Unit) -> msgspec.Struct:
        reply_to_finding(unit, finding_id, reply=data.reply)
        return Made(id=finding_id)

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (
    list_findings,
    get_evidence,
    list_evaluators,
    admit,
    end,
    file,
    withdraw,
    reply,
)


def _list(unit: Unit, key: str) -> FindingList:
    found = findings(unit, about=(key,) if key else ())
    return FindingList(
        items=[msgspec.convert(one, FindingAnswer, from_attributes=True) for one in found]
    )


def _evidence(one: EvidenceTotals) -> EvidenceAnswer:
    return msgspec.convert(one, EvidenceAnswer, from_attributes=True)


def _admission(one: AdmissionView) -> AdmissionAnswer:
    return msgspec.convert(one, AdmissionAnswer, from_attributes=True)
