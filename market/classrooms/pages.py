"""Routes of classroom boxes: a school registers and revokes them, its bureau confirms them."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from kernel.actors import Role
from kernel.http.pages import Pages, only
from kernel.http.problems import AnyRequest
from settlement.metering.devices import CONFIRMERS, KEEPERS
from settlement.web.devices import (
    BUREAU_DEVICES,
    SCHOOL_DEVICES,
    DeviceAct,
    DeviceForm,
    confirm,
    register,
    revoke,
    show_device,
    show_devices,
)

SCHOOL: Final = only(*KEEPERS)
BUREAU: Final = only(Role.ADMISSION, Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
REVIEWERS: Final = only(*CONFIRMERS)


@get("/school/devices", opt=SCHOOL, sync_to_thread=True)
def school_devices(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_devices(page, SCHOOL_DEVICES)


@post("/school/devices", opt=SCHOOL, status_code=200, sync_to_thread=True)
def register_(request: AnyRequest, pages: Pages, data: URLEncodedBody[DeviceForm]) -> Response[Any]:
    with pages.open(request) as page:
        return register(page, form=data)


@get("/school/devices/{device:str}", opt=SCHOOL, sync_to_thread=True)
def school_device(request: AnyRequest, pages: Pages, *, device: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_device(page, SCHOOL_DEVICES, device)


@post("/school/devices/{device:str}/revoke", opt=SCHOOL, status_code=303, sync_to_thread=True)
def school_revokes(
    request: AnyRequest,
    pages: Pages,
    *,
    device: FromPath[str],
    data: URLEncodedBody[DeviceAct],  # noqa: ARG001 - its token is read when the page is opened
) -> Response[Any]:
    with pages.open(request) as page:
        return revoke(page, SCHOOL_DEVICES, device)


@get("/bureau/devices", opt=BUREAU, sync_to_thread=True)
def bureau_devices(request: AnyRequest, pages: Pages) -> Response[Any]:
    with pages.open(request) as page:
        return show_devices(page, BUREAU_DEVICES)


@get("/bureau/devices/{device:str}", opt=BUREAU, sync_to_thread=True)
def bureau_device(request: AnyRequest, pages: Pages, *, device: FromPath[str]) -> Response[Any]:
    with pages.open(request) as page:
        return show_device(page, BUREAU_DEVICES, device)


@post("/bureau/devices/{device:str}/confirm", opt=REVIEWERS, status_code=303, sync_to_thread=True)
def bureau_confirms(
    request: AnyRequest,
    pages: Pages,
    *,
    device: FromPath[str],
    data: URLEncodedBody[DeviceAct],  # noqa: ARG001 - its token is read when the page is opened
) -> Response[Any]:
    with pages.open(request) as page:
        return confirm(page, device)


@post("/bureau/devices/{device:str}/revoke", opt=REVIEWERS, status_code=303, sync_to_thread=True)
def bureau_revokes(
    request: AnyRequest,
    pages: Pages,
    *,
    device: FromPath[str],
    data: URLEncodedBody[DeviceAct],  # noqa: ARG001 - its token is read when the page is opened
) -> Response[Any]:
    with pages.open(request) as page:
        return revoke(page, BUREAU_DEVICES, device)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    school_devices,
    register_,
    school_device,
    school_revokes,
    bureau_devices,
    bureau_device,
    bureau_confirms,
    bureau_revokes,
)
