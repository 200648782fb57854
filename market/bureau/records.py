"""Routes of proposed records, budgets and tables of signatures: what waits for a second person."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from procurement.web.records import (
    RecordReturn,
    post_check,
    post_record_return,
    post_record_withdrawal,
    show_record,
)
from procurement.web.waiting_records import RECORDS

READERS: Final = only(Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
CHECKERS: Final = only(Role.BUREAU_FINANCE)
MAKERS: Final = only(Role.BUREAU_FINANCE, Role.OPERATOR)


@get(f"{RECORDS}/{{proposal:str}}", opt=READERS, sync_to_thread=True)
def record_(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_record(page, proposal)


@post(f"{RECORDS}/{{proposal:str}}/check", opt=CHECKERS, status_code=200, sync_to_thread=True)
def check(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_check(page, proposal)


@post(f"{RECORDS}/{{proposal:str}}/return", opt=CHECKERS, status_code=200, sync_to_thread=True)
def return_(
    request: AnyRequest,
    pages: Pages,
    *,
    proposal: FromPath[str],
    data: URLEncodedBody[RecordReturn],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_record_return(page, proposal, data)


@post(f"{RECORDS}/{{proposal:str}}/withdraw", opt=MAKERS, status_code=200, sync_to_thread=True)
def withdraw(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_record_withdrawal(page, proposal)


HANDLERS: tuple[HTTPRouteHandler, ...] = (record_, check, return_, withdraw)
