"""An act of a caller, answered once for each `Idempotency-Key`: the same key, the same answer."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import MediaType, Response

from kernel.http.callers import Callers
from kernel.http.idempotency import KEY_HEADER, REPLAYED_HEADER, Answer, answer_once
from kernel.http.problems import AnyRequest
from kernel.unit import Unit

Act = Callable[[Unit], msgspec.Struct]


def answered_once(
    request: AnyRequest, callers: Callers, body: bytes, *, act: Act, status: int = 200
) -> Response[Any]:
    """Do it once for each idempotency key, and answer with what `act` returns."""
    with callers.open(request) as unit:
        answer = answer_once(
            unit,
            request.headers.get(KEY_HEADER, ""),
            request=f"{request.method} {request.scope['path']}\n".encode() + body,
            act=lambda: Answer(status, msgspec.json.encode(act(unit))),
        )
    return Response(
        answer.content,
        status_code=answer.status,
        media_type=MediaType.JSON,
        headers={REPLAYED_HEADER: "true"} if answer.replayed else {},
    )
