"""The visitor's home, signing in and out, the language, and the static files."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody

from catalog.web.browsing import entrances
from kernel.errors import DatabaseUnavailable, TooManyAttempts, WrongCredentials
from kernel.http.pages import PUBLIC, Form, Pages, redirect
from kernel.http.problems import SIGN_IN_PATH, AnyRequest
from kernel.http.sessions import (
    drop_session_cookie,
    lifetime_s,
    local_address,
    session_token,
    set_language_cookie,
    set_session_cookie,
)
from kernel.i18n import LOCALES, translate_error
from kernel.identity.sessions import session_actor, sign_in, sign_out
from kernel.web.assets import STATIC_PATH, Assets
from market.demo.accounts import DemoAccounts
from market.frame import home_of

CACHED_FOR_GOOD = "public, max-age=31536000, immutable"
CACHED_BUT_CHECKED = "public, no-cache"


class SignInForm(Form, frozen=True):
    login: str
    password: str
    next: str = "/"


class LanguageForm(Form, frozen=True):
    locale: str
    next: str = "/"


@get("/", opt=PUBLIC, sync_to_thread=True)
def home(request: AnyRequest, pages: Pages) -> Response[Any]:
    """Show a visitor what this is, and the ways into the catalogue where there is a database to
    count it; take a signed-in person to their own home."""
    try:
        with pages.open(request) as page:
            own_home = home_of(page.actor)
            if own_home != "/":
                return redirect(own_home)
            return page.render("public/home.html", entrances=entrances(page))
    except DatabaseUnavailable:
        with pages.open(request) as page:
            return page.render("public/home.html", entrances=None)


@get(SIGN_IN_PATH, opt=PUBLIC, sync_to_thread=True)
def show_sign_in(
    request: AnyRequest, pages: Pages, demo_accounts: NamedDependency[DemoAccounts]
) -> Response[Any]:
    """Show the form; `next` in the address is where to go on afterwards."""
    with pages.open(request) as page:
        return page.render(
            "public/sign_in.html",
            login="",
            next=local_address(str(request.query_params.get("next", "/"))),
            errors={},
            demo_accounts=demo_accounts,
        )


@post(SIGN_IN_PATH, opt=PUBLIC, status_code=200, sync_to_thread=True)
def do_sign_in(
    request: AnyRequest,
    pages: Pages,
    data: URLEncodedBody[SignInForm],
    demo_accounts: NamedDependency[DemoAccounts],
) -> Response[Any]:
    """Open a session and go on; a wrong password shows the form again and is counted."""
    with pages.open(request) as page:
        try:
            session = sign_in(page.unit, data.login.strip(), password=data.password)
        except (WrongCredentials, TooManyAttempts) as error:
            # Answered inside the block, so that the unit commits the count of failures.
            return page.render(
                "public/sign_in.html",
                status=error.status,
                login=data.login,
                next=local_address(data.next),
                errors={"": translate_error(error, page.locale)},
                demo_accounts=demo_accounts,
            )
        wanted = local_address(data.next)
        actor = session_actor(page.unit, session.token)
        own_home = home_of(actor.actor) if actor else "/"
        response = redirect(own_home if wanted == "/" else wanted)
        lifetime = lifetime_s(session.expires_at, now=page.unit.clock.now())
        set_session_cookie(response, request, token=session.token, lifetime_s=lifetime)
    return response


@post("/sign-out", opt=PUBLIC, status_code=303, sync_to_thread=True)
def do_sign_out(request: AnyRequest, pages: Pages) -> Response[Any]:
    """End the session, here and in the database."""
    with pages.open(request) as page:
        token = session_token(request)
        if token:
            sign_out(page.unit, token)
        response = redirect("/")
        drop_session_cookie(response, request)
    return response


@post("/language", opt=PUBLIC, status_code=303, sync_to_thread=True)
def choose_language(
    request: AnyRequest, pages: Pages, data: URLEncodedBody[LanguageForm]
) -> Response[Any]:
    """Remember the reader's language and show the same page in it."""
    with pages.open(request) as page:
        response = page.redirect(local_address(data.next))
    if data.locale in LOCALES:
        set_language_cookie(response, request, locale=data.locale)
    return response


@get(STATIC_PATH + "/{name:str}", opt=PUBLIC, sync_to_thread=False)
def static_file(
    request: AnyRequest, name: FromPath[str], assets: NamedDependency[Assets]
) -> Response[bytes]:
    """Return a style sheet, script or image; for good if asked for by its digest."""
    asset = assets.find(name)
    if asset is None:
        raise NotFoundException
    named = request.query_params.get("v") == asset.digest
    return Response(
        asset.content,
        media_type=asset.content_type,
        headers={
            "Cache-Control": CACHED_FOR_GOOD if named else CACHED_BUT_CHECKED,
            "ETag": f'"{asset.digest}"',
        },
    )


HANDLERS = (home, show_sign_in, do_sign_in, do_sign_out, choose_language, static_file)
