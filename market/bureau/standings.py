"""Routes of a bureau's desk of standings: the queue, notices, signatures, appeals, and ranking.

Auditors read it and act on nothing.
"""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from market.bureau.places import bureau_root
from settlement.web.returning import ReturnDecisionForm, post_return_decision
from settlement.web.standing_appeals import AppealDecisionForm, post_appeal_decision
from settlement.web.standings import (
    RankForm,
    StandingDesk,
    StepForm,
    post_rank,
    post_step,
    show_standing,
    show_standings,
)

REVIEWERS: Final = only(Role.ADMISSION)
READERS: Final = only(Role.ADMISSION, Role.AUDITOR)
STANDINGS: Final = "/bureau/standings"


def standing_desk(page: Page) -> StandingDesk:
    return StandingDesk(
        root=tuple(bureau_root(page)),
        address=STANDINGS,
        title=translate(msgid("Survival of the fittest"), page.locale),
    )


@get(STANDINGS, opt=READERS, sync_to_thread=True)
def standings(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_standings(page, standing_desk(page))


@post(STANDINGS, opt=REVIEWERS, status_code=200, sync_to_thread=True)
def rank_a_month(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[RankForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_rank(page, standing_desk(page), data)


@get(STANDINGS + "/{standing_id:uuid}", opt=READERS, sync_to_thread=True)
def standing(request: AnyRequest, pages: Pages, *, standing_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_standing(page, standing_desk(page), standing_id)


@post(STANDINGS + "/{standing_id:uuid}/step", opt=REVIEWERS, status_code=200, sync_to_thread=True)
def sign_step(
    request: AnyRequest,
    pages: Pages,
    *,
    standing_id: FromPath[UUID],
    data: URLEncodedBody[StepForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_step(page, standing_desk(page), standing_id, data)


@post(STANDINGS + "/{standing_id:uuid}/appeal", opt=REVIEWERS, status_code=200, sync_to_thread=True)
def decide_appeal(
    request: AnyRequest,
    pages: Pages,
    *,
    standing_id: FromPath[UUID],
    data: URLEncodedBody[AppealDecisionForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_appeal_decision(page, standing_desk(page), standing_id, data)


@post(STANDINGS + "/{standing_id:uuid}/return", opt=REVIEWERS, status_code=200, sync_to_thread=True)
def decide_application(
    request: AnyRequest,
    pages: Pages,
    *,
    standing_id: FromPath[UUID],
    data: URLEncodedBody[ReturnDecisionForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_return_decision(page, standing_desk(page), standing_id, data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    standings,
    rank_a_month,
    standing,
    sign_step,
    decide_appeal,
    decide_application,
)
