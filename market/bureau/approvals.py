"""Routes of a bureau's approvals: its inbox, one selection, its decision, its substitutes."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from market.bureau.places import APPROVALS, selection_desk
from procurement.web.approval_rules import show_approval_rules
from procurement.web.delegations import (
    DelegationForm,
    post_delegation,
    post_revocation,
    show_delegations,
)
from procurement.web.selections import (
    DecisionForm,
    SelectionAct,
    post_decision,
    show_inbox,
    show_selection,
)
from procurement.web.sign_tables import SignTableForm, post_table, show_table_form

STAFF: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
MAKERS: Final = only(Role.BUREAU_FINANCE, Role.OPERATOR)
DELEGATIONS: Final = f"{APPROVALS}/delegations"


@get(APPROVALS, opt=STAFF, sync_to_thread=True)
def inbox(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_inbox(page, selection_desk(page))


@get(f"{APPROVALS}/{{selection_id:uuid}}", opt=STAFF, sync_to_thread=True)
def selection(request: AnyRequest, pages: Pages, *, selection_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_selection(page, selection_desk(page), selection_id)


@post(
    f"{APPROVALS}/{{selection_id:uuid}}/decision",
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


@get(f"{APPROVALS}/rules", opt=STAFF, sync_to_thread=True)
def rules(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        title = translate(msgid("Approvals"), page.locale)
        return show_approval_rules(page, address=APPROVALS, title=title)


@get(f"{APPROVALS}/rules/new", opt=MAKERS, sync_to_thread=True)
def ask_table(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_table_form(page)


@post(f"{APPROVALS}/rules", opt=MAKERS, status_code=200, sync_to_thread=True)
def propose_table(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[SignTableForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_table(page, data)


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


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    inbox,
    selection,
    decide,
    rules,
    ask_table,
    propose_table,
    delegations,
    delegate,
    revoke,
)
