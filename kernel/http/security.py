"""Headers that every answer carries: what a browser may load, keep and tell others.

No page loads anything from another host, and no script or style stands in the page itself. HSTS is
sent over https only; elsewhere a browser would ignore it.
"""

from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Within the site the address is told: a browser then names the Origin of a form, too.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
HSTS: Final = "max-age=31536000; includeSubDomains"


async def add_security_headers(message: Message, scope: Scope) -> None:
    """Add the headers to an answer that starts; a `before_send` hook, so errors get them, too.

    What says nothing about caching is not to be kept: most pages show somebody's money.
    """
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")
    if scope["scheme"] == "https":
        headers.setdefault("strict-transport-security", HSTS)
