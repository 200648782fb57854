"""Routes of teachers' credits: their years, articles to read, the certificate."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.errors import NotFound
from kernel.http.pages import Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import translate
from settlement.web.credits import (
    HOME,
    TITLE,
    ReadingForm,
    post_begin,
    post_finish,
    show_certificate,
    show_own,
    show_year,
)
from settlement.web.places import Crumb

PEOPLE: Final = only(Role.TEACHER, Role.VENDOR_MANAGER)
TEACHERS: Final = only(Role.TEACHER)


@get(HOME, opt=PEOPLE, sync_to_thread=True)
def credits_(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_own(page)


@post(f"{HOME}/begun", opt=TEACHERS, status_code=200, sync_to_thread=True)
def begun(request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ReadingForm]) -> Response[Any]:
    with pages.open(request) as page:
        return post_begin(page, data)


@post(f"{HOME}/finished", opt=TEACHERS, status_code=200, sync_to_thread=True)
def finished(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[ReadingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_finish(page, data)


@get(f"{HOME}/{{year:int}}", opt=PEOPLE, sync_to_thread=True)
def year_(request: AnyRequest, pages: Pages, *, year: FromPath[int]) -> Response[Any]:
    with pages.open(request) as page:
        address = f"{HOME}/{year}"
        return show_year(page, _person(page), year, root=_root(page), address=address)


@get(f"{HOME}/{{year:int}}/certificate", opt=PEOPLE, sync_to_thread=True)
def certificate(request: AnyRequest, pages: Pages, *, year: FromPath[int]) -> Response[Any]:
    with pages.open(request) as page:
        address = f"{HOME}/{year}"
        root = (*_root(page), (str(year), address))
        return show_certificate(page, _person(page), year, root=root, address=address)


HANDLERS: tuple[HTTPRouteHandler, ...] = (credits_, begun, finished, year_, certificate)


def _root(page: Page) -> tuple[Crumb, ...]:
    return ((translate(TITLE, page.locale), HOME),)


def _person(page: Page) -> Any:
    person_id = page.actor.person_id
    if person_id is None:
        raise NotFound(what="credits", key=page.actor.name)
    return person_id
