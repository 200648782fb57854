"""`/api/v1/rankings`: places by cell, why somebody stands there, the numbers; for everybody."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from litestar import get
from litestar.params import FromQuery

from kernel.clock import Month, parse_month, show_month
from kernel.errors import InvalidInput, NotFound
from kernel.http.callers import Callers
from kernel.http.pages import PUBLIC
from kernel.http.problems import AnyRequest
from settlement.queries.ranking_runs import Upheld, named_run, runs_of, upheld_of
from settlement.queries.rankings import CellCount, RankRow, cells_of, ranking_of, why
from settlement.ranking.evidence_queries import KINDS, VENDOR
from settlement.ranking.models import PublishedConfig
from settlement.ranking.rules import SHIPPED
from settlement.ranking.runs import last_run, require_run

COUNTS: Final = ("raters", "renewed", "ended", "defects", "months", "uses")
"""What is told of all schools together; a sum of ages of ratings, say, means nothing."""


class CellAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cell, `stage/subject/type`, with how many are ranked in it and how many are new."""

    cell: str
    ranked: int
    newcomers: int


class PartAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The score by the urban or the rural schools alone; of a single school it is null."""

    schools: int
    score: Decimal | None
    sd: Decimal | None


class PlaceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a cell; nothing but the number of schools is told of who is new.

    `among`: how many are ranked in the cell. `state`: empty, or why no new school may choose it.
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
    among: int
    score: Decimal | None
    sd: Decimal | None
    urban: PartAnswer
    rural: PartAnswer
    state: str


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One ranking of a month; the last holds."""

    number: int
    ran_at: datetime
    digest: str


class UpheldAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An appeal that was upheld: `struck` is of how many schools, by component.

    `is_in`: this run still has what was struck out; the first without it is `without`.
    """

    decided_on: date
    against: str
    struck: dict[str, int]
    is_in: bool
    without: str


class RankingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's ranking by a run of a month, with the configuration it was made by.

    `runs`: all of the month, the one that holds first.
    """

    month: str
    number: int
    digest: str
    config: str
    runs: list[RunAnswer]
    kind: str
    cell: str
    cells: list[CellAnswer]
    items: list[PlaceAnswer]


class ConfigAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration: all numbers of the ranking. `published_at`: none before its first run."""

    version: str
    digest: str
    published_at: datetime | None
    content: dict[str, Any]


class WhyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why a subject stands where it stands: components, dimensions, counts; never which schools.

    `counts`, of all schools: teachers who rated (`raters`), terms that ended with another
    (`renewed`) and without (`ended`), the severity of upheld disputes (`defects`), school-months of
    use (`months`), uses (`uses`), which score nothing.
    `upheld`: appeals that struck out what this run has, or after which it was made.
    """

    month: str
    number: int
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
    upheld: list[UpheldAnswer]


@get("/rankings", opt=PUBLIC, sync_to_thread=True, operation_id="listRankings", summary="A ranking")
def list_rankings(
    request: AnyRequest,
    callers: Callers,
    *,
    kind: FromQuery[str] = VENDOR,
    cell: FromQuery[str] = "",
    month: FromQuery[str] = "",
    run: FromQuery[str] = "",
) -> RankingAnswer:
    """Answer a cell's ranking; without a cell, that in which most are ranked.

    `run`: the number of one of the month's runs, without it the one that holds.
    """
    with callers.open(request) as unit:
        if kind not in KINDS:
            raise InvalidInput(field="kind", value=kind, expected="vendor | resource")
        found = named_run(unit, _month(month), number=run)
        cells = cells_of(unit, found, kind=kind)
        chosen = cell or (cells[0].cell if cells else "")
        if chosen not in {one.cell for one in cells}:
            raise NotFound(what="ranking", key=cell)
        return RankingAnswer(
            month=show_month(found.month),
            number=found.number,
            digest=found.digest.hex(),
            config=found.config_version,
            runs=[
                RunAnswer(number=one.number, ran_at=one.ran_at, digest=one.digest.hex())
                for one in runs_of(unit, found.month)
            ],
            kind=kind,
            cell=chosen,
            cells=[_cell(one) for one in cells],
            items=[_place(row) for row in ranking_of(unit, found, kind=kind, cell=chosen)],
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
    """Answer the configuration by which the run that holds was made, or the first will be."""
    with callers.open(request) as unit:
        if not month and last_run(unit) is None:
            return ConfigAnswer(
                version=SHIPPED.version,
                digest=SHIPPED.digest().hex(),
                published_at=None,
                content=SHIPPED.content(),
            )
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
    run: FromQuery[str] = "",
) -> WhyAnswer:
    """Answer why a vendor (`code`) or a resource (`vendor/sku`) stands where it does.

    `run`: the number of one of the month's runs, without it the one that holds.
    """
    with callers.open(request) as unit:
        by = named_run(unit, _month(month), number=run)
        found = why(unit, by, key=key, cell=cell)
        known = not found.row.is_newcomer
        return WhyAnswer(
            month=show_month(by.month),
            number=by.number,
            cell=found.row.cell,
            place=_place(found.row),
            inputs_digest=found.row.digest,
            components=[msgspec.to_builtins(one) for one in found.contributions if known],
            dimensions=[msgspec.to_builtins(one) for one in found.dimensions if known],
            counts={name: found.row.result["totals"].get(name, 0) for name in COUNTS if known},
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
            upheld=[
                _upheld(one)
                for one in upheld_of(
                    unit,
                    by,
                    vendor=found.row.vendor_code,
                    cell=found.row.cell,
                    evidence=found.evidence,
                )
            ],
        )


HANDLERS: Final = (list_rankings, get_config, get_why)


def _month(given: str) -> Month | None:
    return parse_month(given) if given else None


def _upheld(one: Upheld) -> UpheldAnswer:
    without = one.without
    return UpheldAnswer(
        decided_on=one.decided_on,
        against=one.against,
        struck=dict(one.struck),
        is_in=one.is_in,
        without=f"{show_month(without.month)}/{without.number}" if without else "",
    )


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
        among=int(row.result["among"]),
        score=None if row.is_newcomer else row.score,
        sd=None if row.is_newcomer else row.sd,
        urban=_part(row, "urban"),
        rural=_part(row, "rural"),
        state=row.state,
    )


def _part(row: RankRow, name: str) -> PartAnswer:
    found = row.part(name)
    return PartAnswer(schools=found.schools, score=found.score, sd=found.sd)
