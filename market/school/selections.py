"""Routes of a school's requests, approvals and what becomes of its agreements."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from market.school.home import school_place, selection_desk
from procurement.web.agreement_acts import (
    CeilingForm,
    EndForm,
    RenewalForm,
    ask_ceiling,
    ask_end,
    ask_renewal,
    post_ceiling,
    post_end,
    post_renewal,
)
from procurement.web.approval_rules import show_approval_rules
from procurement.web.delegations import (
    DelegationForm,
    post_delegation,
    post_revocation,
    show_delegations,
)
from procurement.web.request_forms import ChoiceForm, RequestForm
from procurement.web.requesting import (
    choose,
    keep_typed,
    post_request,
    request_anew,
    show_choice,
    show_choices,
    show_request,
)
from procurement.web.selections import (
    DecisionForm,
    SelectionAct,
    post_decision,
    post_withdrawal,
    show_inbox,
    show_selection,
    show_selections,
)

STAFF: Final = only(
    Role.TEACHER, Role.RESEARCH_LEAD, Role.ACADEMIC, Role.SCHOOL_FINANCE, Role.PRINCIPAL
)
PAYERS: Final = only(Role.SCHOOL_FINANCE, Role.PRINCIPAL)

AGREEMENT = "/school/agreements/{number:str}"
DELEGATIONS = "/school/approvals/delegations"


@get("/school/resources", opt=STAFF, sync_to_thread=True)
def resources(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_choices(page)


@get("/school/resources/{vendor:str}/{sku:path}", opt=STAFF, sync_to_thread=True)
def resource(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_choice(page, vendor, sku.as_posix().removeprefix("/"))


@post("/school/resources", opt=STAFF, status_code=200, sync_to_thread=True)
def choose_resources(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ChoiceForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return choose(page, form=data)


@get("/school/resources/request", opt=STAFF, sync_to_thread=True)
def basket(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_request(page)


@post("/school/resources/request", opt=STAFF, status_code=200, sync_to_thread=True)
def send_basket(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[RequestForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_request(page, form=data)


@post("/school/resources/request/draft", opt=STAFF, status_code=200, sync_to_thread=True)
def keep_basket(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[RequestForm]
) -> Response[Any]:
    with pages.open(request) as page:
        keep_typed(page, form=data)
    return Response("")


@get("/school/selections", opt=STAFF, sync_to_thread=True)
def selections(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_selections(page, selection_desk(page))


@get("/school/selections/{selection_id:uuid}", opt=STAFF, sync_to_thread=True)
def selection(request: AnyRequest, pages: Pages, *, selection_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_selection(page, selection_desk(page), selection_id)


@post(
    "/school/selections/{selection_id:uuid}/decision",
    opt=STAFF,
    status_code=200,
    sync_to_thread=True,
)
def decide(
    request: AnyRequest,
    pages: Pages,
    *,
    selection_id: FromPath[UUID],
    data: URLEncodedBody[DecisionForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_decision(page, selection_desk(page), selection_id, form=data)


@post(
    "/school/selections/{selection_id:uuid}/withdraw",
    opt=STAFF,
    status_code=200,
    sync_to_thread=True,
)
def withdraw(
    request: AnyRequest,
    pages: Pages,
    *,
    selection_id: FromPath[UUID],
    data: URLEncodedBody[SelectionAct],  # noqa: ARG001 - read for its token alone
) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdrawal(page, selection_desk(page), selection_id)


@post(
    "/school/selections/{selection_id:uuid}/anew",
    opt=STAFF,
    status_code=200,
    sync_to_thread=True,
)
def ask_anew(
    request: AnyRequest,
    pages: Pages,
    *,
    selection_id: FromPath[UUID],
    data: URLEncodedBody[SelectionAct],  # noqa: ARG001 - read for its token alone
) -> Response[Any]:
    with pages.open(request) as page:
        return request_anew(page, selection_id)


@get("/school/approvals", opt=STAFF, sync_to_thread=True)
def inbox(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_inbox(page, selection_desk(page))


@get("/school/approvals/rules", opt=STAFF, sync_to_thread=True)
def rules(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        title = translate(msgid("Approvals"), page.locale)
        return show_approval_rules(page, address="/school/approvals", title=title)


@get(DELEGATIONS, opt=STAFF, sync_to_thread=True)
def delegations(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_delegations(page, DELEGATIONS)


@post(DELEGATIONS, opt=STAFF, status_code=200, sync_to_thread=True)
def delegate(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[DelegationForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_delegation(page, DELEGATIONS, form=data)


@post(
    f"{DELEGATIONS}/{{delegation_id:uuid}}/revoke",
    opt=STAFF,
    status_code=200,
    sync_to_thread=True,
)
def revoke(
    request: AnyRequest,
    pages: Pages,
    *,
    delegation_id: FromPath[UUID],
    data: URLEncodedBody[SelectionAct],  # noqa: ARG001 - read for its token alone
) -> Response[Any]:
    with pages.open(request) as page:
        return post_revocation(page, DELEGATIONS, delegation_id)


@get(f"{AGREEMENT}/ceiling", opt=STAFF, sync_to_thread=True)
def ceiling(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_ceiling(page, school_place(page), number)


@post(f"{AGREEMENT}/ceiling", opt=STAFF, status_code=200, sync_to_thread=True)
def change_ceiling(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[CeilingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_ceiling(page, school_place(page), number, form=data)


@get(f"{AGREEMENT}/renewal", opt=STAFF, sync_to_thread=True)
def renewal(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_renewal(page, school_place(page), number)


@post(f"{AGREEMENT}/renewal", opt=STAFF, status_code=200, sync_to_thread=True)
def renew(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[RenewalForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_renewal(page, school_place(page), number, form=data)


@get(f"{AGREEMENT}/end", opt=PAYERS, sync_to_thread=True)
def end(request: AnyRequest, pages: Pages, *, number: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return ask_end(page, school_place(page), number)


@post(f"{AGREEMENT}/end", opt=PAYERS, status_code=200, sync_to_thread=True)
def give_up(
    request: AnyRequest, pages: Pages, *, number: FromPath[str], data: URLEncodedBody[EndForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_end(page, school_place(page), number, form=data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    resources,
    resource,
    choose_resources,
    basket,
    send_basket,
    keep_basket,
    selections,
    selection,
    decide,
    withdraw,
    ask_anew,
    inbox,
    rules,
    delegations,
    delegate,
    revoke,
    ceiling,
    change_ceiling,
    renewal,
    renew,
    end,
    give_up,
)
