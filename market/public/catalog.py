"""Routes of the storefront, open to everybody; what a person keeps needs a person."""

from pathlib import Path
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from catalog.web.browsing import (
    FavouriteForm,
    post_favourite,
    show_catalogue,
    show_favourites,
    show_vendor,
)
from catalog.web.resources import show_comparison, show_resource
from kernel.actors import ROLES_OF
from kernel.http.pages import PUBLIC, Pages, only
from kernel.http.problems import AnyRequest

SIGNED_IN = only(*sorted(set().union(*ROLES_OF.values())))


@get("/catalog", opt=PUBLIC, sync_to_thread=True)
def catalogue(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_catalogue(page)


@get("/catalog/resources/{vendor:str}/{sku:path}", opt=PUBLIC, sync_to_thread=True)
def resource(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    with pages.open(request) as page:
        return show_resource(page, vendor, sku.as_posix().removeprefix("/"))


@get("/catalog/vendors/{vendor:str}", opt=PUBLIC, sync_to_thread=True)
def vendor(request: AnyRequest, pages: Pages, *, vendor: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_vendor(page, vendor)


@get("/catalog/compare", opt=PUBLIC, sync_to_thread=True)
def comparison(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_comparison(page)


@get("/catalog/favourites", opt=SIGNED_IN, sync_to_thread=True)
def kept(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_favourites(page)


@post("/catalog/favourites", opt=SIGNED_IN, status_code=303, sync_to_thread=True)
def keep(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[FavouriteForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_favourite(page, data)


HANDLERS = (catalogue, resource, vendor, comparison, kept, keep)
