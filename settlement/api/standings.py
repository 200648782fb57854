"""`/api/v1/standings`: where vendors stand, and the acts of due process.

For the vendor itself and the reviewers that answer for it, and to read for auditors;
`Idempotency-Key` is honoured.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, RawBody

from kernel.actors import Role
from kernel.clock import show_month
from kernel.errors import InvalidInput
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import only
from kernel.http.problems import AnyRequest, reader_locale
from kernel.i18n import translate
from kernel.unit import Unit
from settlement.queries.standing_reasons import Ground, grounds_of
from settlement.queries.standings import StandingRow, standing_rows, standing_view
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.models import StandingEvent
from settlement.ranking.returning import apply_to_return, decide_return
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standing_states import Because

READERS: Final = only(Role.VENDOR_MANAGER, Role.ADMISSION, Role.AUDITOR)
REVIEWERS: Final = only(Role.ADMISSION)
MANAGER: Final = only(Role.VENDOR_MANAGER)
STEPS: Final = {
    Because.NOTICE: issue_notice,
    Because.SUSPENSION: suspend,
    Because.EXIT: let_exit,
}


class StandingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor stands in a cell, by the last look; `run_id` is that of its run."""

    id: UUID
    vendor: str
    vendor_name: str
    cell: str
    state: str
    since: date
    month: str
    run_id: UUID | None
    score: Decimal | None
    p_bad: Decimal | None
    fresh: int
    appeal: str


class StandingList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[StandingAnswer]


class GroundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a step rests on: ids and digests of what can be had again, and what it says.

    `line`: the published probability of the step; `items`: the notice's; `affected`: schools since
    the notice; `struck`: evidence that an appeal took out.
    """

    run_id: UUID | None
    month: str
    run_number: int | None
    config: str
    inputs_digest: str
    score: Decimal | None
    sd: Decimal | None
    p_bad: Decimal | None
    line: Decimal | None
    notice_id: UUID | None
    items: list[dict[str, Any]]
    affected: list[dict[str, Any]]
    appeal_id: UUID | None
    struck: list[dict[str, Any]]


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One step: `because` which rule moved it, `note` the reason that was signed, `rests_on`."""

    number: int
    from_state: str
    to_state: str
    because: str
    note: str
    at: datetime
    appeal_by: date | None
    rests_on: GroundAnswer


class StandingDetail(StandingAnswer, frozen=True, kw_only=True):
    """One standing with its course: what moved it, the items against it, the gates, appeals.

    `may_sign`: the caller reviews for a bureau that answers for all that was let in there. A gate's
    `condition` is in the caller's language, its `rule` in English.
    """

    events: list[EventAnswer]
    items: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    appeals: list[dict[str, Any]]
    mend_by: date | None
    appeal_by: date | None
    may_sign: bool
    return_on: date | None


class StepRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step that a reviewer signs: notice, suspension or exit; the reason is required.

    `run_id`: the run of the look that was read; after another one nothing is signed.
    """

    step: str
    note: str
    run_id: UUID


class AppealRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An appeal against the last step; `contested`: numbers of the items that are denied.

    `event`: the number of the step that was read; after another one nothing is appealed.
    """

    event: int
    claim: str
    contested: list[int] = []


class ReturnRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vendor that left applies anew; `claim`: what changed since."""

    claim: str


class ReturnDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of an application to return; the reason is required."""

    granted: bool
    note: str


class AppealDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of an appeal; `struck`: numbers of the items whose evidence is taken out."""

    upheld: bool
    note: str
    struck: list[int] = []


@get(
    "/standings",
    opt=READERS,
    sync_to_thread=True,
    operation_id="listStandings",
    summary="Standings",
)
def list_standings(request: AnyRequest, callers: Callers) -> StandingList:
    """Answer a vendor's own standings, or those that a bureau answers for."""
    with callers.open(request) as unit:
        return StandingList(items=[StandingAnswer(**_standing(one)) for one in standing_rows(unit)])


@get(
    "/standings/{standing_id:uuid}",
    opt=READERS,
    sync_to_thread=True,
    operation_id="getStanding",
    summary="One standing",
)
def get_standing(
    request: AnyRequest, callers: Callers, standing_id: FromPath[UUID]
) -> StandingDetail:
    """Answer one standing with its course."""
    with callers.open(request) as unit:
        return _detail(request, unit, standing_id)


@post(
    "/standings/{standing_id:uuid}/step",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="signStandingStep",
    summary="Sign a step",
)
def sign_step(
    request: AnyRequest,
    callers: Callers,
    standing_id: FromPath[UUID],
    data: JSONBody[StepRequest],
    body: RawBody,
) -> Response[Any]:
    """Sign a notice, a suspension or an exit, once all gates before it are met."""

    def act(unit: Unit) -> msgspec.Struct:
        step = next((one for one in STEPS if one == data.step), None)
        if step is None:
            raise InvalidInput(field="step", value=data.step, expected="notice | suspension | exit")
        STEPS[step](unit, standing_id, note=data.note, seen=data.run_id)
        return _detail(request, unit, standing_id)

    return answered_once(request, callers, body, act=act)


@post(
    "/standings/{standing_id:uuid}/appeal",
    opt=MANAGER,
    status_code=201,
    sync_to_thread=True,
    operation_id="appealStanding",
    summary="Appeal",
)
def appeal(
    request: AnyRequest,
    callers: Callers,
    standing_id: FromPath[UUID],
    data: JSONBody[AppealRequest],
    body: RawBody,
) -> Response[Any]:
    """Appeal against the last step, as the vendor and in time."""

    def act(unit: Unit) -> msgspec.Struct:
        appeal_standing(
            unit, standing_id, event=data.event, claim=data.claim, contested=data.contested
        )
        return _detail(request, unit, standing_id)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/standing-appeals/{appeal_id:uuid}/decision",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="decideStandingAppeal",
    summary="Decide an appeal",
)
def decide_appeal(
    request: AnyRequest,
    callers: Callers,
    appeal_id: FromPath[UUID],
    data: JSONBody[AppealDecision],
    body: RawBody,
) -> Response[Any]:
    """Decide an appeal, as a reviewer who signed nothing of it."""

    def act(unit: Unit) -> msgspec.Struct:
        standing = decide_standing_appeal(
            unit, appeal_id, upheld=data.upheld, note=data.note, struck=data.struck
        )
        return _detail(request, unit, standing.id)

    return answered_once(request, callers, body, act=act)


@post(
    "/standings/{standing_id:uuid}/return",
    opt=MANAGER,
    status_code=201,
    sync_to_thread=True,
    operation_id="applyToReturn",
    summary="Apply to return",
)
def ask_to_return(
    request: AnyRequest,
    callers: Callers,
    standing_id: FromPath[UUID],
    data: JSONBody[ReturnRequest],
    body: RawBody,
) -> Response[Any]:
    """Apply anew, as a vendor that left, once the published term is over."""

    def act(unit: Unit) -> msgspec.Struct:
        apply_to_return(unit, standing_id, claim=data.claim)
        return _detail(request, unit, standing_id)

    return answered_once(request, callers, body, act=act, status=201)


@post(
    "/standings/{standing_id:uuid}/return-decision",
    opt=REVIEWERS,
    status_code=200,
    sync_to_thread=True,
    operation_id="decideReturn",
    summary="Decide a return",
)
def decide_application(
    request: AnyRequest,
    callers: Callers,
    standing_id: FromPath[UUID],
    data: JSONBody[ReturnDecision],
    body: RawBody,
) -> Response[Any]:
    """Decide the application that waits, as a reviewer who signed no step of it."""

    def act(unit: Unit) -> msgspec.Struct:
        decide_return(unit, standing_id, granted=data.granted, note=data.note)
        return _detail(request, unit, standing_id)

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (
    list_standings,
    get_standing,
    sign_step,
    appeal,
    decide_appeal,
    ask_to_return,
    decide_application,
)


def _standing(row: StandingRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "vendor": row.vendor_code,
        "vendor_name": row.vendor_name,
        "cell": row.cell,
        "state": row.state,
        "since": row.since,
        "month": show_month(row.month) if row.month else "",
        "run_id": row.run_id,
        "score": row.score,
        "p_bad": row.p_bad,
        "fresh": row.fresh,
        "appeal": row.appeal,
    }


def _event(one: StandingEvent, ground: Ground) -> EventAnswer:
    told = {name: getattr(ground, name) for name in GroundAnswer.__struct_fields__}
    told["month"] = show_month(ground.month) if ground.month else ""
    for name in ("items", "affected", "struck"):
        told[name] = list(told[name])
    return EventAnswer(
        number=one.number,
        from_state=one.from_state,
        to_state=one.to_state,
        because=one.because,
        note=one.note,
        at=one.at,
        appeal_by=one.appeal_by,
        rests_on=GroundAnswer(**told),
    )


def _detail(request: AnyRequest, unit: Unit, standing_id: UUID) -> StandingDetail:
    found = standing_view(unit, standing_id)
    notice = found.course.notice
    grounds = grounds_of(unit, found)
    return StandingDetail(
        **_standing(found.row),
        events=[_event(one, grounds[one.number]) for one in found.events],
        items=[
            {name: value for name, value in one.items() if name != "school"} for one in found.items
        ],
        gates=[
            {
                "rule": one.rule,
                "condition": translate(one.condition, reader_locale(request, unit.settings.locale)),
                "met": one.is_met,
                "not_until_after": one.day,
                "have": one.have,
                "need": one.need,
            }
            for one in found.gates
        ],
        appeals=[
            {
                "id": str(one.id),
                "against": one.step.because,
                "event": one.step.number,
                "claim": one.claim,
                "contested": list(one.contested),
                "made_on": one.made_on,
                "outcome": one.outcome,
                "note": one.note,
            }
            for one in found.appeals
        ],
        mend_by=notice.mend_by if notice else None,
        appeal_by=found.appeal_by,
        may_sign=found.may_sign,
        return_on=found.return_on,
    )
