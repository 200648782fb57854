"""Routes of a bureau's desk of third-party evaluators."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from market.bureau.places import bureau_root
from settlement.evaluation.admissions import ADMITTERS
from settlement.web.evaluators import (
    EndForm,
    EvaluatorForm,
    post_end,
    post_evaluator,
    show_admission,
    show_evaluators,
)

EVALUATORS: Final = "/bureau/evaluators"
MAY_ADMIT: Final = only(*ADMITTERS)


@get(EVALUATORS, opt=MAY_ADMIT, sync_to_thread=True)
def evaluators(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_evaluators(page, root=tuple(bureau_root(page)), address=EVALUATORS)


@post(EVALUATORS, opt=MAY_ADMIT, status_code=200, sync_to_thread=True)
def let_in(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[EvaluatorForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_evaluator(page, data, root=tuple(bureau_root(page)), address=EVALUATORS)


@get(EVALUATORS + "/{admission_id:uuid}", opt=MAY_ADMIT, sync_to_thread=True)
def evaluator(request: AnyRequest, pages: Pages, *, admission_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        root = tuple(bureau_root(page))
        return show_admission(page, admission_id, root=root, address=EVALUATORS)


@post(EVALUATORS + "/{admission_id:uuid}/end", opt=MAY_ADMIT, status_code=200, sync_to_thread=True)
def end_evaluator(
    request: AnyRequest,
    pages: Pages,
    *,
    admission_id: FromPath[UUID],
    data: URLEncodedBody[EndForm],
) -> Response[Any]:
    with pages.open(request) as page:
        root = tuple(bureau_root(page))
        return post_end(page, admission_id, data, root=root, address=EVALUATORS)


HANDLERS: tuple[HTTPRouteHandler, ...] = (evaluators, let_in, evaluator, end_evaluator)
