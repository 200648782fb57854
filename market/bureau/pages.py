"""Routes of the bureaus' pages: everybody of a bureau sees the subtree of its region."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.admission import HANDLERS as ADMISSION
from market.bureau.allocations import HANDLERS as ALLOCATIONS
from market.bureau.approvals import HANDLERS as APPROVALS
from market.bureau.bulk import HANDLERS as BULK
from market.bureau.closes import begin_close, show_question
from market.bureau.credits import HANDLERS as CREDITS
from market.bureau.disputes import HANDLERS as DISPUTES
from market.bureau.early_use import HANDLERS as EARLY_USE
from market.bureau.evaluators import HANDLERS as EVALUATORS
from market.bureau.home import show_home
from market.bureau.own_disputes import HANDLERS as OWN_DISPUTES
from market.bureau.payments import HANDLERS as PAYMENTS
from market.bureau.periods import show_period, show_periods
from market.bureau.places import ACCOUNTABLE, school_place
from market.bureau.quarantine import show_quarantine, show_undated
from market.bureau.records import HANDLERS as RECORDS
from market.bureau.schools import show_school, show_schools
from market.bureau.sharing import HANDLERS as SHARING
from market.bureau.standings import HANDLERS as STANDINGS
from market.bureau.taxes import HANDLERS as TAXES
from procurement.web.funding import show_funding, show_funding_line
from procurement.web.preview import show_preview
from settlement.web.agreements import show_agreement, show_agreements
from settlement.web.lines import show_line
from settlement.web.statements import show_statement, show_statements
from settlement.web.uses import show_use, show_uses

STAFF: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
CLOSERS: Final = only(Role.BUREAU_FINANCE, Role.OPERATOR)
ONLY_ACCOUNTABLE: Final = only(*ACCOUNTABLE)


@get("/bureau", opt=STAFF, sync_to_thread=True)
def home(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_home(page)


@get("/bureau/periods", opt=STAFF, sync_to_thread=True)
def periods(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_periods(page)


@get("/bureau/periods/{month:str}", opt=STAFF, sync_to_thread=True)
def period(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_period(page, month)


@get("/bureau/periods/{month:str}/close", opt=CLOSERS, sync_to_thread=True)
def ask_to_close(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_question(page, month)


@post("/bureau/periods/{month:str}/close", opt=CLOSERS, status_code=200, sync_to_thread=True)
def close(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    return begin_close(request, pages, month)


@get("/bureau/periods/{month:str}/quarantine", opt=STAFF, sync_to_thread=True)
def quarantine(request: AnyRequest, pages: Pages, *, month: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_quarantine(page, month)


@get("/bureau/quarantine", opt=STAFF, sync_to_thread=True)
def undated(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_undated(page)


@get("/bureau/schools", opt=STAFF, sync_to_thread=True)
def schools(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_schools(page)


@get("/bureau/schools/{code:str}", opt=STAFF, sync_to_thread=True)
def school(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_school(page, school_place(page, code))


@get("/bureau/schools/{code:str}/preview", opt=ONLY_ACCOUNTABLE, sync_to_thread=True)
def estimate(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_preview(page, school_place(page, code))


@get("/bureau/schools/{code:str}/funding", opt=STAFF, sync_to_thread=True)
def funding(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding(page, school_place(page, code))


@get("/bureau/schools/{code:str}/funding/{line_id:uuid}", opt=STAFF, sync_to_thread=True)
def funding_line(
    request: AnyRequest, pages: Pages, *, code: FromPath[str], line_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_funding_line(page, school_place(page, code), line_id)


@get("/bureau/schools/{code:str}/agreements", opt=STAFF, sync_to_thread=True)
def agreements(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreements(page, school_place(page, code))


@get("/bureau/schools/{code:str}/agreements/{number:str}", opt=STAFF, sync_to_thread=True)
def agreement(
    request: AnyRequest, pages: Pages, *, code: FromPath[str], number: FromPath[str]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_agreement(page, school_place(page, code), number)


@get("/bureau/schools/{code:str}/statements", opt=STAFF, sync_to_thread=True)
def statements(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_statements(page, school_place(page, code))


@get("/bureau/schools/{code:str}/statements/{month:str}", opt=STAFF, sync_to_thread=True)
def statement(
    request: AnyRequest, pages: Pages, *, code: FromPath[str], month: FromPath[str]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_statement(page, school_place(page, code), month)


@get(
    "/bureau/schools/{code:str}/statements/{month:str}/lines/{line_id:uuid}",
    opt=STAFF,
    sync_to_thread=True,
)
def line(
    request: AnyRequest,
    pages: Pages,
    *,
    code: FromPath[str],
    month: FromPath[str],
    line_id: FromPath[UUID],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_line(page, school_place(page, code), month, line_id)


@get(
    "/bureau/schools/{code:str}/statements/{month:str}/lines/{line_id:uuid}/uses",
    opt=STAFF,
    sync_to_thread=True,
)
def uses(
    request: AnyRequest,
    pages: Pages,
    *,
    code: FromPath[str],
    month: FromPath[str],
    line_id: FromPath[UUID],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_uses(page, school_place(page, code), month, line_id)


@get(
    "/bureau/schools/{code:str}/statements/{month:str}/lines/{line_id:uuid}/uses/{sequence:int}",
    opt=STAFF,
    sync_to_thread=True,
)
def use(
    request: AnyRequest,
    pages: Pages,
    *,
    code: FromPath[str],
    month: FromPath[str],
    line_id: FromPath[UUID],
    sequence: FromPath[int],
) -> Response[Any]:
    with pages.open(request) as page:
        return show_use(page, school_place(page, code), month, line_id, sequence=sequence)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    home,
    periods,
    period,
    ask_to_close,
    close,
    quarantine,
    undated,
    schools,
    school,
    estimate,
    funding,
    funding_line,
    agreements,
    agreement,
    statements,
    statement,
    line,
    uses,
    use,
    *ADMISSION,
    *SHARING,
    *STANDINGS,
    *EVALUATORS,
    *ALLOCATIONS,
    *RECORDS,
    *APPROVALS,
    *BULK,
    *OWN_DISPUTES,
    *DISPUTES,
    *EARLY_USE,
    *PAYMENTS,
    *TAXES,
    *CREDITS,
)
