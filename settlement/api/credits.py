"""`/api/v1/credits`: what teachers were credited; each sees their own, a bureau its subtree's."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from kernel.actors import OrganisationKind, Role
from kernel.http.callers import Callers
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from settlement.credit_rules import PARTS
from settlement.queries.credits import CreditYear, certificate_of, own_years, years_of_teachers

PEOPLE: Final = only(
    *(Role.TEACHER, Role.VENDOR_MANAGER, Role.ADMISSION, Role.AUDITOR, Role.OPERATOR)
)
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


class CreditYearAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person was credited in a year, in parts of a credit: 240000 of 10000 each are 24."""

    person: UUID
    name: str
    organisation: str
    year: int
    reading: int
    adoption: int
    followers: int
    total: int
    parts_per_credit: int = PARTS


class CreditPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of years; `next` is the number of rows before the following page."""

    items: list[CreditYearAnswer]
    next: int | None


class CreditBookingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One booking, in the parts that the answer names; below zero what was taken back."""

    kind: str
    vendor_code: str
    sku: str
    title: str
    at: datetime
    booked_at: datetime
    amount: int
    version: str


class CreditCertificate(CreditYearAnswer, frozen=True, kw_only=True):
    """A person's year with its bookings, and the digest that stands on the certificate."""

    bookings: list[CreditBookingAnswer]
    digest: str


@get(
    "/credits",
    opt=PEOPLE,
    sync_to_thread=True,
    operation_id="listCredits",
    summary="List credits by teacher and year",
)
def list_credits(
    request: AnyRequest,
    callers: Callers,
    *,
    year: FromQuery[int | None] = None,
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Limit = 50,
) -> CreditPage:
    """Answer the caller's own years, or those of a bureau's teachers."""
    with callers.open(request) as unit:
        of_bureau = unit.actor.organisation_kind is OrganisationKind.BUREAU
        if of_bureau or unit.actor.is_system:
            rows = years_of_teachers(unit, year=year)
        else:
            rows = [row for row in own_years(unit) if year in (None, row.year)]
        shown = rows[after : after + limit]
        more = after + limit if len(rows) > after + limit else None
        return CreditPage(items=[_answer(row) for row in shown], next=more)


@get(
    "/credits/{person:uuid}/{year:int}",
    opt=PEOPLE,
    sync_to_thread=True,
    operation_id="getCredits",
    summary="One teacher's credits of a year",
)
def get_credits(
    request: AnyRequest, callers: Callers, person: FromPath[UUID], year: FromPath[int]
) -> CreditCertificate:
    """Answer one person's year with its bookings and digest."""
    with callers.open(request) as unit:
        found = certificate_of(unit, person, year)
        return CreditCertificate(
            **msgspec.structs.asdict(_answer(found.year)),
            bookings=[
                CreditBookingAnswer(
                    kind=row.kind,
                    vendor_code=row.vendor_code,
                    sku=row.sku,
                    title=row.title,
                    at=row.at,
                    booked_at=row.booked_at,
                    amount=row.amount,
                    version=row.version,
                )
                for row in found.rows
            ],
            digest=found.digest,
        )


HANDLERS: Final = (list_credits, get_credits)


def _answer(row: CreditYear) -> CreditYearAnswer:
    return CreditYearAnswer(
        person=row.person_id,
        name=row.name,
        organisation=row.organisation,
        year=row.year,
        reading=row.reading,
        adoption=row.adoption,
        followers=row.followers,
        total=row.total,
    )
