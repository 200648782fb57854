"""`/api/v1/usage/packages`: where a school's machines hand in the packages of its boxes.

A call is made with an API key of the school; what the package says is signed by the box itself.
What it holds is counted against the school's rate before any work is done for it.
"""

import hashlib
from typing import Any

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from kernel.http.machines import Machines, answer_headers
from kernel.http.pages import only
from kernel.http.problems import AnyRequest
from settlement.metering.package_file import read_header
from settlement.metering.packages import SENDERS, take_package

POLICY = "packages"
NAME_DIGITS = 12


@post(
    "/usage/packages",
    opt=only(*SENDERS),
    status_code=200,
    sync_to_thread=True,
    operation_id="takePackage",
    summary="Hand in a classroom package",
)
def take(request: AnyRequest, body: RawBody, machines: Machines) -> Response[Any]:
    """Take in a package, whole or not at all; answer what became of its launches and uses."""
    name = f"package-{hashlib.sha256(body).hexdigest()[:NAME_DIGITS]}"
    with machines.open(request) as call:
        uses = read_header(body, name=name).uses
        call.spend(uses, limit=call.unit.settings.usage_rate, policy=POLICY)
    with machines.units(call.unit.actor) as unit:
        answer = take_package(unit, body, name=name).as_json()
    return Response(answer, headers=answer_headers(request))


HANDLERS: tuple[HTTPRouteHandler, ...] = (take,)
