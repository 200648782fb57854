"""Problems: every error becomes one RFC 9457 answer, or a readable page for a browser.

Decides the status, the stable code, the words and which facts may leave the house. What we did not
expect, and what went wrong on our side (5xx), says nothing of its inside: it carries an incident
number that stands beside the whole story in the log.
"""

import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, ValidationException

from kernel.errors import (
    ApiKeyRefused,
    InvalidInput,
    MarketError,
    NotSignedIn,
    RateExceeded,
    TooManyAttempts,
)
from kernel.i18n import label, msgid, negotiate, translate, translate_error

log = logging.getLogger(__name__)

AnyRequest: TypeAlias = Request[Any, Any, Any]
AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

PROBLEM_TYPE: Final = "application/problem+json"
URN: Final = "urn:xuanyong:problem:"
RESERVED: Final = frozenset({"type", "title", "status", "detail", "instance", "code", "incident"})
MACHINE_PATHS: Final = ("/api/", "/webhooks/", "/schema", "/healthz", "/readyz", "/metrics")
LANGUAGE_COOKIE: Final = "xuanyong_language"
SIGN_IN_PATH: Final = "/sign-in"
RETRY_AFTER_S: Final = 30
ANSWER_HEADERS: Final = "answer_headers"
"""Where a request keeps headers for its answer, which an error's answer carries, too."""

UNEXPECTED: Final = msgid("Something went wrong on our side. It has been recorded.")
UNAVAILABLE: Final = msgid(
    "The service can't answer at the moment. Nothing was half-done: try again in a few minutes."
)
NOT_FOUND: Final = msgid("There is no page at this address.")
INVALID: Final = msgid("Some values are missing or not valid. Please go back and try again.")


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is not right: `field` is its path in the body or its name in the query."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is answered; `facts` become extension members."""

    status: int
    code: str
    title: str
    detail: str
    facts: dict[str, Any] = {}
    errors: list[FieldProblem] = []
    incident: str = ""

    def members(self) -> dict[str, Any]:
        """Return the members of the problem object, the facts among them."""
        facts = {name: value for name, value in self.facts.items() if name not in RESERVED}
        body = {
            "type": URN + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **facts,
        }
        if self.errors:
            body["errors"] = self.errors
        if self.incident:
            body["incident"] = self.incident
        return body


ErrorPage = Callable[[AnyRequest, Problem], str]


def problem_handler(error_page: ErrorPage, *, locale: str) -> Callable[..., Response[Any]]:
    """Return the one exception handler; `error_page` renders a problem for a browser."""

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        if type(error) is NotSignedIn and wants_page(request):
            return Response(None, status_code=303, headers={"Location": sign_in_address(request)})
        problem = describe(request, error, locale=reader_locale(request, locale))
        headers = _headers(request, error, problem)
        if wants_page(request):
            return Response(
                error_page(request, problem),
                status_code=problem.status,
                media_type=MediaType.HTML,
                headers=headers,
            )
        return Response(
            msgspec.json.encode(problem.members(), enc_hook=str),
            status_code=problem.status,
            media_type=PROBLEM_TYPE,
            headers=headers,
        )

    return answer


def wants_page(request: AnyRequest) -> bool:
    """Whether a person's browser asks; interfaces for machines answer as such to everybody."""
    if request.scope["path"].startswith(MACHINE_PATHS):
        return False
    return "text/html" in request.headers.get("accept", "")


def reader_locale(request: AnyConnection, default: str) -> str:
    return negotiate(
        request.headers.get("accept-language", ""),
        cookie=request.cookies.get(LANGUAGE_COOKIE, ""),
        default=default,
    )


def address_of(request: AnyRequest) -> str:
    """Return the request's path with its query."""
    query = request.scope["query_string"].decode("latin-1")
    path = quote(request.scope["path"])
    return f"{path}?{query}" if query else path


def sign_in_address(request: AnyRequest) -> str:
    """Return where to sign in, and from there back to what was asked for.

    What was sent is not sent again: from there back to the page of ours that it was sent from.
    """
    is_read = request.method in {"GET", "HEAD"}
    back = address_of(request) if is_read else _sent_from(request)
    return f"{SIGN_IN_PATH}?next={quote(back, safe='/')}" if back else SIGN_IN_PATH


def _sent_from(request: AnyRequest) -> str:
    """Return the address of the page whose form was sent; empty if it is not one of this site."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    if page.netloc != request.url.netloc:
        return ""
    return f"{page.path}?{page.query}" if page.query else page.path


def describe(request: AnyRequest, error: Exception, *, locale: str) -> Problem:
    """Return the problem that `error` is; log it with an incident number if it is ours (5xx)."""
    if isinstance(error, MarketError) and error.status < 500:
        return Problem(
            status=error.status,
            code=error.code,
            title=label(error.code, locale, kind="problem"),
            detail=translate_error(error, locale),
            facts=error.facts,
        )
    if isinstance(error, ValidationException):
        return _invalid(error, locale)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _plain(error, locale)
    return _incident(request, error, locale)


def _invalid(error: ValidationException, locale: str) -> Problem:
    found = error.extra if isinstance(error.extra, list) else []
    return Problem(
        status=InvalidInput.status,
        code=InvalidInput.code,
        title=label(InvalidInput.code, locale, kind="problem"),
        detail=translate(INVALID, locale),
        errors=[
            FieldProblem(field=str(one.get("key", "")), message=str(one.get("message", "")))
            for one in found
            if isinstance(one, dict)
        ],
    )


def _plain(error: HTTPException, locale: str) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-").replace("'", "")
    known = label(code, locale, kind="http")
    detail = translate(NOT_FOUND, locale) if error.status_code == 404 else known
    return Problem(status=error.status_code, code=code, title=known, detail=detail)


def _incident(request: AnyRequest, error: Exception, locale: str) -> Problem:
    incident = secrets.token_hex(6)
    log.error(
        "incident %s: %s %s",
        incident,
        request.method,
        request.scope["path"],
        exc_info=(type(error), error, error.__traceback__),
    )
    expected = isinstance(error, MarketError)
    code = error.code if isinstance(error, MarketError) else "internal-error"
    return Problem(
        status=error.status if isinstance(error, MarketError) else 500,
        code=code,
        title=label(code, locale, kind="problem"),
        detail=translate(UNAVAILABLE if expected else UNEXPECTED, locale),
        incident=incident,
    )


def _headers(request: AnyRequest, error: Exception, problem: Problem) -> dict[str, str]:
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    headers |= request.state.get(ANSWER_HEADERS) or {}
    if isinstance(error, TooManyAttempts) and isinstance(error.facts.get("minutes"), int):
        headers["Retry-After"] = str(error.facts["minutes"] * 60)
    elif isinstance(error, RateExceeded):
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    elif isinstance(error, ApiKeyRefused):
        headers["WWW-Authenticate"] = "Bearer"
    elif problem.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return headers
