"""Routes of the evaluations, open to everybody."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from kernel.http.pages import PUBLIC, Pages
from kernel.http.problems import AnyRequest
from settlement.web.evaluations import EVALUATIONS, show_evaluations, show_school


@get(EVALUATIONS, opt=PUBLIC, sync_to_thread=True)
def evaluations(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_evaluations(page)


@get(EVALUATIONS + "/schools/{code:str}", opt=PUBLIC, sync_to_thread=True)
def evaluated_school(request: AnyRequest, pages: Pages, *, code: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_school(page, code)


HANDLERS: tuple[HTTPRouteHandler, ...] = (evaluations, evaluated_school)
