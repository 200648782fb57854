"""`/webhooks/stripe`: where the gateway sends its messages. Its signature is all that it shows."""

from typing import Final

from litestar import MediaType, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from kernel.http.pages import PUBLIC
from kernel.http.problems import AnyRequest
from kernel.unit import Units
from settlement.payments.opening import open_gateway
from settlement.payments.webhooks import receive

SIGNATURE_HEADER: Final = "Stripe-Signature"


@post(
    "/webhooks/stripe",
    opt=PUBLIC,
    status_code=200,
    media_type=MediaType.TEXT,
    sync_to_thread=True,
    include_in_schema=False,
)
def take_message(request: AnyRequest, body: RawBody, units: NamedDependency[Units]) -> str:
    """Take one message of the gateway; anything but 200 has it sent again."""
    return receive(units, open_gateway(units), body, request.headers.get(SIGNATURE_HEADER, ""))


HANDLERS: tuple[HTTPRouteHandler, ...] = (take_message,)
