"""Routes of what a bureau buys for schools: bulk purchases, its own agreements and statements."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.places import buyer_place
from procurement.web.agreement_acts import (
    CeilingForm,
    EndForm,
    ask_ceiling,
    ask_end,
    post_ceiling,
    post_end,
)
from procurement.web.bulk import (
    post_bulk,
    show_bulk_form,
    show_purchase,
    show_purchases,
)
from procurement.web.bulk_forms import BulkForm
from procurement.web.bulk_schools import SchoolsForm, ask_schools, post_schools
from settlement.web.agreements import show_agreement, show_agreements
from settlement.web.breakdown import show_breakdown
from settlement.web.lines import show_line
from settlement.web.statements import (
    ConfirmForm,
    ask_to_confirm,
    confirm_statement,
    show_statement,
    show_statements,
)
from settlement.web.uses import show_use, show_uses

STAFF: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
FINANCE: Final = only(Role.BUREAU_FINANCE)

BULK: Final = "/bureau/bulk"
AGREEMENTS: Final = "/bureau/agreements"
STATEMENTS: Final = "/bureau/statements"
LINE: Final = f"{STATEMENTS}/{{month:str}}/lines/{{line_id:uuid}}"


@get(BULK, opt=STAFF, sync_to_thread=True)
def purchases(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_purchases(page)


@get(f"{BULK}/new", opt=FINANCE, sync_to_thread=True)
def begin(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_bulk_form(page)


@post(f"{BULK}/new", opt=FINANCE, status_code=200, sync_to_thread=True)
def buy(request: AnyRequest, pages: Pages, *, data: URLEncodedBody[BulkForm]) -> Response[Any]:
    with pages.open(request) as page:
        return post_bulk(page, form=data)


@get(f"{BULK}/{{number:str}}", opt=STAFF, sync_to_thread=True)
def purchase(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_purchase(page, buyer_place(page), number)


@get(f"{BULK}/{{number:str}}/schools", opt=FINANCE, sync_to_thread=True)
def schools(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_schools(page, number)


@post(f"{BULK}/{{number:str}}/schools", opt=FINANCE, status_code=200, sync_to_thread=True)
def change_schools(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[SchoolsForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_schools(page, number, form=data)


@get(AGREEMENTS, opt=STAFF, sync_to_thread=True)
def agreements(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreements(page, buyer_place(page))


@get(f"{AGREEMENTS}/{{number:str}}", opt=STAFF, sync_to_thread=True)
def agreement(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreement(page, buyer_place(page), number)


@get(f"{AGREEMENTS}/{{number:str}}/ceiling", opt=FINANCE, sync_to_thread=True)
def ceiling(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_ceiling(page, buyer_place(page), number)


@post(f"{AGREEMENTS}/{{number:str}}/ceiling", opt=FINANCE, status_code=200, sync_to_thread=True)
def change_ceiling(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[CeilingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_ceiling(page, buyer_place(page), number, form=data)


@get(f"{AGREEMENTS}/{{number:str}}/end", opt=FINANCE, sync_to_thread=True)
def end(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_end(page, buyer_place(page), number)


@post(f"{AGREEMENTS}/{{number:str}}/end", opt=FINANCE, status_code=200, sync_to_thread=True)
def give_up(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[EndForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_end(page, buyer_place(page), number, form=data)


@get(STATEMENTS, opt=STAFF, sync_to_thread=True)
def statements(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_statements(page, buyer_place(page))


@get(f"{STATEMENTS}/{{month:str}}", opt=STAFF, sync_to_thread=True)
def statement(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_statement(page, buyer_place(page), month)


@get(f"{STATEMENTS}/{{month:str}}/confirm", opt=FINANCE, sync_to_thread=True)
def ask_confirmation(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_to_confirm(page, buyer_place(page), month)


@post(f"{STATEMENTS}/{{month:str}}/confirm", opt=FINANCE, status_code=200, sync_to_thread=True)
def confirm(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], data: URLEncodedBody[ConfirmForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return confirm_statement(page, buyer_place(page), month, form=data)


@get(LINE, opt=STAFF, sync_to_thread=True)
def line(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_line(page, buyer_place(page), month, line_id)


@get(f"{LINE}/schools", opt=STAFF, sync_to_thread=True)
def breakdown(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_breakdown(page, buyer_place(page), month, line_id)


@get(f"{LINE}/uses", opt=STAFF, sync_to_thread=True)
def uses(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_uses(page, buyer_place(page), month, line_id)


@get(f"{LINE}/uses/{{sequence:int}}", opt=STAFF, sync_to_thread=True)
def use(
    request: AnyRequest,
    pages: Pages,
    *,
    month: FromPath[str],
    line_id: FromPath[UUID],
    sequence: FromPath[int],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_use(page, buyer_place(page), month, line_id, sequence=sequence)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    purchases,
    begin,
    buy,
    purchase,
    schools,
    change_schools,
    agreements,
    agreement,
    ceiling,
    change_ceiling,
    end,
    give_up,
    statements,
    statement,
    ask_confirmation,
    confirm,
    line,
    breakdown,
    uses,
    use,
)
