"""`/api/v1/works`, `/samples`, `/draws`, `/searches`: teachers' works, blind audits, misses.

For signed-in people (cookie, and `X-CSRF-Token` for what changes something): a confirmation and a
finding are a person's. `Idempotency-Key` is honoured. Draws are for everybody.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, RawBody

from catalog.blind_audit import (
    DrawView,
    SampleView,
    digest_of_pool,
    draw_sample,
    draws,
    judge_sample,
    samples,
)
from catalog.misses import READERS, misses
from catalog.ownership import CONFIRMERS, WorkView, decide_work, works
from kernel.actors import Role
from kernel.clock import show_month
from kernel.errors import NotFound
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import PUBLIC, only
from kernel.http.problems import AnyRequest
from kernel.unit import Unit

SCHOOL: Final = only(*CONFIRMERS)
REVIEWERS: Final = only(Role.ADMISSION)


class WorkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a teacher declared of a version; `standing`: waiting, confirmed, rejected."""

    version_id: UUID
    title: str
    vendor: str
    ownership: str
    school_share: str
    declared_at: datetime
    standing: str
    note: str


class Works(msgspec.Struct, frozen=True, kw_only=True):
    """What teachers of the caller's school declared, the latest first."""

    items: list[WorkAnswer]


class WorkDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the school confirms a declaration; a rejection says why."""

    confirmed: bool
    note: str = ""


class DrawRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many to draw; the seed is the trail's."""

    size: int


class JudgementRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a sample meets the criteria, and why."""

    passed: bool
    note: str


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A drawn version without whose it is; `standing`: waiting, overdue, passed, failed.

    `month`: of the draw; empty for one of before draws were the trail's.
    """

    id: UUID
    seed: str
    month: str
    title: str
    content: dict[str, Any]
    drawn_at: datetime
    judge_by: date
    standing: str
    note: str


class DrawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A bureau's draw of a month.

    `seed` is the SHA-256, in hexadecimal, of `anchor_digest:bureau:month`; `anchor` the number of
    the trail's last link of before the month (0: none), `anchor_digest` its digest. `of`: how many
    could be drawn; `pool_digest`: the SHA-256 of their ids, in order, each with a line feed.

    Nobody who is drawn can prepare for it: `anchor_digest` and `seed` are null until all that was
    drawn is judged, and no longer than to `told_from`, the day after the last for that.
    """

    id: UUID
    bureau: str
    name: str
    month: str
    anchor: int
    anchor_digest: str | None
    seed: str | None
    size: int
    of: int
    pool_digest: str
    drawn_at: datetime
    told_from: date


class OneDrawAnswer(DrawAnswer, frozen=True, kw_only=True):
    """A draw with all that it was made from: `drawn` are the first `size` of `pool` by the
    SHA-256 of `seed:version`. Both are null as long as `seed` is."""

    pool: list[UUID] | None
    drawn: list[UUID] | None


class Draws(msgspec.Struct, frozen=True, kw_only=True):
    """All draws, the latest first."""

    items: list[DrawAnswer]


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of the caller's bureau, those that wait first."""

    items: list[SampleAnswer]


class MissAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Words that were looked for and not found."""

    words: str
    times: int
    last_at: datetime


class Misses(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked for in vain, the most frequent first."""

    items: list[MissAnswer]


@get("/works", opt=SCHOOL, sync_to_thread=True, operation_id="listWorks", summary="Works")
def list_works(request: AnyRequest, callers: Callers) -> Works:
    """Answer what teachers of the caller's school declared."""
    with callers.open(request) as unit:
        return _works(unit)


@post(
    "/works/{version_id:uuid}/decision",
    opt=SCHOOL,
    status_code=200,
    sync_to_thread=True,
    operation_id="decideWork",
    summary="Confirm whose work it is",
)
def decide(
    request: AnyRequest,
    callers: Callers,
    version_id: FromPath[UUID],
    data: JSONBody[WorkDecision],
    body: RawBody,
) -> Response[Any]:
    """Confirm or reject a declaration for the caller's school."""

    def act(unit: Unit) -> msgspec.Struct:
        decide_work(unit, version_id, confirmed=data.confirmed, note=data.note)
        return _works(unit)

    return answered_once(request, callers, body, act=act)


@get("/samples", opt=REVIEWERS, sync_to_thread=True, operation_id="listSamples", summary="Samples")
def list_samples(request: AnyRequest, callers: Callers) -> Samples:
    """Answer the samples of the caller's bureau, without whose they are."""
    with callers.open(request) as unit:
        return _samples(unit)


@post(
    "/samples",
    opt=REVIEWERS,
    status_code=201,
    sync_to_thread=True,
    operation_id="drawSample",
    summary="Draw a sample for a blind audit",
)
def draw(
    request: AnyRequest, callers: Callers, data: JSONBody[DrawRequest], body: RawBody
) -> Response[Any]:
    """Draw listed versions of the caller's bureau; once in a month."""

    def act(unit: Unit) -> msgspec.Struct:
        draw_sample(unit, size=data.size)
        return _samples(unit)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/samples/{sample_id:uuid}/judgement",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="judgeSample",
    summary="Judge a sample",
)
def judge(
    request: AnyRequest,
    callers: Callers,
    sample_id: FromPath[UUID],
    data: JSONBody[JudgementRequest],
    body: RawBody,
) -> Response[Any]:
    """Say what was found, as somebody without a part in it."""

    def act(unit: Unit) -> msgspec.Struct:
        judge_sample(unit, sample_id, passed=data.passed, note=data.note)
        return _samples(unit)

    return answered_once(request, callers, body, act=act)


@get(
    "/draws",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="listDraws",
    summary="Draws for blind audits",
)
def list_draws(request: AnyRequest, callers: Callers) -> Draws:
    """Answer all draws that the trail seeded."""
    with callers.open(request) as unit:
        return Draws(items=[DrawAnswer(**_draw(one)) for one in draws(unit)])


@get(
    "/draws/{draw_id:uuid}",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getDraw",
    summary="A draw, to draw again",
)
def show_draw(request: AnyRequest, callers: Callers, draw_id: FromPath[UUID]) -> OneDrawAnswer:
    """Answer what a draw was made from, and, once that is judged, what was drawn."""
    with callers.open(request) as unit:
        found = draws(unit, draw_id=draw_id)
    if not found:
        raise NotFound(what="draw", key=draw_id)
    (one,) = found
    return OneDrawAnswer(
        **_draw(one),
        pool=list(one.pool) if one.is_told else None,
        drawn=list(one.drawn) if one.is_told else None,
    )


@get(
    "/searches",
    opt=only(*READERS),
    sync_to_thread=True,
    operation_id="listSearchesInVain",
    summary="Searches in vain",
)
def list_misses(request: AnyRequest, callers: Callers) -> Misses:
    """Answer what was looked for and not found; never by whom."""
    with callers.open(request) as unit:
        return Misses(
            items=[
                MissAnswer(words=one.words, times=one.times, last_at=one.last_at)
                for one in misses(unit)
            ]
        )


HANDLERS: Final = (
    list_works,
    decide,
    list_samples,
    draw,
    judge,
    list_draws,
    show_draw,
    list_misses,
)


def _works(unit: Unit) -> Works:
    return Works(items=[_work(one) for one in works(unit)])


def _work(one: WorkView) -> WorkAnswer:
    return WorkAnswer(
        version_id=one.version_id,
        title=one.title,
        vendor=one.vendor_name,
        ownership=one.ownership,
        school_share=f"{one.school_share:.4f}",
        declared_at=one.declared_at,
        standing=one.standing,
        note=one.note,
    )


def _samples(unit: Unit) -> Samples:
    return Samples(items=[_sample(one) for one in samples(unit)])


def _sample(one: SampleView) -> SampleAnswer:
    return SampleAnswer(
        id=one.id,
        seed=one.seed,
        month="" if one.month is None else show_month(one.month),
        title=one.title,
        content=one.content,
        drawn_at=one.drawn_at,
        judge_by=one.judge_by,
        standing=one.standing,
        note=one.note,
    )


def _draw(one: DrawView) -> dict[str, Any]:
    return {
        "id": one.id,
        "bureau": one.bureau_code,
        "name": one.bureau_name,
        "month": show_month(one.month),
        "anchor": one.anchor,
        "anchor_digest": one.anchor_digest if one.is_told else None,
        "seed": one.seed if one.is_told else None,
        "size": one.size,
        "of": len(one.pool),
        "pool_digest": digest_of_pool(one.pool),
        "drawn_at": one.drawn_at,
        "told_from": one.judge_by + timedelta(days=1),
    }
