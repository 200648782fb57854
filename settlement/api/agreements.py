"""`/api/v1/agreements`: the agreements that a caller sees, with their ceilings and changes.

For signed-in people and for keys; nothing is changed here.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from kernel.actors import Role
from kernel.errors import NotFound
from kernel.http.callers import Callers
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.ids import AgreementId
from settlement.queries.agreements import (
    AgreementBrief,
    AgreementLife,
    agreement_life,
    agreements_after,
)

READERS: Final = only(
    *(Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL),
    *(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR),
)
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


class AgreementAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as a list names it; amounts in fen."""

    id: UUID
    number: str
    title: str
    sku: str
    ceiling_fen: int
    starts_on: date
    ends_on: date
    state: str
    trial: bool


class AgreementPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of agreements, the oldest first; `next` is the cursor of the following page."""

    items: list[AgreementAnswer]
    next: UUID | None


class AgreementYearAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A fiscal year's ceiling, and what of it waits for that year's money."""

    fiscal_year: int
    ceiling_fen: int
    waiting_fen: int


class AgreementChangeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One change: of the ceiling and of what is committed, in fen."""

    number: int
    kind: str
    fiscal_year: int
    ceiling_fen: int
    committed_fen: int
    ends_on: date | None
    reference: str
    reason: str
    at: datetime


class AgreementDetail(AgreementAnswer, frozen=True, kw_only=True):
    """One agreement with its years and what became of it, the latest first."""

    committed_fen: int
    years: list[AgreementYearAnswer]
    changes: list[AgreementChangeAnswer]


@get(
    "/agreements",
    opt=READERS,
    sync_to_thread=True,
    operation_id="listAgreements",
    summary="List agreements",
)
def list_agreements(
    request: AnyRequest,
    callers: Callers,
    *,
    after: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> AgreementPage:
    """Answer a page of what the caller sees, the oldest first."""
    with callers.open(request) as unit:
        rows = agreements_after(unit, after=AgreementId(after) if after else None, limit=limit + 1)
        shown = rows[:limit]
        more = shown[-1].id if len(rows) > limit else None
        return AgreementPage(items=[AgreementAnswer(**_members(row)) for row in shown], next=more)


@get(
    "/agreements/{number:str}",
    opt=READERS,
    sync_to_thread=True,
    operation_id="getAgreement",
    summary="One agreement",
)
def get_agreement(request: AnyRequest, callers: Callers, number: FromPath[str]) -> AgreementDetail:
    """Answer one agreement by its number."""
    with callers.open(request) as unit:
        rows = agreements_after(unit, after=None, limit=1, number=number)
        life = agreement_life(unit, number)
        if not rows or life is None:
            raise NotFound(what="agreement", key=number)
        return _detail(rows[0], life)


HANDLERS: Final = (list_agreements, get_agreement)


def _detail(row: AgreementBrief, life: AgreementLife) -> AgreementDetail:
    return AgreementDetail(
        **_members(row),
        committed_fen=life.committed_fen,
        years=[
            AgreementYearAnswer(
                fiscal_year=year.fiscal_year,
                ceiling_fen=year.ceiling_fen,
                waiting_fen=year.waiting_fen,
            )
            for year in life.years
        ],
        changes=[
            AgreementChangeAnswer(
                number=change.number,
                kind=change.kind,
                fiscal_year=change.fiscal_year,
                ceiling_fen=change.ceiling_fen,
                committed_fen=change.committed_fen,
                ends_on=change.ends_on,
                reference=change.reference,
                reason=change.reason,
                at=change.at,
            )
            for change in life.changes
        ],
    )


def _members(row: AgreementBrief) -> dict[str, Any]:
    return {name: getattr(row, name) for name in AgreementAnswer.__struct_fields__}
