"""Routes of the schools' pages: for staff, each for their own school."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.school.bulk import HANDLERS as BULK
from market.school.disputes import HANDLERS as DISPUTES
from market.school.home import school_place, show_home
from market.school.selections import HANDLERS as SELECTIONS
from market.school.sharing import HANDLERS as SHARING
from procurement.web.funding import show_funding, show_funding_line
from procurement.web.preview import show_preview
from settlement.web.agreements import show_agreement, show_agreements
from settlement.web.lines import show_line
from settlement.web.statements import (
    ConfirmForm,
    ask_to_confirm,
    confirm_statement,
    show_statement,
    show_statements,
)
from settlement.web.uses import show_use, show_uses

STAFF: Final = only(
    Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL
)
ACCOUNTABLE: Final = only(Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL)
FINANCE: Final = only(Role.SCHOOL_FINANCE)


@get("/school", opt=STAFF, sync_to_thread=True)
def home(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_home(page, school_place(page))


@get("/school/statements", opt=STAFF, sync_to_thread=True)
def statements(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_statements(page, school_place(page))


@get("/school/statements/{month:str}", opt=STAFF, sync_to_thread=True)
def statement(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_statement(page, school_place(page), month)


@get("/school/statements/{month:str}/confirm", opt=FINANCE, sync_to_thread=True)
def ask_confirmation(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_to_confirm(page, school_place(page), month)


@post("/school/statements/{month:str}/confirm", opt=FINANCE, status_code=200, sync_to_thread=True)
def confirm(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], data: URLEncodedBody[ConfirmForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return confirm_statement(page, school_place(page), month, form=data)


@get("/school/statements/{month:str}/lines/{line_id:uuid}", opt=STAFF, sync_to_thread=True)
def line(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_line(page, school_place(page), month, line_id)


@get("/school/statements/{month:str}/lines/{line_id:uuid}/uses", opt=STAFF, sync_to_thread=True)
def uses(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_uses(page, school_place(page), month, line_id)


@get(
    "/school/statements/{month:str}/lines/{line_id:uuid}/uses/{sequence:int}",
    opt=STAFF,
    sync_to_thread=True,
)
def use(
    request: AnyRequest,
    pages: Pages,
    *,
    month: FromPath[str],
    line_id: FromPath[UUID],
    sequence: FromPath[int],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_use(page, school_place(page), month, line_id, sequence=sequence)


@get("/school/preview", opt=ACCOUNTABLE, sync_to_thread=True)
def estimate(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_preview(page, school_place(page))


@get("/school/funding", opt=STAFF, sync_to_thread=True)
def funding(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding(page, school_place(page))


@get("/school/funding/{line_id:uuid}", opt=STAFF, sync_to_thread=True)
def funding_line(request: AnyRequest, pages: Pages, *, line_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding_line(page, school_place(page), line_id)


@get("/school/agreements", opt=STAFF, sync_to_thread=True)
def agreements(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreements(page, school_place(page))


@get("/school/agreements/{number:str}", opt=STAFF, sync_to_thread=True)
def agreement(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreement(page, school_place(page), number)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    home,
    statements,
    statement,
    ask_confirmation,
    confirm,
    line,
    uses,
    use,
    estimate,
    funding,
    funding_line,
    agreements,
    agreement,
    *SELECTIONS,
    *BULK,
    *SHARING,
    *DISPUTES,
)
