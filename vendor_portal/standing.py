"""Routes of a vendor's own standing, and of its appeals."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from settlement.web.returning import ReturnForm, post_return
from settlement.web.standing_appeals import AppealForm, post_appeal
from settlement.web.standings import StandingDesk, show_own_standings, show_standing

MANAGER: Final = only(Role.VENDOR_MANAGER)
STANDING: Final = "/vendor/standing"


def standing_desk(page: Page) -> StandingDesk:
    return StandingDesk(
        root=((translate(msgid("Home"), page.locale), "/vendor"),),
        address=STANDING,
        title=translate(msgid("Ranking"), page.locale),
    )


@get(STANDING, opt=MANAGER, sync_to_thread=True)
def own_standings(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_own_standings(page, standing_desk(page))


@get(STANDING + "/{standing_id:uuid}", opt=MANAGER, sync_to_thread=True)
def own_standing(
    request: AnyRequest, pages: Pages, *, standing_id: FromPath[UUID]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_standing(page, standing_desk(page), standing_id)


@post(STANDING + "/{standing_id:uuid}/appeal", opt=MANAGER, status_code=200, sync_to_thread=True)
def appeal(
    request: AnyRequest,
    pages: Pages,
    *,
    standing_id: FromPath[UUID],
    data: URLEncodedBody[AppealForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_appeal(page, standing_desk(page), standing_id, data)


@post(STANDING + "/{standing_id:uuid}/return", opt=MANAGER, status_code=200, sync_to_thread=True)
def ask_to_return(
    request: AnyRequest,
    pages: Pages,
    *,
    standing_id: FromPath[UUID],
    data: URLEncodedBody[ReturnForm],
) -> Response[Any]:
    with pages.open(request) as page:
        return post_return(page, standing_desk(page), standing_id, data)


HANDLERS: tuple[HTTPRouteHandler, ...] = (own_standings, own_standing, appeal, ask_to_return)
