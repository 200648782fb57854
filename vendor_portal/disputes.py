"""Routes of a vendor's inbox of disputes, with credit notes and its printed lines of a month."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from settlement.web.credit_notes import show_credit_note
from settlement.web.dispute_forms import AnswerForm
from settlement.web.disputes import post_answer, show_dispute, show_disputes
from settlement.web.printing import show_printed_earnings
from vendor_portal.earnings import dispute_desk, vendor_place

MANAGER: Final = only(Role.VENDOR_MANAGER)


@get("/vendor/disputes", opt=MANAGER, sync_to_thread=True)
def disputes(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_disputes(page, dispute_desk(page))


@get("/vendor/disputes/{dispute_id:uuid}", opt=MANAGER, sync_to_thread=True)
def dispute(request: AnyRequest, pages: Pages, *, dispute_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_dispute(page, dispute_desk(page), dispute_id)


@post(
    "/vendor/disputes/{dispute_id:uuid}/answer",
    opt=MANAGER,
    status_code=200,
    sync_to_thread=True,
)
def answer(
    request: AnyRequest,
    pages: Pages,
    *,
    dispute_id: FromPath[UUID],
    data: URLEncodedBody[AnswerForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_answer(page, dispute_desk(page), dispute_id, form=data)


@get("/vendor/periods/{month:str}/print", opt=MANAGER, sync_to_thread=True)
def printed(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_printed_earnings(page, vendor_place(page), month)


@get(
    "/vendor/periods/{month:str}/lines/{line_id:uuid}/credit-note",
    opt=MANAGER,
    sync_to_thread=True,
)
def credit_note(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_credit_note(page, vendor_place(page), month, line_id)


HANDLERS: tuple[HTTPRouteHandler, ...] = (disputes, dispute, answer, printed, credit_note)
