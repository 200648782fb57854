"""`/api/v1/resources`: search what is listed, read one resource; and record one's own.

Reading is open to everybody and tells nothing that the public pages don't: listed versions, prices,
who admitted them. Recording is a vendor's for its own catalogue, and a bureau's; what is new of it
is submitted to admission, the same content again changes nothing.
"""

from datetime import date
from pathlib import Path
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from catalog.attachments.reading import files_of
from catalog.counts import count_results
from catalog.facets import FILTERS
from catalog.intake import MOST_ROWS, Intake, ResourceRow, answer_of_row
from catalog.queries import CATALOGUE_RECORDERS
from catalog.resources import record_catalogue
from catalog.schemas import ResourceAnswer, ResourcePage, answer_of, facets_of, item_of
from catalog.search import MOST, Sort, Wanted, search
from catalog.storefront import resource_detail
from kernel.actors import Role
from kernel.clock import shanghai_day
from kernel.errors import InvalidInput
from kernel.http.callers import Callers
from kernel.http.pages import PUBLIC, Pages, only
from kernel.http.problems import AnyRequest, reader_locale
from kernel.identity.stages import STAGES
from kernel.outcomes import Fate

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
    request: AnyRequest,
    pages: Pages,
    *,
    vendor: FromPath[str],
    sku: FromPath[Path],
    on: FromQuery[date | None] = None,
) -> ResourceAnswer:
    """Answer a listed resource with its metadata, prices, versions and files.

    `on`: the day for which `in_force` says what it costs.
    """
    with pages.open(request) as page:
        detail = resource_detail(page.unit, f"{vendor}/{sku.as_posix().removeprefix('/')}")
        version_id = detail.hit.version_id
        return answer_of(
            detail,
            day=on or shanghai_day(page.unit.clock.now()),
            files=files_of(page.unit, [version_id]).get(version_id, []),
        )


@post(
    "/resources",
    opt=only(*CATALOGUE_RECORDERS, Role.VENDOR_MANAGER),
    status_code=200,
    sync_to_thread=True,
    operation_id="recordResources",
    summary="Record resources by their vendor's own codes",
)
def record_resources(
    request: AnyRequest, callers: Callers, data: JSONBody[list[ResourceRow]]
) -> Intake:
    """Take in up to 1,000 resources; each row has its own fate, told in the reader's language."""
    if len(data) > MOST_ROWS:
        expected = f"at most {MOST_ROWS} rows"
        raise InvalidInput(field="rows", value=len(data), expected=expected)
    with callers.open(request) as unit:
        outcomes = record_catalogue(unit, [row.row() for row in data])
        locale = reader_locale(request, unit.settings.locale)
        return Intake(
            received=len(outcomes),
            accepted=sum(one.fate is Fate.ACCEPTED for one in outcomes),
            rows=[
                answer_of_row(row, outcome, locale)
                for row, outcome in zip(data, outcomes, strict=True)
            ],
        )


def _filters(request: AnyRequest) -> dict[str, str]:
    """Return the facets that are asked for.

    Raises `InvalidInput` for a parameter that is none of ours or stands there twice, and for a
    stage that is none, under which everything without a stage would be found.
    """
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in FILTERS and name not in OURS:
            raise InvalidInput(field=name, value=value, expected=" | ".join(FILTERS))
        if name in given:
            raise InvalidInput(field=name, value=value, expected="one value")
        given[name] = str(value)
    if (stage := given.get("stage", "")) not in STAGES:
        expected = " | ".join(sorted(STAGES - {""}))
        raise InvalidInput(field="stage", value=stage, expected=expected)
    return {name: given[name] for name in FILTERS if given.get(name)}


def _sort(word: str) -> Sort:
    try:
        return Sort(word)
    except ValueError:
        raise InvalidInput(field="sort", value=word, expected=" | ".join(Sort)) from None


HANDLERS = (search_resources, get_resource, record_resources)
