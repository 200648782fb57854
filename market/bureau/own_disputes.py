"""Routes by which a bureau objects to what it pays itself, and reads what came of it."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.places import buyer_place
from settlement.web.credit_notes import show_credit_note
from settlement.web.dispute_forms import DisputeForm
from settlement.web.disputes import ask_dispute, raise_dispute
from settlement.web.printing import show_printed

STAFF: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
FINANCE: Final = only(Role.BUREAU_FINANCE)

STATEMENT: Final = "/bureau/statements/{month:str}"
LINE: Final = f"{STATEMENT}/lines/{{line_id:uuid}}"


@get(f"{LINE}/dispute", opt=FINANCE, sync_to_thread=True)
def ask(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return ask_dispute(page, buyer_place(page), month, line_id)


@post(f"{LINE}/dispute", opt=FINANCE, status_code=200, sync_to_thread=True)
def dispute_line(
    request: AnyRequest,
    pages: Pages,
    *,
    month: FromPath[str],
    line_id: FromPath[UUID],
    data: URLEncodedBody[DisputeForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return raise_dispute(page, buyer_place(page), month, line_id, form=data)


@get(f"{LINE}/credit-note", opt=STAFF, sync_to_thread=True)
def credit_note(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_credit_note(page, buyer_place(page), month, line_id)


@get(f"{STATEMENT}/print", opt=STAFF, sync_to_thread=True)
def printed(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_printed(page, buyer_place(page), month)


HANDLERS: tuple[HTTPRouteHandler, ...] = (ask, dispute_line, credit_note, printed)
