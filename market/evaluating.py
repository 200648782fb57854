"""Routes of evaluators' own pages, of one finding, and of a file of findings (R65)."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import PUBLIC, Pages, only
from kernel.http.problems import AnyRequest
from kernel.http.uploads import taken_in
from kernel.i18n import msgid
from market.imports.uploaded import take_file
from settlement.evaluation.outside import REPLIERS
from settlement.web.findings import (
    FINDING,
    OWN,
    AnswerForm,
    FindingForm,
    post_finding,
    post_reply,
    post_withdrawal,
    show_finding,
    show_own_findings,
)

EVALUATORS: Final = only(Role.EVALUATOR)
COLUMNS: Final = msgid("The first row names the columns: kind, key, finding, source, found_on.")


@get(OWN, opt=EVALUATORS, sync_to_thread=True)
def own_findings(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_own_findings(page)


@post(OWN, opt=EVALUATORS, status_code=200, sync_to_thread=True)
def file_one(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[FindingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_finding(page, data)


@post(OWN + "/import", opt=EVALUATORS, status_code=200, sync_to_thread=True)
def file_many(request: AnyRequest, pages: Pages) -> Response[Any]:
    """File all findings of a file, or show each row that can't be taken."""
    with taken_in(request) as upload, pages.open(request) as page:
        taken = take_file(page, upload, kind="findings", columns=COLUMNS)
        return show_own_findings(page, taken=taken)


@get(FINDING + "/{finding_id:uuid}", opt=PUBLIC, sync_to_thread=True)
def finding(request: AnyRequest, pages: Pages, *, finding_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_finding(page, finding_id)


@post(
    FINDING + "/{finding_id:uuid}/reply", opt=only(*REPLIERS), status_code=200, sync_to_thread=True
)
def reply(
    request: AnyRequest,
    pages: Pages,
    *,
    finding_id: FromPath[UUID],
    data: URLEncodedBody[AnswerForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_reply(page, finding_id, data)


@post(
    FINDING + "/{finding_id:uuid}/withdrawal", opt=EVALUATORS, status_code=200, sync_to_thread=True
)
def withdraw(
    request: AnyRequest,
    pages: Pages,
    *,
    finding_id: FromPath[UUID],
    data: URLEncodedBody[AnswerForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_withdrawal(page, finding_id, data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (own_findings, file_one, finding, reply, withdraw)
UPLOADS: tuple[HTTPRouteHandler, ...] = (file_many,)
