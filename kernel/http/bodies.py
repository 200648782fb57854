"""Bodies as machines send them: unpacked within bounds, of a type that is understood.

Decides how large a body may become. How large it may arrive is the application's limit.
"""

import zlib
from collections.abc import Collection
from typing import Final

from kernel.errors import BodyTooLarge, UnreadableBody, UnsupportedBody
from kernel.http.problems import AnyRequest

GZIP_WINDOW: Final = zlib.MAX_WBITS | 16


def require_content_type(request: AnyRequest, accepted: Collection[str]) -> None:
    """Raise `UnsupportedBody` unless the body's media type is one of `accepted`."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() not in accepted:
        raise UnsupportedBody(
            header="Content-Type", value=given[:100], expected=" | ".join(accepted)
        )


def unpacked(request: AnyRequest, body: bytes, *, most_bytes: int) -> bytes:
    """Return the body without its Content-Encoding (gzip or none).

    Unpacking stops at `most_bytes`, so that a small body can't fill the memory: `BodyTooLarge`.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    match encoding:
        case "" | "identity":
            content = body
        case "gzip":
            content = _gunzipped(body, most_bytes=most_bytes)
        case _:
            raise UnsupportedBody(
                header="Content-Encoding", value=encoding[:100], expected="gzip, or none"
            )
    if len(content) > most_bytes:
        raise BodyTooLarge(most_bytes=most_bytes)
    return content


def _gunzipped(body: bytes, *, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    try:
        content = unpacker.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise UnreadableBody(reason="it is not gzip", expected="a body packed by gzip") from error
    if len(content) <= most_bytes and (not unpacker.eof or unpacker.unused_data):
        raise UnreadableBody(reason="its gzip is cut off", expected="one whole gzip member")
    return content
