"""Routes of the rankings, open to everybody but for what one score is made of."""

from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from kernel.http.pages import PUBLIC, Pages, only
from kernel.http.problems import AnyRequest
from settlement.web.ranking_evidence import EVIDENCE, PRIORS, show_evidence, show_priors
from settlement.web.rankings import (
    METHOD,
    RANKINGS,
    READ_EVIDENCE,
    show_method,
    show_rankings,
    show_why,
)


@get(RANKINGS, opt=PUBLIC, sync_to_thread=True)
def rankings(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_rankings(page)


@get(METHOD, opt=PUBLIC, sync_to_thread=True)
def method(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_method(page)


@get(PRIORS, opt=PUBLIC, sync_to_thread=True)
def priors(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_priors(page)


@get(EVIDENCE, opt=only(*READ_EVIDENCE), sync_to_thread=True)
def evidence(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_evidence(page)


@get(RANKINGS + "/vendors/{vendor:str}", opt=PUBLIC, sync_to_thread=True)
def vendor(request: AnyRequest, pages: Pages, *, vendor: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_why(page, vendor)


@get(RANKINGS + "/resources/{vendor:str}/{sku:path}", opt=PUBLIC, sync_to_thread=True)
def resource(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_why(page, f"{vendor}/{sku.as_posix().removeprefix('/')}")


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    rankings,
    method,
    priors,
    evidence,
    vendor,
    resource,
)
