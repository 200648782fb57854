"""`/api/v1/evaluations`: sharing schools, bureaus and the platform, for everybody (R65)."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from litestar import get
from litestar.params import FromQuery

from kernel.http.callers import Callers
from kernel.http.pages import PUBLIC
from kernel.http.problems import AnyRequest
from settlement.evaluation.evaluating import evaluation


class SchoolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A sharing school: `contribution` = `taken_up` + `derivatives` - `beyond` (the cap between
    schools that use each other's works); `quality` in [0, 1]."""

    place: int
    code: str
    name: str
    region: str
    contribution: int
    taken_up: int
    beyond: int
    derivatives: int
    schools: int
    works: int
    uses: int
    ratings: int
    quality: Decimal | None


class BureauAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A bureau's service: each count stands after what it is of."""

    code: str
    name: str
    decided: int
    median_days: Decimal | None
    in_time: int
    appeals: int
    upheld: int
    takedowns: int
    audits: int
    audits_in_time: int
    disputes: int
    disputes_in_time: int
    statements: int
    overdue: int


class PlatformAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's service."""

    payouts: int
    median_days: Decimal | None
    differences: int
    received: int
    quarantined: int
    disputes: int
    upheld: int


class EvaluationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Evaluations of a year or a month, by what was known at `as_of`; days are calendar days."""

    span: str
    as_of: datetime
    admit_days: int
    schools: list[SchoolAnswer]
    bureaus: list[BureauAnswer]
    platform: PlatformAnswer


@get(
    "/evaluations",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getEvaluations",
    summary="Evaluations",
)
def get_evaluations(
    request: AnyRequest,
    callers: Callers,
    *,
    span: FromQuery[str] = "",
    as_of: FromQuery[str] = "",
) -> EvaluationAnswer:
    """Answer the evaluations of `2026` or `2026-03`; `as_of` is a day such as `2026-04-30`."""
    with callers.open(request) as unit:
        found = evaluation(unit, span, as_of=as_of)
        return EvaluationAnswer(
            span=found.span.name,
            as_of=found.span.as_of,
            admit_days=unit.settings.admit_days,
            schools=[
                msgspec.convert(one, SchoolAnswer, from_attributes=True) for one in found.schools
            ],
            bureaus=[
                msgspec.convert(one, BureauAnswer, from_attributes=True) for one in found.bureaus
            ],
            platform=msgspec.convert(found.platform, PlatformAnswer, from_attributes=True),
        )


HANDLERS: Final = (get_evaluations,)
