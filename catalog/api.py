"""`/api/v1/resources`: search what is listed, and read one resource. Open to everybody.

The answers hold nothing that the public pages don't: listed versions, prices, who admitted them.
"""

from pathlib import Path
from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from catalog.counts import count_results
from catalog.facets import FILTERS
from catalog.schemas import ResourceAnswer, ResourcePage, answer_of, facets_of, item_of
from catalog.search import MOST, Sort, Wanted, search
from catalog.storefront import resource_detail
from kernel.errors import InvalidInput
from kernel.http.pages import PUBLIC, Pages
from kernel.http.problems import AnyRequest

Limit = Annotated[int, QueryParameter(ge=1, le=MOST)]
OURS = frozenset({"q", "sort", "after", "limit", "facets"})


@get(
    "/resources",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="searchResources",
    summary="Search listed resources",
)
def search_resources(
    request: AnyRequest,
    pages: Pages,
    *,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = Sort.RELEVANCE.value,
    after: FromQuery[str] = "",
    facets: FromQuery[bool] = False,
    limit: Limit = 50,
) -> ResourcePage:
    """Answer a page of what fits the words and the facets, which are parameters of their names."""
    wanted = Wanted(words=q, filters=_filters(request), sort=_sort(sort), after=after, limit=limit)
    with pages.open(request) as page:
        found = search(page.unit, wanted)
        total, counted = count_results(page.unit, wanted) if facets else (None, None)
        return ResourcePage(
            items=[item_of(hit) for hit in found.hits],
            next=found.next,
            total=total,
            facets=facets_of(counted) if counted is not None else None,
        )


@get(
    "/resources/{vendor:str}/{sku:path}",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getResource",
    summary="One listed resource",
)
def get_resource(
    request: AnyRequest, pages: Pages, *, vendor: FromPath[str], sku: FromPath[Path]
) -> ResourceAnswer:
    """Answer a listed resource with its metadata, prices and versions."""
    with pages.open(request) as page:
        key = f"{vendor}/{sku.as_posix().removeprefix('/')}"
        return answer_of(resource_detail(page.unit, key))


def _filters(request: AnyRequest) -> dict[str, str]:
    """Return the facets that are asked for; a parameter that is none of ours is an error."""
    given = {name: str(value) for name, value in request.query_params.items()}
    for name, value in given.items():
        if name not in FILTERS and name not in OURS:
            raise InvalidInput(field=name, value=value, expected=" | ".join(FILTERS))
    return {name: given[name] for name in FILTERS if given.get(name)}


def _sort(word: str) -> Sort:
    try:
        return Sort(word)
    except ValueError:
        raise InvalidInput(field="sort", value=word, expected=" | ".join(Sort)) from None


HANDLERS = (search_resources, get_resource)
