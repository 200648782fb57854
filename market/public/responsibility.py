"""Who answers for a resource: the page that everybody may read, signed in or not (R10)."""

from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from catalog.responsibility import responsibility
from kernel.http.pages import PUBLIC, Pages
from kernel.http.problems import AnyRequest

ADDRESS: Final = "/responsibility/{vendor:str}/{sku:path}"


@get(ADDRESS, opt=PUBLIC, sync_to_thread=True)
def who_answers(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    """Show who offered a resource, who let it in, and what became of it."""
    with pages.open(request) as page:
        chain = responsibility(page.unit, vendor_code=vendor, sku=sku.as_posix().removeprefix("/"))
        return page.render("public/responsibility.html", chain=chain)


HANDLERS: tuple[HTTPRouteHandler, ...] = (who_answers,)
