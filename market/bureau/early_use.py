"""Routes of a bureau's rules on use before the funds arrive."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from procurement.web.early_use import (
    EARLY_USE,
    EarlyUseForm,
    EarlyUseNote,
    post_check,
    post_early_use,
    post_return,
    post_withdraw,
    show_early_use,
)

ACCOUNTABLE: Final = only(Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
FINANCE: Final = only(Role.BUREAU_FINANCE)
PROPOSAL: Final = f"{EARLY_USE}/{{proposal:str}}"


@get(EARLY_USE, opt=ACCOUNTABLE, sync_to_thread=True)
def rules(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_early_use(page)


@post(EARLY_USE, opt=FINANCE, status_code=200, sync_to_thread=True)
def propose(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[EarlyUseForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_early_use(page, data)


@post(f"{PROPOSAL}/check", opt=FINANCE, status_code=200, sync_to_thread=True)
def check(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_check(page, proposal)


@post(f"{PROPOSAL}/return", opt=FINANCE, status_code=200, sync_to_thread=True)
def return_(
    request: AnyRequest,
    pages: Pages,
    *,
    proposal: FromPath[str],
    data: URLEncodedBody[EarlyUseNote],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_return(page, proposal, data)


@post(f"{PROPOSAL}/withdraw", opt=FINANCE, status_code=200, sync_to_thread=True)
def withdraw(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdraw(page, proposal)


HANDLERS: tuple[HTTPRouteHandler, ...] = (rules, propose, check, return_, withdraw)
