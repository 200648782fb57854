"""Routes of a school's disputes, credit notes, printed statements and unfunded use."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.school.home import dispute_desk, school_place
from settlement.web.credit_notes import show_credit_note
from settlement.web.dispute_forms import DisputeForm
from settlement.web.disputes import ask_dispute, raise_dispute, show_dispute, show_disputes
from settlement.web.printing import show_printed
from settlement.web.unfunded import show_unfunded

STAFF: Final = only(
    Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL
)
PAYERS: Final = only(Role.SCHOOL_FINANCE, Role.PRINCIPAL)

LINE = "/school/statements/{month:str}/lines/{line_id:uuid}"


@get(f"{LINE}/dispute", opt=PAYERS, sync_to_thread=True)
def ask(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return ask_dispute(page, school_place(page), month, line_id)


@post(f"{LINE}/dispute", opt=PAYERS, status_code=200, sync_to_thread=True)
def dispute_line(
    request: AnyRequest,
    pages: Pages,
    *,
    month: FromPath[str],
    line_id: FromPath[UUID],
    data: URLEncodedBody[DisputeForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return raise_dispute(page, school_place(page), month, line_id, form=data)


@get(f"{LINE}/credit-note", opt=STAFF, sync_to_thread=True)
def credit_note(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_credit_note(page, school_place(page), month, line_id)


@get("/school/statements/{month:str}/print", opt=STAFF, sync_to_thread=True)
def printed(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_printed(page, school_place(page), month)


@get("/school/disputes", opt=STAFF, sync_to_thread=True)
def disputes(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_disputes(page, dispute_desk(page))


@get("/school/disputes/{dispute_id:uuid}", opt=STAFF, sync_to_thread=True)
def dispute(request: AnyRequest, pages: Pages, *, dispute_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_dispute(page, dispute_desk(page), dispute_id)


@get("/school/unfunded", opt=STAFF, sync_to_thread=True)
def unfunded(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        place = school_place(page)
        return show_unfunded(
            page, root=place.root, place_of=lambda _row: place, payer_code=place.payer_code
        )


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    ask,
    dispute_line,
    credit_note,
    printed,
    disputes,
    dispute,
    unfunded,
)
