"""Sessions in a browser: the cookie that carries the token, forms that prove where they come from.

The session itself (token, actor, csrf secret) is the matter of kernel.identity.sessions.
Every unsafe request to a page must come from this site; with a session it must also carry the
session's csrf token, in the form or in the header `X-CSRF-Token`.
"""

import hmac
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType

from kernel.errors import CsrfRefused
from kernel.http.problems import LANGUAGE_COOKIE, AnyConnection, AnyRequest

SESSION_COOKIE: Final = "xuanyong_session"
SECURE_SESSION_COOKIE: Final = "__Host-xuanyong_session"
CSRF_FIELD: Final = "csrf_token"
CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES: Final = (RequestEncodingType.URL_ENCODED.value, RequestEncodingType.MULTI_PART.value)
LANGUAGE_KEPT_S: Final = 365 * 24 * 3600


def session_cookie_name(request: AnyConnection) -> str:
    """Return the cookie's name: over https the prefix binds it to this host and to https."""
    return SECURE_SESSION_COOKIE if request.url.scheme == "https" else SESSION_COOKIE


def session_token(request: AnyConnection) -> str:
    return request.cookies.get(session_cookie_name(request), "")


def set_session_cookie(
    response: Response[Any], request: AnyRequest, *, token: str, lifetime_s: int
) -> None:
    response.set_cookie(_session_cookie(request, token, lifetime_s))


def drop_session_cookie(response: Response[Any], request: AnyRequest) -> None:
    response.set_cookie(_session_cookie(request, "", 0))


def set_language_cookie(response: Response[Any], request: AnyRequest, *, locale: str) -> None:
    response.set_cookie(
        Cookie(
            key=LANGUAGE_COOKIE,
            value=locale,
            max_age=LANGUAGE_KEPT_S,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    )


def lifetime_s(expires_at: datetime, *, now: datetime) -> int:
    """Return how many whole seconds are left of a session."""
    return max(0, int((expires_at - now).total_seconds()))


async def check_form(request: AnyRequest) -> None:
    """Refuse an unsafe request from elsewhere and keep the token it carries for `check_csrf`.

    A `before_request` hook of the pages, because only a coroutine can read the form.
    """
    if request.method in SAFE_METHODS:
        return
    if not comes_from_here(request):
        raise CsrfRefused(act=request.scope["path"], needs="same-origin", actor="")
    token = request.headers.get(CSRF_HEADER, "")
    if not token and request.content_type[0] in FORM_TYPES:
        value = (await request.form()).get(CSRF_FIELD, "")
        token = value if isinstance(value, str) else ""
    request.state.csrf_token = token


def comes_from_here(request: AnyRequest) -> bool:
    """Whether this site sent the request, as the browser says; other clients say nothing."""
    fetch_site = request.headers.get("sec-fetch-site", "")
    if fetch_site:
        return fetch_site in {"same-origin", "none"}
    origin = request.headers.get("origin", "")
    return not origin or urlsplit(origin).netloc == request.headers.get("host", "")


def check_csrf(request: AnyRequest, expected: str) -> None:
    """Raise `CsrfRefused` unless an unsafe request carries the session's token."""
    if request.method in SAFE_METHODS:
        return
    given = str(request.state.get(CSRF_FIELD, ""))
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise CsrfRefused(act=request.scope["path"], needs=CSRF_FIELD, actor="")


def local_address(text: str) -> str:
    """Return `text` if it is an address on this site, else the home page: no open redirects."""
    parts = urlsplit(text)
    here = text.startswith("/") and not text.startswith(("//", "/\\"))
    plain = text.isprintable() and "\\" not in text
    return text if here and plain and not parts.netloc and not parts.scheme else "/"


def _session_cookie(request: AnyRequest, token: str, lifetime: int) -> Cookie:
    return Cookie(
        key=session_cookie_name(request),
        value=token,
        max_age=lifetime,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
