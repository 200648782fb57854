"""Launches for a page's own script: open a resource, get its ticket; and the keys to check it.

`/api/v1/launches` is for people who are signed in here: the session's cookie says who, the header
`X-CSRF-Token` that this site's page asks.
"""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from kernel.actors import VISITOR
from kernel.http.pages import PUBLIC, Pages, only
from kernel.http.problems import AnyRequest
from kernel.unit import Units
from settlement.metering.openers import OPENERS
from settlement.metering.tickets import published_keys
from settlement.web.learning import launch_for_script

KEYS_PATH: Final = "/.well-known/jwks.json"
KEYS_CACHED: Final = "public, max-age=300"


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to open: a vendor's code and its sku; `class_name` when a teacher opens for a class."""

    vendor_code: str
    sku: str
    class_name: str = ""


@post("/api/v1/launches", opt=only(*OPENERS), sync_to_thread=True)
def launch(request: AnyRequest, pages: Pages, data: JSONBody[LaunchRequest]) -> Response[Any]:
    """Open a resource for the signed-in person."""
    with pages.open(request) as page:
        answer = launch_for_script(
            page, vendor_code=data.vendor_code, sku=data.sku, class_name=data.class_name
        )
    return Response(answer, status_code=201)


@get(KEYS_PATH, opt=PUBLIC, sync_to_thread=True, include_in_schema=True)
def keys(units: NamedDependency[Units]) -> Response[Any]:
    """Return the public keys under which tickets are signed (RFC 7517)."""
    with units(VISITOR) as unit:
        found = published_keys(unit)
    return Response({"keys": found}, headers={"Cache-Control": KEYS_CACHED})


HANDLERS: tuple[HTTPRouteHandler, ...] = (launch,)
