"""Routes of the vendors' pages: each vendor sees its own lines, whichever school pays them."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from settlement.web.lines import show_line
from settlement.web.payouts import show_payout
from settlement.web.uses import show_use, show_uses
from vendor_portal.disputes import HANDLERS as DISPUTES
from vendor_portal.drafting import HANDLERS as DRAFTING
from vendor_portal.early_use import HANDLERS as EARLY_USE
from vendor_portal.earnings import (
    RETENTION,
    show_home,
    show_period,
    show_periods,
    vendor_place,
)
from vendor_portal.needs import HANDLERS as NEEDS
from vendor_portal.onboarding import OnboardingForm, account_of, begin_onboarding
from vendor_portal.payouts import (
    PAYOUTS,
    AgainForm,
    BankAccountForm,
    post_account,
    post_again,
    show_payouts,
)
from vendor_portal.resources import HANDLERS as RESOURCES
from vendor_portal.retention import show_retention
from vendor_portal.standing import HANDLERS as STANDING

MANAGER: Final = only(Role.VENDOR_MANAGER)


@get("/vendor", opt=MANAGER, sync_to_thread=True)
def home(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_home(page, vendor_place(page))


@get("/vendor/periods", opt=MANAGER, sync_to_thread=True)
def periods(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_periods(page, vendor_place(page))


@get(RETENTION, opt=MANAGER, sync_to_thread=True)
def retention(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_retention(page, vendor_place(page))


@get(PAYOUTS, opt=MANAGER, sync_to_thread=True)
def payouts(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_payouts(page, vendor_place(page))


@get(f"{PAYOUTS}/{{key:str}}", opt=MANAGER, sync_to_thread=True)
def payout(request: AnyRequest, pages: Pages, *, key: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        place = vendor_place(page)
        root = (*place.root, (translate(msgid("Payouts"), page.locale), PAYOUTS))
        return show_payout(page, key, root=root, period=lambda row: place.statement(row.of_month))


@post(f"{PAYOUTS}/again", opt=MANAGER, status_code=200, sync_to_thread=True)
def again(request: AnyRequest, pages: Pages, *, data: URLEncodedBody[AgainForm]) -> Response[Any]:
    with pages.open(request) as page:
        return post_again(page, vendor_place(page), data)


@post(f"{PAYOUTS}/account", opt=MANAGER, status_code=200, sync_to_thread=True)
def bank_account(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[BankAccountForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_account(page, vendor_place(page), data)


@post(f"{PAYOUTS}/onboarding", opt=MANAGER, status_code=200, sync_to_thread=True)
def onboard(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[OnboardingForm]
) -> Response[Any]:
    del data  # nothing but the token, which is checked as the page opens
    with pages.open(request) as page:
        account = account_of(page)
    return begin_onboarding(pages.units, account)


@get("/vendor/periods/{month:str}", opt=MANAGER, sync_to_thread=True)
def period(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_period(page, vendor_place(page), month)


@get("/vendor/periods/{month:str}/lines/{line_id:uuid}", opt=MANAGER, sync_to_thread=True)
def line(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_line(page, vendor_place(page), month, line_id)


@get("/vendor/periods/{month:str}/lines/{line_id:uuid}/uses", opt=MANAGER, sync_to_thread=True)
def uses(
    request: AnyRequest, pages: Pages, *, month: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_uses(page, vendor_place(page), month, line_id)


@get(
    "/vendor/periods/{month:str}/lines/{line_id:uuid}/uses/{sequence:int}",
    opt=MANAGER,
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
        return show_use(page, vendor_place(page), month, line_id, sequence=sequence)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    home,
    periods,
    retention,
    payouts,
    payout,
    again,
    bank_account,
    onboard,
    period,
    line,
    uses,
    use,
    *DRAFTING,
    *RESOURCES,
    *NEEDS,
    *DISPUTES,
    *EARLY_USE,
    *STANDING,
)
