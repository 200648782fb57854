"""Routes of learners and teachers: their resources, the player, the way out to a vendor."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from catalog.attachments.vault import Vault
from catalog.web.files import send_file
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from settlement.metering.openers import OPENERS
from settlement.web.learning import (
    BeatForm,
    OpenForm,
    go_to_vendor,
    launched_content,
    note_presence,
    open_resource,
    show_openable,
    show_player,
)

PEOPLE: Final = only(*OPENERS)


@get("/learn", opt=PEOPLE, sync_to_thread=True)
def resources(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_openable(page)


@post("/learn/open", opt=PEOPLE, status_code=303, sync_to_thread=True)
def open_(request: AnyRequest, pages: Pages, data: URLEncodedBody[OpenForm]) -> Response[Any]:
    with pages.open(request) as page:
        return open_resource(page, form=data)


@get("/learn/play/{launch_id:uuid}", opt=PEOPLE, sync_to_thread=True)
def play(request: AnyRequest, pages: Pages, *, launch_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return show_player(page, launch_id)


@get("/learn/play/{launch_id:uuid}/files/{attachment_id:uuid}", opt=PEOPLE, sync_to_thread=True)
def content(
    request: AnyRequest,
    pages: Pages,
    vault: NamedDependency[Vault],
    *,
    launch_id: FromPath[UUID],
    attachment_id: FromPath[UUID],
) -> Response[Any]:
    with pages.open(request) as page:
        found = launched_content(page, launch_id, attachment_id)
    return send_file(request, vault, found)


@get("/learn/play/{launch_id:uuid}/enter", opt=PEOPLE, sync_to_thread=True)
def enter_(request: AnyRequest, pages: Pages, *, launch_id: FromPath[UUID]) -> Response[Any]:
    with pages.open(request) as page:
        return go_to_vendor(page, launch_id)


@post("/learn/play/{launch_id:uuid}/heartbeat", opt=PEOPLE, status_code=303, sync_to_thread=True)
def heartbeat(
    request: AnyRequest,
    pages: Pages,
    *,
    launch_id: FromPath[UUID],
    data: URLEncodedBody[BeatForm],  # noqa: ARG001 - its token is read when the page is opened
) -> Response[Any]:
    with pages.open(request) as page:
        return note_presence(page, launch_id)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    resources,
    open_,
    play,
    content,
    enter_,
    heartbeat,
)
