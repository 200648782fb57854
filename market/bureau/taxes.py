"""Routes of the tax withheld of teachers: its filing, and what a bureau remitted of it."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.http.pages import Pages
from kernel.http.problems import AnyRequest
from market.bureau.payments import MAKERS, READERS
from market.bureau.places import bureau_root
from settlement.web.payment_runs import ReturnForm
from settlement.web.taxes import (
    TAXES,
    RemittanceForm,
    TakingBackForm,
    post_record,
    post_remittance,
    post_taking_back,
    post_tax_return,
    post_tax_withdrawal,
    show_taxes,
)

ONE: Final = f"{TAXES}/{{remittance:str}}"


@get(TAXES, opt=READERS, sync_to_thread=True)
def taxes(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_taxes(page, root=bureau_root(page))


@post(TAXES, opt=MAKERS, status_code=200, sync_to_thread=True)
def propose_tax(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[RemittanceForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_remittance(page, data, root=bureau_root(page))


@post(f"{TAXES}/taken-back", opt=MAKERS, status_code=200, sync_to_thread=True)
def propose_tax_back(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[TakingBackForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_taking_back(page, data, root=bureau_root(page))


@post(f"{ONE}/check", opt=MAKERS, status_code=200, sync_to_thread=True)
def record_tax(request: AnyRequest, pages: Pages, *, remittance: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_record(page, remittance, root=bureau_root(page))


@post(f"{ONE}/return", opt=MAKERS, status_code=200, sync_to_thread=True)
def return_tax(
    request: AnyRequest,
    pages: Pages,
    *,
    remittance: FromPath[str],
    data: URLEncodedBody[ReturnForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_tax_return(page, remittance, data, root=bureau_root(page))


@post(f"{ONE}/withdraw", opt=MAKERS, status_code=200, sync_to_thread=True)
def withdraw_tax(request: AnyRequest, pages: Pages, *, remittance: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_tax_withdrawal(page, remittance, root=bureau_root(page))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    taxes,
    propose_tax,
    propose_tax_back,
    record_tax,
    return_tax,
    withdraw_tax,
)
