"""Pages: a handler opens one, gets a unit of work as the signed-in person, and renders inside it.

    @get("/school", opt=only(OrganisationKind.SCHOOL), sync_to_thread=True)
    def home(request: AnyRequest, pages: Pages) -> Response[str]:
        with pages.open(request) as page:
            return page.render("school/home.html", view=school_home(page.unit))

Who may open a page stands on its route: `opt=only(…)` or `opt=PUBLIC`. A route with neither opens
for nobody. The unit commits when the block ends, before the answer leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec
from litestar import MediaType, Response
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler

from kernel.actors import VISITOR, Actor, OrganisationKind, Role
from kernel.errors import NotSignedIn, PageRefused
from kernel.http.problems import AnyConnection, AnyRequest, Problem, address_of, reader_locale
from kernel.http.sessions import SAFE_METHODS, check_csrf, session_token
from kernel.i18n import LIST_SEPARATOR, label
from kernel.identity.sessions import SessionView, session_actor
from kernel.unit import Unit, Units
from kernel.web.exports import CSV_TYPE, XLSX_TYPE, export_csv, export_xlsx
from kernel.web.rendering import Frame, Renderer
from kernel.web.tables import Column, Filter, Table, View, read_view

PUBLIC: Final[Mapping[str, Any]] = {"public": True}
EXPORTS: Final = frozenset({"csv", "xlsx"})

Guard = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]
CompleteFrame = Callable[[Unit, Frame], Frame]


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the forms that pages post (`data: URLEncodedBody[…]`).

    The token is checked when the page is opened.
    """

    csrf_token: str = ""


def only(*actors: OrganisationKind | Role) -> dict[str, Any]:
    """Return the `opt` of a route for kinds of organisation, or for people with these roles."""
    return {"actors": list(actors)}


@dataclass(slots=True)
class Page:
    """An opened page: its unit of work, who looks at it, and how to answer."""

    request: AnyRequest
    unit: Unit
    frame: Frame
    renderer: Renderer

    @property
    def actor(self) -> Actor:
        return self.unit.actor

    @property
    def locale(self) -> str:
        return self.frame.locale

    def render(self, template: str, *, status: int = 200, **context: Any) -> Response[str]:
        """Return the page as HTML."""
        html = self.renderer.render(template, self.frame, **context)
        return Response(html, status_code=status, media_type=MediaType.HTML)

    def redirect(self, address: str) -> Response[None]:
        """Go on to another page after a form has done its work."""
        return redirect(address)

    def view(
        self,
        columns: Sequence[Column[Any]],
        *,
        filters: Sequence[Filter] = (),
        sort: str = "",
        at: str = "",
    ) -> View:
        """Read the view of a table from the address; an export looks at all of its rows.

        `at`: where the table is had again, on a page that also answers a form sent elsewhere.
        """
        query = {name: str(value) for name, value in self.request.query_params.items()}
        path = at or self.request.scope["path"]
        view = read_view(path, query, columns=columns, filters=filters, sort=sort)
        return view.everything() if self.export else view

    def render_table(
        self,
        template: str,
        table: Table[Any],
        *,
        file_name: str,
        export_totals: bool = False,
        status: int = 200,
        **context: Any,
    ) -> Response[Any]:
        """Return the page with `table`, or its rows as a file if the address asks for an export.

        `status`: that of the page, where a form on it was refused.
        `export_totals`: the file ends with the totals, as a document that is filed does.
        """
        totals = table.totals if export_totals else None
        match self.export:
            case "csv":
                content = export_csv(table.rows, table.columns, locale=self.locale, totals=totals)
                return download(content, CSV_TYPE, f"{file_name}.csv")
            case "xlsx":
                content = export_xlsx(
                    table.rows,
                    table.columns,
                    locale=self.locale,
                    sheet=table.caption,
                    totals=totals,
                )
                return download(content, XLSX_TYPE, f"{file_name}.xlsx")
        return self.render(template, status=status, table=table, **context)

    @property
    def export(self) -> str:
        """What the address asks for as a file, `csv` or `xlsx`; nothing for a page."""
        wanted = str(self.request.query_params.get("format", ""))
        return wanted if wanted in EXPORTS else ""


@dataclass(slots=True)
class PageOpener:
    """Opens pages; built once, where the program is put together.

    `complete` adds to a frame what only the whole program knows: navigation, home, platform.
    """

    units: Units
    renderer: Renderer
    complete: CompleteFrame

    @contextmanager
    def open(self, request: AnyRequest) -> Iterator[Page]:
        """Open a page as the one whose session the request carries; commit at the end of the block.

        Raises `NotSignedIn`, `PageRefused` for others than the route names, and `CsrfRefused` for a
        form without the session's token.
        """
        if "\x00" in request.scope["path"]:
            raise NotFoundException  # no text in the database can hold this character
        options = request.route_handler.opt
        token = session_token(request)
        with self.units(replace(VISITOR, via=_address(request))) as unit:
            session = session_actor(unit, token) if token else None
            if session is not None:
                unit.actor = replace(session.actor, via=_address(request))
            frame = self.complete(unit, self._frame(request, session))
            request.state.frame = frame
            if not options.get("public"):
                _admit(session, options.get("actors", ()), frame.locale)
            if session is not None:
                check_csrf(request, session.csrf_token)
            yield Page(request=request, unit=unit, frame=frame, renderer=self.renderer)

    def require_admitted(self, connection: AnyConnection, options: Mapping[str, Any]) -> None:
        """Raise `NotSignedIn` or `PageRefused` for whoever may not send anything to this route."""
        token = session_token(connection)
        with self.units(replace(VISITOR, via=_address(connection))) as unit:
            session = session_actor(unit, token) if token else None
        locale = reader_locale(connection, self.units.settings.locale)
        _admit(session, options.get("actors", ()), locale)

    def error_page(self, request: AnyRequest, problem: Problem) -> str:
        """Render a problem in the frame of the page that met it, or in a visitor's."""
        frame = request.state.get("frame") or replace(
            self._frame(request, None), has_session=bool(session_token(request))
        )
        return self.renderer.render("web/error.html", frame, problem=problem)

    def _frame(self, request: AnyRequest, session: SessionView | None) -> Frame:
        locale = reader_locale(request, self.units.settings.locale)
        frame = Frame(
            locale=locale,
            address=address_of(request),
            sample=self.units.settings.demo,
            is_answer=request.method == "POST",
        )
        if session is None:
            return frame
        roles = [label(role, locale) for role in Role if role in session.actor.roles]
        return replace(
            frame,
            organisation=session.actor.organisation_name,
            person=session.person_name,
            role=LIST_SEPARATOR[locale].join(roles),
            csrf_token=session.csrf_token,
            person_key=str(session.actor.person_id or ""),
        )


Pages: TypeAlias = NamedDependency[PageOpener]
"""A handler's `pages: Pages`."""


def admitted_first(pages: PageOpener, *, keys_too: bool = False) -> Guard:
    """Return a guard that asks who sends a form before the form is read.

    Else one that can't be read says so to people who have no business there. `keys_too`: whoever
    brings a key is left to the handler, which asks for it.
    """

    async def require_admitted(connection: AnyConnection, handler: BaseRouteHandler) -> None:
        safe = connection.scope.get("method") in SAFE_METHODS or handler.opt.get("public")
        if not safe and not (keys_too and connection.headers.get("authorization")):
            await asyncio.to_thread(pages.require_admitted, connection, handler.opt)

    return require_admitted


def redirect(address: str) -> Response[None]:
    """Answer 303: the browser goes on with a GET."""
    return Response(None, status_code=303, headers={"Location": quote(address, safe="/?&=%#+,:")})


def _admit(
    session: SessionView | None, actors: Sequence[OrganisationKind | Role], locale: str
) -> None:
    if session is None:
        raise NotSignedIn
    allowed = {session.actor.organisation_kind, *session.actor.roles}
    if allowed.isdisjoint(actors):
        needs = LIST_SEPARATOR[locale].join(label(one, locale) for one in actors)
        raise PageRefused(needs=needs, actor=session.actor.name)


def _address(connection: AnyConnection) -> str:
    return connection.client.host if connection.client else ""


def download(content: bytes, content_type: str, file_name: str) -> Response[bytes]:
    """Answer with a file to be kept under this name."""
    disposition = f"attachment; filename*=UTF-8''{quote(file_name)}"
    return Response(content, media_type=content_type, headers={"Content-Disposition": disposition})
