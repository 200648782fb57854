"""Routes of a bureau's payments: runs, proposed by one person and released by another."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.uploads import taken_in
from kernel.i18n import msgid, translate
from market.bureau.places import bureau_root
from market.imports.uploaded import take_file
from settlement.web.payment_columns import BUREAU_PAYOUTS, PAYMENTS, PLAN
from settlement.web.payment_runs import (
    TITLE,
    OrdersForm,
    RetryForm,
    ReturnForm,
    post_giving_up,
    post_orders,
    post_release,
    post_rest,
    post_retry,
    post_return,
    post_withdrawal,
    show_left_out,
    show_run,
)
from settlement.web.payments import (
    ParkedForm,
    ProposalForm,
    post_parked,
    post_proposal,
    show_payments,
    show_plan,
)
from settlement.web.payouts import show_payout
from settlement.web.reconciling import (
    RECONCILIATION,
    ask_gateway,
    show_last_look,
    show_reconciliation,
)
from settlement.web.treasury_returns import (
    RETURNS,
    DismissalForm,
    post_dismissal,
    show_returns,
)

READERS: Final = only(Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
MAKERS: Final = only(Role.BUREAU_FINANCE)
PAYERS: Final = only(Role.BUREAU_FINANCE, Role.OPERATOR)
RUN: Final = f"{PAYMENTS}/{{run:str}}"


RETURN_COLUMNS: Final = msgid(
    "The first row names the columns: order_no, voucher_no, result, amount_yuan, reason."
)


@get(PAYMENTS, opt=READERS, sync_to_thread=True)
def payments(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_payments(page, root=bureau_root(page))


@post(PAYMENTS, opt=MAKERS, status_code=200, sync_to_thread=True)
def propose(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ProposalForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_proposal(page, data, root=bureau_root(page))


@post(f"{PAYMENTS}/parked", opt=PAYERS, status_code=200, sync_to_thread=True)
def apply_message(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ParkedForm]
) -> Response[Any]:
    with pages.open(request) as page:
        reader = page
    errors = post_parked(reader, pages.units, data)
    with pages.open(request) as page:
        if not errors:
            return page.redirect(PAYMENTS)
        return show_payments(page, root=bureau_root(page), errors=errors)


@get(PLAN, opt=READERS, sync_to_thread=True)
def plan(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_plan(page, root=bureau_root(page))


@get(f"{BUREAU_PAYOUTS}/{{key:str}}", opt=READERS, sync_to_thread=True)
def payout(request: AnyRequest, pages: Pages, *, key: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        root = (*bureau_root(page), (translate(TITLE, page.locale), PAYMENTS))
        return show_payout(page, key, root=root)


@get(RETURNS, opt=READERS, sync_to_thread=True)
def treasury_returns(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_returns(page, root=bureau_root(page))


@post(RETURNS + "/import", opt=PAYERS, status_code=200, sync_to_thread=True)
def take_returns(request: AnyRequest, pages: Pages) -> Response[Any]:
    """Take a treasury's return file in, row by row."""
    with taken_in(request) as upload, pages.open(request) as page:
        taken = take_file(page, upload, kind="treasury-returns", columns=RETURN_COLUMNS)
        return show_returns(page, root=bureau_root(page), taken=taken)


@post(RETURNS + "/dismiss", opt=PAYERS, status_code=200, sync_to_thread=True)
def dismiss_return(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[DismissalForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_dismissal(page, data, root=bureau_root(page))


@get(RUN, opt=READERS, sync_to_thread=True)
def run_(request: AnyRequest, pages: Pages, *, run: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_run(page, run, root=bureau_root(page))


@get(RECONCILIATION, opt=READERS, sync_to_thread=True)
def last_reconciliation(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_last_look(page, root=bureau_root(page))


@get(f"{RECONCILIATION}/{{month:str}}", opt=READERS, sync_to_thread=True)
def reconciliation(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        reader = page
    found = ask_gateway(reader, pages.units, month)
    with pages.open(request) as page:
        return show_reconciliation(page, month, found, root=bureau_root(page))


@post(f"{RUN}/orders", opt=PAYERS, status_code=200, sync_to_thread=True)
def orders(
    request: AnyRequest, pages: Pages, *, run: FromPath[str], data: URLEncodedBody[OrdersForm]
) -> Response[Any]:
    del data  # nothing but the token, which is checked as the page opens
    with pages.open(request) as page:
        return post_orders(page, run)


@post(f"{RUN}/release", opt=MAKERS, status_code=200, sync_to_thread=True)
def release(request: AnyRequest, pages: Pages, *, run: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_release(page, run, root=bureau_root(page))


@post(f"{RUN}/return", opt=MAKERS, status_code=200, sync_to_thread=True)
def return_(
    request: AnyRequest, pages: Pages, *, run: FromPath[str], data: URLEncodedBody[ReturnForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_return(page, run, data, root=bureau_root(page))


@post(f"{RUN}/withdraw", opt=MAKERS, status_code=200, sync_to_thread=True)
def withdraw(request: AnyRequest, pages: Pages, *, run: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdrawal(page, run, root=bureau_root(page))


@post(f"{RUN}/retry", opt=PAYERS, status_code=200, sync_to_thread=True)
def retry(
    request: AnyRequest, pages: Pages, *, run: FromPath[str], data: URLEncodedBody[RetryForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_retry(page, run, data, root=bureau_root(page))


@post(f"{RUN}/give-up", opt=PAYERS, status_code=200, sync_to_thread=True)
def give_up(
    request: AnyRequest, pages: Pages, *, run: FromPath[str], data: URLEncodedBody[RetryForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_giving_up(page, run, data, root=bureau_root(page))


@get(f"{RUN}/left-out", opt=READERS, sync_to_thread=True)
def left_out(request: AnyRequest, pages: Pages, *, run: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_left_out(page, run, root=bureau_root(page))


@post(f"{RUN}/rest", opt=PAYERS, status_code=200, sync_to_thread=True)
def rest(
    request: AnyRequest, pages: Pages, *, run: FromPath[str], data: URLEncodedBody[RetryForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_rest(page, run, data, root=bureau_root(page))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    payments,
    propose,
    run_,
    last_reconciliation,
    reconciliation,
    orders,
    release,
    return_,
    withdraw,
    retry,
    give_up,
    rest,
    left_out,
    plan,
    payout,
    treasury_returns,
    apply_message,
    dismiss_return,
)
UPLOADS: tuple[HTTPRouteHandler, ...] = (take_returns,)
