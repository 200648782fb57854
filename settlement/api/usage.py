"""`/api/v1/usage`: vendors and schools report uses, and ask what became of a batch.

A report is made with an API key and signed; see docs/guides/report-usage.md. Whatever is wrong with
single events is told event by event in an answer of 200; an error means that nothing was taken.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from litestar import MediaType, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, Parameter, RequestBody, Schema
from litestar.params import FromPath, RawBody

from kernel.actors import Role
from kernel.http.bodies import require_content_type, unpacked
from kernel.http.idempotency import KEY_HEADER, REPLAYED_HEADER, Answer, answer_once
from kernel.http.machines import Machines, answer_headers
from kernel.http.pages import only
from kernel.http.problems import AnyRequest, reader_locale
from kernel.http.signatures import SIGNATURE_HEADER, TIMESTAMP_HEADER, check_signature
from kernel.i18n import translate
from kernel.unit import Unit
from settlement.metering.events import Event, Unreadable, UsageEvent, decode_events
from settlement.metering.remedies import mending
from settlement.metering.reporting import (
    BatchTotals,
    Delivery,
    report_usage,
    reported_batch,
)

CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
ACCEPTED: Final = (CLOUD_EVENTS, MediaType.JSON.value)
MOST_BYTES: Final = 10_000_000
POLICY: Final = "events"
REPORTERS: Final = only(Role.USAGE_REPORTER, Role.VENDOR_MANAGER)


class EventOutcome(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One event's fate: accepted | duplicate | conflict | quarantined.

    `reason`: why it was quarantined, or `late` for one accepted after its month was sealed. Where
    there is something to mend, `field` is the member that is meant, by its path in the event, and
    `remedy` says in the caller's language what to do.
    """

    id: str
    outcome: str
    reason: str
    field: str = ""
    remedy: str = ""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """received = accepted + duplicates + conflicts + quarantined; `late` are among the accepted.

    `reasons`: how many were quarantined for which reason.
    """

    received: int
    accepted: int
    late: int
    duplicates: int
    conflicts: int
    quarantined: int
    reasons: dict[str, int]


class UsageReceipt(Totals, frozen=True, kw_only=True):
    """What became of a batch, and of each of its events in their order."""

    batch: UUID
    outcomes: list[EventOutcome]


class UsageBatchState(Totals, frozen=True, kw_only=True):
    """What became of a batch by now: a use that waited for its launch may have been matched."""

    batch: UUID
    source: str
    received_at: datetime


@dataclass
class ReportOperation(Operation):
    """Describes what the handler reads by itself, in its own thread."""

    def __post_init__(self) -> None:
        schema = cast(Schema, _batch_schema())
        media = OpenAPIMediaType(schema=schema)
        self.request_body = RequestBody(
            required=True,
            description="A batch of 1 to 5,000 CloudEvents; Content-Encoding: gzip is understood.",
            content=dict.fromkeys(ACCEPTED, media),
        )
        described = {
            "Authorization": "Bearer and the API key.",
            TIMESTAMP_HEADER: "When the body was signed (RFC 3339), within 5 minutes of now.",
            SIGNATURE_HEADER: "ed25519= and the signature of timestamp, “.” and body, in base64.",
        }
        self.parameters = [
            *(self.parameters or []),
            *(_header(name, words, required=True) for name, words in described.items()),
            _header(KEY_HEADER, "The same key again gets the same answer.", required=False),
        ]


@post(
    "/usage",
    opt=REPORTERS,
    status_code=200,
    sync_to_thread=True,
    operation_class=ReportOperation,
    operation_id="reportUsage",
    summary="Report uses",
    responses={200: ResponseSpec(data_container=UsageReceipt, description="Each event's fate.")},
)
def report(request: AnyRequest, body: RawBody, machines: Machines) -> Response[bytes]:
    """Take in a batch of CloudEvents; answer each event's fate, in their order."""
    require_content_type(request, ACCEPTED)
    with machines.open(request) as call:
        now = call.unit.clock.now()
        signature = check_signature(request, body, holder=call.holder, now=now)
        events = decode_events(unpacked(request, body, most_bytes=MOST_BYTES))
        call.spend(len(events), limit=call.unit.settings.usage_rate, policy=POLICY)
    locale = reader_locale(request, machines.units.settings.locale)
    delivery = Delivery(
        name=f"API {request.headers[TIMESTAMP_HEADER]}",
        digest=hashlib.sha256(body).digest(),
        signature=signature,
    )

    def act(unit: Unit) -> Answer:
        batch_id, outcomes = report_usage(unit, events, delivery=delivery)
        totals = BatchTotals()
        for (outcome, reason), rows in Counter(outcomes).items():
            totals.add(outcome, reason, rows)
        receipt = UsageReceipt(
            batch=batch_id,
            outcomes=[
                _outcome(event, outcome, reason, locale=locale)
                for event, (outcome, reason) in zip(events, outcomes, strict=True)
            ],
            **_members(totals),
        )
        return Answer(200, msgspec.json.encode(receipt))

    with machines.units(call.unit.actor) as unit:
        answer = answer_once(
            unit,
            request.headers.get(KEY_HEADER, ""),
            request=b"POST /api/v1/usage\n" + body,
            act=lambda: act(unit),
        )
    replayed = {REPLAYED_HEADER: "true"} if answer.replayed else {}
    return Response(
        answer.content,
        status_code=answer.status,
        media_type=MediaType.JSON,
        headers=answer_headers(request) | replayed,
    )


@get(
    "/usage/batches/{batch_id:uuid}",
    opt=REPORTERS,
    sync_to_thread=True,
    operation_id="usageBatch",
    summary="What became of a batch",
)
def batch_state(
    request: AnyRequest, batch_id: FromPath[UUID], machines: Machines
) -> Response[UsageBatchState]:
    """Answer the tallies of a batch to the organisation that sent it."""
    with machines.open(request) as call:
        call.spend(0, limit=call.unit.settings.usage_rate, policy=POLICY)
        found = reported_batch(call.unit, batch_id)
        state = UsageBatchState(
            batch=found.id,
            source=found.source_code,
            received_at=found.begun_at,
            **_members(found.totals),
        )
    return Response(state, headers=answer_headers(request))


_PATHS: Final = {
    "event_id": "id",
    **{name: f"data.{name}" for name in ("learner", "launch", "session", "quantity")},
    **{name: f"data.{name}" for name in ("school_code", "vendor_code", "sku")},
}

HANDLERS: Final = (report, batch_state)


def _outcome(event: Event, outcome: str, reason: str, *, locale: str) -> EventOutcome:
    found = mending(reason if outcome == "quarantined" else outcome)
    launched = isinstance(event, UsageEvent) and event.data.launch is not None
    path = _PATHS.get(found.field, found.field)
    if isinstance(event, Unreadable) and not path and event.detail.isprintable():
        path = event.detail  # a member that does not belong there
    if launched and found.field == "learner":  # a ticketed source names its learner there
        path = "subject"
    return EventOutcome(event.id, outcome, reason, path, translate(found.remedy, locale))


def _members(totals: BatchTotals) -> Mapping[str, Any]:
    return {name: getattr(totals, name) for name in BatchTotals.__slots__}


def _header(name: str, words: str, *, required: bool) -> Parameter:
    return Parameter(
        name=name,
        param_in="header",
        required=required,
        description=words,
        schema=Schema(type=cast(Any, "string")),
    )


def _batch_schema() -> dict[str, Any]:
    """Return the schema of a batch with what it refers to in place, as the events are decoded."""
    (array,), components = msgspec.json.schema_components([list[UsageEvent]], ref_template="{name}")

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolved(components[node["$ref"]])
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(one) for one in node] if isinstance(node, list) else node

    found: dict[str, Any] = resolved(array)
    return found
