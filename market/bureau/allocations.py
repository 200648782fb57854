"""Routes of a bureau's money: allocation desk, budgets, rules, its own lines, the year's end."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.places import ACCOUNTABLE, own_place
from procurement.web.allocations import (
    ProposeForm,
    post_proposal,
    show_desk,
    show_preview,
    show_preview_line,
)
from procurement.web.budgets import BudgetForm, post_budget, show_budgets
from procurement.web.census import show_census
from procurement.web.funding import show_funding, show_funding_line
from procurement.web.lines import show_lines
from procurement.web.listed import ListedForm, post_listed, show_listed_form
from procurement.web.proposals import (
    ReturnForm,
    post_issue,
    post_return,
    post_withdraw,
    show_proposal,
    show_proposal_line,
)
from procurement.web.rules import show_rules
from procurement.web.year_end import YearEndForm, post_year_end, show_year_end

ONLY_ACCOUNTABLE: Final = only(*ACCOUNTABLE)
COMPUTERS: Final = only(Role.BUREAU_FINANCE, Role.AUDITOR)
FINANCE: Final = only(Role.BUREAU_FINANCE)
CLOSERS: Final = only(Role.BUREAU_FINANCE, Role.OPERATOR)

DESK = "/bureau/allocations"


@get(DESK, opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def desk(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_desk(page)


@get(f"{DESK}/new", opt=COMPUTERS, sync_to_thread=True)
def preview(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_preview(page)


@get(f"{DESK}/new/{{code:str}}", opt=COMPUTERS, sync_to_thread=True)
def preview_line(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_preview_line(page, code)


@post(DESK, opt=FINANCE, status_code=200, sync_to_thread=True)
def propose(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ProposeForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_proposal(page, data)


@get(f"{DESK}/listed", opt=FINANCE, sync_to_thread=True)
def ask_listed(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_listed_form(page)


@post(f"{DESK}/listed", opt=FINANCE, status_code=200, sync_to_thread=True)
def propose_listed(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ListedForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_listed(page, data)


@get(f"{DESK}/{{proposal:str}}", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def proposal_(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_proposal(page, proposal)


@get(f"{DESK}/{{proposal:str}}/lines/{{position:int}}", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def proposal_line(
    request: AnyRequest, pages: Pages, *, proposal: FromPath[str], position: FromPath[int]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_proposal_line(page, proposal, position)


@post(f"{DESK}/{{proposal:str}}/issue", opt=FINANCE, status_code=200, sync_to_thread=True)
def issue(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_issue(page, proposal)


@post(f"{DESK}/{{proposal:str}}/return", opt=FINANCE, status_code=200, sync_to_thread=True)
def return_(
    request: AnyRequest,
    pages: Pages,
    *,
    proposal: FromPath[str],
    data: URLEncodedBody[ReturnForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_return(page, proposal, data)


@post(f"{DESK}/{{proposal:str}}/withdraw", opt=FINANCE, status_code=200, sync_to_thread=True)
def withdraw(request: AnyRequest, pages: Pages, *, proposal: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdraw(page, proposal)


@get("/bureau/budgets", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def budgets(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_budgets(page)


@post("/bureau/budgets", opt=CLOSERS, status_code=200, sync_to_thread=True)
def record_budget(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[BudgetForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_budget(page, data)


@get("/bureau/rules", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def rules(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_rules(page)


@get("/bureau/census", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def census(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_census(page)


@get("/bureau/lines", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def lines(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_lines(page)


@get("/bureau/funding", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def funding(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding(page, own_place(page))


@get("/bureau/funding/{line_id:uuid}", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def funding_line(request: AnyRequest, pages: Pages, *, line_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding_line(page, own_place(page), line_id)


@get("/bureau/year-end", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def year_end(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_year_end(page)


@post("/bureau/year-end", opt=CLOSERS, status_code=200, sync_to_thread=True)
def close_year(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[YearEndForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_year_end(page, data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    desk,
    preview,
    preview_line,
    propose,
    ask_listed,
    propose_listed,
    proposal_,
    proposal_line,
    issue,
    return_,
    withdraw,
    budgets,
    record_budget,
    rules,
    census,
    lines,
    funding,
    funding_line,
    year_end,
    close_year,
)
