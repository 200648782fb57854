"""`/api/v1/usage/packages`: where a school's machines hand in the packages of its boxes.

A call is made with an API key of the school; what the package says is signed by the box itself.
"""

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from kernel.actors import VISITOR
from kernel.errors import NotSignedIn
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from kernel.identity.api_keys import key_actor
from kernel.unit import Unit, Units
from settlement.metering.packages import SENDERS, take_package

BEARER: Final = "bearer "


@post("/api/v1/usage/packages", opt=only(*SENDERS), status_code=200, sync_to_thread=True)
def take(request: AnyRequest, body: RawBody, units: NamedDependency[Units]) -> Response[Any]:
    """Take in a package, whole or not at all; answer what became of its launches and uses."""
    visitor = replace(VISITOR, via=request.client.host if request.client else "")
    with units(visitor) as unit:
        _sign_in(unit, request)
        tally = take_package(unit, body, name=f"api-{uuid4().hex[:12]}")
        answer = tally.as_json()
    return Response(answer)


def _sign_in(unit: Unit, request: AnyRequest) -> None:
    """Let the unit act as the holder of the request's API key; raise `NotSignedIn`."""
    given = request.headers.get("authorization", "")
    key = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
    actor = key_actor(unit, key) if key else None
    if actor is None:
        raise NotSignedIn
    unit.actor = actor


HANDLERS: tuple[HTTPRouteHandler, ...] = (take,)
