"""Routes of the storefront, open to everybody; what a person keeps needs a person."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from catalog.web.addresses import resource_address
from catalog.web.browsing import (
    FavouriteForm,
    post_favourite,
    show_catalogue,
    show_favourites,
    show_vendor,
)
from catalog.web.resources import Notes, Said, show_comparison, show_resource
from kernel.actors import ROLES_OF, Role
from kernel.http.pages import PUBLIC, Form, Page, Pages, only
from kernel.http.problems import AnyRequest
from kernel.i18n import translate, translate_error
from settlement.queries.closed import Closed, closed_among, closed_cells, openings_of
from settlement.ratings import rate, ratings_of
from settlement.web.rankings import cell_words

SIGNED_IN = only(*sorted(set().union(*ROLES_OF.values())))


@get("/catalog", opt=PUBLIC, sync_to_thread=True)
def catalogue(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_catalogue(page, standings=partial(closed_among, page.unit))


@get("/catalog/resources/{vendor:str}/{sku:path}", opt=PUBLIC, sync_to_thread=True)
def resource(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> Response[Any]:
    article = sku.as_posix().removeprefix("/")
    with pages.open(request) as page:
        return show_resource(
            page, vendor, article, said=partial(_said, page), closed=partial(_closed, page)
        )


@get("/catalog/vendors/{vendor:str}", opt=PUBLIC, sync_to_thread=True)
def vendor(request: AnyRequest, pages: Pages, *, vendor: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_vendor(
            page,
            vendor,
            closed=_notes(page, closed_cells(page.unit, vendor)),
            standings=partial(closed_among, page.unit),
        )


@get("/catalog/compare", opt=PUBLIC, sync_to_thread=True)
def comparison(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_comparison(page)


@get("/catalog/favourites", opt=SIGNED_IN, sync_to_thread=True)
def kept(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_favourites(page, standings=partial(closed_among, page.unit))


@post("/catalog/favourites", opt=SIGNED_IN, status_code=303, sync_to_thread=True)
def keep(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[FavouriteForm]
) -> Response[Any]:
    with pages.open(request) as page:
        return post_favourite(page, data)


def _said(page: Page, resource_id: UUID, title: str) -> Said:
    found = ratings_of(page.unit, resource_id, title=title)
    return Said(
        spread=found.spread,
        may_rate=found.may_rate,
        own_stars=found.own_stars,
        why_not=translate_error(found.refusal, page.locale) if found.refusal else "",
    )


def _closed(page: Page, version_id: UUID) -> Notes:
    found = openings_of(page.unit, version_id)
    return Notes(notes=_notes(page, found.closed), is_refused=found.is_refused)


def _notes(page: Page, closed: Sequence[Closed]) -> list[tuple[str, str, str]]:
    return [
        (one.state, cell_words(one.cell, page.locale), translate(one.words, page.locale))
        for one in closed
    ]


class RatingForm(Form, frozen=True):
    """A teacher's stars for a resource, `vendor/sku`."""

    resource: str
    stars: int


@post("/catalog/ratings", opt=only(Role.TEACHER), status_code=303, sync_to_thread=True)
def rate_resource(
    request: AnyRequest, pages: Pages, *, data: URLEncodedBody[RatingForm]
) -> Response[Any]:
    with pages.open(request) as page:
        rate(page.unit, data.resource, stars=data.stars)
        vendor_code, _, sku = data.resource.partition("/")
        return page.redirect(resource_address(vendor_code, sku))


HANDLERS = (catalogue, resource, vendor, comparison, kept, keep, rate_resource)
