"""Routes of a bureau's desk for disputes, with credit notes, printed statements, unfunded use."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.places import bureau_root, dispute_desk, place_of, school_place
from settlement.web.credit_notes import show_credit_note
from settlement.web.dispute_forms import DecisionForm
from settlement.web.disputes import post_decision, show_dispute, show_disputes
from settlement.web.printing import show_printed
from settlement.web.unfunded import (
    UnfundedForm,
    post_unfunded,
    show_unfunded,
    show_unfunded_month,
)

STAFF: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
FINANCE: Final = only(Role.BUREAU_FINANCE)

STATEMENT = "/bureau/schools/{code:str}/statements/{month:str}"


@get("/bureau/disputes", opt=STAFF, sync_to_thread=True)
def disputes(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_disputes(page, dispute_desk(page))


@get("/bureau/disputes/{dispute_id:uuid}", opt=STAFF, sync_to_thread=True)
def dispute(request: AnyRequest, pages: Pages, *, dispute_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_dispute(page, dispute_desk(page), dispute_id)


@post(
    "/bureau/disputes/{dispute_id:uuid}/decision",
    opt=FINANCE,
    status_code=200,
    sync_to_thread=True,
)
def decide(
    request: AnyRequest,
    pages: Pages,
    *,
    dispute_id: FromPath[UUID],
    data: URLEncodedBody[DecisionForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_decision(page, dispute_desk(page), dispute_id, form=data)


@get("/bureau/unfunded", opt=STAFF, sync_to_thread=True)
def unfunded(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_unfunded(
            page,
            root=bureau_root(page),
            place_of=lambda row: place_of(page, row.payer_code, name=row.payer_name),
        )


@get("/bureau/unfunded/{number:str}/{month:str}", opt=STAFF, sync_to_thread=True)
def unfunded_month(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], month: FromPath[str]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_unfunded_month(
            page,
            number,
            month,
            root=bureau_root(page),
            place_of=lambda row: place_of(page, row.payer_code, name=row.payer_name),
        )


@post(
    "/bureau/unfunded/{number:str}/{month:str}",
    opt=FINANCE,
    status_code=200,
    sync_to_thread=True,
)
def decide_unfunded(
    request: AnyRequest,
    pages: Pages,
    *,
    number: FromPath[str],
    month: FromPath[str],
    data: URLEncodedBody[UnfundedForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_unfunded(
            page,
            number,
            month,
            data,
            root=bureau_root(page),
            place_of=lambda row: place_of(page, row.payer_code, name=row.payer_name),
        )


@get(f"{STATEMENT}/print", opt=STAFF, sync_to_thread=True)
def printed(
    request: AnyRequest, pages: Pages, *, code: FromPath[str], month: FromPath[str]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_printed(page, school_place(page, code), month)


@get(f"{STATEMENT}/lines/{{line_id:uuid}}/credit-note", opt=STAFF, sync_to_thread=True)
def credit_note(
    request: AnyRequest,
    pages: Pages,
    *,
    code: FromPath[str],
    month: FromPath[str],
    line_id: FromPath[UUID],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_credit_note(page, school_place(page, code), month, line_id)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    disputes,
    dispute,
    decide,
    unfunded,
    unfunded_month,
    decide_unfunded,
    printed,
    credit_note,
)
