"""Routes of what the bureau bought for a school: its own part, and how it declines."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from procurement.web.bought import (
    BOUGHT,
    DeclineForm,
    ask_decline,
    post_decline,
    show_bought,
)

STAFF: Final = only(
    Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL
)
PAYERS: Final = only(Role.SCHOOL_FINANCE, Role.PRINCIPAL)


@get(BOUGHT, opt=STAFF, sync_to_thread=True)
def bought(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_bought(page)


@get(f"{BOUGHT}/{{number:str}}/decline", opt=PAYERS, sync_to_thread=True)
def ask(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_decline(page, number)


@post(f"{BOUGHT}/{{number:str}}/decline", opt=PAYERS, status_code=200, sync_to_thread=True)
def decline(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[DeclineForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_decline(page, number, form=data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (bought, ask, decline)
