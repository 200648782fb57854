"""`/api/v1/rankings` and `/api/v1/standings`: places for everybody, standings for who has a part.

The rankings are open. Standings are for the vendor itself and the reviewers that answer for it,
with the acts of due process; `Idempotency-Key` is honoured.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, RawBody

from kernel.actors import Role
from kernel.clock import Month, parse_month, show_month
from kernel.errors import InvalidInput, NotFound
from kernel.http.callers import Callers
from kernel.http.once import answered_once
from kernel.http.pages import PUBLIC, only
from kernel.http.problems import AnyRequest
from kernel.unit import Unit
from settlement.queries.rankings import CellCount, RankRow, cells_of, ranking_of, why
from settlement.queries.standings import StandingRow, standing_rows, standing_view
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.evidence_queries import KINDS, VENDOR
from settlement.ranking.models import PublishedConfig
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standing_states import Because

READERS: Final = only(Role.VENDOR_MANAGER, Role.ADMISSION)
REVIEWERS: Final = only(Role.ADMISSION)
MANAGER: Final = only(Role.VENDOR_MANAGER)
STEPS: Final = {
    Because.NOTICE: issue_notice,
    Because.SUSPENSION: suspend,
    Because.EXIT: let_exit,
}


class CellAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cell, `stage/subject/type`, with how many are ranked in it and how many are new."""

    cell: str
    ranked: int
    newcomers: int


class PlaceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a cell; nothing but the number of schools is told of who is new.

    `state`: empty, or why no new school may choose it.
    """

    key: str
    name: str
    vendor: str
    schools: int
    is_newcomer: bool
    place: int | None
    place_low: int | None
    place_high: int | None
    band: str
    score: Decimal | None
    sd: Decimal | None
    state: str


class RankingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's ranking by the run that holds for a month, with the configuration it was made by."""

    month: str
    number: int
    digest: str
    config: str
    kind: str
    cell: str
    cells: list[CellAnswer]
    items: list[PlaceAnswer]


class ConfigAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A published configuration: all numbers of the ranking."""

    version: str
    digest: str
    published_at: datetime
    content: dict[str, Any]


class WhyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why a subject stands where it stands: components, dimensions, counts; never which schools."""

    month: str
    cell: str
    place: PlaceAnswer
    inputs_digest: str
    components: list[dict[str, Any]]
    dimensions: list[dict[str, Any]]
    counts: dict[str, int]
    urban_rural: dict[str, Any]
    left_out: list[dict[str, Any]]
    to_next_band: Decimal
    most_by_one_school: Decimal
    capped_schools: int


class StandingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor stands in a cell, by the last look."""

    id: UUID
    vendor: str
    vendor_name: str
    cell: str
    state: str
    since: date
    month: str
    score: Decimal | None
    p_bad: Decimal | None
    fresh: int
    appeal: str


class StandingList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[StandingAnswer]


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    from_state: str
    to_state: str
    because: str
    note: str
    at: datetime
    appeal_by: date | None


class StandingDetail(StandingAnswer, frozen=True, kw_only=True):
    """One standing with its course: what moved it, the items against it, the gates, appeals."""

    events: list[EventAnswer]
    items: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    appeals: list[dict[str, Any]]
    mend_by: date | None
    appeal_by: date | None


class StepRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step that a reviewer signs: notice, suspension or exit; the reason is required."""

    step: str
    note: str


class AppealRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An appeal against the last step; `contested`: numbers of the items that are denied."""

    claim: str
    contested: list[int] = []


class AppealDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of an appeal; `struck`: numbers of the items whose evidence is taken out."""

    upheld: bool
    note: str
    struck: list[int] = []


@get("/rankings", opt=PUBLIC, sync_to_thread=True, operation_id="listRankings", summary="A ranking")
def list_rankings(
    request: AnyRequest,
    callers: Callers,
    *,
    kind: FromQuery[str] = VENDOR,
    cell: FromQuery[str] = "",
    month: FromQuery[str] = "",
) -> RankingAnswer:
    """Answer a cell's ranking; without a cell, that in which most are ranked."""
    with callers.open(request) as unit:
        if kind not in KINDS:
            raise InvalidInput(field="kind", value=kind, expected="vendor | resource")
        run = require_run(unit, _month(month))
        cells = cells_of(unit, run, kind=kind)
        chosen = cell or (cells[0].cell if cells else "")
        if chosen not in {one.cell for one in cells}:
            raise NotFound(what="ranking", key=cell)
        return RankingAnswer(
            month=show_month(run.month),
            number=run.number,
            digest=run.digest.hex(),
            config=run.config_version,
            kind=kind,
            cell=chosen,
            cells=[_cell(one) for one in cells],
            items=[_place(row) for row in ranking_of(unit, run, kind=kind, cell=chosen)],
        )


@get(
    "/rankings/config",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getRankingConfig",
    summary="The ranking's numbers",
)
def get_config(
    request: AnyRequest, callers: Callers, *, month: FromQuery[str] = ""
) -> ConfigAnswer:
    """Answer the configuration by which the run that holds was made."""
    with callers.open(request) as unit:
        run = require_run(unit, _month(month))
        found = unit.session.get_one(PublishedConfig, run.config_version)
        return ConfigAnswer(
            version=found.version,
            digest=found.digest.hex(),
            published_at=found.published_at,
            content=found.content,
        )


@get(
    "/rankings/why",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="whyRanked",
    summary="Why a place",
)
def get_why(
    request: AnyRequest,
    callers: Callers,
    *,
    key: FromQuery[str],
    cell: FromQuery[str] = "",
    month: FromQuery[str] = "",
) -> WhyAnswer:
    """Answer why a vendor (`code`) or a resource (`vendor/sku`) stands where it does."""
    with callers.open(request) as unit:
        run = require_run(unit, _month(month))
        found = why(unit, run, key=key, cell=cell)
        known = not found.row.is_newcomer
        return WhyAnswer(
            month=show_month(run.month),
            cell=found.row.cell,
            place=_place(found.row),
            inputs_digest=found.row.digest,
            components=[msgspec.to_builtins(one) for one in found.contributions if known],
            dimensions=[msgspec.to_builtins(one) for one in found.dimensions if known],
            counts=found.row.result["totals"] if known else {},
            urban_rural={
                name: one
                for name, one in found.row.result["places"].items()
                if known and one["schools"] > 1
            },
            left_out=[
                {"why": reason, "schools": schools, "effect": str(effect)}
                for reason, schools, effect in found.left_out
                if known
            ],
            to_next_band=found.to_next_band,
            most_by_one_school=found.most_by_one if known else Decimal(0),
            capped_schools=found.capped if known else 0,
        )


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
        return _detail(unit, standing_id)


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
        STEPS[step](unit, standing_id, note=data.note)
        return _detail(unit, standing_id)

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
        appeal_standing(unit, standing_id, claim=data.claim, contested=data.contested)
        return _detail(unit, standing_id)

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
        return _detail(unit, standing.id)

    return answered_once(request, callers, body, act=act)


HANDLERS: Final = (
    list_rankings,
    get_config,
    get_why,
    list_standings,
    get_standing,
    sign_step,
    appeal,
    decide_appeal,
)


def _month(given: str) -> Month | None:
    return parse_month(given) if given else None


def _cell(one: CellCount) -> CellAnswer:
    return CellAnswer(cell=one.cell, ranked=one.ranked, newcomers=one.newcomers)


def _place(row: RankRow) -> PlaceAnswer:
    return PlaceAnswer(
        key=row.key,
        name=row.name,
        vendor=row.vendor_name,
        schools=row.schools,
        is_newcomer=row.is_newcomer,
        place=row.place,
        place_low=row.place_low,
        place_high=row.place_high,
        band=row.band,
        score=None if row.is_newcomer else row.score,
        sd=None if row.is_newcomer else row.sd,
        state=row.state,
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
        "score": row.score,
        "p_bad": row.p_bad,
        "fresh": row.fresh,
        "appeal": row.appeal,
    }


def _detail(unit: Unit, standing_id: UUID) -> StandingDetail:
    found = standing_view(unit, standing_id)
    notice = found.course.notice
    return StandingDetail(
        **_standing(found.row),
        events=[
            EventAnswer(
                **{name: getattr(one, name) for name in EventAnswer.__struct_fields__},
            )
            for one in found.events
        ],
        items=[
            {name: value for name, value in one.items() if name != "school"} for one in found.items
        ],
        gates=[
            {"condition": one.condition, "met": one.is_met, "not_until_after": one.day}
            for one in found.gates
        ],
        appeals=[
            {
                "id": str(one.id),
                "against": one.against,
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
    )
