"""Routes of a bureau's teachers' credits: from the list down to each booking, and certificates."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from kernel.http.pages import Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import msgid, translate
from market.bureau.places import bureau_root
from settlement.queries.credits import READERS
from settlement.web.credits import BUREAU, show_certificate, show_teachers, show_year
from settlement.web.places import Crumb

PEOPLE: Final = only(*READERS)
YEAR: Final = f"{BUREAU}/{{person:uuid}}/{{year:int}}"


@get(BUREAU, opt=PEOPLE, sync_to_thread=True)
def teachers(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_teachers(page, root=bureau_root(page))


@get(YEAR, opt=PEOPLE, sync_to_thread=True)
def teacher(
    request: AnyRequest, pages: Pages, *, person: FromPath[UUID], year: FromPath[int]
) -> Response[Any]:
    with pages.open(request) as page:
        address = f"{BUREAU}/{person}/{year}"
        return show_year(page, person, year, root=_root(page), address=address)


@get(f"{YEAR}/certificate", opt=PEOPLE, sync_to_thread=True)
def certificate(
    request: AnyRequest, pages: Pages, *, person: FromPath[UUID], year: FromPath[int]
) -> Response[Any]:
    with pages.open(request) as page:
        address = f"{BUREAU}/{person}/{year}"
        root = (*_root(page), (str(year), address))
        return show_certificate(page, person, year, root=root, address=address)


HANDLERS: tuple[HTTPRouteHandler, ...] = (teachers, teacher, certificate)


def _root(page: Page) -> tuple[Crumb, ...]:
    return (*bureau_root(page), (translate(msgid("Teachers' credits"), page.locale), BUREAU))
