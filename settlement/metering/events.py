"""Events as vendors and schools report them: a batch of CloudEvents 1.0 becomes rows of usage.

Decides how an event is read, not what becomes of it. An event that can't be read is a row, too,
with what was wrong: it is counted and kept apart, and the rest of the batch goes on (R32). Only a
body that is no array of objects is refused as a whole.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from kernel.errors import BatchTooLarge, EmptyBatch, UnreadableBody
from kernel.identity.secret import person_hash
from kernel.settings import Settings
from settlement.metering.ingest import UsageRow

MOST_EVENTS: Final = 5_000
EVENT_TYPE: Final = "cn.xuanyong.usage.v1"
LONGEST: Final = 100
EXPECTED_BODY: Final = "an array of CloudEvents, in JSON"

Text = Annotated[str, Meta(max_length=LONGEST)]
Id = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Moment = Annotated[datetime, Meta(tz=True)]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class UsageData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What a use was. A ticketed source names the `launch`; an attested one learner and resource.

    `learner` is the person number, `quantity` above 1 only where a row is a count already.
    """

    launch: UUID | None = None
    session: Text = ""
    quantity: Quantity = 1
    learner: Text = ""
    school_code: Text = ""
    vendor_code: Text = ""
    sku: Text = ""


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One use, as a CloudEvent: `subject` is the learner's pseudonym from the ticket."""

    id: Id
    source: Id
    type: Literal["cn.xuanyong.usage.v1"]
    time: Moment
    data: UsageData
    subject: Text = ""
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an event that can't be read: which it was, when, and why not."""

    id: str
    source: str
    time: datetime | None
    error: str
    detail: str


Event = UsageEvent | Unreadable

_decode_all = msgspec.json.Decoder(list[UsageEvent]).decode
_PATH = re.compile(r"at `\$(?:\.([a-z_.]+))?")
_MEMBERS: Final = tuple(
    f'"{name}"'.encode() for name in (*UsageEvent.__struct_fields__, *UsageData.__struct_fields__)
)
_FINER_BYTES = re.compile(rb"\.[0-9]{7}")
_MISSING = re.compile(r"missing required field `([a-z]+)`")
_FINER = re.compile(r"(\.[0-9]{6})[0-9]+")
"""A fraction finer than a microsecond, as some systems write; the decoder would round it up."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NAMES: Final = {"id": "event-id", "subject": "learner", "launch": "launch"}
_KNOWN: Final = frozenset(
    {
        *("event-id", "source", "type", "time", "learner", "launch", "session", "quantity"),
        *("school-code", "vendor-code", "sku"),
    }
)


def decode_events(body: bytes) -> Sequence[Event]:
    """Read a batch; raise `UnreadableBody`, `EmptyBatch` or `BatchTooLarge`."""
    try:
        # A body in order is read at once; whatever is wrong in it is looked for one by one, and so
        # are times that are finer than ours: they are cut, lest a use move into the next month.
        in_order = b"\\u00" not in body and not _FINER_BYTES.search(body)
        events: Sequence[Event] = _decode_all(body) if in_order else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        events = []
    if any(body.count(name) > len(events) for name in _MEMBERS):
        events = []  # a member may stand twice in an event, of which the decoder takes the last
    if events:
        _check_size(len(events))
        return events
    found = _objects(body)
    _check_size(len(found))
    return [_event(one) for one in found]


def _check_size(events: int) -> None:
    if not events:
        raise EmptyBatch(field="body", value="[]", most=MOST_EVENTS)
    if events > MOST_EVENTS:
        raise BatchTooLarge(field="body", events=events, most=MOST_EVENTS)


def _objects(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        reason = "it is no JSON" if isinstance(error, ValueError) else "it is nested too deeply"
        raise UnreadableBody(reason=reason, expected=EXPECTED_BODY) from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UnreadableBody(reason="it is no array of objects", expected=EXPECTED_BODY)
    return found


class _Repeating(dict[str, Any]):
    """An object in which a member stands twice."""

    name = ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    repeating = _Repeating(found)
    repeating.name = next(name for name in found if names.count(name) > 1)
    return repeating


def _event(found: Mapping[str, Any]) -> Event:
    for one in (found, found.get("data")):
        if isinstance(one, _Repeating):
            name = _UNSTORABLE.sub("␀", one.name)[:LONGEST]
            return _unreadable(found, "unreadable-row", f"{name} ×2")
    found = {**found, "time": _cut(found["time"])} if "time" in found else found
    try:
        event = msgspec.convert(found, UsageEvent)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        code, detail = _fault(str(error))
        return _unreadable(found, code, detail)
    texts = (event.id, event.source, event.subject, *msgspec.structs.astuple(event.data))
    if any(isinstance(text, str) and _UNSTORABLE.search(text) for text in texts):
        return _unreadable(found, "unreadable-row", "\\u0000")
    return event


def _cut(time: Any) -> Any:
    """Return a time to the microsecond, as files are read; anything else as it is."""
    return _FINER.sub(r"\1", time) if isinstance(time, str) else time


def _fault(words: str) -> tuple[str, str]:
    """Return the reason and the detail that stand for an error; neither quotes what was sent."""
    missing = _MISSING.search(words)
    path = _PATH.search(words)
    place = (path[1] or "") if path else ""
    name = missing[1] if missing else place.rpartition(".")[2]
    code = _NAMES.get(name, name.replace("_", "-"))
    if code not in _KNOWN:
        return "unreadable-row", place
    return f"{'missing' if missing else 'unreadable'}-{code}", ""


def _unreadable(found: Mapping[str, Any], code: str, detail: str) -> Unreadable:
    def text(name: str) -> str:
        value = found.get(name)
        return _UNSTORABLE.sub("␀", value)[:LONGEST] if isinstance(value, str) else ""

    try:
        time = msgspec.convert(found.get("time"), Moment)
    except (msgspec.ValidationError, OverflowError):
        time = None
    return Unreadable(id=text("id"), source=text("source"), time=time, error=code, detail=detail)


def rows_of(
    events: Sequence[Event], *, source_code: str, ticketed: bool, settings: Settings
) -> list[UsageRow]:
    """Return the rows of a batch that belongs to one source; ticketed or attested."""
    hashes: dict[str, bytes] = {}
    rows = []
    for event in events:
        if isinstance(event, Unreadable):
            rows.append(_bad_row(event.id, event.time, event.error, event.detail))
            continue
        data = event.data
        error = "other-source" if event.source != source_code else _lack(event, ticketed=ticketed)
        if error:
            rows.append(_bad_row(event.id, event.time, error, ""))
            continue
        learner = data.learner
        if learner and learner not in hashes:
            hashes[learner] = person_hash(settings, learner)
        rows.append(
            UsageRow(
                event_id=event.id,
                occurred_at=event.time,
                learner_hash=hashes[learner] if learner else b"",
                vendor_code=data.vendor_code,
                sku=data.sku,
                school_code=data.school_code,
                session=data.session,
                quantity=data.quantity,
                launch_id=data.launch,
                pseudonym=event.subject,
            )
        )
    return rows


def _lack(event: UsageEvent, *, ticketed: bool) -> str:
    """Return what an event lacks, or has too much, for a source of its kind."""
    data = event.data
    if ticketed:
        if data.learner or data.school_code or data.vendor_code or data.sku:
            return "unreadable-row"  # who and what is told by the launch, never by its vendor
        return "missing-learner" if data.launch is not None and not event.subject else ""
    if data.launch is not None:
        return "unreadable-launch"  # it would have to show the ticket's pseudonym
    for name, value in (
        ("learner", data.learner),
        ("vendor-code", data.vendor_code),
        ("sku", data.sku),
    ):
        if not value:
            return f"missing-{name}"
    return ""


def _bad_row(event_id: str, time: datetime | None, error: str, detail: str) -> UsageRow:
    return UsageRow(
        event_id=event_id,
        occurred_at=time,
        learner_hash=b"",
        vendor_code="",
        sku="",
        error=error,
        detail=detail,
    )
